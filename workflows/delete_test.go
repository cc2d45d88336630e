package workflows_test

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"healthlake-cdc/internal/cdc"
	"healthlake-cdc/internal/healthlake/healthlaketest"
)

// graveyard is the store of one Patient, "SECRET-p".
type graveyard struct {
	*healthlaketest.Store
	// noHistory and noRead are the errors of histories and of reads.
	noHistory, noRead error
}

const buried = "SECRET-p"

func newGraveyard(w *world) *graveyard {
	g := &graveyard{Store: w.store}
	w.store.Fail = func(c healthlaketest.Call) error {
		if c.Op == "history" {
			return g.noHistory
		}
		return g.noRead
	}
	return g
}

func (g *graveyard) put(at time.Time)    { g.Write("Patient", buried, at, 0, 0) }
func (g *graveyard) delete(at time.Time) { g.Delete("Patient", buried, at) }

func TestPublishExactDelete(t *testing.T) {
	ago := func(minutes int) time.Time { return start.Add(-time.Duration(minutes) * time.Minute) }
	at := start.Add(1500 * time.Millisecond) // of the delete; its record says when it completed, cut to seconds
	const byEvent, second = "/_delete/e1", "/_history/2"
	none := &cdc.Error{Op: "GET {Type}/{id}/_history", Class: cdc.ClassInvalidRequest, Status: 400}
	gone := &cdc.Error{Op: "GET {Type}/{id}/_history", Class: cdc.ClassNotFound, Status: 404}
	forbidden := &cdc.Error{Op: "GET {Type}/{id}/_history", Class: cdc.ClassForbidden, Status: 403}
	for name, c := range map[string]struct {
		bury func(*graveyard)
		// key is what follows the resource, body the version of the last body.
		key, body string
		// wait is how long after its record the delete is published.
		wait time.Duration
	}{
		"history has it":            {func(g *graveyard) { g.put(ago(9)); g.delete(at) }, second, "1", 3 * time.Second},
		"page after page":           {func(g *graveyard) { g.put(ago(9)); g.delete(at); g.HistoryPageSize = 1 }, second, "1", 3 * time.Second},
		"history lags":              {func(g *graveyard) { g.put(ago(9)); g.delete(at); g.HistoryLag = 3 * time.Minute }, second, "1", 183 * time.Second},
		"never in history":          {func(g *graveyard) { g.put(ago(9)); g.delete(at); g.HistoryLag = time.Hour / 7 }, byEvent, "1", 6 * time.Minute},
		"no history is kept":        {func(g *graveyard) { g.put(ago(9)); g.delete(at); g.noHistory = none }, byEvent, "", 3 * time.Second},
		"erased":                    {func(g *graveyard) { g.noHistory = gone }, byEvent, "", 3 * time.Second},
		"created again":             {func(g *graveyard) { g.put(ago(9)); g.delete(at); g.put(at.Add(time.Second)) }, second, "1", 3 * time.Second},
		"deleted and deleted again": {func(g *graveyard) { g.put(ago(9)); g.delete(ago(8)) }, second, "1", 6 * time.Minute},
		"the second of two":         {func(g *graveyard) { g.put(ago(9)); g.delete(ago(8)); g.put(ago(7)); g.delete(at) }, "/_history/4", "3", 3 * time.Second},
		"the first of two": {func(g *graveyard) {
			g.put(ago(9))
			g.delete(at)
			g.put(at.Add(9 * time.Second))
			g.delete(at.Add(20 * time.Second))
		}, second, "1", 3 * time.Second},
		"a tombstone without a time": {func(g *graveyard) { g.put(ago(9)); g.delete(at); g.Log[1].LastUpdated = "" }, second, "1", 3 * time.Second},
		"history may not be read":    {func(g *graveyard) { g.put(ago(9)); g.delete(at); g.noHistory = forbidden }, byEvent, "", 6 * time.Minute},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			g := newGraveyard(w)
			c.bury(g)
			record := at.Truncate(time.Second).Add(time.Second)
			w.env.ExecuteWorkflow(cdc.WorkflowPublishDelete, cdc.PublishDeleteInput{
				Origin: cdc.Origin{Datastore: datastore, Cause: cdc.Cause{SourceTime: record, CapturedBy: cdc.BySubscription}, CorrelationID: "delete/" + datastore + "/e1"},
				Delete: cdc.Delete{EventID: "e1", Type: "Patient", ResourceID: buried, EventTime: record},
			})
			require.NoError(t, w.env.GetWorkflowError())
			require.Len(t, w.bus.accepted, 1)
			event := w.bus.accepted[0]
			require.Equal(t, datastore+"/Patient/"+buried+c.key, event.Meta.Key)
			require.Equal(t, "deleted", event.Meta.Change)
			require.Empty(t, event.Meta.Resolution)
			if c.body == "" {
				require.Empty(t, event.Data)
				require.Empty(t, event.Meta.Payload)
			} else {
				require.Contains(t, string(event.Data), `"versionId":"`+c.body+`"`)
				require.Equal(t, "full", event.Meta.Payload)
			}
			// The wait ends with the first read after it.
			from := start
			if c.wait == 6*time.Minute {
				from = record
			}
			require.WithinRange(t, event.at, from.Add(c.wait), from.Add(c.wait+time.Minute))
			var result cdc.PublishDeleteResult
			require.NoError(t, w.env.GetWorkflowResult(&result))
			require.Equal(t, cdc.PublishDeleteResult{Type: "Patient", EventTime: record, Exact: true}, result)
		})
	}
}

