package workflows_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/converter"

	"healthlake-cdc/internal/cdc"
)

// Each run audits from where the last one stopped to what is old enough, heals
// what is missing, and states every type.
func TestAuditGoesOnFromTheLastStatement(t *testing.T) {
	a := newAuditor(t)
	a.put(start.Add(time.Minute), "Patient", 5, 3)
	a.put(start.Add(16*time.Minute), "Observation", 7, 7)

	first := a.run(start.Add(35*time.Minute+4*time.Second), a.scheduled("Observation", "Patient"), nil)
	require.Equal(t, cdc.AuditTotals{
		Spans: 1, Stated: 2, AuditFigures: cdc.AuditFigures{InStore: 5, Published: 5, Healed: 2}, Windows: 1, Counts: cdc.Counts{Searches: 3},
	}, first.Totals)
	second := a.run(start.Add(50*time.Minute+4*time.Second), a.scheduled("Observation", "Patient"), &first)
	require.Equal(t, 7, second.Totals.InStore)

	patients := a.latest("Patient")
	require.Len(t, patients, 2)
	require.Equal(t, start, patients[0].From)
	require.Equal(t, start.Add(15*time.Minute), patients[0].To)
	require.Equal(t, start.Add(30*time.Minute), patients[1].To, "20 minutes old, on a window's edge")
	require.Equal(t, 2, patients[0].Healed)
	require.Len(t, a.latest("Observation"), 2)
	require.Len(t, a.heals, 1)
	require.Equal(t, cdc.ByAudit, a.heals[0].CapturedBy)
	require.Equal(t, []string{"Patient"}, a.compared[1].Types, "only what missed something is compared again")
	require.Empty(t, second.Unresolved)
}

// Nothing is old enough yet: no span, and the next run begins where this did.
func TestAuditOfNothingYet(t *testing.T) {
	a := newAuditor(t)
	first := a.run(start.Add(20*time.Minute), a.scheduled("Patient"), nil)
	require.Empty(t, a.compared)
	a.run(start.Add(20*time.Minute+10*time.Second), a.scheduled("Patient"), &first)
	require.Equal(t, cdc.Span{From: start, To: start.Add(10 * time.Second)}, a.compared[0].Span)
}

// After a day without workers the audit catches up, an hour at a time.
func TestAuditCatchesUpAfterADay(t *testing.T) {
	a := newAuditor(t)
	first := a.run(start.Add(40*time.Minute), a.scheduled("Patient"), nil)
	for hour := range 18 {
		a.put(start.Add(time.Duration(hour)*time.Hour), "Patient", 1, 0)
	}
	a.run(start.Add(18*time.Hour), a.scheduled("Patient"), &first)
	spans := a.latest("Patient")
	require.Equal(t, start, spans[0].From)
	require.Equal(t, start.Add(18*time.Hour-20*time.Minute), spans[len(spans)-1].To)
	healed := 0
	for _, s := range spans {
		require.LessOrEqual(t, s.To.Sub(s.From), time.Hour)
		healed += s.Healed
	}
	require.Equal(t, 17, healed, "the first hour was stated before it was written to")
}

// What has grown older than the horizon is not audited; it is reported.
func TestAuditReportsWhatGrewOlderThanTheHorizon(t *testing.T) {
	a := newAuditor(t)
	first := a.run(start.Add(40*time.Minute), a.scheduled("Patient"), nil)
	later := start.Add(30 * time.Hour)
	result := a.run(later, a.scheduled("Patient"), &first)
	edge := later.Add(-22 * time.Hour).Add(cdc.WindowWidth)
	require.Equal(t, []cdc.AuditPart{{Span: cdc.Span{From: start.Add(20 * time.Minute), To: edge}, Types: []string{"Patient"}}}, result.Expired)
	require.Equal(t, edge, a.compared[1].Span.From)
	next := a.run(later.Add(time.Hour), a.scheduled("Patient"), &result)
	require.Empty(t, next.Expired, "once")
}

