package workflows

import (
	"fmt"
	"slices"
	"time"

	"go.temporal.io/sdk/workflow"

	"healthlake-cdc/internal/cdc"
)

// maxStatements is how many statements an audit of one span has in its result.
const maxStatements = 4_000

// partAudit is the audit of one part.
type partAudit struct {
	part cdc.AuditPart
	// result has the last comparison of each type, first the first one, in the same order.
	result cdc.AuditSpanResult
	first  []cdc.TypeAudit
	// healed versions by type, by windows that were run.
	healed  map[string]int
	windows int
}

// auditPart audits one part, heals what is missing in it, and states it.
func (a *audit) auditPart(ctx workflow.Context, part cdc.AuditPart) error {
	p := &partAudit{part: part, healed: make(map[string]int)}
	var err error
	if p.result, err = a.compare(ctx, part, part.Types); err != nil {
		return err
	}
	p.first = slices.Clone(p.result.Types)
	if !a.in.DryRun && !p.result.Split {
		if err := a.heal(ctx, p); err != nil {
			return err
		}
	}
	if p.result.Split {
		return a.split(part)
	}
	if a.following() {
		a.addToRound(p)
	} else {
		statements := a.statements(p)
		rejected, err := a.publish(ctx, part, statements)
		if err != nil {
			return err
		}
		a.record(p, statements, rejected)
	}
	advance(&a.state, part)
	a.width = min(2*a.width, maxSpan)
	return nil
}

// compare compares what the store has of some types of a part with the ledgers.
func (a *audit) compare(ctx workflow.Context, part cdc.AuditPart, types []string) (cdc.AuditSpanResult, error) {
	in := cdc.AuditSpanInput{
		Datastore: a.in.Datastore, Span: part.Span, Types: types, Versions: a.in.Versions, Measure: a.in.DryRun,
		Horizon: a.in.Horizon, Attributes: a.in.Attributes,
	}
	if a.in.Versions == cdc.VersionsAll && a.scheduled() {
		in.Found = foundIn(a.state.Found, part)
		in.Since = make(map[string]time.Time, len(types))
		for _, name := range types {
			in.Since[name] = a.state.Audited[name].From
		}
	}
	var result cdc.AuditSpanResult
	policy := auditPolicy(ctx, a.in.Datastore, fmt.Sprintf("audit %s, %d types", spanText(part.Span), len(types)))
	err := workflow.ExecuteActivity(policy, doAudit.AuditSpan, in).Get(ctx, &result)
	a.state.Totals.Counts.Add(result.Counts)
	return result, err
}

// split has the halves of a part audited instead of it. One whose span was never audited
// is still the next one, and shorter now. Where the span was audited before, or of other
// types, its edges stay, and the halves become parts to audit again.
func (a *audit) split(part cdc.AuditPart) error {
	early, late, ok := part.Span.Halves()
	if !ok {
		return invalidInput("an audit of one window cannot be split")
	}
	if !isAudited(&a.state, a.in.Types, part.Span.From) {
		a.width = early.To.Sub(early.From)
		return nil
	}
	halves := []cdc.AuditPart{{Span: early, Types: part.Types}, {Span: late, Types: part.Types}}
	a.state.Pending = append(halves, a.state.Pending...)
	setUnresolved(&a.state, part, nil, 0)
	advance(&a.state, part)
	return nil
}

// canState reports whether an audit knows of each version of the type whether it was
// published. Without that no statement would be true.
func canState(t cdc.TypeAudit) bool { return t.Unavailable == "" && t.Unknown == 0 }

// statements are those of every type that can be stated. Of what was healed, only what
// the store still shows counts.
func (a *audit) statements(p *partAudit) []cdc.Statement {
	var all []cdc.Statement
	for _, t := range p.result.Types {
		if !canState(t) {
			continue
		}
		before := healedBefore(&a.state, p.part.Span, t.Type)
		figures := t.AuditFigures
		figures.Healed = min(t.Published, before+p.healed[t.Type])
		p.healed[t.Type] = max(0, figures.Healed-before)
		all = append(all, cdc.Statement{
			DatastoreID: a.in.Datastore, ResourceType: t.Type,
			From: p.part.Span.From.UTC(), To: p.part.Span.To.UTC(), Versions: a.in.Versions,
			AuditFigures: figures, Digest: t.Digest, HistoryUnavailable: t.HistoryUnavailable,
		})
	}
	return all
}

