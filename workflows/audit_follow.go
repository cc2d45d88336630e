package workflows

import (
	"fmt"
	"time"

	"go.temporal.io/sdk/workflow"

	"healthlake-cdc/internal/cdc"
)

const (
	// followEvery is the time from the start of a round to that of the next.
	followEvery = 2 * time.Minute
	// minFollow is for how long after its start a job, which may be queued, is followed.
	minFollow = 10 * time.Minute
	// maxFollow bounds a job that never ends: scheduled audits find the same. A shorter
	// horizon is a shorter bound, less followReserve: ledgers are read again at the end.
	maxFollow     = 72 * time.Hour
	followReserve = time.Hour
	// followOverlap is how much of the rounds before a round audits again, since
	// search shows what was written some seconds to a minute late. Each window is in
	// three rounds.
	followOverlap = 4 * time.Minute
	// followBack is how far back a round goes for what one before it did not complete.
	followBack = 10 * time.Minute
	// followPatience is for how long a job is followed while the store does not list types.
	followPatience = time.Hour
)

// following reports whether the audit is in a round that heals and does not state.
func (a *audit) following() bool { return a.state.Follow != nil && !a.state.Follow.Stating }

// jobStart is when the job that an audit follows was started.
func jobStart(in cdc.AuditInput) time.Time { return in.Span.To.Add(-time.Second) }

// startRound starts a round, from there to the last window's edge.
func (a *audit) startRound(ctx workflow.Context, from time.Time) {
	f := a.state.Follow
	now := workflow.Now(ctx).UTC()
	f.Rounds++
	f.RoundStart, f.RoundEnd = now, later(cdc.WindowAt(a.in.Datastore, now).Start, from)
	f.Unavailable, f.CompleteUntil = false, f.RoundEnd
	a.restart(from)
}

// restart has the time from there on audited anew, in parts of any width.
func (a *audit) restart(from time.Time) {
	a.state.Edges, a.width = nil, maxSpan
	startAt(&a.state, from, a.in.Types...)
}

// nextRound waits, for an audit that follows a job, for the next round, or has the whole
// time range stated when the job seems to have ended. It reports whether there is more.
func (a *audit) nextRound(ctx workflow.Context) (more bool, err error) {
	if !a.following() {
		return false, nil
	}
	f := a.state.Follow
	begin := a.in.Span.Widened().From
	if a.jobEnded() {
		f.Stating = true
		a.restart(begin)
		return true, nil
	}
	from := earlier(later(f.RoundEnd.Add(-followOverlap), begin), later(f.CompleteUntil, f.RoundEnd.Add(-followBack)))
	if err := sleep(ctx, f.RoundStart.Add(followEvery), fmt.Sprintf("follow the job: round %d", f.Rounds+1)); err != nil {
		return false, err
	}
	a.startRound(ctx, from)
	return true, nil
}

// jobEnded reports whether the job needs no further round: one that started minFollow
// after it, or later, has found nothing new, and every type was listed.
func (a *audit) jobEnded() bool {
	f := a.state.Follow
	age := f.RoundStart.Sub(jobStart(a.in))
	switch {
	case age >= min(maxFollow, a.in.Horizon-followReserve):
		return true
	case f.LastNew.Equal(f.RoundStart) || age < minFollow:
		return false
	case f.Unavailable:
		return f.RoundStart.Sub(f.LastNew) >= followPatience
	default:
		return true
	}
}

// addToRound notes what a part of a round has brought.
func (a *audit) addToRound(p *partAudit) {
	f := a.state.Follow
	for i, t := range p.result.Types {
		switch {
		case t.Unavailable != "":
			f.Unavailable = f.Unavailable || t.Unavailable.Retryable()
			f.CompleteUntil = earlier(f.CompleteUntil, p.part.Span.From)
		case t.Missing < p.first[i].Missing: // healed once: see healsOf
			f.LastNew = f.RoundStart
			a.state.Totals.Healed += p.healed[t.Type]
			addHealed(&a.state, a.hourOf(p.part.Span.From), t.Type, p.healed[t.Type])
		}
	}
	for _, gap := range p.result.Windows {
		if gap.Open || gap.Missing > 0 {
			f.CompleteUntil = earlier(f.CompleteUntil, gap.Start)
		}
	}
	a.state.Totals.Windows += p.windows
}

// hourOf is the hour of the job in which t lies. The spans that are stated at the end
// are these hours, or parts of them that begin where an hour does.
func (a *audit) hourOf(t time.Time) cdc.Span {
	begin := a.in.Span.Widened().From
	from := begin.Add(t.Sub(begin).Truncate(maxSpan))
	return cdc.Span{From: from, To: from.Add(maxSpan)}
}

// maxWidth is how long the next part may be: one of a round lies in one hour.
func (a *audit) maxWidth() time.Duration {
	if !a.following() {
		return a.width
	}
	through := auditedThrough(&a.state, a.in.Types)
	return min(a.width, a.hourOf(through).To.Sub(through))
}