// A type begins at its first window, or when it came into the schedule, never
// before the horizon; one that comes later catches up by itself.
func TestAuditBeginsATypeAtItsFirstWindow(t *testing.T) {
	a := newAuditor(t)
	a.first["Patient"] = start.Add(-time.Hour)
	a.first["Device"] = start.Add(-40 * time.Hour)
	in := a.scheduled("Patient", "Observation", "Device")
	in.Since["Device"] = start.Add(-30 * time.Hour)
	first := a.run(start.Add(40*time.Minute), in, nil)
	require.Equal(t, start.Add(-time.Hour), a.latest("Patient")[0].From)
	require.Equal(t, start, a.latest("Observation")[0].From)
	require.WithinDuration(t, start.Add(40*time.Minute-22*time.Hour), a.latest("Device")[0].From, 2*time.Minute)

	in = a.scheduled("Patient", "Group")
	in.Since["Group"] = start.Add(50*time.Minute + 3*time.Second)
	second := a.run(start.Add(80*time.Minute), in, &first)
	require.Equal(t, start.Add(50*time.Minute), a.latest("Group")[0].From)
	require.Equal(t, a.latest("Patient")[len(a.latest("Patient"))-1].To, a.latest("Group")[0].To)
	last := a.compared[len(a.compared)-1]
	require.Equal(t, []string{"Group", "Patient"}, last.Types, "together from where they meet")
	require.NotContains(t, second.Audited, "Observation", "no longer configured")
}

// A span with an open window is stated, and audited again at each run until the
// window has closed.
func TestAuditComesBackUntilAllIsComplete(t *testing.T) {
	a := newAuditor(t)
	window := cdc.WindowAt(datastore, start.Add(time.Minute)).Start
	a.put(window, "Patient", 5, 1)
	a.window(window).open = true
	first := a.run(start.Add(35*time.Minute), a.scheduled("Patient"), nil)
	require.Empty(t, a.heals, "an open window is not rerun")
	require.Equal(t, cdc.UnresolvedOpen, first.Unresolved[0].Types[0].Reason)
	stated := a.latest("Patient")[0]
	require.Equal(t, []int{1, 0, 4}, []int{stated.Published, stated.Missing, stated.Open}, "it is about to publish them")

	second := a.run(start.Add(50*time.Minute), a.scheduled("Patient"), &first)
	require.Equal(t, 2, second.Unresolved[0].Runs)
	a.window(window).open = false
	third := a.run(start.Add(65*time.Minute), a.scheduled("Patient"), &second)
	require.Empty(t, third.Unresolved)
	complete := a.latest("Patient")[0]
	require.Equal(t, []int{5, 0, 4}, []int{complete.Published, complete.Missing, complete.Healed})
	a.run(start.Add(80*time.Minute), a.scheduled("Patient"), &third)
	count := 0
	for _, s := range a.statements {
		if s.From.Equal(start) {
			count++
		}
	}
	require.Equal(t, 3, count, "a complete span is not audited again")
}

