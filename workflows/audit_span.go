package workflows

import (
	"fmt"
	"slices"

	"go.temporal.io/sdk/workflow"

	"healthlake-cdc/internal/cdc"
)

// spanAudit is the audit of one part.
type spanAudit struct {
	part   cdc.AuditPart
	result cdc.AuditSpanResult
	// missing at first, and healed since, by type.
	missing, healed map[string]int
	// found are the types of which healing has brought anything, if only that an open
	// window is about to publish it.
	found map[string]bool
	// windows were run to heal.
	windows int
}

// audit audits one part, heals what it misses and states it. fresh is of a part
// that no audit has stated: it moves the tracks on.
func (a *audit) audit(ctx workflow.Context, part cdc.AuditPart, fresh bool) error {
	a.working = part.Span
	s := &spanAudit{part: part, missing: make(map[string]int), healed: make(map[string]int), found: make(map[string]bool)}
	var err error
	if s.result, err = a.look(ctx, part, part.Types); err != nil {
		return err
	}
	for _, t := range s.result.Types {
		s.missing[t.Type] = t.Missing
	}
	if !a.in.DryRun && !s.result.Split {
		if err := a.heal(ctx, s); err != nil {
			return err
		}
	}
	if s.result.Split {
		return a.split(part, fresh)
	}
	if a.following() {
		a.round(s)
		return nil
	}
	statements := a.statements(s)
	refused, err := a.publish(ctx, part, statements)
	if err != nil {
		return err
	}
	a.settle(s, statements, refused, fresh)
	return nil
}

// look asks the store and the ledgers. Types are those of the part that are asked
// for.
func (a *audit) look(ctx workflow.Context, part cdc.AuditPart, types []string) (cdc.AuditSpanResult, error) {
	in := cdc.AuditSpanInput{
		Datastore: a.in.Datastore, Span: part.Span, Types: types, Versions: a.in.Versions, Measure: a.in.DryRun,
		Horizon: a.in.Horizon, Attributes: a.in.Attributes,
	}
	if a.in.Versions == cdc.VersionsAll {
		in.Found = foundOf(a.state.Found, part)
		if !a.asked() {
			in.Since = since(a.state.Tracks, types)
		}
	}
	var result cdc.AuditSpanResult
	policy := auditPolicy(ctx, a.in.Datastore, fmt.Sprintf("audit %s, %d types", spanText(part.Span), len(types)))
	err := workflow.ExecuteActivity(policy, doAudit.AuditSpan, in).Get(ctx, &result)
	a.state.Totals.Counts.Add(result.Counts)
	return result, err
}

// split has the halves of a part audited instead of it.
func (a *audit) split(part cdc.AuditPart, fresh bool) error {
	early, late, ok := part.Span.Halves()
	if !ok {
		return invalidInput("an audit of one window cannot be split")
	}
	if fresh {
		a.width = early.To.Sub(early.From) // the part is still the next one, and now shorter
		return nil
	}
	// A type that could not be listed before has turned out to hold too much for
	// one listing. Nothing of it was stated, so its halves may be.
	halves := []cdc.AuditPart{{Span: early, Types: part.Types}, {Span: late, Types: part.Types}}
	a.state.Restate = append(halves, a.state.Restate...)
	a.dropUnresolved(part)
	return nil
}

// take puts a later look at some types into the place of the earlier one. One that is
// refused now has no figures any more: those of before are not true after healing.
// The windows of a look are those of all types that it asked for; of the other types
// nothing was missing or open.
func (s *spanAudit) take(again cdc.AuditSpanResult) {
	for _, t := range again.Types {
		i := slices.IndexFunc(s.result.Types, func(u cdc.TypeAudit) bool { return u.Type == t.Type })
		if i >= 0 {
			s.result.Types[i] = t
		}
	}
	s.result.Windows = again.Windows
	s.result.Elsewhere = append(s.result.Elsewhere, again.Elsewhere...)
}

// unfinished are the types that have to be looked at again after healing: those of
// which something is missing or a window was open, which may have published or
// closed meanwhile.
func (s *spanAudit) unfinished() []string {
	var types []string
	for _, t := range s.result.Types {
		if t.Unavailable == "" && t.Missing+t.Open+t.OpenWindows > 0 {
			types = append(types, t.Type)
		}
	}
	return types
}

