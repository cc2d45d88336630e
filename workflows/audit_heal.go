package workflows

import (
	"fmt"
	"time"

	"go.temporal.io/sdk/workflow"

	"healthlake-cdc/internal/cdc"
)

const (
	// mostStuck is after how many rounds of healing without progress a span is
	// left to the next run, or to an operator.
	mostStuck = 3
	// mostRounds bounds the rounds of a span that somebody still writes to.
	mostRounds = 12
	// openPause is between two looks of an asked audit at windows that are open:
	// young ones wait for their passes.
	openPause = 30 * time.Second
)

// heal runs the windows that miss something and looks again, until nothing is
// missing or nothing changes any more. An asked audit waits for windows that are
// open, too, but for none that waits for an operator: that may take days. Windows
// that take long without saying why keep it for three looks.
func (a *audit) heal(ctx workflow.Context, s *spanAudit) error {
	stuck, rounds := 0, a.rounds(s)
	for round := 0; stuck < mostStuck && round < rounds; round++ {
		gaps, busy := gapsOf(s.result)
		types := s.unfinished()
		switch {
		case len(gaps) > 0:
			result, err := a.healWindows(ctx, s.part.Span, gaps)
			if err != nil {
				return err
			}
			s.windows += result.Started
		case busy > 0 && a.asked() && !a.following():
			pause := workflow.TimerOptions{Summary: fmt.Sprintf("%d windows are open", busy)}
			if err := workflow.NewTimerWithOptions(ctx, openPause, pause).Get(ctx, nil); err != nil {
				return err
			}
			types = s.part.Types // what search hides may be shown by then
		default:
			return nil
		}
		again, err := a.look(ctx, s.part, types)
		if err != nil {
			return err
		}
		if again.Split {
			s.result.Split = true // written to meanwhile
			return nil
		}
		before := unfinished(s.result)
		if len(gaps) > 0 {
			s.count(again)
		}
		s.take(again)
		if unfinished(s.result) < before {
			stuck = 0
		} else {
			stuck++
		}
	}
	return nil
}

// rounds is how often a span is healed in this run. One that several runs have
// healed without progress waits for an operator: it is stated by each run, and
// healed, once, by ever fewer of them (the 4th, 8th, 16th …), lest each adds reruns
// to its windows. When more is missing than then, it is healed as any other.
func (a *audit) rounds(s *spanAudit) int {
	if a.following() {
		return 1 // the next round is soon
	}
	u := a.unresolvedSpan(s.part)
	missing := 0
	for _, t := range u.Types {
		missing += t.Missing
	}
	run := u.Stuck + 1
	switch {
	case run <= mostStuck || sum(s.missing) > missing:
		return mostRounds
	case run&(run-1) == 0:
		return 1
	default:
		return 0
	}
}

// unresolvedSpan is what is known of a part's span from earlier runs.
func (a *audit) unresolvedSpan(part cdc.AuditPart) cdc.UnresolvedSpan {
	for _, u := range a.state.Unresolved {
		if u.Span == part.Span {
			return u
		}
	}
	return cdc.UnresolvedSpan{Span: part.Span}
}

// stuck is how many runs in a row have not brought the span on, with this one.
func (s *spanAudit) stuck(before int) int {
	missing := 0
	for _, t := range s.result.Types {
		missing += t.Missing
	}
	if missing == 0 || missing < sum(s.missing) || s.windows == 0 && before == 0 {
		return 0
	}
	return before + 1
}

func sum(counts map[string]int) int {
	total := 0
	for _, n := range counts {
		total += n
	}
	return total
}

func (a *audit) healWindows(ctx workflow.Context, span cdc.Span, gaps []cdc.WindowGap) (cdc.HealResult, error) {
	in := cdc.HealInput{
		Datastore: a.in.Datastore, Windows: gaps, Cause: cdc.Cause{CapturedBy: a.in.CapturedBy, SourceTime: a.in.SourceTime, Bulk: true}, Skip: a.in.Skip,
		Horizon: a.in.Horizon,
	}
	if in.SourceTime.IsZero() {
		in.SourceTime = a.state.Begun
	}
	var result cdc.HealResult
	policy := healPolicy(ctx, a.in.Datastore, fmt.Sprintf("heal %d windows of %s", len(gaps), spanText(span)))
	err := workflow.ExecuteActivity(policy, doAudit.Heal, in).Get(ctx, &result)
	return result, err
}
