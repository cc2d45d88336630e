package e2e

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	enumspb "go.temporal.io/api/enums/v1"

	"healthlake-cdc/devstack/internal/fhirdata"
	"healthlake-cdc/devstack/internal/simulator"
	"healthlake-cdc/devstack/internal/stack"
	"healthlake-cdc/devstack/internal/truth"
	"healthlake-cdc/internal/cdc"
	"healthlake-cdc/internal/healthlake"
)

// unusualIDs are ids that FHIR does not have.
var unusualIDs = []string{"a:1:b:2", "a b", "ä", "a%2Fb", "a/b", "..", strings.Repeat("x", 200)}

// putUnusual writes a resource with an id that must be escaped in a path.
func (r *rig) putUnusual(t *testing.T, resourceType, id string) {
	t.Helper()
	escaped := strings.ReplaceAll(strings.ReplaceAll(url.QueryEscape(id), "+", "%20"), "..", "%2E%2E")
	_, _, err := r.writer.Do(t.Context(), http.MethodPut, resourceType+"/"+escaped, nil, smallBody(resourceType, id))
	require.NoError(t, err)
}

// unreadableEntries are what a store may show among its resources, with the time of a
// window where they have one: no version, no id, no time, no JSON.
func unreadableEntries(at time.Time) []string {
	inside := at.UTC().Format(time.RFC3339Nano)
	return []string{
		`null`,
		`{"resource":{"resourceType":"Observation","id":"SECRET-number","meta":{"versionId":2,"lastUpdated":"` + inside + `"}}}`,
		`{"resource":{"resourceType":"Observation","id":"SECRET-no-meta"}}`,
		`{"resource":{"resourceType":"Observation","id":"SECRET-leap","meta":{"versionId":"1","lastUpdated":"2016-12-31T23:59:60Z"}}}`,
		`{"resource":{"resourceType":"Observation","id":"SECRET-deep","meta":{"versionId":"1","lastUpdated":"` + inside + `"},"x":` +
			strings.Repeat("[", 20_000) + strings.Repeat("]", 20_000) + `}}`,
	}
}

