package workflows_test

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"healthlake-cdc/internal/cdc"
	"healthlake-cdc/internal/healthlake/healthlaketest"
)

// patientStore is a store of one Patient.
type patientStore struct {
	*healthlaketest.Store
	// noHistory and noRead are the errors of histories and of reads.
	noHistory, noRead error
}

const deletedID = "SECRET-p"

func newPatientStore(w *world) *patientStore {
	p := &patientStore{Store: w.store}
	w.store.Fail = func(c healthlaketest.Call) error {
		if c.Op == "history" {
			return p.noHistory
		}
		return p.noRead
	}
	return p
}

func (p *patientStore) put(at time.Time)    { p.Write("Patient", deletedID, at, 0, 0) }
func (p *patientStore) delete(at time.Time) { p.Delete("Patient", deletedID, at) }

func TestPublishExactDelete(t *testing.T) {
	ago := func(minutes int) time.Time { return start.Add(-time.Duration(minutes) * time.Minute) }
	at := start.Add(1500 * time.Millisecond) // of the delete; its record says when it completed, cut to seconds
	const byEvent, second = "/_delete/e1", "/_history/2"
	none := &cdc.Error{Op: "GET {Type}/{id}/_history", Class: cdc.ClassInvalidRequest, Status: 400}
	gone := &cdc.Error{Op: "GET {Type}/{id}/_history", Class: cdc.ClassNotFound, Status: 404}
	forbidden := &cdc.Error{Op: "GET {Type}/{id}/_history", Class: cdc.ClassForbidden, Status: 403}
	for name, c := range map[string]struct {
		prepare func(*patientStore)
		// key is what follows the resource, body the version of the last body.
		key, body string
		// wait is how long after its record the delete is published.
		wait time.Duration
	}{
		"history has it":            {func(p *patientStore) { p.put(ago(9)); p.delete(at) }, second, "1", 3 * time.Second},
		"page after page":           {func(p *patientStore) { p.put(ago(9)); p.delete(at); p.HistoryPageSize = 1 }, second, "1", 3 * time.Second},
		"history lags":              {func(p *patientStore) { p.put(ago(9)); p.delete(at); p.HistoryLag = 3 * time.Minute }, second, "1", 183 * time.Second},
		"never in history":          {func(p *patientStore) { p.put(ago(9)); p.delete(at); p.HistoryLag = time.Hour / 7 }, byEvent, "1", 6 * time.Minute},
		"no history is kept":        {func(p *patientStore) { p.put(ago(9)); p.delete(at); p.noHistory = none }, byEvent, "", 3 * time.Second},
		"erased":                    {func(p *patientStore) { p.noHistory = gone }, byEvent, "", 3 * time.Second},
		"created again":             {func(p *patientStore) { p.put(ago(9)); p.delete(at); p.put(at.Add(time.Second)) }, second, "1", 3 * time.Second},
		"deleted and deleted again": {func(p *patientStore) { p.put(ago(9)); p.delete(ago(8)) }, second, "1", 6 * time.Minute},
		"the second of two":         {func(p *patientStore) { p.put(ago(9)); p.delete(ago(8)); p.put(ago(7)); p.delete(at) }, "/_history/4", "3", 3 * time.Second},
		"the first of two": {func(p *patientStore) {
			p.put(ago(9))
			p.delete(at)
			p.put(at.Add(9 * time.Second))
			p.delete(at.Add(20 * time.Second))
		}, second, "1", 3 * time.Second},
		"a tombstone without a time": {func(p *patientStore) { p.put(ago(9)); p.delete(at); p.Log[1].LastUpdated = "" }, second, "1", 3 * time.Second},
		"history may not be read":    {func(p *patientStore) { p.put(ago(9)); p.delete(at); p.noHistory = forbidden }, byEvent, "", 6 * time.Minute},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			p := newPatientStore(w)
			c.prepare(p)
			record := at.Truncate(time.Second).Add(time.Second)
			w.env.ExecuteWorkflow(cdc.WorkflowPublishDelete, cdc.PublishDeleteInput{
				Origin: cdc.Origin{Datastore: datastore, Cause: cdc.Cause{SourceTime: record, CapturedBy: cdc.BySubscription}, CorrelationID: "delete/" + datastore + "/e1"},
				Delete: cdc.Delete{EventID: "e1", Type: "Patient", ResourceID: deletedID, EventTime: record},
			})
			require.NoError(t, w.env.GetWorkflowError())
			require.Len(t, w.bus.accepted, 1)
			event := w.bus.accepted[0]
			require.Equal(t, datastore+"/Patient/"+deletedID+c.key, event.Meta.Key)
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
	for name, prepare := range map[string]func(*patientStore){
		"alive":              func(p *patientStore) { p.put(start.Add(-time.Hour)) },
		"updated just now":   func(p *patientStore) { p.put(start.Add(-time.Hour)); p.put(at) },
		"not in history yet": func(p *patientStore) { p.put(start.Add(-time.Hour)); p.HistoryLag = 2 * time.Hour },
		"no history is kept": func(p *patientStore) { p.put(start.Add(-time.Hour)); p.noHistory = none },
		"too large to be read": func(p *patientStore) {
			p.put(start.Add(-time.Hour))
			p.noRead = &cdc.Error{Op: "GET {Type}/{id}", Class: cdc.ClassTooLarge, Status: 200}
			p.noHistory = &cdc.Error{Op: "GET {Type}/{id}/_history", Class: cdc.ClassTooLarge, Status: 200}
		},
		"deleted before": func(p *patientStore) {
			p.put(start.Add(-time.Hour))
			p.delete(start.Add(-30 * time.Minute))
			p.put(start.Add(-20 * time.Minute))
		},
		"deleted later": func(p *patientStore) {
			p.put(start.Add(-time.Hour))
			p.delete(at.Add(time.Minute))
			p.put(at.Add(2 * time.Minute))
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			p := newPatientStore(w)
			prepare(p)
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
			require.NotContains(t, w.logged.String(), deletedID)
			require.Empty(t, *states)
		})
	}
}

