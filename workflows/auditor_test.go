package workflows_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/converter"
	"go.temporal.io/sdk/log"
	"go.temporal.io/sdk/testsuite"
	"go.temporal.io/sdk/workflow"

	"healthlake-cdc/internal/cdc"
	"healthlake-cdc/internal/payload"
	"healthlake-cdc/workflows"
)

// content is what a store and the ledgers hold of a window and type, as counts: what
// the Audit workflow sees of versions is counts only.
type content struct{ inStore, published, skipped int }

// auditedWindow is a window as an audit finds it.
type auditedWindow struct {
	types map[string]*content
	// An open window sweeps every type but the unswept one.
	open, unreadable bool
	unswept          string
	// waiting is set when it waits for an operator while it is open.
	waiting bool
	// A run that heals does nothing when it is stubborn. When it staysOpen, what the window
	// misses is about to be published.
	stubborn, staysOpen bool
}

// auditor stands for the activities of audits, on top of counts by window and
// type, so that the workflow can be tested by what it requests.
type auditor struct {
	t   *testing.T
	env *testsuite.TestWorkflowEnvironment
	// windows by their start.
	windows map[time.Time]*auditedWindow
	// incomplete types and unreadable entries of types.
	incomplete map[string]bool
	invalid    map[string]int
	horizon    time.Duration
	// onCompare is called before each comparison.
	onCompare func(cdc.AuditSpanInput)
	// unavailable types, and since when a type has windows.
	unavailable map[string]cdc.Class
	first       map[string]time.Time
	// earlier are versions that the audit of the span which holds the time finds.
	earlier map[time.Time][]cdc.Version
	// largest is how many versions of a type one listing may hold.
	largest int
	// rejectStatements makes EventBridge reject those of the type.
	rejectStatements string

	// grown is called for each new environment.
	grown func()
	// executions is how many there were.
	executions int

	compared   []cdc.AuditSpanInput
	heals      []cdc.HealInput
	healed     []time.Time // when
	statements []cdc.Statement
}

func newAuditor(t *testing.T) *auditor {
	return &auditor{
		t: t, windows: make(map[time.Time]*auditedWindow), unavailable: make(map[string]cdc.Class),
		horizon: 22 * time.Hour, incomplete: make(map[string]bool), invalid: make(map[string]int),
		first: make(map[string]time.Time), earlier: make(map[time.Time][]cdc.Version), largest: 1 << 30,
	}
}

// window is the window of a moment.
func (a *auditor) window(at time.Time) *auditedWindow {
	start := cdc.WindowAt(datastore, at).Start
	if a.windows[start] == nil {
		a.windows[start] = &auditedWindow{types: make(map[string]*content)}
	}
	return a.windows[start]
}

// put puts versions of a type into the store, so many of them published.
func (a *auditor) put(at time.Time, resourceType string, inStore, published int) {
	a.window(at).types[resourceType] = &content{inStore: inStore, published: published}
}

func (a *auditor) starts() []time.Time {
	return slices.SortedFunc(maps.Keys(a.windows), time.Time.Compare)
}

// compare is AuditSpan.
func (a *auditor) compare(_ context.Context, in cdc.AuditSpanInput) (cdc.AuditSpanResult, error) {
	require.Equal(a.t, in.Span.Widened(), in.Span)
	require.Equal(a.t, a.horizon, in.Horizon)
	if a.onCompare != nil {
		a.onCompare(in)
	}
	a.compared = append(a.compared, in)
	result := cdc.AuditSpanResult{Counts: cdc.Counts{Searches: len(in.Types)}}
	gaps := make(map[time.Time]*cdc.WindowGap)
	for _, name := range in.Types {
		t := cdc.TypeAudit{Type: name, Unavailable: a.unavailable[name], Digest: fmt.Sprint(in.Span.From.Unix(), name)}
		t.Incomplete, t.Unreadable = a.incomplete[name], a.invalid[name]
		for _, start := range a.starts() {
			w := a.windows[start]
			h, sweeps := w.types[name], w.open && w.unswept != name
			if in.Span.Contains(start) && sweeps && t.Unavailable == "" {
				t.OpenWindows++
			}
			if !in.Span.Contains(start) || h == nil || t.Unavailable != "" {
				continue
			}
			t.InStore += h.inStore
			if w.unreadable {
				t.Unknown += h.inStore
				continue
			}
			t.Published, t.Skipped = t.Published+h.published, t.Skipped+h.skipped
			missing := h.inStore - h.published - h.skipped
			if sweeps {
				t.Open += missing
				continue
			}
			if missing > 0 {
				t.Missing += missing
				if gaps[start] == nil {
					gaps[start] = &cdc.WindowGap{Start: start}
				}
				gaps[start].Missing += missing
				gaps[start].Types = append(gaps[start].Types, name)
			}
		}
		if t.InStore > a.largest && in.Span.To.Sub(in.Span.From) > cdc.WindowWidth {
			return cdc.AuditSpanResult{Split: true}, nil
		}
		if in.Measure {
			t.MissingBytes = int64(100 * t.Missing)
		}
		result.Types = append(result.Types, t)
	}
	for _, start := range a.starts() {
		w := a.windows[start]
		if !in.Span.Contains(start) || !w.open && !w.unreadable && gaps[start] == nil {
			continue
		}
		gap := gaps[start]
		if gap == nil {
			gap = &cdc.WindowGap{Start: start}
		}
		gap.Open, gap.NoLedger, gap.Waiting = w.open, w.unreadable, w.open && w.waiting
		result.Windows = append(result.Windows, *gap)
	}
	for at, versions := range a.earlier {
		if in.Span.Contains(at) {
			result.Earlier = append(result.Earlier, versions...)
		}
	}
	return result, nil
}