// A delete that the store contradicts is not published, but counted and logged: of a
// resource that lives and was never deleted, or not then, however late its history is.
func TestContradictedDelete(t *testing.T) {
	at := start.Add(1500 * time.Millisecond)
	none := &cdc.Error{Op: "GET {Type}/{id}/_history", Class: cdc.ClassInvalidRequest, Status: 400}
	for name, bury := range map[string]func(*graveyard){
		"alive":              func(g *graveyard) { g.put(start.Add(-time.Hour)) },
		"updated just now":   func(g *graveyard) { g.put(start.Add(-time.Hour)); g.put(at) },
		"not in history yet": func(g *graveyard) { g.put(start.Add(-time.Hour)); g.HistoryLag = 2 * time.Hour },
		"no history is kept": func(g *graveyard) { g.put(start.Add(-time.Hour)); g.noHistory = none },
		"too large to be read": func(g *graveyard) {
			g.put(start.Add(-time.Hour))
			g.noRead = &cdc.Error{Op: "GET {Type}/{id}", Class: cdc.ClassTooLarge, Status: 200}
			g.noHistory = &cdc.Error{Op: "GET {Type}/{id}/_history", Class: cdc.ClassTooLarge, Status: 200}
		},
		"deleted before": func(g *graveyard) {
			g.put(start.Add(-time.Hour))
			g.delete(start.Add(-30 * time.Minute))
			g.put(start.Add(-20 * time.Minute))
		},
		"deleted later": func(g *graveyard) {
			g.put(start.Add(-time.Hour))
			g.delete(at.Add(time.Minute))
			g.put(at.Add(2 * time.Minute))
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			g := newGraveyard(w)
			bury(g)
			states := w.states()
			in := reportedDelete(at)
			in.Attributes = true
			w.env.ExecuteWorkflow(cdc.WorkflowPublishDelete, in)
			require.NoError(t, w.env.GetWorkflowError())
			require.Empty(t, w.bus.accepted)
			require.Empty(t, w.bus.tried)
			var result cdc.PublishDeleteResult
			require.NoError(t, w.env.GetWorkflowResult(&result))
			require.Equal(t, cdc.PublishDeleteResult{Type: "Patient", EventTime: at, Exact: true, Contradicted: true}, result)
			require.Equal(t, at.Add(6*time.Minute), w.now(), "not before history can be late no more")
			require.EqualValues(t, 1, w.counted.Of(cdc.MetricContradicted, datastore, "Patient"))
			require.Contains(t, w.logged.String(), "delete="+w.window.ID(), "the execution's ID")
			require.NotContains(t, w.logged.String(), buried)
			require.Empty(t, *states)
		})
	}
}

// A delete of long ago is read once.
func TestContradictedDeleteOfLongAgo(t *testing.T) {
	w := newWorld(t)
	g := newGraveyard(w)
	g.put(start.Add(-time.Hour))
	w.env.ExecuteWorkflow(cdc.WorkflowPublishDelete, reportedDelete(time.Date(1990, 1, 1, 0, 0, 0, 0, time.UTC)))
	require.NoError(t, w.env.GetWorkflowError())
	require.Equal(t, start.Add(3*time.Second), w.now())
	require.EqualValues(t, 1, w.counted.Of(cdc.MetricContradicted, datastore, "Patient"))
}

// reportedDelete is an exact delete of a notification.
func reportedDelete(at time.Time) cdc.PublishDeleteInput {
	return cdc.PublishDeleteInput{
		Origin: cdc.Origin{Datastore: datastore, Cause: cdc.Cause{SourceTime: at, CapturedBy: cdc.BySubscription}, CorrelationID: "delete/" + datastore + "/e1"},
		Delete: cdc.Delete{EventID: "e1", Type: "Patient", ResourceID: buried, EventTime: at},
	}
}

