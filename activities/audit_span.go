package activities

import (
	"context"
	"errors"
	"maps"
	"slices"
	"time"

	"go.temporal.io/sdk/activity"

	"healthlake-cdc/internal/cdc"
)

const (
	// largestLedgers is how many hashes of all types an audit of several windows
	// holds, some 50 MB: beyond it the span is to be split.
	largestLedgers = 2_000_000
	// mostNamed is how many versions a result names at most, some 700 KB: Temporal
	// takes payloads of 2 MiB.
	mostNamed = 4_000
	// auditBeat is at least how long lies between two heartbeats of an audit or a
	// Heal: each that is recorded is billed.
	auditBeat = 10 * time.Second
	// patientAttempts is how many attempts fail while the store lists no type at
	// all, about two minutes in all. After that the types are answered as refused,
	// so that other spans are not held up for as long as a type of this one fails.
	patientAttempts = 8
)

// AuditSpan asks what the store holds of a span, and what the ledgers of the
// span's windows lack of that. The ledgers are read once, for all types. The types
// that are done are in its heartbeats, so that a retry goes on from there; it
// fails only while no type can be listed.
func (a *Activities) AuditSpan(ctx context.Context, in cdc.AuditSpanInput) (cdc.AuditSpanResult, error) {
	if !cdc.ValidDatastore(in.Datastore) || len(in.Types) == 0 || !in.Span.To.After(in.Span.From) || in.Span.Widened() != utc(in.Span) || in.Horizon <= 0 {
		return cdc.AuditSpanResult{}, invalidInput(ctx, "an audit needs a datastore, resource types, a span on windows' edges and a horizon")
	}
	s := newSpanAudit(ctx, a, in)
	if err := s.run(ctx); err != nil {
		return cdc.AuditSpanResult{}, applicationError(ctx, err)
	}
	if s.split {
		return cdc.AuditSpanResult{Split: true, Counts: s.done.Counts}, nil
	}
	return s.result(), nil
}

func utc(span cdc.Span) cdc.Span { return cdc.Span{From: span.From.UTC(), To: span.To.UTC()} }

// spanAudit is one attempt of AuditSpan.
type spanAudit struct {
	a       *Activities
	in      cdc.AuditSpanInput
	ledgers *ledgers
	deletes map[string]cdc.DeleteCounts
	beat    *auditHeartbeat
	// done is what is known so far, and in the heartbeats. Its windows hold what is
	// missing; how a window stands is filled in at the end.
	done  cdc.AuditSpanResult
	split bool
	// attempt is the number of the activity's attempt, from 1.
	attempt int32
	// retryable is the first error of a type that may pass by itself.
	retryable error
}

func newSpanAudit(ctx context.Context, a *Activities, in cdc.AuditSpanInput) *spanAudit {
	s := &spanAudit{
		a: a, in: in, ledgers: newLedgers(a, in), beat: newAuditHeartbeat(ctx), attempt: attempt(ctx),
	}
	if activity.IsActivity(ctx) && activity.HasHeartbeatDetails(ctx) {
		if err := activity.GetHeartbeatDetails(ctx, &s.done); err != nil {
			s.done = cdc.AuditSpanResult{} // from the beginning, then
		}
		s.beat.done = s.done
	}
	return s
}

func (s *spanAudit) run(ctx context.Context) error {
	if err := s.ledgers.readSpan(ctx, s.in.Span, s.beat.record); err != nil {
		return err
	}
	if s.ledgers.hashes > largestLedgers && s.severalWindows() {
		s.split = true
		return nil
	}
	var err error
	if s.deletes, err = s.a.countDeletes(ctx, s.in, s.beat.record); err != nil {
		return err
	}
	refused := 0
	for _, name := range s.in.Types {
		if slices.ContainsFunc(s.done.Types, func(t cdc.TypeAudit) bool { return t.Type == name }) {
			continue // an attempt before this one did it
		}
		err := s.audit(ctx, name)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if err != nil {
			if isTemporalError(err) {
				return errors.Unwrap(err)
			}
			refused++
			s.refuse(name, err)
		}
		if s.split {
			return nil
		}
		s.beat.keep(s.done)
	}
	if refused == len(s.in.Types) && s.retryable != nil && s.attempt < patientAttempts {
		return s.retryable
	}
	return nil
}

// refuse notes that the store did not list a type. A retry lists it once more.
func (s *spanAudit) refuse(name string, err error) {
	class := cdc.ClassOf(err)
	if class.Retryable() && s.retryable == nil {
		s.retryable = err
	}
	s.a.Logger.Warn("the store does not list a type for an audit", "datastore", s.in.Datastore, "type", name, "error", err)
	s.done.Types = append(s.done.Types, cdc.TypeAudit{Type: name, Unavailable: class, Deletes: s.deletes[name]})
}

// audit lists one type and compares it.
func (s *spanAudit) audit(ctx context.Context, name string) error {
	l := &listing{
		a: s.a, in: s.in, name: name, beat: s.beat.record, most: largestListing, set: make(map[cdc.Key]bool),
	}
	err := l.read(ctx, s.in.Span)
	s.done.Counts.Searches += l.searches
	s.done.Counts.Reads += l.reads
	if s.split = l.split; err != nil || l.split {
		return err
	}
	h := &histories{l: l, from: s.since(name)}
	if s.in.Versions == cdc.VersionsAll {
		err := h.read(ctx, wantHistory(l.list, s.in.Found, name))
		s.done.Counts.Reads += h.reads
		if err != nil {
			return err
		}
	}
	c, err := s.compare(ctx, name, l.list)
	if err != nil {
		return err
	}
	elsewhere, err := s.elsewhere(ctx, h.before)
	if err != nil {
		return err
	}
	c.audit.Deletes, c.audit.HistoryUnavailable = s.deletes[name], h.unavailable
	c.audit.Unreadable, c.audit.Incomplete = l.unreadable, l.incomplete
	s.take(c, elsewhere)
	return nil
}

