package e2e

import (
	"context"
	"fmt"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/eventbridge"
	awssqs "github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/stretchr/testify/require"

	"healthlake-cdc/devstack/internal/proc"
	"healthlake-cdc/devstack/internal/simulator"
	"healthlake-cdc/devstack/internal/stack"
)

const (
	lateQueue = "late-triggers"
	lateBus   = "late-bus"
)

// lateParts is a rig whose workers need a Temporal server, a queue, a bus and a store that
// do not exist yet.
type lateParts struct {
	*rig
	store *gateway
	env   []string
	// missing are the dependencies as the worker names them.
	missing []string
}

func newLateParts(t *testing.T) *lateParts {
	t.Helper()
	store := newGateway(t)
	r := newRig(t, stack.Options{Simulator: simulator.Config{Limits: noLimits}}, fewTypes)
	require.NoError(t, r.Temporal.Kill())
	queueURL := strings.TrimSuffix(r.Outputs["QueueUrl"], lastOf(r.Outputs["QueueUrl"])) + lateQueue
	return &lateParts{
		rig: r, store: store,
		env: append(r.environment(),
			"CDC_HEALTHLAKE_ENDPOINT="+store.URL, "CDC_QUEUE_URL="+queueURL, "CDC_EVENT_BUS="+lateBus),
		missing: []string{"Temporal", "queue", "event bus", "datastore " + r.datastore()},
	}
}

// A worker that is started before Temporal, the queue, the bus and the store waits
// for each of them, says which is missing, and starts when the last has come.
func TestWorkerWaitsForItsDependencies(t *testing.T) {
	t.Parallel()
	r := newLateParts(t)
	w, base := r.launch(t, "--startup-wait", patience.String())
	for _, name := range r.missing {
		said(t, w, fmt.Sprintf(`"msg":"waiting for a dependency","dependency":%q`, name))
	}
	require.Contains(t, answersReadyz(t, base, 503), "running: failing")

	there := func(name string) { said(t, w, fmt.Sprintf(`"msg":"a dependency is there now","dependency":%q`, name)) }
	r.createLateQueue(t)
	there("queue")
	_, err := r.EventBridge().CreateEventBus(t.Context(), &eventbridge.CreateEventBusInput{Name: aws.String(lateBus)})
	require.NoError(t, err)
	there("event bus")
	r.store.lead(t, r.Simulator.URL())
	there("datastore " + r.datastore())
	require.Contains(t, answersReadyz(t, base, 503), "running: failing", "Temporal is still missing")
	require.NoError(t, r.Temporal.Restart(t.Context()))
	there("Temporal")
	require.Contains(t, answersReadyz(t, base, 200), "running: ok")

	require.NoError(t, w.Signal(syscall.SIGTERM))
	exits(t, w)
}

// After its time, a worker exits with an error that names everything that is missing; one
// that gets SIGTERM while it waits exits at once.
func TestWorkerNamesWhatIsMissing(t *testing.T) {
	t.Parallel()
	r := newLateParts(t)
	w, _ := r.launch(t, "--startup-wait", "3s")
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	exit, err := w.Wait(ctx)
	require.NoError(t, err)
	require.Equal(t, 1, exit.Code)
	last := said(t, w, "worker: not started after waiting 3s")
	for _, name := range r.missing {
		require.Contains(t, last, name+" is missing: ")
	}

	w, _ = r.launch(t, "--startup-wait", patience.String())
	said(t, w, "waiting for a dependency")
	require.NoError(t, w.Signal(syscall.SIGTERM))
	exits(t, w)
}

// launch starts a worker without waiting until it is ready.
func (r *lateParts) launch(t *testing.T, args ...string) (w *proc.Process, base string) {
	t.Helper()
	path, err := r.Binary(t.Context(), "worker")
	require.NoError(t, err)
	metrics, err := proc.FreeAddress()
	require.NoError(t, err)
	w, err = proc.Start(t.Context(), proc.Spec{
		Name: "late worker", Path: path, Args: args, Env: append(r.env, "CDC_METRICS_ADDR="+metrics),
		LogFile: filepath.Join(r.Dir, "late-worker.log"),
	})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, w.Kill()) })
	return w, "http://" + metrics
}

// createLateQueue makes the queue that the worker waits for, with a dead-letter
// queue.
func (r *lateParts) createLateQueue(t *testing.T) {
	t.Helper()
	_, err := r.SQS().CreateQueue(t.Context(), &awssqs.CreateQueueInput{
		QueueName: aws.String(lateQueue),
		Attributes: map[string]string{
			"VisibilityTimeout": "60",
			"RedrivePolicy":     fmt.Sprintf(`{"deadLetterTargetArn":%q,"maxReceiveCount":5}`, r.Outputs["DlqArn"]),
		},
	})
	require.NoError(t, err)
}
