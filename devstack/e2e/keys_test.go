package e2e

import (
	"context"
	"log/slog"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	commonpb "go.temporal.io/api/common/v1"
	enumspb "go.temporal.io/api/enums/v1"
	taskqueuepb "go.temporal.io/api/taskqueue/v1"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/converter"
	"go.temporal.io/sdk/worker"

	"healthlake-cdc/activities"
	"healthlake-cdc/activities/audit"
	"healthlake-cdc/devstack/internal/simulator"
	"healthlake-cdc/devstack/internal/stack"
	"healthlake-cdc/internal/cdc"
	"healthlake-cdc/internal/payload"
	"healthlake-cdc/internal/telemetry"
	"healthlake-cdc/workflows"
)

// clientWith is a client of the rig's namespace with other payload keys.
func (r *rig) clientWith(t *testing.T, keys string) client.Client {
	t.Helper()
	ring, err := payload.ParseKeys(keys)
	require.NoError(t, err)
	codec, err := payload.NewCodec(ring, client.DefaultNamespace, payload.Migration{})
	require.NoError(t, err)
	data := payload.NewDataConverter(codec)
	c, err := client.DialContext(t.Context(), client.Options{
		HostPort: r.TemporalAddress(), DataConverter: data, FailureConverter: payload.NewFailureConverter(data),
		Logger: telemetry.TemporalLogger(slog.New(slog.DiscardHandler)),
	})
	require.NoError(t, err)
	t.Cleanup(c.Close)
	return c
}

// polling runs our workflows and activities, or one of them, on the task queue of the rig's
// workers within this process: with keys with which a real worker would not start. stop ends
// it.
func polling(t *testing.T, c client.Client, options worker.Options) (stop func()) {
	t.Helper()
	options.DisableRegistrationAliasing = true
	w := worker.New(c, cdc.DefaultTaskQueue, options)
	if !options.DisableWorkflowWorker {
		workflows.Register(w)
	}
	if !options.LocalActivityWorkerOnly {
		w.RegisterActivity(&activities.Activities{})
		w.RegisterActivity(&audit.Activities{})
	}
	require.NoError(t, w.Start())
	stopped := false
	stop = func() {
		if !stopped {
			stopped = true
			w.Stop()
		}
	}
	t.Cleanup(stop)
	return stop
}

// failsTasks waits until a workflow task of the execution has failed, and requires that the
// execution is still open.
func (r *rig) failsTasks(t *testing.T, id string) {
	t.Helper()
	eventually(t, "a workflow task of "+id+" has failed", func(ctx context.Context) error {
		for _, event := range r.history(t, &commonpb.WorkflowExecution{WorkflowId: id}).GetHistory().GetEvents() {
			if event.GetEventType() == enumspb.EVENT_TYPE_WORKFLOW_TASK_FAILED {
				return nil
			}
		}
		require.Equal(t, enumspb.WORKFLOW_EXECUTION_STATUS_RUNNING, r.status(ctx, id), "the execution has ended instead")
		return errNotYet
	})
	require.Equal(t, enumspb.WORKFLOW_EXECUTION_STATUS_RUNNING, r.status(t.Context(), id))
}

// A worker with another valid key beside those with the right one ends no execution:
// workflow tasks fail and activities are retried until a worker with the key has them.
func TestAWorkerWithAnotherKeyFailsNoWindow(t *testing.T) {
	t.Parallel()
	r := newRig(t, stack.Options{Simulator: simulator.Config{Limits: noLimits}}, fewTypes)
	r.silenced(t)
	wrong := r.clientWith(t, payload.GenerateKey())

	// Workflow tasks.
	stopWrong := polling(t, wrong, worker.Options{})
	window := r.earlyInWindow(t)
	r.writeMany(t, window, "Patient", "kept", 20)
	r.capture(t, window.Start)
	r.failsTasks(t, window.ID())
	stopWrong()

	// Activities: workflows run with the right key, activities with the wrong one.
	stopRight := polling(t, r.temporal, worker.Options{LocalActivityWorkerOnly: true})
	stopWrong = polling(t, wrong, worker.Options{DisableWorkflowWorker: true})
	r.pendingActivity(t, "a Hydrate has failed", window.ID(), failing("Hydrate"))
	require.Equal(t, enumspb.WORKFLOW_EXECUTION_STATUS_RUNNING, r.status(t.Context(), window.ID()))
	stopRight()
	stopWrong()

	// Side by side.
	polling(t, wrong, worker.Options{})
	r.worker(t)
	r.closed(t, window.ID())
	second := r.earlyInWindow(t)
	r.writeMany(t, second, "Patient", "second", 20)
	r.capture(t, second.Start)
	r.closed(t, second.ID())
	failed, err := r.executions(t.Context(), "ExecutionStatus = 'Failed' OR ExecutionStatus = 'TimedOut' OR ExecutionStatus = 'Terminated'")
	require.NoError(t, err)
	require.Empty(t, failed)
	require.Len(t, r.subscriber.Keys(), 40)
}