// Pages that are malformed in every way at once, a type for each: none affects more than
// itself. Ordinary versions come in their window's own passes, once; unreadable entries are
// counted in the statement; a resource that is too large comes as a reference, and one that
// cannot be read is stated as missing.
func TestMalformedPages(t *testing.T) {
	t.Parallel()
	r, c := newClockedRig(t, stack.Options{Simulator: simulator.Config{Limits: noLimits, AnyIDs: true}},
		fewTypes, shortPasses, "CDC_SEARCH_RATE=1000")
	r.silenced(t)
	first := r.worker(t)
	begin := windowAgo(r.datastore(), 10*time.Minute)
	r.anchor(t, c, begin)

	window := cdc.WindowAt(r.datastore(), begin.Start.Add(time.Minute))
	ordinary := map[string]int{"Patient": 230, "Observation": 150, "Condition": 150}
	c.pin(window.Start.Add(alone))
	for resourceType, n := range ordinary {
		var resources []fhirdata.Resource
		for i := range n {
			id := fmt.Sprintf("ordinary-%d", i)
			resources = append(resources, fhirdata.Resource{Type: resourceType, ID: id, Body: smallBody(resourceType, id)})
		}
		for _, transaction := range fhirdata.Transactions(resources, simulator.MaxBundleEntries) {
			_, err := r.writer.Transaction(t.Context(), transaction)
			require.NoError(t, err)
		}
	}
	for _, id := range unusualIDs {
		r.putUnusual(t, "Patient", id)
	}
	put(t, r.writer, "Patient", "huge")
	for _, entry := range unreadableEntries(c.Now()) {
		require.NoError(t, r.Simulator.PutUnreadable(r.datastore(), "Observation", c.Now(), entry))
	}
	c.release(0)
	for _, fault := range []simulator.Fault{
		// A page of whole patients is larger than a response may be; so is one patient alone.
		{Kind: simulator.Pad, Type: "Patient", Bodies: true, Bytes: healthlake.DefaultMaxBodyBytes + 1, Count: -1},
		{Kind: simulator.Pad, Of: simulator.KindRead, ID: "huge", Bytes: healthlake.DefaultMaxBodyBytes + 1, Count: -1},
		{Kind: simulator.Forbid, Of: simulator.KindRead, ID: "a/b", Count: -1},
		{Kind: simulator.ByteOrderMark, Type: "Observation", Count: -1},
		{Kind: simulator.LinkItself, Type: "Condition", Further: true, Count: -1},
	} {
		require.NoError(t, r.Simulator.InjectFault(fault))
	}
	r.trigger(window)
	r.closed(t, window.ID())
	require.Equal(t, enumspb.WORKFLOW_EXECUTION_STATUS_COMPLETED, r.status(t.Context(), window.ID()))

	keys := r.subscriber.Keys()
	for _, w := range r.Simulator.WriteLog(r.datastore()) {
		if w.Type == "Patient" && w.ID == "a/b" {
			require.Zero(t, keys[versionKey(w.Datastore, w.Type, w.ID, w.Version)], "its reads are refused")
			continue
		}
		until(t, "a version has come", func(context.Context) bool {
			return r.subscriber.Keys()[versionKey(w.Datastore, w.Type, w.ID, w.Version)] != 0
		})
	}
	huge := r.event(t, versionKey(r.datastore(), "Patient", "huge", 1))
	require.Equal(t, []string{cdc.PayloadReference, cdc.ReasonOversize}, []string{huge.Meta.Payload, huge.Meta.Reason})
	conditions := r.Simulator.Stats().Datastores[r.datastore()].Types["Condition"].Searches
	require.Less(t, conditions, int64(40), "a page that leads to itself is read a few times, not without end")
	metrics := string(scrape(t, first))
	require.Regexp(t, `healthlake_cdc_invalid_entries_total\{.*resource_type="Observation".*\} [1-9]`, metrics)
	require.Regexp(t, `healthlake_cdc_page_loops_total\{.*resource_type="Condition".*\} [1-9]`, metrics)
	require.NoError(t, first.Kill())

	r.worker(t, audits(auditAfter)...)
	stated := make(map[string]cdc.Statement) // with the sums of a type's statements
	eventually(t, "the window is stated", func(context.Context) error {
		clear(stated)
		reached := 0
		for _, s := range truth.LatestStatements(r.subscriber.Statements()) {
			sum := stated[s.ResourceType]
			sum.InStore, sum.Published, sum.Missing = sum.InStore+s.InStore, sum.Published+s.Published, sum.Missing+s.Missing
			sum.Unreadable += s.Unreadable
			stated[s.ResourceType] = sum
			if !s.From.After(window.Start) && !s.To.Before(window.End()) {
				reached++
			}
		}
		if reached < len(ordinary) {
			return errNotYet
		}
		return nil
	})
	r.pauseAudits(t)
	strange := len(unreadableEntries(c.Now()))
	require.Equal(t, map[string]cdc.Statement{ // one of each type is the anchor's
		"Patient":     {AuditFigures: cdc.AuditFigures{InStore: 1 + 230 + len(unusualIDs) + 1, Published: 1 + 230 + len(unusualIDs), Missing: 1}},
		"Observation": {AuditFigures: cdc.AuditFigures{InStore: 1 + 150, Published: 1 + 150, Unreadable: strange}},
		"Condition":   {AuditFigures: cdc.AuditFigures{InStore: 1 + 150, Published: 1 + 150}},
	}, stated)
	require.Empty(t, truth.CheckStatements(r.Simulator.WriteLog(r.datastore()), r.subscriber.Statements()))
	for key, n := range r.subscriber.Keys() {
		require.Equal(t, 1, n, "published more than once: a version of %s", key[:len(r.datastore())])
	}
}

// A backfill of a store that does not count, whose pages lead back to the first one, ends
// with everything that the pages held.
func TestBackfillOfAStoreThatDoesNotCount(t *testing.T) {
	t.Parallel()
	r, c := newClockedRig(t, stack.Options{Simulator: simulator.Config{Limits: noLimits}}, fewTypes, "CDC_SEARCH_RATE=1000")
	r.silenced(t)
	at := windowAgo(r.datastore(), 100*time.Hour) // older than any ledger
	r.fill(t, c, at, "old", 120)
	r.worker(t)
	for _, fault := range []simulator.Fault{
		{Kind: simulator.LinkFirst, Type: "Condition", Further: true, Count: -1},
		{Kind: simulator.NullTotal, Count: -1},
	} {
		require.NoError(t, r.Simulator.InjectFault(fault))
	}
	result := readReplayed(t, r.operate(t, "backfill", "--name", "uncounted", "--wait", "--json",
		"--since", at.Start.Add(-2*time.Hour).Format(time.RFC3339), "--until", at.Start.Add(2*time.Hour).Format(time.RFC3339)))
	require.Equal(t, 360, result.Result.Counts.Published)
	require.Equal(t, 360, r.exactlyOnce(t, current))
}