// since is from when on earlier versions of the type are of interest.
func (s *spanAudit) since(name string) time.Time {
	if since, ok := s.in.Since[name]; ok && since.Before(s.in.Span.From) {
		return since
	}
	return s.in.Span.From
}

// compare compares a type. Before a window is said to miss something, or to be about
// to publish it, it is looked for by its ID: visibility is behind by moments, and a
// run may have published or closed since the ledgers were read.
func (s *spanAudit) compare(ctx context.Context, name string, list []storedVersion) (compared, error) {
	c := s.ledgers.compare(s.in.Span, name, list)
	if len(c.unpublished) == 0 {
		return c, nil
	}
	starts := slices.Collect(maps.Keys(c.unpublished))
	closed := slices.DeleteFunc(slices.Clone(starts), func(start time.Time) bool { return s.ledgers.of(start).open })
	before := s.published(closed)
	if err := s.ledgers.look(ctx, starts, s.beat.record); err != nil {
		return c, &temporalError{err}
	}
	// Of the types that are done, a newer ledger of windows that were not open holds
	// nothing more that was in the store: they would have missed it. What an open one
	// has published since is counted as open, or not at all: their figures are of the
	// moment at which they were compared.
	after := s.published(closed)
	for i := range s.done.Types {
		s.done.Types[i].Superseded += after[i] - before[i]
	}
	return s.ledgers.compare(s.in.Span, name, list), nil
}

// published is how many versions the windows' ledgers hold as published of each type
// that is done and was listed.
func (s *spanAudit) published(starts []time.Time) []int {
	sums := make([]int, len(s.done.Types))
	for i, t := range s.done.Types {
		for _, start := range starts {
			if t.Unavailable == "" {
				sums[i] += published(s.ledgers.of(start).ledger, t.Type)
			}
		}
	}
	return sums
}

// elsewhere are those of the versions before the span that are in no ledger, and of
// which the ledger is not older than the horizon. Where it cannot be read their span
// is stated anew when it can.
func (s *spanAudit) elsewhere(ctx context.Context, before []cdc.Version) ([]cdc.Version, error) {
	byWindow := make(map[time.Time][]cdc.Version)
	for _, v := range before {
		start := cdc.WindowAt(s.in.Datastore, v.Time()).Start
		byWindow[start] = append(byWindow[start], v)
	}
	var missing []cdc.Version
	// Some windows at a time: what was before the span may be days.
	for starts := range slices.Chunk(slices.SortedFunc(maps.Keys(byWindow), time.Time.Compare), 100) {
		others := newLedgers(s.a, s.in)
		if err := others.look(ctx, starts, s.beat.record); err != nil {
			return nil, &temporalError{err}
		}
		for _, start := range starts {
			window := others.of(start)
			for _, v := range byWindow[start] {
				if !window.expired && !window.ledger.Has(v) {
					missing = append(missing, v)
				}
			}
		}
	}
	return missing, nil
}

// take takes a compared type into what is known.
func (s *spanAudit) take(c compared, elsewhere []cdc.Version) {
	named := len(s.done.Elsewhere)
	for _, gap := range s.done.Windows {
		named += len(gap.Wanted)
	}
	for start, versions := range c.missing {
		gap := s.gap(start)
		gap.Missing += len(versions)
		gap.Types = append(gap.Types, c.audit.Type)
		for _, v := range versions {
			if v.hidden {
				gap.Wanted = append(gap.Wanted, v.Version)
				named++
			}
		}
	}
	s.done.Elsewhere = append(s.done.Elsewhere, elsewhere...)
	s.done.Types = append(s.done.Types, c.audit)
	if named += len(elsewhere); named <= mostNamed {
		return
	}
	if s.severalWindows() {
		s.split = true
		return
	}
	// One window: what is not named now is missing still when these are healed.
	s.a.Logger.Warn("an audit found more versions by history than it can name at once",
		"datastore", s.in.Datastore, "type", c.audit.Type, "versions", named)
	for i := range s.done.Windows {
		gap := &s.done.Windows[i]
		gap.Wanted = gap.Wanted[:min(len(gap.Wanted), mostNamed/2)]
	}
	s.done.Elsewhere = s.done.Elsewhere[:min(len(s.done.Elsewhere), mostNamed/2)]
}

func (s *spanAudit) severalWindows() bool { return s.in.Span.To.Sub(s.in.Span.From) > cdc.WindowWidth }

func (s *spanAudit) gap(start time.Time) *cdc.WindowGap {
	for i := range s.done.Windows {
		if s.done.Windows[i].Start.Equal(start) {
			return &s.done.Windows[i]
		}
	}
	s.done.Windows = append(s.done.Windows, cdc.WindowGap{Start: start})
	return &s.done.Windows[len(s.done.Windows)-1]
}

// result says of every window that needs something how it stands.
func (s *spanAudit) result() cdc.AuditSpanResult {
	for _, start := range s.ledgers.starts(s.in.Span) {
		if known := s.ledgers.windows[start]; known.open || known.unreadable {
			s.gap(start) // an expired one has nothing to be done
		}
	}
	for i := range s.done.Windows {
		gap := &s.done.Windows[i]
		known := s.ledgers.of(gap.Start)
		gap.Run, gap.Open, gap.Waiting, gap.Unreadable = known.run, known.open, known.waiting, known.unreadable
		slices.Sort(gap.Types)
	}
	slices.SortFunc(s.done.Windows, func(x, y cdc.WindowGap) int { return x.Start.Compare(y.Start) })
	return s.done
}
