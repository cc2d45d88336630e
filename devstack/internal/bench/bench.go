// Package bench measures the product: on one machine, with the real programs, the
// simulator and the stand-ins, against the limit and against what users would
// otherwise take. What a measurement compares, it compares in one run.
package bench

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
)

// Options of a run.
type Options struct {
	// Names are the measurements to make; none means all.
	Names []string
	// Short makes them small: about two minutes for all.
	Short bool
	// Dir is where results.json, the charts and profiles go; empty writes none.
	Dir string
	// Out gets the tables, Progress a line before each long step.
	Out, Progress io.Writer
}

// runner makes measurements.
type runner struct{ Options }

// measurement is one of them.
type measurement struct {
	name, about string
	run         func(*runner, context.Context) ([]Table, error)
}

var measurements = []measurement{
	{"backlog", "100,000 versions whose triggers wait in the queue, against the pump", (*runner).backlog},
	{"heavy", "10,000 versions in one window, of one type and of twenty, with the services' latencies", (*runner).heavy},
	{"live", "3,000 writes a second for a minute, with the services' latencies", (*runner).live},
	{"latency", "500 changes a second for two minutes: from lastUpdated to acceptance", (*runner).latency},
	{"backfill", "50,000 versions of a store that existed before, with the services' latencies", (*runner).backfill},
	{"burst", "10,000 writes in a minute, against the origin's chain and a workflow a change: work, losses, cost", (*runner).burst},
	{"trickle", "a write a second, the same, and below which rate a workflow a change is cheaper", (*runner).trickle},
}

// About lists the measurements, a line each.
func About() string {
	var text strings.Builder
	for _, m := range measurements {
		fmt.Fprintf(&text, "  %-10s %s\n", m.name, m.about)
	}
	return text.String()
}

// Run makes the measurements, prints their tables and writes their results.
func Run(ctx context.Context, o Options) error {
	for _, name := range o.Names {
		if !slices.ContainsFunc(measurements, func(m measurement) bool { return m.name == name }) {
			return fmt.Errorf("there is no measurement %q: choose from\n%s", name, About())
		}
	}
	r := &runner{o}
	report := newReport(o.Short)
	for _, m := range measurements {
		if len(o.Names) > 0 && !slices.Contains(o.Names, m.name) {
			continue
		}
		r.progress("measuring %s: %s", m.name, m.about)
		tables, err := m.run(r, ctx)
		if err != nil {
			return errors.Join(fmt.Errorf("measuring %s: %w", m.name, err), report.write(o.Dir))
		}
		report.add(m.name, tables)
		for _, table := range tables {
			table.print(o.Out)
		}
	}
	return report.write(o.Dir)
}

func (r *runner) progress(format string, args ...any) {
	fmt.Fprintf(r.Progress, format+"\n", args...)
}