// gapsOf are the windows that can be run, and how many others are open that wait for
// no operator.
func gapsOf(result cdc.AuditSpanResult) (gaps []cdc.WindowGap, busy int) {
	for _, gap := range result.Windows {
		switch {
		case gap.Open && !gap.Waiting:
			busy++
		case gap.Missing > 0 && !gap.Open && !gap.Unreadable:
			gaps = append(gaps, gap)
		}
	}
	return gaps, busy
}

// unfinished counts what is missing or not published yet, and the windows that are
// waited for.
func unfinished(result cdc.AuditSpanResult) int {
	_, sum := gapsOf(result)
	for _, t := range result.Types {
		sum += t.Missing + t.Open
	}
	return sum
}

// count counts what healing has brought, by the looks before and after it: what was
// missing and is not any more, but for what is skipped now, or what a window that was
// run is still about to publish. What the store no longer shows is none either, which
// is why a statement has a bound.
func (s *spanAudit) count(again cdc.AuditSpanResult) {
	for _, t := range s.result.Types {
		i := slices.IndexFunc(again.Types, func(u cdc.TypeAudit) bool { return u.Type == t.Type })
		if i < 0 || again.Types[i].Unavailable != "" || t.Unavailable != "" {
			continue
		}
		now := again.Types[i]
		s.found[t.Type] = s.found[t.Type] || now.Missing < t.Missing
		s.healed[t.Type] += max(0, t.Missing-now.Missing-max(0, now.Skipped-t.Skipped)-max(0, now.Open-t.Open))
	}
}

// known reports whether an audit can say of each version of the type whether it was
// published. Of a type of which it cannot, there is no statement: one that called
// such a version missing, or left it out of what is in the store, would not be true.
func known(t cdc.TypeAudit) bool { return t.Unavailable == "" && t.Unknown == 0 }

// statements are those of every type whose figures are known.
func (a *audit) statements(s *spanAudit) []cdc.Statement {
	var all []cdc.Statement
	for _, t := range s.result.Types {
		if !known(t) {
			continue
		}
		healed := healedBefore(&a.state, s.part.Span, t.Type) + s.healed[t.Type]
		all = append(all, cdc.Statement{
			DatastoreID: a.in.Datastore, ResourceType: t.Type,
			From: s.part.Span.From.UTC(), To: s.part.Span.To.UTC(), Versions: a.in.Versions,
			InStore: t.InStore, Published: t.Published, Missing: t.Missing, Healed: min(healed, t.Published),
			Skipped: t.Skipped, Superseded: t.Superseded, Deletes: t.Deletes, Digest: t.Digest,
			Open: t.Open, Unreadable: t.Unreadable, HistoryUnavailable: t.HistoryUnavailable,
		})
	}
	return all
}

// publish puts a span's statements on the bus and returns the types of those that
// EventBridge refused.
func (a *audit) publish(ctx workflow.Context, part cdc.AuditPart, statements []cdc.Statement) ([]string, error) {
	if a.in.DryRun || a.in.NoStatements || len(statements) == 0 {
		return nil, nil
	}
	in := cdc.PublishInput{
		Origin: cdc.Origin{
			Datastore: a.in.Datastore, Cause: cdc.Cause{SourceTime: a.state.Begun, CapturedBy: cdc.ByAudit}, CorrelationID: a.id,
		},
		Statements: statements,
	}
	var result cdc.PublishResult
	policy := publishPolicy(ctx, a.in.Datastore, true, fmt.Sprintf("state %s: %d types", spanText(part.Span), len(statements)))
	if err := workflow.ExecuteActivity(policy, do.Publish, in).Get(ctx, &result); err != nil {
		return nil, err
	}
	var refused []string
	for _, refusal := range result.Rejected {
		statement := statements[refusal.Index]
		refused = append(refused, statement.ResourceType)
		workflow.GetLogger(ctx).Error("EventBridge refused a statement", "type", statement.ResourceType, "code", refusal.Code)
	}
	a.state.Totals.Stated += len(statements) - len(refused)
	return refused, nil
}