// publish puts a span's statements on the bus and returns the types of rejected ones.
func (a *audit) publish(ctx workflow.Context, part cdc.AuditPart, statements []cdc.Statement) (rejected []string, err error) {
	if a.in.DryRun || a.in.NoStatements || len(statements) == 0 {
		return nil, nil
	}
	in := cdc.PublishInput{
		Origin: cdc.Origin{
			Datastore: a.in.Datastore, Cause: cdc.Cause{SourceTime: a.state.StartedAt, CapturedBy: cdc.ByAudit}, CorrelationID: workflow.GetInfo(ctx).WorkflowExecution.ID,
		},
		Statements: statements,
	}
	var result cdc.PublishResult
	policy := publishPolicy(ctx, a.in.Datastore, true, fmt.Sprintf("state %s: %d types", spanText(part.Span), len(statements)))
	if err := workflow.ExecuteActivity(policy, do.Publish, in).Get(ctx, &result); err != nil {
		return nil, err
	}
	for _, rejection := range result.Rejected {
		statement := statements[rejection.Index]
		rejected = append(rejected, statement.ResourceType)
		workflow.GetLogger(ctx).Error("EventBridge rejected a statement", "type", statement.ResourceType, "code", rejection.Code)
	}
	a.state.Totals.Stated += len(statements) - len(rejected)
	return rejected, nil
}

// record adds a part's figures to the totals, and keeps its statements and what is
// unresolved.
func (a *audit) record(p *partAudit, statements []cdc.Statement, rejected []string) {
	totals := &a.state.Totals
	for _, t := range p.result.Types {
		if canState(t) {
			totals.Add(t.AuditFigures)
		}
		totals.Healed += p.healed[t.Type]
		addHealed(&a.state, p.part.Span, t.Type, p.healed[t.Type])
		totals.Unknown += t.Unknown
		totals.MissingBytes += t.MissingBytes
		totals.MissingReferences += t.MissingReferences
	}
	totals.Spans++
	totals.Windows += p.windows
	if a.scheduled() {
		addFound(&a.state, p.result.Earlier)
	} else {
		a.keepStatements(statements)
	}
	setUnresolved(&a.state, p.part, p.unresolved(rejected), p.stuck(unresolvedSpan(&a.state, p.part.Span).Stuck))
}

// unresolved are the types that have to be audited again, with the reason. Unreadable
// entries are no reason: the store may show them for years.
func (p *partAudit) unresolved(rejected []string) []cdc.UnresolvedType {
	var all []cdc.UnresolvedType
	for _, t := range p.result.Types {
		u := cdc.UnresolvedType{Type: t.Type, Class: t.Unavailable, Missing: t.Missing, Open: t.Open, Unknown: t.Unknown}
		switch {
		case t.Unavailable != "":
			u.Reason = cdc.UnresolvedUnavailable
		case t.Unknown > 0:
			u.Reason = cdc.UnresolvedUnknown
		case t.Missing > 0:
			u.Reason = cdc.UnresolvedMissing
		case t.Open > 0:
			u.Reason = cdc.UnresolvedOpen
		case t.Incomplete:
			u.Reason = cdc.UnresolvedIncomplete
		case slices.Contains(rejected, t.Type):
			u.Reason = cdc.UnresolvedUnstated
		default:
			continue
		}
		all = append(all, u)
	}
	return all
}

// keepStatements has the statements that count anything in the result of an audit of one
// span.
func (a *audit) keepStatements(statements []cdc.Statement) {
	for _, s := range statements {
		switch {
		case s.InStore+s.Superseded+s.Unreadable == 0 && s.Deletes == cdc.DeleteCounts{}:
		case len(a.state.Statements) >= maxStatements:
			a.state.StatementsOmitted++
		default:
			a.state.Statements = append(a.state.Statements, s)
		}
	}
}
