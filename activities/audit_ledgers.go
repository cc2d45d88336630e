package activities

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"go.temporal.io/api/serviceerror"
	"go.temporal.io/sdk/temporal"
	"golang.org/x/sync/errgroup"

	"healthlake-cdc/internal/cdc"
)

// readsAtOnce is how many ledgers, histories or results an audit reads side by
// side.
const readsAtOnce = 8

// neverRun is the number of the newest run of a window without any.
const neverRun = -1

// windowLedger is what the runs of a window say of it.
type windowLedger struct {
	// run is the newest one's number.
	run int
	// open tells that the newest run has not closed: the ledger is the one's before.
	open bool
	// unreadable tells that the ledger cannot be read: it is not known to be empty.
	unreadable bool
	ledger     cdc.Ledger
	// looked tells that no newer run was found by its ID.
	looked bool
}

// ledgers are those of an audit's windows, by the windows' starts.
type ledgers struct {
	a         *Activities
	datastore string
	// types are those of which ledgers are kept.
	types   []string
	windows map[time.Time]*windowLedger
	// hashes is how many there are in all.
	hashes int
}

func newLedgers(a *Activities, datastore string, types []string) *ledgers {
	return &ledgers{a: a, datastore: datastore, types: types, windows: make(map[time.Time]*windowLedger)}
}

// readSpan reads the ledgers of every window of the span that visibility shows. It
// is behind by moments, so that a window which is about to be found wanting is
// looked for by its ID first (look).
func (l *ledgers) readSpan(ctx context.Context, span cdc.Span, beat func()) error {
	newest, err := l.a.newestRuns(ctx, l.datastore, span)
	if err != nil {
		return err
	}
	return l.each(ctx, slices.Collect(maps.Keys(newest)), beat, func(ctx context.Context, start time.Time) (*windowLedger, error) {
		return l.read(ctx, cdc.Window{Datastore: l.datastore, Start: start}, newest[start])
	})
}

// look brings the windows up to their newest runs, by their IDs.
func (l *ledgers) look(ctx context.Context, starts []time.Time, beat func()) error {
	starts = slices.DeleteFunc(slices.Clone(starts), func(start time.Time) bool {
		known := l.windows[start]
		return known != nil && known.looked
	})
	return l.each(ctx, starts, beat, func(ctx context.Context, start time.Time) (*windowLedger, error) {
		window := cdc.Window{Datastore: l.datastore, Start: start}
		run := neverRun
		known := l.windows[start]
		if known != nil {
			run = known.run
		}
		newest := run
		for {
			exists, err := l.a.exists(ctx, window.RerunID(newest+1))
			if err != nil {
				return nil, err
			}
			if !exists {
				break
			}
			newest++
		}
		if known == nil || newest > run || known.open {
			var err error
			if known, err = l.read(ctx, window, newest); err != nil {
				return nil, err
			}
		}
		known.looked = true
		return known, nil
	})
}

// each reads windows side by side, and keeps what was read.
func (l *ledgers) each(ctx context.Context, starts []time.Time, beat func(), read func(context.Context, time.Time) (*windowLedger, error)) error {
	results := make([]*windowLedger, len(starts))
	group, groupCtx := errgroup.WithContext(ctx)
	group.SetLimit(readsAtOnce)
	for i, start := range starts {
		group.Go(func() (err error) {
			results[i], err = read(groupCtx, start)
			beat()
			return err
		})
	}
	if err := group.Wait(); err != nil {
		return err
	}
	for i, start := range starts {
		if before := l.windows[start]; before != nil {
			l.hashes -= size(before.ledger)
		}
		l.windows[start] = results[i]
		l.hashes += size(results[i].ledger)
	}
	return nil
}

// read reads the ledger of a window whose newest run is the n-th. What cannot be
// read is told, and never taken for an empty ledger.
func (l *ledgers) read(ctx context.Context, window cdc.Window, n int) (*windowLedger, error) {
	w := &windowLedger{run: n}
	for ; n >= 0; n-- {
		ledger, err := l.a.Ledger(ctx, cdc.LedgerInput{WorkflowID: window.RerunID(n)})
		switch classOfFailure(err) {
		case "":
			w.ledger = l.only(ledger)
			return w, nil
		case cdc.ClassOpen:
			w.open = true // what it has published by now is not known; the run before is
		case cdc.ClassLedger:
			w.unreadable = true
			return w, nil
		default:
			return nil, err
		}
	}
	return w, nil
}

// only keeps the audited types of a ledger.
func (l *ledgers) only(ledger cdc.Ledger) cdc.Ledger {
	maps.DeleteFunc(ledger.Types, func(name string, _ *cdc.TypeLedger) bool { return !slices.Contains(l.types, name) })
	return ledger
}

// of is what is known of a window; of one that never ran, too.
func (l *ledgers) of(start time.Time) *windowLedger {
	if known := l.windows[start]; known != nil {
		return known
	}
	return &windowLedger{run: neverRun}
}

// starts are the windows of the span that are known, oldest first.
func (l *ledgers) starts(span cdc.Span) []time.Time {
	var starts []time.Time
	for start := range l.windows {
		if span.Contains(start) {
			starts = append(starts, start)
		}
	}
	slices.SortFunc(starts, time.Time.Compare)
	return starts
}

func size(ledger cdc.Ledger) int {
	sum := 0
	for _, entry := range ledger.Types {
		if entry != nil {
			sum += entry.Published.Len() + entry.Skipped.Len()
		}
	}
	return sum
}

// exists tells whether there is an execution of that ID, open or closed.
func (a *Activities) exists(ctx context.Context, workflowID string) (bool, error) {
	_, err := a.Runs.DescribeWorkflowExecution(ctx, workflowID, "")
	var notFound *serviceerror.NotFound
	if errors.As(err, &notFound) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("describing execution: %w", err)
	}
	return true, nil
}

// classOfFailure is the class of an activity's error, empty where there is none or
// where it has no class: of Temporal itself.
func classOfFailure(err error) cdc.Class {
	if err == nil {
		return ""
	}
	var failure *temporal.ApplicationError
	if errors.As(err, &failure) {
		return cdc.Class(failure.Type())
	}
	return cdc.ClassUnavailable
}
