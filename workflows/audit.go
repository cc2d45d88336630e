package workflows

import (
	"fmt"
	"time"

	"go.temporal.io/sdk/workflow"

	"healthlake-cdc/internal/cdc"
)

const (
	// longestSpan bounds the windows whose ledgers one AuditSpan reads, to 360.
	longestSpan = time.Hour
	// horizonSlack keeps a type that begins at the horizon from growing older than
	// it before its first span is audited.
	horizonSlack = time.Minute
	// mostFound is how many versions that other spans' audits found are kept for
	// statements that are made anew; with the rest of the state they stay far
	// under Temporal's payload limit.
	mostFound = 4_000
	// mostStatements is how many statements of an asked audit its result holds.
	mostStatements = 4_000
)

// Audit asks the store what it holds of spans that have settled, compares it with
// the ledgers of their windows, runs the windows that miss something, and states
// for each type and span what there is and what was published.
//
// A schedule's audit goes on from what the one before has left: its result. An
// audit of one span was asked for, by an operator, an import or a backfill; or it
// follows a job, whose end nobody reports.
func Audit(ctx workflow.Context, in cdc.AuditInput) (cdc.AuditResult, error) {
	a, err := newAudit(ctx, in)
	if err != nil {
		return cdc.AuditResult{}, err
	}
	return a.run(ctx)
}

type audit struct {
	in    cdc.AuditInput
	state cdc.AuditState
	id    string
	// width is how long the next span is asked to be: a span that had to be split
	// makes those after it shorter.
	width time.Duration
	// working is the span at work, for the query and the details.
	working cdc.Span
}

func newAudit(ctx workflow.Context, in cdc.AuditInput) (*audit, error) {
	if !cdc.ValidDatastore(in.Datastore) || len(in.Types) == 0 {
		return nil, invalidInput("an audit needs a datastore and resource types")
	}
	if in.Versions != cdc.VersionsLatest && in.Versions != cdc.VersionsAll {
		return nil, invalidInput("an audit's versions are latest or all")
	}
	if in.Span != nil && !in.Span.To.After(in.Span.From) {
		return nil, invalidInput("the span of an audit must end after it begins")
	}
	if in.Span == nil && (in.DryRun || in.NoStatements || in.Skip || in.Follow) {
		return nil, invalidInput("a scheduled audit heals, publishes and states, and follows no job")
	}
	if in.Follow && (in.DryRun || in.Skip) {
		return nil, invalidInput("an audit that follows a job heals what it finds")
	}
	if in.Horizon <= 0 {
		return nil, invalidInput("an audit needs a horizon: raise the namespace's retention or CDC_AUDIT_HORIZON")
	}
	if in.Span == nil && in.Horizon < in.After+2*horizonSlack {
		return nil, invalidInput("no span would be old enough and within the horizon: raise the namespace's retention or CDC_AUDIT_HORIZON")
	}
	a := &audit{in: in, id: workflow.GetInfo(ctx).WorkflowExecution.ID, width: longestSpan}
	switch {
	case in.Resume != nil:
		a.state = *in.Resume
	case in.Span != nil:
		span := in.Span.Widened()
		a.state.Begun = workflow.Now(ctx).UTC()
		a.state.Tracks = a.trackFrom(span.From)
		if in.Follow {
			a.state.Follow = &cdc.FollowState{Last: jobStart(in)}
			a.beginRound(ctx, span.From)
		}
	default:
		a.state = lastState(ctx)
		a.state.Begun = workflow.Now(ctx).UTC()
	}
	return a, workflow.SetQueryHandler(ctx, cdc.QueryProgress, func() (cdc.Progress, error) { return a.progress(), nil })
}

// lastState is what the schedule's last audit has left. One that cannot be read
// is as good as none: the audit then goes by the schedule's own times, and states
// again what is within the horizon.
func lastState(ctx workflow.Context) cdc.AuditState {
	if !workflow.HasLastCompletionResult(ctx) {
		return cdc.AuditState{}
	}
	var last cdc.AuditResult
	if err := workflow.GetLastCompletionResult(ctx, &last); err != nil || last.State == nil {
		workflow.GetLogger(ctx).Error("the last audit's result cannot be read: auditing again from the schedule's beginning or the horizon; is its payload key in CDC_PAYLOAD_KEYS?")
		return cdc.AuditState{}
	}
	return forNextRun(*last.State)
}

func (a *audit) asked() bool { return a.in.Span != nil }

// trackFrom is the one track of an asked audit.
func (a *audit) trackFrom(begin time.Time) []cdc.AuditTrack {
	return []cdc.AuditTrack{{Types: a.in.Types, Edges: cdc.Edges{begin}}}
}

func (a *audit) run(ctx workflow.Context) (cdc.AuditResult, error) {
	if wait := a.in.StartAt.Sub(workflow.Now(ctx)); a.asked() && wait > 0 {
		timer := workflow.TimerOptions{Summary: "wait until search has settled"}
		if err := workflow.NewTimerWithOptions(ctx, wait, timer).Get(ctx, nil); err != nil {
			return cdc.AuditResult{}, err
		}
	}
	if err := a.align(ctx); err != nil {
		return cdc.AuditResult{}, err
	}
	for {
		a.describe(ctx)
		if historyIsLarge(ctx) {
			next, state := a.in, a.state
			next.Resume = &state
			return cdc.AuditResult{}, workflow.NewContinueAsNewError(ctx, cdc.WorkflowAudit, next)
		}
		more, err := a.step(ctx)
		if err == nil && !more {
			more, err = a.followOn(ctx)
		}
		if err != nil {
			return cdc.AuditResult{}, err
		}
		if !more {
			return a.close(ctx)
		}
	}
}

