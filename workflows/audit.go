package workflows

import (
	"slices"
	"time"

	"go.temporal.io/sdk/workflow"

	"healthlake-cdc/internal/cdc"
)

const (
	// maxSpan bounds the windows whose ledgers one AuditSpan reads, to 360.
	maxSpan = time.Hour
	// beginMargin is how far within the horizon the audit of a type begins at least: it is
	// not to expire before its first part is audited.
	beginMargin = time.Minute
)

// Audit compares what the store holds of a time range with the ledgers of its windows,
// runs the windows that miss something, and states for each type and span what there is
// and what was published.
//
// A scheduled audit goes on from the last one's result. An audit of one span is started
// by an operator, an import or a backfill, or follows an asynchronous job.
//
// It goes part by part, each a span of at most an hour and some types: which one is next is
// decided by what was audited (audit_state.go); it is compared and stated (audit_part.go)
// and healed (audit_heal.go).
func Audit(ctx workflow.Context, in cdc.AuditInput) (cdc.AuditState, error) {
	a, err := newAudit(ctx, in)
	if err != nil {
		return cdc.AuditState{}, err
	}
	return a.run(ctx)
}

type audit struct {
	in    cdc.AuditInput
	state cdc.AuditState
	// width is how long the next span may be: shorter after one that had to be split.
	width time.Duration
}

func newAudit(ctx workflow.Context, in cdc.AuditInput) (*audit, error) {
	if err := checkAudit(in); err != nil {
		return nil, err
	}
	a := &audit{in: in, width: maxSpan}
	now := workflow.Now(ctx).UTC()
	switch {
	case in.Resume != nil:
		a.state = *in.Resume
	case a.scheduled():
		a.state = stateOfLastRun(ctx)
		a.state.StartedAt = now
	default:
		a.state.StartedAt = now
		startAt(&a.state, in.Span.Widened().From, in.Types...)
		if in.Follow {
			a.state.Follow = &cdc.FollowState{LastNew: jobStart(in)}
			a.startRound(ctx, in.Span.Widened().From)
		}
	}
	return a, workflow.SetQueryHandler(ctx, cdc.QueryProgress, func() (cdc.Progress, error) { return a.progress(), nil })
}

func checkAudit(in cdc.AuditInput) error {
	switch scheduled := in.Span == nil; {
	case !cdc.ValidDatastore(in.Datastore) || len(in.Types) == 0:
		return invalidInput("an audit needs a datastore and resource types")
	case in.Versions != cdc.VersionsLatest && in.Versions != cdc.VersionsAll:
		return invalidInput("an audit's versions are latest or all")
	case !scheduled && !in.Span.To.After(in.Span.From):
		return invalidInput("the span of an audit must end after it begins")
	case scheduled && (in.DryRun || in.NoStatements || in.Skip || in.Follow):
		return invalidInput("a scheduled audit heals, publishes and states, and follows no job")
	case in.Follow && (in.DryRun || in.Skip):
		return invalidInput("an audit that follows a job heals what it finds")
	case in.Horizon <= 0:
		return invalidInput("an audit needs a horizon: raise the namespace's retention or CDC_AUDIT_HORIZON")
	case scheduled && in.Horizon < in.After+2*beginMargin:
		return invalidInput("no span would be old enough and within the horizon: raise the namespace's retention or CDC_AUDIT_HORIZON")
	}
	return nil
}

// stateOfLastRun is the state that the schedule's last audit passed on. Without one
// that can be read, the audit goes by the schedule's own times, and states again what
// is within the horizon.
func stateOfLastRun(ctx workflow.Context) cdc.AuditState {
	if !workflow.HasLastCompletionResult(ctx) {
		return cdc.AuditState{}
	}
	var last cdc.AuditState
	if err := workflow.GetLastCompletionResult(ctx, &last); err != nil {
		workflow.GetLogger(ctx).Error("the last audit's result cannot be read: auditing again from the schedule's beginning or the horizon; is its payload key in CDC_PAYLOAD_KEYS?")
		return cdc.AuditState{}
	}
	return last
}

func (a *audit) scheduled() bool { return a.in.Span == nil }

func (a *audit) run(ctx workflow.Context) (cdc.AuditState, error) {
	if err := sleep(ctx, a.in.StartAt, "wait until search has settled"); err != nil {
		return cdc.AuditState{}, err
	}
	if a.scheduled() && a.in.Resume == nil {
		newRun(&a.state, a.in.Types)
		if err := a.addNewTypes(ctx); err != nil {
			return cdc.AuditState{}, err
		}
	}
	for {
		a.describe(ctx)
		if historyIsLarge(ctx) {
			a.in.Resume = &a.state
			return cdc.AuditState{}, workflow.NewContinueAsNewError(ctx, cdc.WorkflowAudit, a.in)
		}
		part, ok := a.nextPart(ctx)
		if ok {
			if err := a.auditPart(ctx, part); err != nil {
				return cdc.AuditState{}, err
			}
			continue
		}
		more, err := a.nextRound(ctx)
		if err != nil {
			return cdc.AuditState{}, err
		}
		if !more {
			return a.close(ctx)
		}
	}
}

