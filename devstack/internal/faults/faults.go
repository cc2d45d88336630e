// Package faults breaks the parts around the real worker, and the worker itself, in ways
// drawn from a seed, while versions are written. Then it holds the simulator's write log
// against what reached the bus, and the audit's statements against both.
package faults

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"
)

// Options of a run. The zero values of all but Out and Progress are useful.
type Options struct {
	// Seed is of the plan, the load and the stores' choices.
	Seed uint64
	// Changes is how many a round makes, Rate how many a second.
	Changes int
	Rate    float64
	// Every is the mean time between two faults.
	Every time.Duration
	// For is how long a soak begins new rounds; 0 is one round.
	For time.Duration
	// Kinds are names of kinds or groups of faults; none means all.
	Kinds []string
	// Workers is how many there are.
	Workers int
	// ShrinkRuns is how many runs may look for the faults that a failure needs; 0 looks for
	// none.
	ShrinkRuns int
	// Patience bounds the wait for what should come to an end.
	Patience time.Duration
	// Dir is where the report goes, and what the programs write: logs and Temporal's
	// database. Empty keeps nothing.
	Dir string
	// Out gets the table, Progress a line before each long step; nil prints none.
	Out, Progress io.Writer
}

// Defaults are the options of a long run.
func Defaults() Options {
	return Options{
		Seed: 1, Changes: 20_000, Rate: 100, Every: 1500 * time.Millisecond, Workers: 2, ShrinkRuns: 12, Patience: 10 * time.Minute,
		Out: io.Discard,
	}
}

// ErrBroken is returned when an invariant does not hold.
var ErrBroken = errors.New("an invariant does not hold")

func (o Options) progress(format string, args ...any) {
	if o.Progress != nil {
		fmt.Fprintf(o.Progress, format+"\n", args...)
	}
}

func (o Options) span() time.Duration { return seconds(float64(o.Changes) / o.Rate) }

// Run makes rounds until the time is over or an invariant breaks, and then looks for the
// faults that it takes. It prints a table and writes the report; the error is ErrBroken,
// or says what prevented a round.
func Run(ctx context.Context, o Options) (Report, error) {
	from, err := choose(o.Kinds)
	if err != nil {
		return Report{}, err
	}
	if o.Changes < 1 || o.Rate <= 0 || o.Every <= 0 || o.Workers < 1 {
		return Report{}, errors.New("changes, their rate, the time between faults and the number of workers must be positive")
	}
	report := newReport(o)
	plan := func(number int) []Fault { return draw(o.Seed+uint64(number), from, o.span(), o.Every) }
	err = o.rounds(ctx, plan, &report)
	report.print(o.Out)
	if err == nil && !holds(report.Findings) {
		err = ErrBroken
		if o.ShrinkRuns > 0 {
			report.Needed = o.shrink(ctx, report.Rounds[len(report.Rounds)-1].Plan, &report)
			report.printNeeded(o.Out)
		}
	}
	return report, errors.Join(err, report.write(o.Dir))
}

// rounds plays rounds on one stack, and checks the invariants after each of them, and at
// the end what is planted and what has grown.
func (o Options) rounds(ctx context.Context, plan func(int) []Fault, report *Report) (err error) {
	h, err := open(ctx, o)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, h.close()) }()
	began := time.Now()
	var last evidence
	var made []string
	for number := 0; number == 0 || time.Since(began) < o.For && holds(report.Findings); number++ {
		faults := plan(number)
		o.progress("round %d: %d changes, %d faults", number+1, o.Changes, len(faults))
		r, e, err := h.play(ctx, number, faults)
		if err != nil {
			return fmt.Errorf("round %d: %w", number+1, err)
		}
		used, err := h.sample(ctx, h.workers[0])
		if err != nil {
			return err
		}
		report.add(r, e, faults, used)
		report.Ways = h.explain(ctx, e)
		last, made = e, r.made
	}
	if o.For > 0 {
		last.grown = grown(report.samples())
	}
	if last.leaks, err = h.leaks(ctx, made); err != nil {
		return err
	}
	report.Findings = check(last)
	return nil
}

// shrink looks for the faults that the failure needs. Each run has a stack of its own.
func (o Options) shrink(ctx context.Context, plan []Fault, report *Report) []Fault {
	o.For, o.Dir = 0, ""
	return shrink(plan, o.ShrinkRuns, func(part []Fault) bool {
		again := newReport(o)
		o.progress("shrinking: trying %d of %d faults", len(part), len(plan))
		err := o.rounds(ctx, func(int) []Fault { return part }, &again)
		report.Shrinking++
		return err == nil && sameBreak(report.Findings, again.Findings)
	})
}
