package status

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	commonpb "go.temporal.io/api/common/v1"
	enumspb "go.temporal.io/api/enums/v1"
	workflowpb "go.temporal.io/api/workflow/v1"
	"google.golang.org/protobuf/types/known/timestamppb"

	"healthlake-cdc/internal/cdc"
	"healthlake-cdc/internal/queue"
	"healthlake-cdc/internal/temporal/temporaltest"
)

var noon = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

func TestWindowsOfKeepsWindowsTheNewestFirst(t *testing.T) {
	info := func(id string) *workflowpb.WorkflowExecutionInfo {
		return &workflowpb.WorkflowExecutionInfo{
			Execution: &commonpb.WorkflowExecution{WorkflowId: id, RunId: "run"},
			Status:    enumspb.WORKFLOW_EXECUTION_STATUS_RUNNING, StartTime: timestamppb.New(noon),
		}
	}
	old, recent := cdc.WindowAt("d", noon), cdc.WindowAt("d", noon.Add(time.Minute))
	all := windowsOf([]*workflowpb.WorkflowExecutionInfo{info(old.ID()), info("replay/x"), info(recent.RerunID(2))})
	require.Len(t, all, 2)
	require.Equal(t, recent.RerunID(2), all[0].id)
	require.Equal(t, old, all[1].Window)
}

// The newest windows are read, and for each type the newest that published it.
func TestSample(t *testing.T) {
	var recent []window
	for i := range 100 {
		w := window{id: fmt.Sprintf("w%d", i)}
		switch i {
		case 20, 40:
			w.types = []string{"Patient"}
		case 60:
			w.types = []string{"Patient", "Claim"}
		}
		recent = append(recent, w)
	}
	ids := func(windows []window) (all []string) {
		for _, w := range windows {
			all = append(all, w.id)
		}
		return all
	}
	require.Equal(t, []string{"w0", "w1", "w2", "w20", "w60"}, ids(sample(recent)))
	for i := range recent {
		recent[i].types = nil
	}
	require.Equal(t, []string{"w0", "w1", "w2", "w3", "w4", "w5", "w6", "w7"}, ids(sample(recent)))
	for i := range recent {
		recent[i].types = []string{fmt.Sprintf("T%d", i)}
	}
	require.Len(t, sample(recent), maxRead)
	require.Empty(t, sample(nil))
}

func TestWaitingIn(t *testing.T) {
	require.Nil(t, waitingIn("w", nil))
	require.Empty(t, waitingIn("w", &cdc.Progress{}))
	found := waitingIn("w", &cdc.Progress{
		Failing: []cdc.Wait{{Type: "Patient", Class: cdc.ClassForbidden}, {Type: "Claim", Class: cdc.ClassThrottled}},
		Waiting: []cdc.Wait{{Type: "Patient", Class: cdc.ClassForbidden}, {Type: "Goal", Versions: 2}, {Bus: true, Class: cdc.ClassBusMissing}},
	})
	require.Len(t, found, 4)
	require.Equal(t, Waiting{
		WorkflowID: "w", Type: "Claim", Class: cdc.ClassThrottled, What: "the type Claim, which cannot be read (Throttled): it is tried again",
	}, found[0])
	require.True(t, found[1].Operator, "nobody but an operator ends a 403")
	require.Contains(t, found[1].What, "the type Patient, which cannot be read (Forbidden)")
	require.Contains(t, found[2].What, "2 of Goal, which EventBridge rejects")
	require.Equal(t, cdc.ClassBusMissing, found[3].Class)
	require.Contains(t, found[3].What, "the event bus, which does not accept what is put on it (BusMissing)")

	found = waitingIn("window/d/r1", &cdc.Progress{Waiting: []cdc.Wait{{Ledger: true, Class: cdc.ClassLedgerUnreadable}}})
	require.Len(t, found, 1)
	require.True(t, found[0].Operator)
	require.Equal(t, cdc.ClassLedgerUnreadable, found[0].Class)
	require.Contains(t, found[0].What, "CDC_PAYLOAD_KEYS")
	found = waitingIn(cdc.DeleteID("0123456789abcdef0123456789abcdef", "e1"), &cdc.Progress{Waiting: []cdc.Wait{{Type: "Patient", Class: cdc.ClassForbidden}}})
	require.Len(t, found, 1)
	require.Equal(t, "the resource cannot be read, so its delete is not confirmed", found[0].What)
	require.True(t, found[0].Operator)
	found = waitingIn(cdc.DeleteID("0123456789abcdef0123456789abcdef", "e1"), &cdc.Progress{Waiting: []cdc.Wait{{Versions: 1}}})
	require.Len(t, found, 1)
	require.Contains(t, found[0].What, "1 of an unnamed type, which EventBridge rejects")
}