// Three rounds without progress, and the span is for the next run. A ledger
// that cannot be read is never rerun, and its span stays unresolved.
func TestAuditGivesUpAfterThreeRoundsWithoutProgress(t *testing.T) {
	a := newAuditor(t)
	stubborn, unreadable := start.Add(time.Minute), start.Add(2*time.Minute)
	a.put(stubborn, "Patient", 5, 1)
	a.put(start.Add(3*time.Minute), "Patient", 2, 0)
	a.put(unreadable, "Device", 3, 0)
	a.window(stubborn).stubborn, a.window(unreadable).unreadable = true, true
	a.unavailable["Claim"] = cdc.ClassForbidden
	first := a.run(start.Add(35*time.Minute), a.scheduled("Claim", "Device", "Patient"), nil)
	require.Len(t, a.heals, 4, "one with progress, three without")
	reasons := make(map[string]string)
	for _, u := range first.Unresolved[0].Types {
		reasons[u.Type] = u.Reason
	}
	require.Equal(t, map[string]string{
		"Claim": cdc.UnresolvedUnavailable, "Device": cdc.UnresolvedUnknown, "Patient": cdc.UnresolvedMissing,
	}, reasons)
	require.Empty(t, a.latest("Claim"), "no figures, no statement")
	require.Empty(t, a.latest("Device"), "whether they were published is not known: any figure would be a guess")
	require.Equal(t, 3, first.Totals.Unknown)
	require.Equal(t, 2, a.latest("Patient")[0].Healed)

	a.window(stubborn).stubborn = false
	a.window(unreadable).unreadable = false
	delete(a.unavailable, "Claim")
	second := a.run(start.Add(50*time.Minute), a.scheduled("Claim", "Device", "Patient"), &first)
	require.Empty(t, second.Unresolved)
	require.Equal(t, 6, a.latest("Patient")[0].Healed, "of all runs")
	require.NotEmpty(t, a.latest("Claim"))
	require.Equal(t, 4, second.Totals.Healed-3, "this run's: 4 patients and 3 devices")
}

// Only what is not complete is compared again.
func TestAuditComesBackForIncompleteTypesOnly(t *testing.T) {
	a := newAuditor(t)
	a.unavailable["Claim"] = cdc.ClassForbidden
	first := a.run(start.Add(35*time.Minute), a.scheduled("Claim", "Patient"), nil)
	a.run(start.Add(50*time.Minute), a.scheduled("Claim", "Patient"), &first)
	require.Len(t, a.compared, 3)
	require.Equal(t, a.compared[0].Span.To, a.compared[1].Span.From, "what is new comes first")
	require.Equal(t, []string{"Claim"}, a.compared[2].Types)
	require.Equal(t, a.compared[0].Span, a.compared[2].Span)
}

// A span that holds too much is halved on a window's edge until it fits.
func TestAuditSplitsSpans(t *testing.T) {
	a := newAuditor(t)
	a.largest = 100
	for i := range 90 {
		a.put(start.Add(time.Duration(i)*cdc.WindowWidth), "Patient", 10, 9)
	}
	result := a.run(start.Add(40*time.Minute), a.scheduled("Patient"), nil)
	sum, healed := 0, 0
	for _, s := range a.latest("Patient") {
		require.LessOrEqual(t, s.InStore, 100)
		sum, healed = sum+s.InStore, healed+s.Healed
	}
	require.Equal(t, []int{900, 90}, []int{sum, healed})
	require.Equal(t, 900, result.Totals.InStore)
}

// An audit that continues as new at every step states the same.
func TestAuditContinuesAsNew(t *testing.T) {
	states := func(grow bool) ([]cdc.Statement, cdc.AuditState) {
		a := newAuditor(t)
		stubborn := start.Add(time.Minute)
		a.put(stubborn, "Patient", 5, 1)
		a.window(stubborn).stubborn = true
		a.put(start.Add(3*time.Hour), "Patient", 5, 1)
		if grow {
			a.grown = func() {
				a.env.SetOnActivityCompletedListener(func(info *activity.Info, _ converter.EncodedValue, _ error) {
					if info.ActivityType.Name == "Publish" {
						a.env.SetCurrentHistoryLength(9_000)
					}
				})
			}
		}
		first := a.run(start.Add(5*time.Hour), a.scheduled("Patient"), nil)
		second := a.run(start.Add(8*time.Hour), a.scheduled("Patient"), &first)
		if grow {
			require.Greater(t, a.executions, 8)
		}
		return a.statements, second
	}
	want, wantResult := states(false)
	got, gotResult := states(true)
	require.Equal(t, want, got)
	require.Equal(t, wantResult, gotResult)
}