// A worker whose keys do not open what the namespace holds does not start, and --check
// names the missing key. Forged executions that no key opens do not prevent the fleet's
// start.
func TestAWorkerWithAnotherKeyDoesNotStart(t *testing.T) {
	t.Parallel()
	r := newRig(t, stack.Options{Simulator: simulator.Config{Limits: noLimits}}, fewTypes)
	r.silenced(t)
	another := append(r.environment("CDC_PAYLOAD_KEYS"), "CDC_PAYLOAD_KEYS="+payload.GenerateKey(), "CDC_METRICS_ADDR=")
	empty := runProgram(t, t.Context(), "worker", another, nil, "--check")
	require.Zero(t, empty.code, "a namespace with nothing in it takes any key: %s", empty.all())
	require.Contains(t, empty.stdout, "encrypted with key k-")

	r.worker(t)
	id := idOf(t, r.Keys)
	for _, name := range []string{"schedule", "window"} {
		if name == "window" { // and no schedule
			window := r.earlyInWindow(t)
			r.writeMany(t, window, "Patient", "opened", 1)
			r.capture(t, window.Start, "--wait")
			require.NoError(t, r.temporal.ScheduleClient().GetHandle(t.Context(), cdc.AuditScheduleID(r.datastore())).Delete(t.Context()))
		}
		checked := runProgram(t, t.Context(), "worker", another, nil, "--check")
		require.Positive(t, checked.code, name)
		require.Contains(t, missingLine(checked.stdout, "payload keys"), id, name)
		started := runProgram(t, t.Context(), "worker", another, nil)
		require.Equal(t, 1, started.code, name)
		require.Contains(t, started.stderr, id, name)
		require.Contains(t, started.stderr, "CDC_PAYLOAD_KEYS", name)
	}

	// Newer than all others, and encrypted with no key.
	r.startRaw(t, "window/"+r.datastore()+"/2030-01-01T00:00:00Z", &commonpb.Payloads{Payloads: []*commonpb.Payload{{
		Metadata: map[string][]byte{"encoding": []byte("json/plain")}, Data: []byte(`{}`),
	}}})
	r.worker(t)
}

func idOf(t *testing.T, keys string) string {
	t.Helper()
	ring, err := payload.ParseKeys(keys)
	require.NoError(t, err)
	return ring.IDs()[0]
}

// startRaw starts a window with the given input, as anybody can who may write to the
// namespace.
func (r *rig) startRaw(t *testing.T, id string, input *commonpb.Payloads) {
	t.Helper()
	_, err := r.temporal.WorkflowService().StartWorkflowExecution(t.Context(), &workflowservice.StartWorkflowExecutionRequest{
		Namespace: client.DefaultNamespace, WorkflowId: id, RequestId: id,
		WorkflowType: &commonpb.WorkflowType{Name: cdc.WorkflowCaptureWindow},
		TaskQueue:    &taskqueuepb.TaskQueue{Name: cdc.DefaultTaskQueue, Kind: enumspb.TASK_QUEUE_KIND_NORMAL},
		Input:        input,
	})
	require.NoError(t, err)
}

// A client that may write to the namespace, but has no key, can start none of our
// workflows: not with a plain input, not with a compressed one, and not with the encrypted
// input of another execution.
func TestForgedInputsStartNothing(t *testing.T) {
	t.Parallel()
	r := newRig(t, stack.Options{Simulator: simulator.Config{Limits: noLimits}}, fewTypes)
	r.silenced(t)
	r.worker(t)
	window := r.earlyInWindow(t)
	r.writeMany(t, window, "Patient", "true", 3)
	r.capture(t, window.Start, "--wait")
	started := r.history(t, &commonpb.WorkflowExecution{WorkflowId: window.ID()}).GetHistory().GetEvents()[0].GetWorkflowExecutionStartedEventAttributes()
	var in cdc.CaptureWindowInput
	require.NoError(t, r.data.FromPayloads(started.GetInput(), &in))

	insecure, err := payload.NewInsecureCodec()
	require.NoError(t, err)
	compressed, err := payload.NewDataConverter(insecure).ToPayloads(in)
	require.NoError(t, err)
	plain, err := converter.GetDefaultDataConverter().ToPayloads(in)
	require.NoError(t, err)
	var ids []string
	for i, input := range []*commonpb.Payloads{started.GetInput(), compressed, plain} {
		other := cdc.Window{Datastore: window.Datastore, Start: window.Start.Add(-time.Duration(i+1) * 100 * cdc.WindowWidth)}
		r.startRaw(t, other.ID(), input)
		ids = append(ids, other.ID())
	}
	for _, id := range ids {
		r.failsTasks(t, id)
	}
	for _, id := range ids {
		require.NoError(t, r.temporal.TerminateWorkflow(t.Context(), id, "", "it was forged"))
	}
	require.Len(t, r.subscriber.Keys(), 3, "nothing but what was captured came")
}
