package audit

import (
	"context"
	"maps"
	"slices"
	"time"

	"go.temporal.io/sdk/activity"

	"healthlake-cdc/activities"
	"healthlake-cdc/internal/cdc"
)

const (
	// maxHashes is how many hashes of all ledgers an audit of several windows
	// holds, some 50 MB: beyond it the span is to be split.
	maxHashes = 2_000_000
	// maxNamed is how many versions a result names at most, some 700 KB of 2 MiB.
	maxNamed = 4_000
	// failingAttempts is how many attempts fail, in about two minutes, while the store
	// lists no type at all. After that the types are unavailable in the result, so that
	// other spans are not held up.
	failingAttempts = 8
)

// AuditSpan finds what the ledgers of a span's windows lack of what the store holds. The
// types that are done are in its heartbeats, so that a retry goes on from there; it fails
// only while no type can be listed.
func (a *Activities) AuditSpan(ctx context.Context, in cdc.AuditSpanInput) (cdc.AuditSpanResult, error) {
	utc := cdc.Span{From: in.Span.From.UTC(), To: in.Span.To.UTC()}
	if !cdc.ValidDatastore(in.Datastore) || len(in.Types) == 0 || !in.Span.To.After(in.Span.From) || in.Span.Widened() != utc || in.Horizon <= 0 {
		return cdc.AuditSpanResult{}, activities.InvalidInput(ctx, "an audit needs a datastore, resource types, a span on windows' edges and a horizon")
	}
	s := newSpanAudit(ctx, a, in)
	if err := s.run(ctx); err != nil {
		return cdc.AuditSpanResult{}, activities.ApplicationError(ctx, err)
	}
	if s.split {
		return cdc.AuditSpanResult{Split: true, Counts: s.done.Counts}, nil
	}
	return s.result(), nil
}

// spanAudit is one attempt of AuditSpan.
type spanAudit struct {
	*Activities
	in        cdc.AuditSpanInput
	ledgers   *ledgers
	deleted   map[string]cdc.DeleteCounts
	heartbeat heartbeat
	// done is what is known so far, and in the heartbeats. Its windows hold what is
	// missing; their state is filled in at the end.
	done    cdc.AuditSpanResult
	split   bool
	attempt int32 // of the activity
}

func newSpanAudit(ctx context.Context, a *Activities, in cdc.AuditSpanInput) *spanAudit {
	s := &spanAudit{Activities: a, in: in, attempt: activities.Attempt(ctx)}
	s.ledgers = newLedgers(s)
	s.heartbeat.last = time.Now()
	if activity.IsActivity(ctx) && activity.HasHeartbeatDetails(ctx) {
		if err := activity.GetHeartbeatDetails(ctx, &s.done); err != nil {
			s.done = cdc.AuditSpanResult{} // from the beginning, then
		}
		s.heartbeat.done = s.done
	}
	return s
}

func (s *spanAudit) severalWindows() bool { return s.in.Span.To.Sub(s.in.Span.From) > cdc.WindowWidth }

func (s *spanAudit) run(ctx context.Context) (err error) {
	if err := s.ledgers.readSpan(ctx); err != nil {
		return err
	}
	if s.ledgers.hashes() > maxHashes && s.severalWindows() {
		s.split = true
		return nil
	}
	if s.deleted, err = s.countDeletes(ctx); err != nil {
		return err
	}
	unavailable := 0
	var retryable error // the first error of a type that may pass by itself
	for _, name := range s.in.Types {
		if slices.ContainsFunc(s.done.Types, func(t cdc.TypeAudit) bool { return t.Type == name }) {
			continue // an attempt before this one did it
		}
		l, err := s.list(ctx, name)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if err != nil {
			unavailable++
			if retryable == nil && cdc.ClassOf(err).Retryable() {
				retryable = err
			}
			s.Logger.Warn("the store does not list a type for an audit", "datastore", s.in.Datastore, "type", name, "error", err)
			s.done.Types = append(s.done.Types, cdc.TypeAudit{Type: name, Unavailable: cdc.ClassOf(err), AuditFigures: cdc.AuditFigures{Deletes: s.deleted[name]}})
		} else if !s.split {
			if err := s.compare(ctx, l); err != nil {
				return err
			}
		}
		if s.split {
			return nil
		}
		s.heartbeat.keep(ctx, s.done)
	}
	if unavailable == len(s.in.Types) && retryable != nil && s.attempt < failingAttempts {
		return retryable
	}
	return nil
}

// list lists a type's versions, with VersionsAll also those that only history shows.
// Its errors are the store's.
func (s *spanAudit) list(ctx context.Context, name string) (*listing, error) {
	l := s.newListing(name)
	err := l.read(ctx, s.in.Span)
	if err == nil && !s.split && s.in.Versions == cdc.VersionsAll {
		err = l.readHistories(ctx, historiesToRead(l.versions, s.in.Found, name))
	}
	s.done.Counts.Searches += l.searches
	s.done.Counts.Reads += int(l.reads.Load())
	return l, err
}

