package activities

import (
	"context"
	"maps"
	"slices"
	"time"

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
	// open is set when the newest run has not closed: the ledger is what it has
	// published by now. It sweeps these types, reads the wanted versions from history,
	// and may be waiting for an operator.
	open, waiting bool
	sweeps        []string
	wanted        map[typedKey]bool
	// unreadable is set when the ledger cannot be read, and expired when it is older
	// than the horizon, and may be gone: it is not known to be empty.
	unreadable, expired bool
	ledger              cdc.Ledger
	// looked is set when no newer run was found by its ID.
	looked bool
}

// unknown reports whether nobody knows what the window has published.
func (w *windowLedger) unknown() bool { return w.unreadable || w.expired }

// openFor reports whether an open run of the window sweeps the type.
func (w *windowLedger) openFor(resourceType string) bool {
	return w.open && slices.Contains(w.sweeps, resourceType)
}

// publishes reports whether an open run of the window is about to publish the
// version, as far as it has not yet. One that search hides it publishes only when it
// was given it.
func (w *windowLedger) publishes(v storedVersion) bool {
	return w.openFor(v.Type) && (!v.hidden || w.wanted[typedKey{v.Type, v.Key()}])
}

// typedKey names a version within a datastore.
type typedKey struct {
	resourceType string
	cdc.Key
}

// ledgers are those of an audit's windows, by the windows' starts.
type ledgers struct {
	a         *Activities
	datastore string
	// types are those of which ledgers are kept.
	types []string
	// horizon is how far back ledgers are relied on, from the moment of reading them.
	horizon time.Duration
	windows map[time.Time]*windowLedger
	// hashes is how many there are in all.
	hashes int
}

func newLedgers(a *Activities, in cdc.AuditSpanInput) *ledgers {
	return &ledgers{
		a: a, datastore: in.Datastore, types: in.Types, horizon: in.Horizon, windows: make(map[time.Time]*windowLedger),
	}
}

// beyondHorizon reports whether the ledger of the window with that start may be gone
// by now.
func beyondHorizon(start time.Time, horizon time.Duration) bool {
	return start.Before(time.Now().Add(-horizon - cdc.HorizonSlack))
}

// readSpan reads the ledgers of every window of the span that visibility shows. It
// is behind by moments, so that a window which is about to be found wanting is
// looked for by its ID first (look).
func (l *ledgers) readSpan(ctx context.Context, span cdc.Span, beat func()) error {
	newest, err := l.a.newestRuns(ctx, l.datastore, span)
	if err != nil {
		return err
	}
	maps.DeleteFunc(newest, func(start time.Time, _ int) bool { return beyondHorizon(start, l.horizon) })
	return l.each(ctx, slices.Collect(maps.Keys(newest)), beat, func(ctx context.Context, start time.Time) (*windowLedger, error) {
		return l.read(ctx, cdc.Window{Datastore: l.datastore, Start: start}, newest[start])
	})
}

// look brings the windows up to their newest runs, by their IDs.
func (l *ledgers) look(ctx context.Context, starts []time.Time, beat func()) error {
	starts = slices.DeleteFunc(slices.Clone(starts), func(start time.Time) bool {
		known := l.windows[start]
		return known != nil && known.looked || l.of(start).expired
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
			described, err := l.a.Executions.Describe(ctx, window.RerunID(newest+1))
			if err != nil {
				return nil, err
			}
			if described == nil {
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

// read reads the ledger of a window whose newest run is the n-th, what an open one
// has published by now. What cannot be read is said so, and never taken for an empty
// ledger: nor is one that became older than the horizon while it was read.
func (l *ledgers) read(ctx context.Context, window cdc.Window, n int) (*windowLedger, error) {
	w := &windowLedger{run: n}
	if n == neverRun {
		w.expired = beyondHorizon(window.Start, l.horizon)
		return w, nil
	}
	found, err := l.a.ledgers().Current(ctx, window.RerunID(n))
	switch cdc.ClassOf(err) {
	case "":
		w.ledger, w.open, w.waiting, w.sweeps = l.only(found.Ledger), found.Open, found.Waiting, found.Types
		w.wanted = make(map[typedKey]bool, len(found.Wanted))
		for _, v := range found.Wanted {
			w.wanted[typedKey{v.Type, v.Key()}] = true
		}
	case cdc.ClassLedger:
		w.unreadable = true
	default:
		return nil, err
	}
	return w, nil
}

// only keeps the audited types of a ledger.
func (l *ledgers) only(ledger cdc.Ledger) cdc.Ledger {
	maps.DeleteFunc(ledger.Types, func(name string, _ *cdc.TypeLedger) bool { return !slices.Contains(l.types, name) })
	return ledger
}

// of is what is known of a window; of one that never ran, too. That visibility shows
// none of a window older than the horizon does not mean that it never ran.
func (l *ledgers) of(start time.Time) *windowLedger {
	if known := l.windows[start]; known != nil {
		return known
	}
	return &windowLedger{run: neverRun, expired: beyondHorizon(start, l.horizon)}
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