// settle takes a part's figures in, and keeps what is not settled for the next run.
func (a *audit) settle(s *spanAudit, statements []cdc.Statement, unstated []string, fresh bool) {
	healed := make(map[string]int, len(statements))
	totals := &a.state.Totals
	for _, statement := range statements {
		before := healedBefore(&a.state, s.part.Span, statement.ResourceType)
		healed[statement.ResourceType] = statement.Healed
		counted := statement
		counted.Healed = max(0, statement.Healed-before)
		totals.Add(counted)
		a.keep(statement)
	}
	for _, t := range s.result.Types {
		totals.Unknown += t.Unknown
		if !known(t) {
			healed[t.Type] = healedBefore(&a.state, s.part.Span, t.Type) + s.healed[t.Type]
			totals.Healed += s.healed[t.Type]
		}
		totals.MissingBytes += t.MissingBytes
		totals.MissingReferences += t.MissingReferences
	}
	totals.Spans++
	totals.Windows += s.windows

	before := a.unresolvedSpan(s.part)
	a.dropUnresolved(s.part)
	u := cdc.UnresolvedSpan{
		Span: s.part.Span, Types: s.unresolved(healed, unstated), Tries: before.Tries + 1, Stuck: s.stuck(before.Stuck), Tried: true,
	}
	a.addUnresolved(u)
	for _, gap := range s.result.Windows {
		if gap.Open {
			totals.OpenWindows++
		}
	}
	if a.in.Versions == cdc.VersionsAll && !a.asked() {
		for _, statement := range statements {
			keepHealed(&a.state, s.part.Span, statement.ResourceType, statement.Healed)
		}
	}
	if fresh {
		audited(a.state.Tracks, s.part)
		a.width = min(2*a.width, longestSpan)
	}
	if !a.asked() {
		elsewhere(&a.state, s.result.Elsewhere)
	}
}

// dropUnresolved takes a part's types out of the unresolved spans. Its other types
// stay.
func (a *audit) dropUnresolved(part cdc.AuditPart) {
	var kept []cdc.UnresolvedSpan
	for _, u := range a.state.Unresolved {
		if u.Span == part.Span {
			u.Types = slices.DeleteFunc(slices.Clone(u.Types), func(t cdc.UnresolvedType) bool { return slices.Contains(part.Types, t.Type) })
		}
		if len(u.Types) > 0 {
			kept = append(kept, u)
		}
	}
	a.state.Unresolved = kept
}

// addUnresolved adds types to the unresolved spans, which stay in order of time.
func (a *audit) addUnresolved(u cdc.UnresolvedSpan) {
	if len(u.Types) == 0 {
		return
	}
	all := a.state.Unresolved
	if i := slices.IndexFunc(all, func(other cdc.UnresolvedSpan) bool { return other.Span == u.Span }); i >= 0 {
		all[i].Types = append(all[i].Types, u.Types...)
		all[i].Tries, all[i].Stuck = max(all[i].Tries, u.Tries), max(all[i].Stuck, u.Stuck)
		all[i].Tried = all[i].Tried || u.Tried
		return
	}
	a.state.Unresolved = append(all, u)
	slices.SortStableFunc(a.state.Unresolved, func(x, y cdc.UnresolvedSpan) int { return x.Span.From.Compare(y.Span.From) })
}

// unresolved are the types that have to be looked at again, with the reason. Entries
// that are no readable version are counted, and keep nothing unresolved: they would do
// so for as long as the store shows them.
func (s *spanAudit) unresolved(healed map[string]int, unstated []string) []cdc.UnresolvedType {
	var all []cdc.UnresolvedType
	for _, t := range s.result.Types {
		u := cdc.UnresolvedType{
			Type: t.Type, Class: t.Unavailable, Missing: t.Missing, Open: t.Open, Unknown: t.Unknown, Healed: healed[t.Type],
		}
		switch {
		case t.Unavailable != "":
			u.Reason = cdc.UnresolvedUnavailable
		case t.Unknown > 0:
			u.Reason = cdc.UnresolvedUnreadable
		case t.Missing > 0:
			u.Reason = cdc.UnresolvedMissing
		case t.Open > 0:
			u.Reason = cdc.UnresolvedOpen
		case t.Incomplete:
			u.Reason = cdc.UnresolvedIncomplete
		case slices.Contains(unstated, t.Type):
			u.Reason = cdc.UnresolvedUnstated
		default:
			continue
		}
		all = append(all, u)
	}
	return all
}

// keep puts a statement of an asked audit into its result, where it tells of
// anything.
func (a *audit) keep(s cdc.Statement) {
	switch {
	case !a.asked() || s.InStore+s.Superseded+s.Unreadable == 0 && !s.Deletes.Any():
	case len(a.state.Statements) >= mostStatements:
		a.state.StatementsOmitted++
	default:
		a.state.Statements = append(a.state.Statements, s)
	}
}