// A statement that EventBridge rejects keeps its type unresolved.
func TestAuditStatesAgainWhatWasRejected(t *testing.T) {
	a := newAuditor(t)
	a.rejectStatements = "Patient"
	first := a.run(start.Add(35*time.Minute), a.scheduled("Device", "Patient"), nil)
	require.Equal(t, cdc.UnresolvedUnstated, first.Unresolved[0].Types[0].Reason)
	a.rejectStatements = ""
	second := a.run(start.Add(50*time.Minute), a.scheduled("Device", "Patient"), &first)
	require.Empty(t, second.Unresolved)
	require.Equal(t, a.latest("Device"), fill(a.latest("Patient"), "Device"))
}

func fill(statements []cdc.Statement, resourceType string) []cdc.Statement {
	for i, s := range statements {
		s.ResourceType = resourceType
		s.Digest = s.Digest[:len(s.Digest)-len("Patient")] + resourceType
		statements[i] = s
	}
	return statements
}

// Versions that another span's audit found have their own span stated anew, once,
// with what was healed before.
func TestAuditStatesAnewWhereVersionsAreFound(t *testing.T) {
	a := newAuditor(t)
	a.put(start.Add(time.Minute), "Patient", 5, 3)
	in := a.scheduled("Patient", "Device")
	in.Versions = cdc.VersionsAll
	first := a.run(start.Add(35*time.Minute), in, nil)

	old := cdc.Version{Type: "Patient", ID: "p", VersionID: "1", LastUpdated: start.Add(time.Minute).Format(time.RFC3339Nano)}
	before := cdc.Version{Type: "Patient", ID: "p", VersionID: "0", LastUpdated: start.Add(-time.Minute).Format(time.RFC3339Nano)}
	a.earlier[start.Add(20*time.Minute)] = []cdc.Version{old, before}
	a.put(start.Add(time.Minute), "Patient", 6, 5)
	second := a.run(start.Add(50*time.Minute), in, &first)
	restated := a.latest("Patient")[0]
	require.Equal(t, []int{6, 3}, []int{restated.InStore, restated.Healed})
	require.Len(t, a.latest("Device"), 2)
	last := a.compared[len(a.compared)-2] // before the comparison after healing
	require.Equal(t, []cdc.Version{old}, last.Found)
	require.Equal(t, []string{"Patient"}, last.Types)
	require.Equal(t, start, last.Since["Patient"])
	require.Equal(t, []cdc.Version{old}, second.Found, "kept for later statements")

	a.earlier[start.Add(35*time.Minute)] = []cdc.Version{old}
	comparisons := len(a.compared)
	a.run(start.Add(65*time.Minute), in, &second)
	require.Len(t, a.compared, comparisons+1, "known already")
}

// An requested audit takes any age, widens its span, waits for windows that are open,
// and has its statements in the result.
func TestRequestedAudit(t *testing.T) {
	a := newAuditor(t)
	window := cdc.WindowAt(datastore, start.Add(time.Minute)).Start
	a.put(window, "Patient", 5, 1)
	a.window(window).open = true
	in := a.scheduled("Patient", "Device")
	in.Span = &cdc.Span{From: start.Add(time.Second), To: start.Add(61 * time.Second)}
	in.CapturedBy = cdc.ByImport
	in.StartAt = start.Add(5 * time.Minute)
	a.grown = func() {
		a.env.RegisterDelayedCallback(func() {
			require.Empty(t, a.compared, "not before search has settled")
		}, 2*time.Minute)
		a.env.RegisterDelayedCallback(func() { a.window(window).open = false }, 3*time.Minute+40*time.Second)
	}
	result := a.run(start.Add(2*time.Minute), in, nil)
	require.Empty(t, result.Unresolved)
	require.Len(t, result.Statements, 1, "of the types that hold anything")
	s := result.Statements[0]
	require.Equal(t, []int{5, 5, 0, 4}, []int{s.InStore, s.Published, s.Missing, s.Healed})
	require.Equal(t, cdc.Span{From: start, To: start.Add(70 * time.Second)}, cdc.Span{From: s.From, To: s.To})
	require.Len(t, a.statements, 2)
	require.Equal(t, cdc.ByImport, a.heals[0].CapturedBy)
}

