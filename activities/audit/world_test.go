package audit

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	commonpb "go.temporal.io/api/common/v1"
	"go.temporal.io/api/serviceerror"
	workflowpb "go.temporal.io/api/workflow/v1"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/converter"
	sdktemporal "go.temporal.io/sdk/temporal"

	"healthlake-cdc/activities"
	"healthlake-cdc/internal/cdc"
	"healthlake-cdc/internal/temporal"
	"healthlake-cdc/internal/temporal/temporaltest"
)

const testStore = "0123456789abcdef"

// windowAt is the n-th window of a store.
func windowAt(store string, n int) cdc.Window {
	return cdc.WindowAt(store, auditStart.Add(time.Duration(n)*cdc.WindowWidth))
}

// auditStart is the beginning of audited spans.
var auditStart = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// spanOf is a span of n windows from auditStart on.
func spanOf(n int) cdc.Span {
	return cdc.Span{From: auditStart, To: auditStart.Add(time.Duration(n) * cdc.WindowWidth)}
}

// engine is Temporal with executions, of which visibility does not show some yet.
type engine struct {
	temporaltest.Executions
	unseen map[string]bool
	// shownToAll are found by every query.
	shownToAll []string
	// queries were made; those with the word in them are rejected.
	queries []string
	rejects string
}

func (e *engine) ListWorkflow(ctx context.Context, r *workflowservice.ListWorkflowExecutionsRequest) (*workflowservice.ListWorkflowExecutionsResponse, error) {
	e.queries = append(e.queries, r.GetQuery())
	if e.rejects != "" && strings.Contains(r.GetQuery(), e.rejects) {
		return nil, serviceerror.NewInvalidArgument("no such search attribute")
	}
	response, err := e.Executions.ListWorkflow(ctx, r)
	if err != nil {
		return nil, err
	}
	kept := response.Executions[:0]
	for _, info := range response.GetExecutions() {
		if !e.unseen[info.GetExecution().GetWorkflowId()] {
			kept = append(kept, info)
		}
	}
	response.Executions = kept
	for _, id := range e.shownToAll {
		response.Executions = append(response.Executions, &workflowpb.WorkflowExecutionInfo{Execution: &commonpb.WorkflowExecution{WorkflowId: id}})
	}
	return response, nil
}

// closedWith puts a closed run of a window, with its ledger.
func (e *engine) closedWith(start time.Time, n int, ledger cdc.Ledger) {
	id := cdc.WindowAt(testStore, start).RerunID(n)
	e.Executions[id] = temporaltest.Execution{Status: temporaltest.Completed, Result: cdc.CaptureWindowResult{Ledger: ledger}}
}

type silent struct{ activities.Observer }

func (silent) Invalid(string, string, int) {}

func newEngine() *engine {
	return &engine{Executions: make(temporaltest.Executions), unseen: make(map[string]bool)}
}

// ages is a horizon that no window is older than.
const ages = 100 * 365 * 24 * time.Hour

// audited runs AuditSpan.
func audited(t require.TestingT, a *Activities, in cdc.AuditSpanInput) cdc.AuditSpanResult {
	in.Datastore = testStore
	if in.Versions == "" {
		in.Versions = cdc.VersionsLatest
	}
	if in.Horizon == 0 {
		in.Horizon = ages
	}
	result, err := a.AuditSpan(context.Background(), in)
	require.NoError(t, err)
	return result
}

// naiveDigest is the digest as the contract words it.
func naiveDigest(versions []cdc.Version) string {
	var keys []string
	for _, v := range versions {
		keys = append(keys, testStore+"/"+v.Type+"/"+v.ID+"/_history/"+v.VersionID)
	}
	slices.Sort(keys)
	sum := sha256.Sum256([]byte(strings.Join(keys, "\n")))
	return hex.EncodeToString(sum[:])
}

func publishedLedger(versions ...cdc.Version) cdc.Ledger {
	ledger := cdc.Ledger{Salt: salt}
	for _, v := range versions {
		ledger.Type(v.Type).Published.Add(salt.Hash(v))
	}
	return ledger
}

func version(resourceType, id string) cdc.Version {
	return cdc.Version{Type: resourceType, ID: id, VersionID: "1", LastUpdated: "2026-03-01T12:00:01.000Z"}
}

// salt is that of every ledger.
var salt = cdc.Salt{1, 2, 3}

// executionsOf lets activities read these executions.
func executionsOf(client temporal.Client) temporal.Executions {
	return temporal.Executions{Client: client, Data: converter.GetDefaultDataConverter()}
}

func requireClass(t *testing.T, class cdc.Class, err error) {
	t.Helper()
	failure, ok := err.(*sdktemporal.ApplicationError) //nolint:errorlint // it must be the outermost error
	require.True(t, ok, "an activity's error is Temporal's own: %v", err)
	require.Equal(t, string(class), failure.Type())
	require.False(t, failure.NonRetryable())
}