// heal is Heal.
func (a *auditor) heal(_ context.Context, in cdc.HealInput) (cdc.HealResult, error) {
	a.heals, a.healed = append(a.heals, in), append(a.healed, a.env.Now())
	require.Equal(a.t, a.horizon, in.Horizon)
	for _, gap := range in.Windows {
		require.False(a.t, gap.Open || gap.NoLedger || gap.Missing == 0, "a window that is not to be run")
		w := a.window(gap.Start)
		if w.staysOpen {
			w.open = true
			continue
		}
		if w.stubborn {
			continue
		}
		for _, name := range gap.Types {
			h := w.types[name]
			if in.Skip {
				h.skipped = h.inStore - h.published
			} else {
				h.published = h.inStore - h.skipped
			}
		}
	}
	return cdc.HealResult{Started: len(in.Windows)}, nil
}

// publish is Publish of statements.
func (a *auditor) publish(_ context.Context, in cdc.PublishInput) (cdc.PublishResult, error) {
	result := cdc.PublishResult{EventIDs: make([]string, len(in.Statements))}
	for i, s := range in.Statements {
		if s.ResourceType == a.rejectStatements {
			result.Rejected = append(result.Rejected, cdc.Rejection{Index: i, Code: "NotAuthorized"})
			continue
		}
		require.Equal(a.t, s.InStore, s.Published+s.Missing+s.Skipped+s.Open)
		require.LessOrEqual(a.t, s.Healed, s.Published)
		result.EventIDs[i] = "id"
		a.statements = append(a.statements, s)
	}
	return result, nil
}

// firstWindow is FirstWindow: the first that swept any type is the store's first, and
// it swept all that it is the first of.
func (a *auditor) firstWindow(_ context.Context, in cdc.FirstWindowInput) (result cdc.FirstWindowResult, err error) {
	for name, start := range a.first {
		if !in.Span.Contains(start) {
			continue
		}
		if result.Types == nil || start.Before(result.Start) {
			result = cdc.FirstWindowResult{Start: start}
		}
		if start.Equal(result.Start) {
			result.Types = append(result.Types, name)
		}
	}
	return result, nil
}

// renew makes the environment of the next execution.
func (a *auditor) renew(at time.Time) {
	var suite testsuite.WorkflowTestSuite
	suite.SetLogger(log.NewStructuredLogger(slog.New(slog.DiscardHandler)))
	a.env = suite.NewTestWorkflowEnvironment()
	a.env.SetDataConverter(payload.NewPlainConverter())
	a.env.SetStartTime(at)
	a.env.SetTestTimeout(time.Minute)
	workflows.Register(a.env)
	a.env.RegisterActivityWithOptions(a.compare, activityName("AuditSpan"))
	a.env.RegisterActivityWithOptions(a.heal, activityName("Heal"))
	a.env.RegisterActivityWithOptions(a.publish, activityName("Publish"))
	a.env.RegisterActivityWithOptions(a.firstWindow, activityName("FirstWindow"))
	a.env.SetStartWorkflowOptions(client.StartWorkflowOptions{ID: cdc.AuditScheduleID(datastore) + "-" + at.Format(time.RFC3339), TaskQueue: cdc.DefaultTaskQueue})
}

// scheduled is the input of the schedule's audits: types in it since start.
func (a *auditor) scheduled(types ...string) cdc.AuditInput {
	in := cdc.AuditInput{
		Datastore: datastore, Types: types, Since: make(map[string]time.Time), Versions: cdc.VersionsLatest,
		Cause: cdc.Cause{CapturedBy: cdc.ByAudit}, After: 20 * time.Minute, Horizon: a.horizon,
	}
	for _, name := range types {
		in.Since[name] = start
	}
	return in
}

// run runs one execution with the last one's result, and over every
// continue-as-new.
func (a *auditor) run(at time.Time, in cdc.AuditInput, last *cdc.AuditState) cdc.AuditState {
	a.t.Helper()
	for {
		a.renew(at)
		a.executions++
		if a.grown != nil {
			a.grown()
		}
		if last != nil {
			a.env.SetLastCompletionResult(*last)
		}
		a.env.ExecuteWorkflow(cdc.WorkflowAudit, in)
		require.True(a.t, a.env.IsWorkflowCompleted())
		err := a.env.GetWorkflowError()
		var again *workflow.ContinueAsNewError
		if !errors.As(err, &again) {
			require.NoError(a.t, err)
			var result cdc.AuditState
			require.NoError(a.t, a.env.GetWorkflowResult(&result))
			return result
		}
		at = a.env.Now()
		in = cdc.AuditInput{}
		require.NoError(a.t, converter.GetDefaultDataConverter().FromPayloads(again.Input, &in))
	}
}

// latest are the last statements of a type by span, oldest first, which must lie
// end to end.
func (a *auditor) latest(resourceType string) []cdc.Statement {
	a.t.Helper()
	var all []cdc.Statement
	for _, s := range a.statements {
		if s.ResourceType != resourceType {
			continue
		}
		same := slices.IndexFunc(all, func(o cdc.Statement) bool { return o.From.Equal(s.From) })
		if same >= 0 {
			require.Equal(a.t, all[same].To, s.To, "a span is stated anew with another end")
			all[same] = s
			continue
		}
		all = append(all, s)
	}
	slices.SortFunc(all, func(x, y cdc.Statement) int { return x.From.Compare(y.From) })
	for i := 1; i < len(all); i++ {
		require.Equal(a.t, all[i-1].To, all[i].From, "spans of %s do not lie end to end", resourceType)
	}
	return all
}

func activityName(name string) activity.RegisterOptions { return activity.RegisterOptions{Name: name} }