// A window is overdue long after its last pass, or after it was opened where that
// was later.
func TestOverdue(t *testing.T) {
	w := window{Window: cdc.WindowAt("d", noon), id: "w", opened: noon.Add(5 * time.Second)}
	late := w
	late.id, late.opened = "late", noon.Add(2*time.Hour)
	for _, c := range []struct {
		at   time.Time
		want int
	}{
		{noon.Add(70*time.Second + patience), 0},
		{noon.Add(71*time.Second + patience), 1},
		{noon.Add(2*time.Hour + patience), 1},
		{noon.Add(2*time.Hour + patience + time.Second), 2},
	} {
		run := (&Collector{
			Passes: []time.Duration{10 * time.Second, time.Minute}, Now: func() time.Time { return c.at },
		}).begin() // no worker answers
		run.openWindows(t.Context(), []window{late, w})
		require.Len(t, run.report.Waiting, c.want, c.at)
	}
}

// A recorded run shows what it published with its lag, and how often it searched.
func TestHistoryOfARecordedWindow(t *testing.T) {
	const histories = "../../../workflows/testdata/histories"
	h := history{
		converter: temporaltest.RecordedData(t, histories), window: "w",
		published: make(map[string]Type), inputs: make(map[int64]cdc.PublishInput),
	}
	for _, event := range temporaltest.Recorded(t, histories, "window-extra-pass").GetEvents() {
		require.NoError(t, h.apply(event))
	}
	require.True(t, h.closed)
	require.Positive(t, h.counts.Searches)
	require.NotEmpty(t, h.published)
	for name, one := range h.published {
		require.Equal(t, name, one.Type)
		require.Equal(t, "w", one.Window)
		require.True(t, one.Published.After(one.LastUpdated))
		require.InDelta(t, one.Published.Sub(one.LastUpdated).Seconds(), one.Lag, 1e-9)
	}
}

func TestText(t *testing.T) {
	report := Report{
		At: noon,
		Stores: []Store{{
			Datastore: "abc", OpenWindows: 2, OldestOpen: noon.Add(-time.Minute), WindowsPerHour: 360, ActionsPerHour: 2520,
			DollarsPerHour: 0.126, SearchesPerHour: 25920,
			Types: []Type{{Type: "Claim"}, {Type: "Patient", Published: noon.Add(-time.Second), LastUpdated: noon.Add(-21 * time.Second), Lag: 20}},
		}},
		Queue: &queue.Depth{Visible: 1, InFlight: 2, Delayed: 3}, QueueNote: "it has none",
		Ranges: []Running{
			{WorkflowID: "replay/x", Started: noon, Progress: &cdc.Progress{Range: &cdc.RangeProgress{Planned: true, Done: 1, Total: 4}}},
			{WorkflowID: "replay/y", Started: noon},
		},
		Waiting: []Waiting{{WorkflowID: "w", Type: "Claim", Class: cdc.ClassForbidden, What: "the type Claim waits", Operator: true}},
		Failed:  []Failed{{WorkflowID: "f", Status: "timed out", Closed: noon, What: "it is missing", Do: "run it again"}}, FailedTotal: 3,
		Notes: []string{"a note"},
	}
	text := report.Text()
	for _, want := range []string{
		"2, the oldest from 2026-11-23T11:59:00Z (1m0s ago)", "360 windows, 2520 actions ($0.1260), 25920 searches",
		"last published 2026-11-23T11:59:59Z, 20.0 s after it was written", "1 other types", "1 wait, 2 in flight, 3 delayed",
		"unknown: it has none", "1 of 4 versions (25 %)", "no worker answers", "NONE polls", "WAITS FOR YOU", "w: the type Claim waits", "a note",
		"TIMED OUT", "f at 2026-11-23T12:00:00Z: it is missing. Do: run it again", "and 2 more",
	} {
		require.Contains(t, text, want)
	}
	require.NotContains(t, text, "%!")
}

func TestAuditOf(t *testing.T) {
	span := func(m int) cdc.Span {
		return cdc.Span{From: noon.Add(time.Duration(m) * time.Minute), To: noon.Add(time.Duration(m+1) * time.Minute)}
	}
	found := auditOf(cdc.AuditState{Totals: cdc.AuditTotals{AuditFigures: cdc.AuditFigures{Healed: 3}},
		Audited: map[string]cdc.Span{"Patient": {From: noon, To: noon.Add(30 * time.Minute)}, "Claim": span(9)},
		Unresolved: []cdc.UnresolvedSpan{
			{Span: span(7), Types: []cdc.UnresolvedType{{Type: "Patient", Reason: cdc.UnresolvedOpen, Missing: 2}}},
			{Span: span(5), Types: []cdc.UnresolvedType{{Type: "Patient", Missing: 1}, {Type: "Claim", Missing: 4}}},
		},
		Expired: []cdc.AuditPart{{Span: span(-99)}},
	})
	require.Equal(t, Audit{
		Through: noon.Add(10 * time.Minute), Unresolved: 2, Oldest: noon.Add(5 * time.Minute), Missing: 7, Healed: 3, Expired: 1,
	}, found)
	require.Contains(t, found.text(), "7 missing; 2 time ranges are incomplete, the oldest from 2026-11-23T12:05:00Z; 1 TIME RANGES EXPIRED")
	require.Len(t, found.waiting(), 1)
	var none *Audit
	require.Empty(t, none.waiting())
	require.Contains(t, none.text(), "no scheduled audit")
}