// A delete of long ago is read once.
func TestContradictedDeleteOfLongAgo(t *testing.T) {
	w := newWorld(t)
	p := newPatientStore(w)
	p.put(start.Add(-time.Hour))
	w.env.ExecuteWorkflow(cdc.WorkflowPublishDelete, reportedDelete(time.Date(1990, 1, 1, 0, 0, 0, 0, time.UTC)))
	require.NoError(t, w.env.GetWorkflowError())
	require.Equal(t, start.Add(3*time.Second), w.now())
	require.EqualValues(t, 1, w.counted.Of(cdc.MetricContradicted, datastore, "Patient"))
}

// reportedDelete is an exact delete of a notification.
func reportedDelete(at time.Time) cdc.PublishDeleteInput {
	return cdc.PublishDeleteInput{
		Origin: cdc.Origin{Datastore: datastore, Cause: cdc.Cause{SourceTime: at, CapturedBy: cdc.BySubscription}, CorrelationID: "delete/" + datastore + "/e1"},
		Delete: cdc.Delete{EventID: "e1", Type: "Patient", ResourceID: deletedID, EventTime: at},
	}
}

// A store that does not let us read confirms nothing: the delete waits for an operator,
// who fixes that, or skips the delete.
func TestDeleteThatCannotBeConfirmedWaits(t *testing.T) {
	forbidden := &cdc.Error{Op: "GET {Type}/{id}", Class: cdc.ClassForbidden, Status: 403}
	rejected := &cdc.Error{Op: "GET {Type}/{id}", Class: cdc.ClassInvalidRequest, Status: 400}
	later := start.Add(20 * time.Minute)
	for name, c := range map[string]struct {
		prepare func(*patientStore)
		fix     func(*patientStore)
		class   cdc.Class
		want    cdc.PublishDeleteResult
	}{
		"reads are allowed again": {
			func(p *patientStore) { p.delete(start); p.noRead = forbidden }, func(p *patientStore) { p.noRead = nil },
			cdc.ClassForbidden, cdc.PublishDeleteResult{},
		},
		"and contradict it": {
			func(p *patientStore) { p.noRead = rejected }, func(p *patientStore) { p.noRead = nil },
			cdc.ClassInvalidRequest, cdc.PublishDeleteResult{Contradicted: true},
		},
		"history of one that lives": {
			func(p *patientStore) { p.noHistory = forbidden }, func(p *patientStore) { p.noHistory = nil },
			cdc.ClassForbidden, cdc.PublishDeleteResult{Contradicted: true},
		},
		"skipped": {func(p *patientStore) { p.noRead = forbidden }, nil, cdc.ClassForbidden, cdc.PublishDeleteResult{Skipped: true}},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			p := newPatientStore(w)
			p.put(start.Add(-time.Hour))
			c.prepare(p)
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
				c.fix(p)
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
			require.NotContains(t, w.logged.String(), deletedID)
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
		p := newPatientStore(w)
		p.put(start.Add(-time.Minute))
		p.Log[0].Body = []byte(`{"resourceType":"Patient","text":"` + strings.Repeat("x", 600) + `"}`)
		p.delete(start)
		set(w)
		w.env.ExecuteWorkflow(cdc.WorkflowPublishDelete, cdc.PublishDeleteInput{
			Origin: cdc.Origin{Datastore: datastore, Cause: cdc.Cause{CapturedBy: cdc.ByCloudTrail}},
			Delete: cdc.Delete{EventID: "e1", Type: "Patient", ResourceID: deletedID, EventTime: start},
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
	p := newPatientStore(w)
	p.put(start.Add(-time.Minute))
	p.delete(start)
	p.noRead = lasting(cdc.ClassUnavailable, 503)
	back := start.Add(2 * time.Minute)
	w.when(back, func() { p.noRead = nil })
	w.env.ExecuteWorkflow(cdc.WorkflowPublishDelete, cdc.PublishDeleteInput{
		Origin: cdc.Origin{Datastore: datastore, Cause: cdc.Cause{CapturedBy: cdc.ByCloudTrail}},
		Delete: cdc.Delete{EventID: "e1", Type: "Patient", ResourceID: deletedID, EventTime: start},
	})
	require.NoError(t, w.env.GetWorkflowError())
	require.Equal(t, []string{datastore + "/Patient/" + deletedID + "/_history/2"}, w.bus.keys())
	require.False(t, w.bus.accepted[0].at.Before(back))
}
