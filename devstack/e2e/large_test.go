package e2e

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	enumspb "go.temporal.io/api/enums/v1"

	"healthlake-cdc/devstack/internal/fhirdata"
	"healthlake-cdc/devstack/internal/simulator"
	"healthlake-cdc/devstack/internal/stack"
	"healthlake-cdc/internal/cdc"
)

// One window of 5,000 versions of three types: what overflows goes to slices,
// and everything comes once.
func TestWindowOfFiveThousandVersions(t *testing.T) {
	t.Parallel()
	const versions = 5_000
	r, c := newClockedRig(t, stack.Options{Simulator: simulator.Config{Limits: noLimits}}, "CDC_SEARCH_RATE=1000")
	r.worker(t)
	r.worker(t)
	window := windowIn(r.datastore(), cdc.WindowWidth)
	c.pin(window.Start.Add(alone))
	counts := map[string]int{"Observation": 3_500, "Condition": 1_000, "Encounter": 500}
	for _, transaction := range fhirdata.Transactions(many(t, counts), 500) {
		_, err := r.writer.Transaction(t.Context(), transaction)
		require.NoError(t, err)
	}
	c.release(0)
	report := r.drained(t)

	complete(t, report)
	require.Equal(t, versions, report.Total.Published)
	result := r.result(t, window.ID())
	require.Equal(t, versions, result.Counts.Published)
	require.Equal(t, versions, result.Ledger.Published())
	for resourceType, n := range counts {
		require.Equal(t, n, result.Ledger.Types[resourceType].Published.Len(), resourceType)
	}
	for _, event := range r.subscriber.Events() {
		require.Equal(t, window.ID(), event.Meta.CorrelationID, "all in one window")
	}

	// The slices have the window's ID as their prefix, and are its children.
	slices := r.ids(t, "WorkflowType='CaptureSlice'")
	require.NotEmpty(t, slices)
	var children []string
	for _, event := range r.events(t, window.ID()) {
		if event.GetEventType() == enumspb.EVENT_TYPE_CHILD_WORKFLOW_EXECUTION_COMPLETED {
			children = append(children, event.GetChildWorkflowExecutionCompletedEventAttributes().GetWorkflowExecution().GetWorkflowId())
		}
	}
	require.Subset(t, slices, children)
	require.Subset(t, children, slices)
	for _, id := range slices {
		parent, resourceType, from, _, err := cdc.ParseSliceID(id)
		require.NoError(t, err)
		require.Equal(t, window.ID(), parent)
		require.True(t, window.Contains(from), "of the window, or of a part of it")
		require.Contains(t, counts, resourceType)
	}
	r.valid(t)
}

// many are variations of sample resources, n of each type.
func many(t *testing.T, counts map[string]int) []fhirdata.Resource {
	t.Helper()
	bundle, err := fhirdata.Load(fhirdata.Names()[0])
	require.NoError(t, err)
	samples := make(map[string][]fhirdata.Resource)
	for _, resource := range bundle.Resources {
		samples[resource.Type] = append(samples[resource.Type], resource)
	}
	var all []fhirdata.Resource
	for resourceType, n := range counts {
		like := samples[resourceType]
		require.NotEmpty(t, like)
		for i := range n {
			resource, err := fhirdata.WithID(like[i%len(like)], fmt.Sprintf("%s-%d", strings.ToLower(resourceType), i))
			require.NoError(t, err)
			all = append(all, resource)
		}
	}
	return all
}

// A resource of 1.5 MB travels as a reference, and so does one that is a byte too
// large; one that just fits, and everything else of the window, goes in full.
func TestLargeResource(t *testing.T) {
	t.Parallel()
	const maxEventBytes = 1_000_000 // the default of CDC_MAX_EVENT_BYTES
	const large, fits, tooLarge = "doc-1", "doc-2", "doc-3"
	r, c := newClockedRig(t, stack.Options{})
	r.worker(t)
	window := windowIn(r.datastore(), 5*time.Second)
	at := window.Start.Add(alone)
	c.pin(at)
	put(t, r.writer, "Patient", "small")
	document := fhirdata.Large(large, 1_125_000, 1)
	written, err := r.writer.Update(t.Context(), document.Type, document.ID, document.Body)
	require.NoError(t, err)
	require.Greater(t, len(written.Body), 1_500_000)

	// The store adds meta, which is as long for each of them; an event adds what
	// is around the body.
	added := len(written.Body) - len(document.Body)
	overhead, err := cdc.EventFormat{Source: "com.fhir-{type}", DetailType: "Fhir{Type}Changed"}.Overhead(
		cdc.Version{Type: document.Type, ID: fits, VersionID: "1", LastUpdated: at.Format("2006-01-02T15:04:05.000Z")},
		cdc.Origin{Datastore: r.datastore(), Cause: cdc.Cause{SourceTime: at, CapturedBy: cdc.ByCloudTrail}, CorrelationID: window.ID()})
	require.NoError(t, err)
	for i, id := range []string{fits, tooLarge} {
		body := documentOf(id, maxEventBytes-overhead-added+i)
		written, err := r.writer.Update(t.Context(), "DocumentReference", id, body)
		require.NoError(t, err)
		require.Equal(t, maxEventBytes+i, overhead+len(written.Body))
	}
	for i := range 20 {
		put(t, r.writer, "DocumentReference", fmt.Sprintf("beside-%d", i))
	}
	c.release(0)
	report := r.drained(t)

	complete(t, report)
	require.Equal(t, 24, report.Total.Published)
	require.Equal(t, []string{window.ID()}, r.windows(t))
	require.Equal(t, 2, r.result(t, window.ID()).Counts.References)
	for _, event := range r.subscriber.Events() {
		reference := event.Meta.ResourceID == large || event.Meta.ResourceID == tooLarge
		if !reference {
			require.Equal(t, cdc.PayloadFull, event.Meta.Payload)
			require.Empty(t, event.Meta.Reason)
			stored, ok := r.Simulator.Body(r.datastore(), event.Meta.ResourceType, event.Meta.ResourceID, 1)
			require.True(t, ok)
			require.Contains(t, string(event.Detail), `,"data":`+string(stored)+`}`, "byte for byte")
			continue
		}
		require.Equal(t, cdc.PayloadReference, event.Meta.Payload)
		require.Equal(t, cdc.ReasonOversize, event.Meta.Reason)
		require.Zero(t, event.Size, "a reference has no data")
	}
	r.valid(t)
}

// documentOf is a DocumentReference of exactly size bytes. Its text holds what
// encoding/json would have escaped.
func documentOf(id string, size int) []byte {
	head := fmt.Sprintf(`{"resourceType":"DocumentReference","id":%q,"status":"current","description":"<&> `, id)
	const tail = `"}`
	return []byte(head + strings.Repeat("x", size-len(head)-len(tail)) + tail)
}
