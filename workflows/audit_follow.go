package workflows

import (
	"fmt"
	"time"

	"go.temporal.io/sdk/workflow"

	"healthlake-cdc/internal/cdc"
)

const (
	// followEvery is how long lies between the beginnings of two rounds.
	followEvery = 2 * time.Minute
	// followAtLeast is for how long after its start a job is followed, whatever comes:
	// jobs wait in a queue of the store's before they write.
	followAtLeast = 10 * time.Minute
	// followAtMost bounds a job that never ends, and a store that loses its triggers
	// for days: scheduled audits find the same. A shorter horizon is a shorter bound,
	// less followReserve: the ledgers of the beginning are read once more at the end.
	followAtMost  = 72 * time.Hour
	followReserve = time.Hour
	// followOverlap is how much of the rounds before a round looks at again, since
	// search shows what was written some seconds to a minute late. Each window is in
	// three rounds.
	followOverlap = 4 * time.Minute
	// followBack is how far back a round goes for what one before it left undone. What
	// takes longer is for the statements at the end, and for scheduled audits.
	followBack = 10 * time.Minute
	// followPatience is for how long a job is followed while the store does not list
	// types of it: whether it writes is not known then.
	followPatience = time.Hour
)

// following reports whether the audit is in a round that heals and does not state.
func (a *audit) following() bool { return a.state.Follow != nil && !a.state.Follow.Stating }

// jobStart is when the job that an audit follows was started: a second before the end
// of the span that it was given.
func jobStart(in cdc.AuditInput) time.Time { return in.Span.To.Add(-time.Second) }

// beginRound begins a round, from there to the edge that has just passed. A window so
// young has passes of its own to make: the run that a round starts waits for them as
// any other does.
func (a *audit) beginRound(ctx workflow.Context, from time.Time) {
	f := a.state.Follow
	now := workflow.Now(ctx).UTC()
	f.Rounds++
	f.Began, f.Until = now, later(cdc.WindowAt(a.in.Datastore, now).Start, from)
	f.Found, f.Unlisted, f.From = false, false, time.Time{}
	a.state.Tracks = a.trackFrom(from)
	a.width = longestSpan
}

// followOn is called when a round is done: it waits for the next one, or, when the job
// seems to have ended, has the whole span stated. It reports whether there is more to
// do.
func (a *audit) followOn(ctx workflow.Context) (more bool, err error) {
	f := a.state.Follow
	if f == nil || f.Stating {
		return false, nil
	}
	if f.Found {
		f.Last = f.Began
	}
	span := a.in.Span.Widened()
	if a.followed() {
		f.Stating = true
		a.state.Tracks, a.width = a.trackFrom(span.From), longestSpan
		return f.Until.After(span.From), nil
	}
	next := later(f.Until.Add(-followOverlap), span.From)
	if !f.From.IsZero() {
		next = earlier(next, later(f.From, f.Until.Add(-followBack)))
	}
	if wait := f.Began.Add(followEvery).Sub(workflow.Now(ctx)); wait > 0 {
		timer := workflow.TimerOptions{Summary: fmt.Sprintf("follow the job: round %d", f.Rounds+1)}
		if err := workflow.NewTimerWithOptions(ctx, wait, timer).Get(ctx, nil); err != nil {
			return false, err
		}
	}
	a.beginRound(ctx, next)
	return true, nil
}

// followed reports whether the job needs no further round: one that began ten minutes
// after its start, or later, has found nothing new, and knows so.
func (a *audit) followed() bool {
	f := a.state.Follow
	started := jobStart(a.in)
	switch {
	case f.Began.Sub(started) >= min(followAtMost, a.in.Horizon-followReserve):
		return true
	case f.Found || f.Began.Sub(started) < followAtLeast:
		return false
	case f.Unlisted:
		return f.Began.Sub(f.Last) >= followPatience
	default:
		return true
	}
}

// round takes what a part of a round has brought.
func (a *audit) round(s *spanAudit) {
	f := a.state.Follow
	for _, t := range s.result.Types {
		switch {
		case t.Unavailable != "":
			f.Unlisted = f.Unlisted || t.Unavailable.Retryable()
			leave(f, s.part.Span.From)
		case s.found[t.Type]:
			f.Found = true
			a.healed(s.part.Span.From, t.Type, s.healed[t.Type])
		}
	}
	for _, gap := range s.result.Windows {
		if gap.Open || gap.Missing > 0 {
			leave(f, gap.Start)
		}
	}
	a.state.Totals.Windows += s.windows
	audited(a.state.Tracks, s.part)
	a.width = min(2*a.width, longestSpan)
}

// leave notes that something was left undone from there on.
func leave(f *cdc.FollowState, from time.Time) {
	if f.From.IsZero() || from.Before(f.From) {
		f.From = from
	}
}

// hourOf is the beginning of the hour of the job in which t lies: what is stated at
// the end goes by them, unless a type has too many versions in one.
func (a *audit) hourOf(t time.Time) time.Time {
	begin := a.in.Span.Widened().From
	return begin.Add(t.Sub(begin).Truncate(longestSpan))
}

// healed keeps what a round has healed, for the statement of its hour.
func (a *audit) healed(at time.Time, name string, n int) {
	if n == 0 {
		return
	}
	a.state.Totals.Healed += n
	hour := a.hourOf(at)
	for _, h := range a.state.Healed {
		if h.Span.From.Equal(hour) {
			h.Types[name] += n
			return
		}
	}
	h := cdc.HealedSpan{Span: cdc.Span{From: hour, To: hour.Add(longestSpan)}, Types: map[string]int{name: n}}
	a.state.Healed = append(a.state.Healed, h)
}

// longest is how long the next part may be: one of a round lies in one hour.
func (a *audit) longest() time.Duration {
	if !a.following() {
		return a.width
	}
	through := a.state.Tracks[0].Through()
	return min(a.width, a.hourOf(through).Add(longestSpan).Sub(through))
}