// A store that does not let us read confirms nothing: the delete waits for an operator,
// who fixes that, or skips the delete.
func TestDeleteThatCannotBeConfirmedWaits(t *testing.T) {
	forbidden := &cdc.Error{Op: "GET {Type}/{id}", Class: cdc.ClassForbidden, Status: 403}
	rejected := &cdc.Error{Op: "GET {Type}/{id}", Class: cdc.ClassInvalidRequest, Status: 400}
	later := start.Add(20 * time.Minute)
	for name, c := range map[string]struct {
		bury  func(*graveyard)
		fix   func(*graveyard)
		class cdc.Class
		want  cdc.PublishDeleteResult
	}{
		"reads are allowed again": {
			func(g *graveyard) { g.delete(start); g.noRead = forbidden }, func(g *graveyard) { g.noRead = nil },
			cdc.ClassForbidden, cdc.PublishDeleteResult{},
		},
		"and contradict it": {
			func(g *graveyard) { g.noRead = rejected }, func(g *graveyard) { g.noRead = nil },
			cdc.ClassInvalidRequest, cdc.PublishDeleteResult{Contradicted: true},
		},
		"history of one that lives": {
			func(g *graveyard) { g.noHistory = forbidden }, func(g *graveyard) { g.noHistory = nil },
			cdc.ClassForbidden, cdc.PublishDeleteResult{Contradicted: true},
		},
		"skipped": {func(g *graveyard) { g.noRead = forbidden }, nil, cdc.ClassForbidden, cdc.PublishDeleteResult{Skipped: true}},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			g := newGraveyard(w)
			g.put(start.Add(-time.Hour))
			c.bury(g)
			in := reportedDelete(start)
			in.Attributes = true
			states := w.states()
			w.when(later, func() {
				progress := w.progress()
				require.Equal(t, []cdc.Wait{{Type: "Patient", Class: c.class}}, progress.Failing)
				require.Len(t, progress.Waiting, 1)
				if c.fix == nil {
					w.env.SignalWorkflow(cdc.SignalSkip, cdc.SkipOf(progress.Waiting))
					return
				}
				c.fix(g)
				w.env.SignalWorkflow(cdc.SignalRetry, nil)
			})
			w.env.ExecuteWorkflow(cdc.WorkflowPublishDelete, in)
			require.NoError(t, w.env.GetWorkflowError())
			require.Equal(t, later, w.now(), "at once")
			c.want.Type, c.want.EventTime, c.want.Exact = "Patient", start, true
			var result cdc.PublishDeleteResult
			require.NoError(t, w.env.GetWorkflowResult(&result))
			require.Equal(t, c.want, result)
			published := 1
			if c.want.Skipped || c.want.Contradicted {
				published = 0
			}
			require.Len(t, w.bus.accepted, published)
			require.Equal(t, cdc.StateWaiting, (*states)[0])
			require.Len(t, *states, 2, "it ceases to wait")
			require.NotContains(t, w.logged.String(), buried)
		})
	}
}

// A body that does not fit on the bus, or that is not wanted, does not travel.
func TestExactDeleteAsAReference(t *testing.T) {
	for reason, set := range map[string]func(*world){
		cdc.ReasonOversize:   func(w *world) { w.real.Reader.MaxEventBytes = 600 },
		cdc.ReasonConfigured: func(w *world) { w.real.Reader.References = true },
	} {
		w := newWorld(t)
		g := newGraveyard(w)
		g.put(start.Add(-time.Minute))
		g.Log[0].Body = []byte(`{"resourceType":"Patient","text":"` + strings.Repeat("x", 600) + `"}`)
		g.delete(start)
		set(w)
		w.env.ExecuteWorkflow(cdc.WorkflowPublishDelete, cdc.PublishDeleteInput{
			Origin: cdc.Origin{Datastore: datastore, Cause: cdc.Cause{CapturedBy: cdc.ByCloudTrail}},
			Delete: cdc.Delete{EventID: "e1", Type: "Patient", ResourceID: buried, EventTime: start},
		})
		require.NoError(t, w.env.GetWorkflowError())
		require.Equal(t, "reference", w.bus.accepted[0].Meta.Payload)
		require.Equal(t, reason, w.bus.accepted[0].Meta.Reason)
		require.Empty(t, w.bus.accepted[0].Data)
	}
}

// A store that fails for a while is read again until it answers.
func TestExactDeleteWhileTheStoreIsDown(t *testing.T) {
	w := newWorld(t)
	g := newGraveyard(w)
	g.put(start.Add(-time.Minute))
	g.delete(start)
	g.noRead = lasting(cdc.ClassUnavailable, 503)
	back := start.Add(2 * time.Minute)
	w.when(back, func() { g.noRead = nil })
	w.env.ExecuteWorkflow(cdc.WorkflowPublishDelete, cdc.PublishDeleteInput{
		Origin: cdc.Origin{Datastore: datastore, Cause: cdc.Cause{CapturedBy: cdc.ByCloudTrail}},
		Delete: cdc.Delete{EventID: "e1", Type: "Patient", ResourceID: buried, EventTime: start},
	})
	require.NoError(t, w.env.GetWorkflowError())
	require.Equal(t, []string{datastore + "/Patient/" + buried + "/_history/2"}, w.bus.keys())
	require.False(t, w.bus.accepted[0].at.Before(back))
}
