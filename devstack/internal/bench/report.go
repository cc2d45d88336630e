package bench

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"
)

// Table is what a measurement found.
type Table struct {
	Title string `json:"title"`
	// Settings are what it was made with.
	Settings string   `json:"settings"`
	Columns  []Column `json:"columns"`
	Rows     []Row    `json:"rows"`
	// Notes say what the figures are worked out with, and what is not in them.
	Notes []string `json:"notes,omitempty"`
}

// Column is a figure and its unit.
type Column struct {
	Name string `json:"name"`
	Unit string `json:"unit,omitempty"`
	// Digits is how many it has after the point.
	Digits int `json:"digits,omitempty"`
}

// Row is what was measured of one thing; nil where there is no such figure.
type Row struct {
	Name    string     `json:"name"`
	Figures []*float64 `json:"figures"`
}

// figures are a row's; no is a figure that there is not.
func figures(name string, values ...*float64) Row { return Row{Name: name, Figures: values} }

func some[T int | int64 | uint64 | float64](v T) *float64 {
	f := float64(v)
	return &f
}

func seconds(d time.Duration) *float64 { return some(d.Seconds()) }

func megabytes(bytes uint64) *float64 { return some(float64(bytes) / (1 << 20)) }

// print writes the table as text.
func (t *Table) print(w io.Writer) {
	fmt.Fprintf(w, "\n%s\n%s\n", t.Title, t.Settings)
	tw := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	head := []string{""}
	for _, c := range t.Columns {
		name := c.Name
		if c.Unit != "" {
			name += " " + c.Unit
		}
		head = append(head, name)
	}
	fmt.Fprintln(tw, strings.Join(head, "\t")+"\t")
	for _, row := range t.Rows {
		line := []string{row.Name}
		for i, figure := range row.Figures {
			line = append(line, t.Columns[i].text(figure))
		}
		fmt.Fprintln(tw, strings.Join(line, "\t")+"\t")
	}
	_ = tw.Flush() // to the same writer as above
	for _, note := range t.Notes {
		fmt.Fprintln(w, "* "+note)
	}
}

func (c Column) text(figure *float64) string {
	if figure == nil {
		return "–"
	}
	return strconv.FormatFloat(*figure, 'f', c.Digits, 64)
}

// report is a run's result, as it is written.
type report struct {
	Began    time.Time          `json:"began"`
	Short    bool               `json:"short"`
	Machine  machine            `json:"machine"`
	Revision string             `json:"revision,omitempty"`
	Tables   map[string][]Table `json:"tables"`
}

type machine struct {
	OS, Arch, Go string
	CPUs         int
}

func newReport(short bool) *report {
	r := &report{
		Began: time.Now().UTC(), Short: short, Tables: make(map[string][]Table),
		Machine: machine{runtime.GOOS, runtime.GOARCH, runtime.Version(), runtime.NumCPU()},
	}
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, setting := range info.Settings {
			if setting.Key == "vcs.revision" {
				r.Revision = setting.Value
			}
		}
	}
	return r
}

func (r *report) add(name string, tables []Table) { r.Tables[name] = tables }

// write writes the report as JSON into a folder, unless it is empty.
func (r *report) write(dir string) error {
	if dir == "" {
		return nil
	}
	if err := os.MkdirAll(dir, 0o750); err != nil {
		return fmt.Errorf("making the results' folder: %w", err)
	}
	text, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return fmt.Errorf("writing the results: %w", err)
	}
	if err := os.WriteFile(filepath.Join(dir, "results.json"), append(text, '\n'), 0o600); err != nil {
		return fmt.Errorf("writing the results: %w", err)
	}
	return nil
}
