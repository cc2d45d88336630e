package ledger

import (
	"context"
	"errors"
	"testing"

	"github.com/stretchr/testify/require"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/converter"

	"healthlake-cdc/internal/cdc"
	"healthlake-cdc/internal/temporal"
	"healthlake-cdc/internal/temporal/temporaltest"
)

// byID are executions that are read by their IDs only.
type byID struct{ temporaltest.Executions }

func (byID) ListWorkflow(context.Context, *workflowservice.ListWorkflowExecutionsRequest) (*workflowservice.ListWorkflowExecutionsResponse, error) {
	return nil, errors.New("ledgers are read by ID")
}

// batch is a Publish's input of versions named by letters, and a result that
// accepted all of them but the rejected, which begin with "!".
func batch(resourceType string, ids ...string) (cdc.PublishInput, cdc.PublishResult) {
	var in cdc.PublishInput
	var out cdc.PublishResult
	for i, id := range ids {
		name := id
		if id[0] == '!' {
			name = id[1:]
			out.EventIDs = append(out.EventIDs, "")
			out.Rejected = append(out.Rejected, cdc.Rejection{Index: i, Code: "Rejected"})
		} else {
			out.EventIDs = append(out.EventIDs, "event")
		}
		in.Changes = append(in.Changes, cdc.Change{Version: version(resourceType, name), Body: cdc.NewBody([]byte("{}"))})
	}
	return in, out
}

func version(resourceType, id string) cdc.Version {
	return cdc.Version{Type: resourceType, ID: id, VersionID: "1", LastUpdated: "2026-03-01T12:00:01.000Z"}
}

// salt is that of every ledger.
var salt = cdc.Salt{1, 2, 3}

func hashes(resourceType string, ids ...string) cdc.HashSet {
	var set cdc.HashSet
	for _, id := range ids {
		set.Add(salt.Hash(version(resourceType, id)))
	}
	return set
}

func ledgerWith(resourceType string, ids ...string) cdc.Ledger {
	ledger := cdc.Ledger{Salt: salt}
	ledger.Type(resourceType).Published = hashes(resourceType, ids...)
	return ledger
}

func reader(e temporaltest.Executions) Reader {
	return Reader{Executions: temporal.Executions{Client: byID{e}, Data: converter.GetDefaultDataConverter()}}
}

func readLedger(e temporaltest.Executions, id string) (cdc.Ledger, error) {
	return reader(e).Closed(context.Background(), id)
}

func requireSame(t *testing.T, want, got cdc.Ledger) {
	t.Helper()
	require.Equal(t, want.Names(), got.Names())
	for _, name := range want.Names() {
		require.Equal(t, want.Types[name].Published.Sorted(), got.Types[name].Published.Sorted(), name)
	}
}