// A window that stays open keeps a requested audit no longer than its rounds.
func TestRequestedAuditEndsWithAnOpenWindow(t *testing.T) {
	a := newAuditor(t)
	a.put(start, "Patient", 5, 1)
	a.window(start).open = true
	in := a.scheduled("Patient")
	in.Span = &cdc.Span{From: start, To: start.Add(10 * time.Second)}
	result := a.run(start.Add(time.Minute), in, nil)
	require.Equal(t, cdc.UnresolvedOpen, result.Unresolved[0].Types[0].Reason)
	require.Equal(t, []int{0, 4}, []int{result.Totals.Missing, result.Totals.Open})
	require.Len(t, a.compared, 4, "the first, and three without progress")
}

func TestDryAuditOnlyCounts(t *testing.T) {
	a := newAuditor(t)
	a.put(start, "Patient", 5, 1)
	in := a.scheduled("Patient")
	in.Span, in.DryRun = &cdc.Span{From: start, To: start.Add(3 * time.Hour)}, true
	result := a.run(start.Add(4*time.Hour), in, nil)
	require.Equal(t, []int{4, 400, 3}, []int{result.Totals.Missing, int(result.Totals.MissingBytes), result.Totals.Spans})
	require.Empty(t, a.heals)
	require.Empty(t, a.statements)
	require.True(t, a.compared[0].Measure)
}

// CDC_IMPORTS=summary: what is missing goes into the ledgers as skipped.
func TestAuditThatSkips(t *testing.T) {
	a := newAuditor(t)
	a.put(start, "Patient", 5, 1)
	in := a.scheduled("Patient")
	in.Span, in.Skip = &cdc.Span{From: start, To: start.Add(time.Minute)}, true
	result := a.run(start.Add(time.Hour), in, nil)
	s := result.Statements[0]
	require.Equal(t, []int{1, 4, 0, 0}, []int{s.Published, s.Skipped, s.Missing, s.Healed})
}

func TestAuditRejectsBadInput(t *testing.T) {
	for name, change := range map[string]func(*cdc.AuditInput){
		"no types":           func(in *cdc.AuditInput) { in.Types = nil },
		"no datastore":       func(in *cdc.AuditInput) { in.Datastore = "" },
		"versions":           func(in *cdc.AuditInput) { in.Versions = "some" },
		"empty span":         func(in *cdc.AuditInput) { in.Span = &cdc.Span{From: start, To: start} },
		"a scheduled dry":    func(in *cdc.AuditInput) { in.DryRun = true },
		"a horizon too near": func(in *cdc.AuditInput) { in.Horizon = 20 * time.Minute },
	} {
		t.Run(name, func(t *testing.T) {
			a := newAuditor(t)
			in := a.scheduled("Patient")
			change(&in)
			a.renew(start)
			a.env.ExecuteWorkflow(cdc.WorkflowAudit, in)
			require.ErrorContains(t, a.env.GetWorkflowError(), string(cdc.ClassInvalidInput))
		})
	}
}

// Cancelling ends the audit as cancelled; the next goes on from the last one that
// completed.
func TestCancelledAudit(t *testing.T) {
	a := newAuditor(t)
	a.window(start).open = true
	in := a.scheduled("Patient")
	in.Span = &cdc.Span{From: start, To: start.Add(time.Minute)}
	a.renew(start.Add(time.Hour))
	a.env.RegisterDelayedCallback(a.env.CancelWorkflow, 10*time.Second)
	a.env.ExecuteWorkflow(cdc.WorkflowAudit, in)
	require.ErrorContains(t, a.env.GetWorkflowError(), "canceled")
	require.Empty(t, a.statements)
}
