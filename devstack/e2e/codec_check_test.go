package e2e

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"
	commonpb "go.temporal.io/api/common/v1"
	enumspb "go.temporal.io/api/enums/v1"
	failurepb "go.temporal.io/api/failure/v1"
	querypb "go.temporal.io/api/query/v1"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/converter"
	"google.golang.org/protobuf/proto"

	"healthlake-cdc/internal/payload"
)

// encodedMessage is what the SDK's failure converter leaves of a message that it
// has put among the encoded attributes.
const encodedMessage = "Encoded failure"

// shortenedMessage is what the server puts in place of a failure that is too large to be
// kept while its activity is retried: it drops what was encoded.
const shortenedMessage = "Failure exceeds size limit."

// encryption looks for payloads that do not carry our encryption encoding and
// for failures whose text can be read. Search attributes are plain by design.
type encryption struct {
	// payloads counts what was seen, by where.
	payloads map[string]int
	failures map[string]int
	leaks    []string
	// shortened is set while the next failure is the cause of one that the server shortened.
	shortened bool
}

func newEncryption() *encryption {
	return &encryption{payloads: make(map[string]int), failures: make(map[string]int)}
}

// look goes through everything in a message. where names its kind.
func (e *encryption) look(where string, msg proto.Message) {
	visit(msg, func(p *commonpb.Payload) {
		e.payloads[where]++
		if encoding := string(p.GetMetadata()[converter.MetadataEncoding]); encoding != payload.EncodingEncrypted {
			e.leaks = append(e.leaks, fmt.Sprintf("%s: a payload is %q", where, encoding))
		}
	})
	visit(msg, func(f *failurepb.Failure) {
		e.failures[where]++
		if shortened := f.GetMessage() == shortenedMessage; shortened || e.shortened {
			e.shortened = shortened && f.GetCause() != nil // the next one is its cause
		} else if f.GetMessage() != encodedMessage || f.GetStackTrace() != "" || f.GetEncodedAttributes() == nil {
			e.leaks = append(e.leaks, where+": a failure can be read")
		}
	})
}

// lookAtAll goes through every execution that Temporal knows: its events, and
// what it shows of it.
func (e *encryption) lookAtAll(t *testing.T, r *rig) {
	t.Helper()
	all, err := r.executions(t.Context(), "")
	require.NoError(t, err)
	require.NotEmpty(t, all)
	for _, info := range all {
		e.look("list", info)
		e.look("describe", r.describe(t, info.GetExecution()))
		for _, event := range r.history(t, info.GetExecution()).GetHistory().GetEvents() {
			e.look(event.GetEventType().String(), event)
			if event.GetUserMetadata() != nil {
				e.look("user metadata", event.GetUserMetadata())
			}
		}
	}
}

func (r *rig) describe(t *testing.T, execution *commonpb.WorkflowExecution) *workflowservice.DescribeWorkflowExecutionResponse {
	t.Helper()
	described, err := r.temporal.WorkflowService().DescribeWorkflowExecution(t.Context(), &workflowservice.DescribeWorkflowExecutionRequest{
		Namespace: client.DefaultNamespace, Execution: execution,
	})
	require.NoError(t, err)
	return described
}

// query calls the server as it is, without decoding the response.
func (r *rig) query(t *testing.T, id, name string) *workflowservice.QueryWorkflowResponse {
	t.Helper()
	answer, err := r.temporal.WorkflowService().QueryWorkflow(t.Context(), &workflowservice.QueryWorkflowRequest{
		Namespace: client.DefaultNamespace, Execution: &commonpb.WorkflowExecution{WorkflowId: id},
		Query:                &querypb.WorkflowQuery{QueryType: name},
		QueryRejectCondition: enumspb.QUERY_REJECT_CONDITION_NONE,
	})
	require.NoError(t, err)
	return answer
}
