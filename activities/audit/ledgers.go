package audit

import (
	"context"
	"maps"
	"slices"
	"time"

	"healthlake-cdc/internal/cdc"
	"healthlake-cdc/internal/ledger"
	"healthlake-cdc/internal/temporal"
)

// neverRun is the number of the newest run of a window without any.
const neverRun = -1

// windowLedger is what the newest run of a window says of it.
type windowLedger struct {
	ledger.Current
	// run is the newest one's number.
	run int
	// unreadable is set when the ledger cannot be read, and expired when it is older
	// than the horizon, and may be gone: it is not known to be empty.
	unreadable, expired bool
	// refreshed is set when no newer run was found by its ID.
	refreshed bool
}

// unknown reports whether nobody knows what the window has published.
func (w *windowLedger) unknown() bool { return w.unreadable || w.expired }

// openFor reports whether an open run of the window searches the type.
func (w *windowLedger) openFor(resourceType string) bool {
	return w.Open && slices.Contains(w.Types, resourceType)
}

// publishes reports whether an open run of the window is about to publish the
// version, as far as it has not yet. One that search hides it publishes only when it
// was given it.
func (w *windowLedger) publishes(v storedVersion) bool {
	wanted := func(other cdc.Version) bool { return other.Type == v.Type && other.Key() == v.Key() }
	return w.openFor(v.Type) && (!v.hidden || slices.ContainsFunc(w.Wanted, wanted))
}

// ledgers are those of windows, by the windows' starts.
type ledgers struct {
	*spanAudit
	windows map[time.Time]*windowLedger
}

func newLedgers(s *spanAudit) *ledgers {
	return &ledgers{spanAudit: s, windows: make(map[time.Time]*windowLedger)}
}

// beyondHorizon reports whether the ledger of the window with that start may be gone
// by now.
func beyondHorizon(start time.Time, horizon time.Duration) bool {
	return start.Before(time.Now().Add(-horizon - cdc.ExpiryGrace))
}

// newestRuns are the numbers of the newest runs of the windows that visibility shows in a
// span, by their starts. It finds them by the beginnings of their IDs, an hour each.
func (a *Activities) newestRuns(ctx context.Context, datastore string, span cdc.Span) (map[time.Time]int, error) {
	newest := make(map[time.Time]int)
	for hour := span.From.UTC().Truncate(time.Hour); hour.Before(span.To); hour = hour.Add(time.Hour) {
		runs, err := a.Executions.List(ctx, temporal.WindowsOfHour(datastore, hour), 0)
		if err != nil {
			return nil, err
		}
		for _, info := range runs {
			window, n, err := cdc.ParseWindowID(info.GetExecution().GetWorkflowId())
			if err != nil || window.Datastore != datastore || !span.Contains(window.Start) {
				continue // SQL visibility does not tell upper from lower case
			}
			if known, ok := newest[window.Start]; !ok || n > known {
				newest[window.Start] = n
			}
		}
	}
	return newest, nil
}

// readSpan reads the ledgers of every window of the span that visibility shows.
// Visibility is behind by moments: refresh looks for windows by their IDs.
func (l *ledgers) readSpan(ctx context.Context) error {
	newest, err := l.newestRuns(ctx, l.in.Datastore, l.in.Span)
	if err != nil {
		return err
	}
	maps.DeleteFunc(newest, func(start time.Time, _ int) bool { return beyondHorizon(start, l.in.Horizon) })
	return l.each(ctx, slices.Collect(maps.Keys(newest)), func(ctx context.Context, start time.Time) (*windowLedger, error) {
		return l.read(ctx, start, newest[start])
	})
}

// refresh brings the windows up to their newest runs, by their IDs.
func (l *ledgers) refresh(ctx context.Context, starts []time.Time) error {
	starts = slices.DeleteFunc(slices.Clone(starts), func(start time.Time) bool {
		known := l.window(start)
		return known.refreshed || known.expired
	})
	return l.each(ctx, starts, func(ctx context.Context, start time.Time) (*windowLedger, error) {
		known := l.window(start)
		newest := known.run
		for {
			next, err := l.Executions.Latest(ctx, cdc.WindowAt(l.in.Datastore, start).RerunID(newest+1))
			if err != nil {
				return nil, err
			}
			if next == nil {
				break
			}
			newest++
		}
		if newest > known.run || known.Open {
			var err error
			if known, err = l.read(ctx, start, newest); err != nil {
				return nil, err
			}
		}
		if newest == neverRun { // it may have grown too old since
			known.expired = beyondHorizon(start, l.in.Horizon)
		}
		known.refreshed = true
		return known, nil
	})
}

// each reads windows side by side.
func (l *ledgers) each(ctx context.Context, starts []time.Time, read func(context.Context, time.Time) (*windowLedger, error)) error {
	results := make([]*windowLedger, len(starts))
	if err := l.heartbeat.sideBySide(ctx, len(starts), func(ctx context.Context, i int) (err error) {
		results[i], err = read(ctx, starts[i])
		return err
	}); err != nil {
		return err
	}
	for i, start := range starts {
		l.windows[start] = results[i]
	}
	return nil
}

// read reads the ledger of the n-th run of a window, which is its newest. One that cannot
// be read is never taken for an empty one.
func (l *ledgers) read(ctx context.Context, start time.Time, n int) (*windowLedger, error) {
	w := &windowLedger{run: n}
	found, err := ledger.Reader{Executions: l.Executions}.Current(ctx, cdc.WindowAt(l.in.Datastore, start).RerunID(n))
	switch cdc.ClassOf(err) {
	case "":
		w.Current = found
		maps.DeleteFunc(w.Ledger.Types, func(name string, _ *cdc.TypeLedger) bool { return !slices.Contains(l.in.Types, name) })
	case cdc.ClassLedgerUnreadable:
		w.unreadable = true
	default:
		return nil, err
	}
	return w, nil
}

// window is what is known of a window. That visibility shows no run of one older than the
// horizon does not mean that it never ran.
func (l *ledgers) window(start time.Time) *windowLedger {
	if known := l.windows[start]; known != nil {
		return known
	}
	return &windowLedger{run: neverRun, expired: beyondHorizon(start, l.in.Horizon)}
}

// hashes is how many all ledgers hold.
func (l *ledgers) hashes() (sum int) {
	for _, window := range l.windows {
		for _, entry := range window.Ledger.Types {
			if entry != nil {
				sum += entry.Published.Len() + entry.Skipped.Len()
			}
		}
	}
	return sum
}
