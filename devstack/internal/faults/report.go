package faults

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"slices"
	"strings"
	"text/tabwriter"
	"time"
)

// Report is what a run has found.
type Report struct {
	Seed     uint64    `json:"seed"`
	Began    time.Time `json:"began"`
	Took     float64   `json:"took"` // seconds
	Changes  int       `json:"changes"`
	Rate     float64   `json:"rate"`
	Workers  int       `json:"workers"`
	Machine  string    `json:"machine"`
	Revision string    `json:"revision,omitempty"`
	// Findings are of the last round: the first one that broke an invariant is the last.
	Findings []Finding     `json:"findings"`
	Rounds   []RoundReport `json:"rounds"`
	// Ways is what became of some lost versions, as `starter explain` says.
	Ways []string `json:"ways,omitempty"`
	// Needed are the faults that a failure needs, as far as Shrinking runs have found.
	Needed    []Fault `json:"needed,omitempty"`
	Shrinking int     `json:"shrinking,omitempty"`
}

// RoundReport is what happened in a round.
type RoundReport struct {
	Plan []Fault `json:"plan"`
	// Happened are the faults by kind; Idle those that found nothing to happen to.
	Happened map[string]int `json:"happened"`
	Idle     map[string]int `json:"idle,omitempty"`
	Versions int            `json:"versions"`
	Events   int            `json:"events"`
	Repeats  int            `json:"repeats"`
	Lost     int            `json:"lost"`
	Healed   int            `json:"healed"`
	// Again is how many Publishes took more than one attempt, or were cut off.
	Again int     `json:"again"`
	Used  sample  `json:"used"`
	Took  float64 `json:"took"` // seconds
}

func newReport(o Options) Report {
	r := Report{
		Seed: o.Seed, Began: time.Now().UTC(), Changes: o.Changes, Rate: o.Rate, Workers: o.Workers,
		Machine: fmt.Sprintf("%s/%s, %d CPUs, %s", runtime.GOOS, runtime.GOARCH, runtime.NumCPU(), runtime.Version()),
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

func (r *Report) add(one *round, e evidence, plan []Fault, used sample) {
	round := RoundReport{
		Plan: plan, Happened: one.happened, Idle: one.idle, Events: len(e.accepted), Lost: len(e.lost()), Used: used,
		Took: time.Since(one.began).Seconds(),
	}
	for _, w := range e.writes {
		if !w.Deleted {
			round.Versions++
		}
	}
	for _, n := range e.repeats() {
		round.Repeats += n
	}
	for _, s := range e.statements {
		round.Healed += s.Healed
	}
	for _, p := range e.publishes {
		if p.attempts > 1 || p.cut {
			round.Again++
		}
	}
	r.Rounds = append(r.Rounds, round)
	r.Findings = check(e)
	r.Took = time.Since(r.Began).Seconds()
}

func (r *Report) samples() (all []sample) {
	for _, round := range r.Rounds {
		all = append(all, round.Used)
	}
	return all
}

// print writes the report as text.
func (r *Report) print(w io.Writer) {
	tw := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(tw, "round\tfaults\tversions\tevents\trepeats\tlost\thealed\tinterrupted\tMB\tgoroutines\tfiles\tseconds\t")
	for i, round := range r.Rounds {
		faults := 0
		for _, n := range round.Happened {
			faults += n
		}
		fmt.Fprintf(tw, "%d\t%d\t%d\t%d\t%d\t%d\t%d\t%d\t%.0f\t%.0f\t%.0f\t%.0f\t\n", i+1, faults, round.Versions, round.Events, round.Repeats,
			round.Lost, round.Healed, round.Again, round.Used.MB, round.Used.Goroutines, round.Used.Files, round.Took)
	}
	_ = tw.Flush() // to the same writer
	fmt.Fprintln(w)
	if len(r.Rounds) > 0 {
		last := r.Rounds[len(r.Rounds)-1]
		for _, k := range kinds {
			if n := last.Happened[k.name] + last.Idle[k.name]; n > 0 {
				fmt.Fprintf(w, "%3d %-16s %s\n", last.Happened[k.name], k.name, k.about)
			}
		}
		fmt.Fprintln(w)
	}
	for _, f := range r.Findings {
		if len(f.Broken) == 0 {
			fmt.Fprintf(w, "holds   %s\n", f.Invariant)
			continue
		}
		fmt.Fprintf(w, "BROKEN  %s\n        %s\n", f.Invariant, strings.Join(f.Broken[:min(8, len(f.Broken))], "\n        "))
	}
	if holds(r.Findings) {
		return
	}
	fmt.Fprintf(w, "\nseed %d\n", r.Seed+uint64(max(0, len(r.Rounds)-1)))
	for _, way := range r.Ways {
		fmt.Fprintf(w, "\n%s\n", way)
	}
}

func (r *Report) printNeeded(w io.Writer) {
	fmt.Fprintf(w, "\nAfter %d runs, these faults are enough:\n", r.Shrinking)
	for _, f := range r.Needed {
		fmt.Fprintln(w, f)
	}
}

// write writes the report as JSON.
func (r *Report) write(dir string) error {
	if dir == "" {
		return nil
	}
	text, err := json.MarshalIndent(r, "", "  ")
	if err == nil {
		err = os.MkdirAll(dir, 0o750)
	}
	if err == nil {
		err = os.WriteFile(filepath.Join(dir, fmt.Sprintf("faults-%d.json", r.Seed)), append(text, '\n'), 0o600)
	}
	if err != nil {
		return fmt.Errorf("writing the report: %w", err)
	}
	return nil
}

// What a figure of a worker may grow by without being called growing: a share, and what it
// may be off by chance.
const (
	growth          = 1.25
	slackMB         = 20
	slackGoroutines = 30
	slackFiles      = 10
)

// grown says which figures of a worker have grown: their medians of the last third of a
// soak are held against those of its first third. It takes six rounds to tell.
func grown(samples []sample) (which []string) {
	third := len(samples) / 3
	if third < 2 {
		return nil
	}
	for _, figure := range []struct {
		name  string
		slack float64
		of    func(sample) float64
	}{
		{"memory (MB)", slackMB, func(s sample) float64 { return s.MB }},
		{"goroutines", slackGoroutines, func(s sample) float64 { return s.Goroutines }},
		{"files", slackFiles, func(s sample) float64 { return s.Files }},
	} {
		middle := func(of []sample) float64 {
			var values []float64
			for _, s := range of {
				values = append(values, figure.of(s))
			}
			slices.Sort(values)
			return values[len(values)/2]
		}
		if before, after := middle(samples[:third]), middle(samples[len(samples)-third:]); after > growth*before+figure.slack {
			which = append(which, fmt.Sprintf("%s: from %.0f to %.0f", figure.name, before, after))
		}
	}
	return which
}
