package e2e

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	commonpb "go.temporal.io/api/common/v1"
	enumspb "go.temporal.io/api/enums/v1"
	workflowpb "go.temporal.io/api/workflow/v1"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/client"

	"healthlake-cdc/devstack/internal/fhirdata"
	"healthlake-cdc/devstack/internal/simulator"
	"healthlake-cdc/devstack/internal/stack"
	"healthlake-cdc/devstack/internal/truth"
	"healthlake-cdc/internal/cdc"
)

// fewTypes keeps what a window searches small.
const fewTypes = "CDC_RESOURCE_TYPES=Patient,Observation,Condition"

// noLimits are no quotas, so that a test can write a full window quickly.
var noLimits = simulator.Limits{SearchGet: -1, SearchPost: -1, Read: -1, Write: -1}

// printed is how a program ended.
type printed struct {
	code           int
	stdout, stderr string
}

// all is what the program said, on either stream.
func (p printed) all() string { return p.stdout + p.stderr }

// runProgram runs a real program to its end with exactly this environment, and
// copies its stderr as it comes. It may be called beside the test's goroutine:
// what keeps the program from running is in stderr, with code -1.
//
//nolint:revive // a test comes first, as in every helper here
func runProgram(t testing.TB, ctx context.Context, name string, env []string, stderr io.Writer, args ...string) printed {
	t.Helper()
	return runFed(t, ctx, name, env, nil, stderr, args...)
}

// runFed is runProgram with a standard input.
//
//nolint:revive // as runProgram
func runFed(t testing.TB, ctx context.Context, name string, env []string, stdin io.Reader, stderr io.Writer, args ...string) printed {
	t.Helper()
	path, err := new(stack.Stack).Binary(ctx, name)
	if err != nil {
		return printed{code: -1, stderr: err.Error()}
	}
	var out, errOut bytes.Buffer
	command := exec.CommandContext(ctx, path, args...)
	command.Env = append([]string{"AWS_EC2_METADATA_DISABLED=true", "HOME=" + t.TempDir()}, env...)
	command.Stdin, command.Stdout, command.Stderr = stdin, &out, &errOut
	if stderr != nil {
		command.Stderr = io.MultiWriter(&errOut, stderr)
	}
	err = command.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		return printed{code: -1, stderr: err.Error()}
	}
	return printed{code: command.ProcessState.ExitCode(), stdout: out.String(), stderr: errOut.String()}
}

// environment is the stack's and the rig's, without the named variables.
func (r *rig) environment(without ...string) []string {
	return slices.DeleteFunc(append(r.Env(), r.env...), func(variable string) bool {
		name, _, _ := strings.Cut(variable, "=")
		return slices.Contains(without, name)
	})
}

// operate runs the starter with the rig's settings and requires that it succeeds.
func (r *rig) operate(t testing.TB, args ...string) printed {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	got := runProgram(t, ctx, "starter", r.environment(), nil, args...)
	require.Zero(t, got.code, "starter %v: %s", args, got.all())
	return got
}

// captured is what starter capture --json prints of a window.
type captured struct {
	WorkflowID string `json:"workflowId"`
	Started    bool   `json:"started"`
	Published  *int   `json:"published"`
}

// capture runs starter capture for a moment of the one datastore.
func (r *rig) capture(t *testing.T, at time.Time, more ...string) captured {
	t.Helper()
	args := append([]string{"capture", "--json", "--at", at.Format(time.RFC3339Nano)}, more...)
	return onlyOne[captured](t, r.operate(t, args...).stdout)
}

func onlyOne[T any](t *testing.T, text string) T {
	t.Helper()
	var all []T
	require.NoError(t, json.Unmarshal([]byte(text), &all), text)
	require.Len(t, all, 1)
	return all[0]
}

// silenced keeps CloudTrail records from coming, so that only the operator opens
// windows.
func (r *rig) silenced(t testing.TB) {
	t.Helper()
	require.NoError(t, r.Simulator.SetTrail(simulator.Trail{Sink: r.Sink(), Loss: 1}))
}

func (r *rig) datastore() string { return r.Simulator.Datastores()[0] }

// earlyInWindow waits until a window has just begun, so that the next writes are in it, and
// returns that window.
func (r *rig) earlyInWindow(t testing.TB) cdc.Window {
	t.Helper()
	var window cdc.Window
	eventually(t, "a window begins", func(context.Context) error {
		now := time.Now()
		if window = cdc.WindowAt(r.datastore(), now); now.Sub(window.Start) > 3*time.Second {
			return errNotYet
		}
		return nil
	})
	return window
}

// writeMany writes n small resources of a type, 500 a transaction, and requires
// that all of them lie in the window.
func (r *rig) writeMany(t testing.TB, window cdc.Window, resourceType, prefix string, n int) {
	t.Helper()
	before := len(r.Simulator.WriteLog(r.datastore()))
	resources := make([]fhirdata.Resource, n)
	for i := range resources {
		id := fmt.Sprintf("%s-%d", prefix, i)
		resources[i] = fhirdata.Resource{Type: resourceType, ID: id, Body: smallBody(resourceType, id)}
	}
	for _, transaction := range fhirdata.Transactions(resources, 500) {
		_, err := r.writer.Transaction(t.Context(), transaction)
		require.NoError(t, err)
	}
	written := r.Simulator.WritesSince(r.datastore(), before)
	require.Len(t, written, n)
	for _, write := range written {
		require.True(t, window.Contains(write.LastUpdated), "writing took longer than the window")
	}
}