// addNewTypes lets the audit of new types begin: see cdc.AuditInput's Since, but not
// before the horizon.
func (a *audit) addNewTypes(ctx workflow.Context) error {
	first := a.horizon(ctx).Add(beginMargin)
	latest := first
	begin := make(map[string]time.Time) // of new types
	for _, name := range a.in.Types {
		if _, known := a.state.Audited[name]; !known {
			since, ok := a.in.Since[name]
			if !ok {
				since = a.state.StartedAt
			}
			begin[name] = cdc.WindowAt(a.in.Datastore, since).Start
			latest = later(latest, begin[name])
		}
	}
	var opened cdc.FirstWindowResult
	if latest.After(first) {
		in := cdc.FirstWindowInput{Datastore: a.in.Datastore, Span: cdc.Span{From: first, To: latest}}
		err := workflow.ExecuteActivity(ledgerPolicy(ctx, "the store's first window"), doAudit.FirstWindow, in).Get(ctx, &opened)
		if err != nil {
			return err
		}
	}
	for _, name := range sortedKeys(begin) {
		if slices.Contains(opened.Types, name) {
			begin[name] = earlier(begin[name], opened.Start)
		}
		startAt(&a.state, later(begin[name], first), name)
	}
	return nil
}

// nextPart is what is audited next: first what nobody has audited, which does not wait
// for types that have been unavailable for days, then what is audited again.
func (a *audit) nextPart(ctx workflow.Context) (part cdc.AuditPart, ok bool) {
	a.expire(ctx)
	if part, ok = nextNew(&a.state, a.in.Types, a.end(), a.maxWidth()); ok {
		return part, true
	}
	if len(a.state.Pending) == 0 {
		return cdc.AuditPart{}, false
	}
	part = a.state.Pending[0]
	a.state.Pending = a.state.Pending[1:]
	return part, true
}

// end is the end of what this run audits.
func (a *audit) end() time.Time {
	switch {
	case a.state.Follow != nil:
		return a.state.Follow.RoundEnd
	case a.scheduled():
		return cdc.WindowAt(a.in.Datastore, a.state.StartedAt.Add(-a.in.After)).Start
	default:
		return a.in.Span.Widened().To
	}
}

// horizon is the first window's edge from which on ledgers are relied on.
func (a *audit) horizon(ctx workflow.Context) time.Time {
	return cdc.WindowAt(a.in.Datastore, workflow.Now(ctx).Add(-a.in.Horizon)).End().UTC()
}

// expire drops what has grown older than the horizon. What was not audited or not
// resolved by then is counted and logged.
func (a *audit) expire(ctx workflow.Context) {
	if !a.scheduled() {
		return
	}
	expired := expireBefore(&a.state, a.in.Types, a.horizon(ctx))
	a.state.Expired = append(a.state.Expired, expired...)
	for _, part := range expired {
		seconds := int64(part.Span.To.Sub(part.Span.From)/time.Second) * int64(len(part.Types))
		workflow.GetMetricsHandler(ctx).WithTags(map[string]string{"datastore": a.in.Datastore}).
			Counter("healthlake_cdc_audit_expired_unaudited_seconds").Inc(seconds)
		workflow.GetLogger(ctx).Error("a time range grew older than the audit's horizon before it was audited or resolved: nobody knows whether something of it is missing; `starter backfill` publishes it again",
			"datastore", a.in.Datastore, "from", part.Span.From, "to", part.Span.To, "types", len(part.Types))
	}
}

// close logs how many versions stay unknown, shows how many were healed, and returns the
// state as the result.
func (a *audit) close(ctx workflow.Context) (cdc.AuditState, error) {
	if n := a.state.Totals.Unknown; n > 0 {
		workflow.GetLogger(ctx).Error("versions were neither stated nor published: the ledgers that say whether they were before are older than the horizon, or cannot be read; `starter replay` publishes them",
			"datastore", a.in.Datastore, "versions", n)
	}
	if a.in.Attributes && a.state.Totals.Healed > 0 {
		err := workflow.UpsertTypedSearchAttributes(ctx,
			cdc.AttrState.ValueSet(cdc.StateClosed), cdc.AttrPublished.ValueSet(int64(a.state.Totals.Healed)))
		if err != nil {
			return cdc.AuditState{}, err
		}
	}
	return a.state, nil
}