// step audits one span: first those that nobody has audited, then those that were
// not settled, then those of which versions were found meanwhile. Where a type is
// refused for days there are many that do not settle: they hold up no new one.
func (a *audit) step(ctx workflow.Context) (more bool, err error) {
	a.forget(ctx)
	if part, ok := nextPart(a.state.Tracks, a.until(), a.longest()); ok {
		return true, a.audit(ctx, part, true)
	}
	for i := range a.state.Unresolved {
		if part, ok := a.retry(i); ok {
			return true, a.audit(ctx, part, false)
		}
	}
	if len(a.state.Restate) > 0 {
		part := a.state.Restate[0]
		a.state.Restate = a.state.Restate[1:]
		return true, a.audit(ctx, part, false)
	}
	return false, nil
}

// retry marks the i-th unresolved span as tried in this run. An asked audit waits
// within its rounds and does not come back.
func (a *audit) retry(i int) (cdc.AuditPart, bool) {
	u := &a.state.Unresolved[i]
	if u.Tried || a.asked() {
		return cdc.AuditPart{}, false
	}
	u.Tried = true
	part := cdc.AuditPart{Span: u.Span}
	for _, t := range u.Types {
		part.Types = append(part.Types, t.Type)
	}
	return part, true
}

// until is the end of what this run audits.
func (a *audit) until() time.Time {
	if a.state.Follow != nil {
		return a.state.Follow.Until
	}
	if a.asked() {
		return a.in.Span.Widened().To
	}
	return cdc.WindowAt(a.in.Datastore, a.state.Begun.Add(-a.in.After)).Start
}

// align brings the tracks in line with the types: those of types that are not
// configured any more go, and a type without one gets its own.
func (a *audit) align(ctx workflow.Context) error {
	if a.asked() {
		return nil
	}
	a.state.Tracks = withoutOthers(a.state.Tracks, a.in.Types)
	a.state.Unresolved = unresolvedOf(a.state.Unresolved, a.in.Types)
	fresh := withoutTrack(a.state.Tracks, a.in.Types)
	if len(fresh) == 0 {
		return nil
	}
	ask := cdc.FirstWindowsInput{Datastore: a.in.Datastore, Types: make(map[string]time.Time), From: a.horizon(ctx).Add(horizonSlack)}
	for _, name := range fresh {
		since, ok := a.in.Since[name]
		if !ok {
			since = a.state.Begun
		}
		ask.Types[name] = cdc.WindowAt(a.in.Datastore, since).Start
	}
	var first cdc.FirstWindowsResult
	policy := ledgerPolicy(ctx, fmt.Sprintf("first windows of %d types", len(fresh)))
	if err := workflow.ExecuteActivity(policy, doAudit.FirstWindows, ask).Get(ctx, &first); err != nil {
		return err
	}
	for _, name := range fresh {
		begin := ask.Types[name]
		if start, ok := first.Starts[name]; ok && start.Before(begin) {
			begin = start
		}
		a.state.Tracks = begun(a.state.Tracks, name, later(begin, ask.From))
	}
	return nil
}

// horizon is the first edge of what the ledgers are relied on for.
func (a *audit) horizon(ctx workflow.Context) time.Time {
	return cdc.WindowAt(a.in.Datastore, workflow.Now(ctx).Add(-a.in.Horizon)).End().UTC()
}

// forget lets go of what has grown older than the horizon. What was never audited
// or never settled by then is lost to the audit, and told loudly.
func (a *audit) forget(ctx workflow.Context) {
	if a.asked() {
		return
	}
	edge := a.horizon(ctx)
	passed := forget(&a.state, edge)
	if len(passed) == 0 {
		return
	}
	a.state.Expired = append(a.state.Expired, passed...)
	metrics := workflow.GetMetricsHandler(ctx).WithTags(map[string]string{"datastore": a.in.Datastore})
	for _, part := range passed {
		seconds := int64(part.Span.To.Sub(part.Span.From) / time.Second)
		metrics.Counter("healthlake_cdc_audit_expired_unaudited_seconds").Inc(seconds * int64(len(part.Types)))
		workflow.GetLogger(ctx).Error("a span grew older than the audit's horizon before it was audited or settled: nobody knows whether something of it is missing; `starter backfill` publishes it again",
			"datastore", a.in.Datastore, "from", part.Span.From, "to", part.Span.To, "types", len(part.Types))
	}
}

func (a *audit) close(ctx workflow.Context) (cdc.AuditResult, error) {
	if n := a.state.Totals.Unknown; n > 0 {
		workflow.GetLogger(ctx).Error("versions were neither stated nor published: the ledgers that say whether they were before are older than the horizon, or cannot be read; `starter replay` publishes them",
			"datastore", a.in.Datastore, "versions", n)
	}
	result := cdc.AuditResult{Datastore: a.in.Datastore, Totals: a.state.Totals}
	if a.asked() {
		result.Statements, result.StatementsOmitted, result.Unresolved = a.state.Statements, a.state.StatementsOmitted, a.state.Unresolved
	} else {
		state := a.state
		result.State = &state
	}
	if a.in.Attributes && a.state.Totals.Healed > 0 {
		err := workflow.UpsertTypedSearchAttributes(ctx,
			cdc.AttrState.ValueSet(cdc.StateClosed), cdc.AttrPublished.ValueSet(int64(a.state.Totals.Healed)))
		if err != nil {
			return cdc.AuditResult{}, err
		}
	}
	return result, nil
}