// status is an execution's, UNSPECIFIED when there is none.
func (r *rig) status(ctx context.Context, id string) enumspb.WorkflowExecutionStatus {
	described, err := r.described(ctx, id)
	if err != nil {
		return enumspb.WORKFLOW_EXECUTION_STATUS_UNSPECIFIED
	}
	return described.GetWorkflowExecutionInfo().GetStatus()
}

// reaches waits until an execution has that status.
func (r *rig) reaches(t testing.TB, id string, status enumspb.WorkflowExecutionStatus) {
	t.Helper()
	until(t, fmt.Sprintf("%s is %s", id, status), func(ctx context.Context) bool {
		return r.status(ctx, id) == status
	})
}

// opened waits until an execution is open, closed until it has completed.
func (r *rig) opened(t *testing.T, id string) {
	t.Helper()
	r.reaches(t, id, enumspb.WORKFLOW_EXECUTION_STATUS_RUNNING)
}

func (r *rig) closed(t testing.TB, id string) {
	t.Helper()
	r.reaches(t, id, enumspb.WORKFLOW_EXECUTION_STATUS_COMPLETED)
}

// received waits until the subscriber has that many events.
func (r *rig) received(t *testing.T, n int) {
	t.Helper()
	until(t, fmt.Sprintf("%d events have come", n), func(context.Context) bool {
		got, _ := r.subscriber.Len()
		return got >= n
	})
}

// result reads a closed window's.
func (r *rig) result(t *testing.T, id string) cdc.CaptureWindowResult {
	t.Helper()
	var result cdc.CaptureWindowResult
	require.NoError(t, r.temporal.GetWorkflow(t.Context(), id, "").Get(t.Context(), &result))
	return result
}

// executions lists what a visibility query finds.
func (r *rig) executions(ctx context.Context, query string) ([]*workflowpb.WorkflowExecutionInfo, error) {
	var all []*workflowpb.WorkflowExecutionInfo
	var next []byte
	for {
		page, err := r.temporal.ListWorkflow(ctx, &workflowservice.ListWorkflowExecutionsRequest{
			Namespace: client.DefaultNamespace, Query: query, NextPageToken: next,
		})
		if err != nil {
			return nil, err
		}
		all = append(all, page.GetExecutions()...)
		if next = page.GetNextPageToken(); len(next) == 0 {
			return all, nil
		}
	}
}

// pendingActivity waits until an execution has a pending activity that suits.
func (r *rig) pendingActivity(t *testing.T, what, id string, suits func(*workflowpb.PendingActivityInfo) bool) *workflowservice.DescribeWorkflowExecutionResponse {
	t.Helper()
	var described *workflowservice.DescribeWorkflowExecutionResponse
	eventually(t, what, func(ctx context.Context) error {
		var err error
		if described, err = r.described(ctx, id); err != nil {
			return err
		}
		if !slices.ContainsFunc(described.GetPendingActivities(), suits) {
			return errNotYet
		}
		return nil
	})
	return described
}

// failing matches a pending activity of that name whose last attempt failed.
func failing(name string) func(*workflowpb.PendingActivityInfo) bool {
	return func(a *workflowpb.PendingActivityInfo) bool {
		return a.GetActivityType().GetName() == name && a.GetLastFailure() != nil
	}
}

// history is every event of an execution.
func (r *rig) history(t *testing.T, execution *commonpb.WorkflowExecution) *workflowservice.GetWorkflowExecutionHistoryResponse {
	t.Helper()
	all := &workflowservice.GetWorkflowExecutionHistoryResponse{}
	for {
		page, err := r.temporal.WorkflowService().GetWorkflowExecutionHistory(t.Context(), &workflowservice.GetWorkflowExecutionHistoryRequest{
			Namespace: client.DefaultNamespace, Execution: execution, NextPageToken: all.GetNextPageToken(),
		})
		require.NoError(t, err)
		if all.History == nil {
			all.History = page.GetHistory()
		} else {
			all.History.Events = append(all.History.Events, page.GetHistory().GetEvents()...)
		}
		if all.NextPageToken = page.GetNextPageToken(); len(all.NextPageToken) == 0 {
			return all
		}
	}
}

// subscribed waits until the subscriber has received everything that is on the bus. It
// deletes a message before it counts it, so one check is not enough.
func (r *rig) subscribed(t testing.TB) {
	t.Helper()
	same, before := 0, 0
	eventually(t, "the subscriber has taken every event", func(context.Context) error {
		depth, ok := r.AWS.Messages(truth.SubscriberQueue)
		events, _ := r.subscriber.Len()
		if !ok || depth.Visible+depth.InFlight+depth.Delayed > 0 || events != before {
			same, before = 0, events
			return errNotYet
		}
		if same++; same < 5 {
			return errNotYet
		}
		return nil
	})
}