// compare compares a listed type with the ledgers. Before a window is said to miss
// something, or to be about to publish it, it is looked for by its ID: visibility is
// behind by moments, and a run may have published or closed since the ledgers were read.
func (s *spanAudit) compare(ctx context.Context, l *listing) error {
	c := s.ledgers.compare(l.name, l.versions)
	if len(c.unpublished) > 0 {
		if err := s.refresh(ctx, slices.Collect(maps.Keys(c.unpublished))); err != nil {
			return err
		}
		c = s.ledgers.compare(l.name, l.versions)
	}
	earlier, err := s.inNoLedger(ctx, l.earlier)
	if err != nil {
		return err
	}
	c.audit.Deletes, c.audit.HistoryUnavailable = s.deleted[l.name], int(l.noHistory.Load())
	c.audit.Unreadable, c.audit.Incomplete = len(l.unreadable), l.incomplete
	s.add(c, earlier)
	return nil
}

// refresh brings the ledgers of the windows up to date.
func (s *spanAudit) refresh(ctx context.Context, starts []time.Time) error {
	closed := slices.DeleteFunc(slices.Clone(starts), func(start time.Time) bool { return s.ledgers.window(start).Open })
	before := s.published(closed)
	if err := s.ledgers.refresh(ctx, starts); err != nil {
		return err
	}
	// Of the types that are done, a newer ledger of windows that were not open holds
	// nothing more that was in the store: they would have missed it. Of open ones the
	// figures are those of the comparison.
	after := s.published(closed)
	for i := range s.done.Types {
		s.done.Types[i].Superseded += after[i] - before[i]
	}
	return nil
}

// published is how many versions the windows' ledgers hold as published of each type
// that is done and was listed.
func (s *spanAudit) published(starts []time.Time) []int {
	sums := make([]int, len(s.done.Types))
	for i, t := range s.done.Types {
		for _, start := range starts {
			if t.Unavailable == "" {
				sums[i] += publishedCount(s.ledgers.window(start).Ledger, t.Type)
			}
		}
	}
	return sums
}

// inNoLedger are those of the versions before the span that are in no ledger, as far
// back as the horizon. Where a ledger cannot be read their span is stated anew when it can.
func (s *spanAudit) inNoLedger(ctx context.Context, earlier []cdc.Version) ([]cdc.Version, error) {
	byWindow := make(map[time.Time][]cdc.Version)
	for _, v := range earlier {
		start := cdc.WindowAt(s.in.Datastore, v.Time()).Start
		byWindow[start] = append(byWindow[start], v)
	}
	var missing []cdc.Version
	// Some windows at a time: what was before the span may be days.
	for starts := range slices.Chunk(slices.SortedFunc(maps.Keys(byWindow), time.Time.Compare), 100) {
		others := newLedgers(s)
		if err := others.refresh(ctx, starts); err != nil {
			return nil, err
		}
		for _, start := range starts {
			window := others.window(start)
			for _, v := range byWindow[start] {
				if !window.expired && !window.Ledger.Has(v) {
					missing = append(missing, v)
				}
			}
		}
	}
	return missing, nil
}

// add adds what was found of a type. What the result may name has a bound: see maxNamed.
func (s *spanAudit) add(c compared, earlier []cdc.Version) {
	for start, versions := range c.missing {
		gap := s.gap(start)
		gap.Missing += len(versions)
		gap.Types = append(gap.Types, c.audit.Type)
		for _, v := range versions {
			if v.hidden {
				gap.Wanted = append(gap.Wanted, v.Version)
			}
		}
	}
	s.done.Earlier = append(s.done.Earlier, earlier...)
	s.done.Types = append(s.done.Types, c.audit)
	named := len(s.done.Earlier)
	for _, gap := range s.done.Windows {
		named += len(gap.Wanted)
	}
	if named <= maxNamed {
		return
	}
	if s.severalWindows() {
		s.split = true
		return
	}
	// One window: what is not named now is missing still when these are healed.
	s.Logger.Warn("an audit found more versions by history than it can name at once",
		"datastore", s.in.Datastore, "type", c.audit.Type, "versions", named)
	for i := range s.done.Windows {
		gap := &s.done.Windows[i]
		gap.Wanted = gap.Wanted[:min(len(gap.Wanted), maxNamed/2)]
	}
	s.done.Earlier = s.done.Earlier[:min(len(s.done.Earlier), maxNamed/2)]
}

// gap is what is known of a window that needs something.
func (s *spanAudit) gap(start time.Time) *cdc.WindowGap {
	i := slices.IndexFunc(s.done.Windows, func(gap cdc.WindowGap) bool { return gap.Start.Equal(start) })
	if i < 0 {
		i = len(s.done.Windows)
		s.done.Windows = append(s.done.Windows, cdc.WindowGap{Start: start})
	}
	return &s.done.Windows[i]
}

// result completes done with the state of every window that needs something.
func (s *spanAudit) result() cdc.AuditSpanResult {
	for start, known := range s.ledgers.windows {
		if known.Open || known.unreadable {
			s.gap(start) // an expired one has nothing to be done
		}
	}
	for i := range s.done.Windows {
		gap := &s.done.Windows[i]
		known := s.ledgers.window(gap.Start)
		gap.Run, gap.Open, gap.Waiting, gap.NoLedger = known.run, known.Open, known.Waiting, known.unreadable
		slices.Sort(gap.Types)
	}
	slices.SortFunc(s.done.Windows, func(x, y cdc.WindowGap) int { return x.Start.Compare(y.Start) })
	return s.done
}
