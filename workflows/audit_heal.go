package workflows

import (
	"fmt"
	"slices"
	"time"

	"go.temporal.io/sdk/workflow"

	"healthlake-cdc/internal/cdc"
)

const (
	// maxStuck is after how many times of healing without progress a span waits for the next
	// run, and after how many such runs it waits for an operator.
	maxStuck = 3
	// maxHeals bounds how often a run heals a span that is still written to.
	maxHeals = 12
	// openPause is how long an audit of one span waits for open windows before it compares
	// again.
	openPause = 30 * time.Second
)

// heal runs the windows that miss something and compares again, until nothing is missing
// or nothing changes any more. An audit of one span waits for open windows, too, but for
// none that waits for an operator.
func (a *audit) heal(ctx workflow.Context, p *partAudit) error {
	stuck, heals := 0, a.healsOf(p)
	for n := 0; stuck < maxStuck && n < heals; n++ {
		gaps, busy := windowsOf(p.result)
		types := p.incomplete()
		switch {
		case len(gaps) > 0:
			started, err := a.healWindows(ctx, p.part.Span, gaps)
			if err != nil {
				return err
			}
			p.windows += started
		case busy > 0 && !a.scheduled() && !a.following():
			if err := sleep(ctx, workflow.Now(ctx).Add(openPause), fmt.Sprintf("%d windows are open", busy)); err != nil {
				return err
			}
			types = p.part.Types // what search hides may be shown by then
		default:
			return nil
		}
		again, err := a.compare(ctx, p.part, types)
		if err != nil {
			return err
		}
		if again.Split {
			p.result.Split = true // written to meanwhile
			return nil
		}
		before := remaining(p.result)
		p.update(again, len(gaps) > 0)
		if remaining(p.result) < before {
			stuck = 0
		} else {
			stuck++
		}
	}
	return nil
}

// healsOf is how often a span is healed in this run. One that several runs have
// healed without progress waits for an operator: it is stated by each run, and
// healed, once, by ever fewer of them (the 4th, 8th, 16th …), because each adds reruns
// to its windows. When more is missing than then, it is healed as any other.
func (a *audit) healsOf(p *partAudit) int {
	if a.following() {
		return 1 // the next round is soon
	}
	u := unresolvedSpan(&a.state, p.part.Span)
	before := 0
	for _, t := range u.Types {
		before += t.Missing
	}
	run := u.Stuck + 1
	switch {
	case run <= maxStuck || missing(p.first) > before:
		return maxHeals
	case run&(run-1) == 0:
		return 1
	default:
		return 0
	}
}

// stuck is how many runs in a row, with this one, have healed the span without progress.
func (p *partAudit) stuck(before int) int {
	now := missing(p.result.Types)
	if now == 0 || now < missing(p.first) || p.windows == 0 && before == 0 {
		return 0
	}
	return before + 1
}

func (a *audit) healWindows(ctx workflow.Context, span cdc.Span, gaps []cdc.WindowGap) (started int, err error) {
	in := cdc.HealInput{
		Datastore: a.in.Datastore, Windows: gaps, Cause: a.in.Cause, Skip: a.in.Skip, Horizon: a.in.Horizon,
	}
	in.Bulk = true
	if in.SourceTime.IsZero() {
		in.SourceTime = a.state.StartedAt
	}
	var result cdc.HealResult
	policy := healPolicy(ctx, a.in.Datastore, fmt.Sprintf("heal %d windows of %s", len(gaps), spanText(span)))
	err = workflow.ExecuteActivity(policy, doAudit.Heal, in).Get(ctx, &result)
	return result.Started, err
}

// windowsOf are the windows that can be run, and how many others are to be waited for.
func windowsOf(result cdc.AuditSpanResult) (gaps []cdc.WindowGap, busy int) {
	for _, gap := range result.Windows {
		switch {
		case gap.Open && !gap.Waiting:
			busy++
		case gap.Missing > 0 && !gap.Open && !gap.NoLedger:
			gaps = append(gaps, gap)
		}
	}
	return gaps, busy
}

// incomplete are the types to compare again after healing: those of which something
// is missing or a window was open, which may have published or closed meanwhile.
func (p *partAudit) incomplete() []string {
	var types []string
	for _, t := range p.result.Types {
		if t.Unavailable == "" && t.Missing+t.Open+t.OpenWindows > 0 {
			types = append(types, t.Type)
		}
	}
	return types
}

// missing counts what is in no ledger and that no window is about to publish.
func missing(types []cdc.TypeAudit) (n int) {
	for _, t := range types {
		n += t.Missing
	}
	return n
}

// remaining counts what is missing or not published yet, and the windows that are
// waited for.
func remaining(result cdc.AuditSpanResult) int {
	_, n := windowsOf(result)
	for _, t := range result.Types {
		n += t.Missing + t.Open
	}
	return n
}

// update replaces the results of the types that were compared again: of the others nothing
// was missing or open. When windows were run before, it counts as healed what was missing
// and is not any more, but for what is skipped now, or open. What the store no longer
// shows is not healed either, which is why statements have a bound.
func (p *partAudit) update(again cdc.AuditSpanResult, ran bool) {
	for _, now := range again.Types {
		before := &p.result.Types[slices.IndexFunc(p.result.Types, func(t cdc.TypeAudit) bool { return t.Type == now.Type })]
		if ran && now.Unavailable == "" && before.Unavailable == "" {
			p.healed[now.Type] += max(0, before.Missing-now.Missing-max(0, now.Skipped-before.Skipped)-max(0, now.Open-before.Open))
		}
		*before = now
	}
	p.result.Windows = again.Windows
	p.result.Earlier = append(p.result.Earlier, again.Earlier...)
}
