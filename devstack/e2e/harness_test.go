// Package e2e runs the real programs against the real parts and compares the
// simulator's write log with what reached the bus.
package e2e

import (
	"context"
	"errors"
	"log/slog"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/converter"

	"healthlake-cdc/devstack/internal/fhirclient"
	"healthlake-cdc/devstack/internal/proc"
	"healthlake-cdc/devstack/internal/simulator"
	"healthlake-cdc/devstack/internal/stack"
	"healthlake-cdc/devstack/internal/truth"
	"healthlake-cdc/internal/payload"
	"healthlake-cdc/internal/telemetry"
)

// patience bounds a test's wait for a condition. It asserts nothing about speed.
const patience = 4 * time.Minute

// quickPasses keep the tests short; the window's width is what it is.
const quickPasses = "CDC_PASSES=2s,6s"

// noAudits keeps the schedule's audits out of the tests that are about triggers:
// what a window did not do is not to be healed by them.
const noAudits = "CDC_AUDIT_EVERY=0"

// rig is a stack with a subscriber, a writer and a Temporal client.
type rig struct {
	*stack.Stack
	subscriber *truth.Subscriber
	writer     *fhirclient.Client
	temporal   client.Client
	data       converter.DataConverter
	settings   truth.Settings
	env        []string
}

// newRig starts the parts, without workers. env is added to every worker's.
func newRig(t testing.TB, o stack.Options, env ...string) *rig {
	t.Helper()
	ctx := t.Context()
	o.Dir = t.TempDir()
	if *record && o.Keys == "" && !o.Plaintext {
		o.Keys = recordedWith(t)
	}
	s, err := stack.Start(ctx, o)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, s.Close()) })
	r := &rig{
		Stack: s, env: append([]string{quickPasses, noAudits}, env...),
		settings: truth.Settings{Passes: []time.Duration{2 * time.Second, 6 * time.Second}, Lookback: 5 * time.Second},
	}
	r.dial(t)
	r.writer = writerOf(s, s.Simulator.Datastores()[0])
	r.subscriber, err = truth.Subscribe(ctx, s.SQS(), s.EventBridge(), s.Outputs["BusName"])
	require.NoError(t, err)
	receiving, stop := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- r.subscriber.Run(receiving) }()
	t.Cleanup(func() {
		stop()
		require.NoError(t, <-done)
	})
	return r
}

func writerOf(s *stack.Stack, datastore string) *fhirclient.Client {
	identity := simulator.DefaultCredentials
	return &fhirclient.Client{
		Endpoint: s.Simulator.URL(), Datastore: datastore, Region: stack.Region,
		Credentials: credentials.NewStaticCredentialsProvider(identity.AccessKeyID, identity.SecretAccessKey, ""),
	}
}

// dial connects to Temporal with the stack's payload keys.
func (r *rig) dial(t testing.TB) {
	t.Helper()
	codec, err := payload.NewInsecureCodec() // a stack that runs with Plaintext has no keys
	require.NoError(t, err)
	if r.Keys != "" {
		ring, err := payload.ParseKeys(r.Keys)
		require.NoError(t, err)
		codec, err = payload.NewCodec(ring, client.DefaultNamespace, payload.Migration{})
		require.NoError(t, err)
	}
	r.data = payload.NewDataConverter(codec)
	r.temporal, err = client.DialContext(t.Context(), client.Options{
		HostPort: r.TemporalAddress(), DataConverter: r.data, FailureConverter: payload.NewFailureConverter(r.data),
		Logger: telemetry.TemporalLogger(slog.New(slog.DiscardHandler)),
	})
	require.NoError(t, err)
	t.Cleanup(r.temporal.Close)
}

// worker starts one more real worker. It is killed in the end: to stop in peace it
// would wait for its last poll of the queue, up to 20 s in each test.
func (r *rig) worker(t testing.TB, env ...string) *stack.Worker {
	t.Helper()
	w, err := r.StartWorker(t.Context(), append(append([]string(nil), r.env...), env...)...)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, w.Kill()) })
	return w
}

// until waits until the condition is true.
func until(t testing.TB, what string, condition func(ctx context.Context) bool) {
	t.Helper()
	eventually(t, what, func(ctx context.Context) error {
		if condition(ctx) {
			return nil
		}
		return errNotYet
	})
}

// eventually waits until the condition returns nil. Its last error is part of the failure.
func eventually(t testing.TB, what string, condition func(ctx context.Context) error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	require.NoError(t, proc.Poll(ctx, condition), "waiting until %s", what)
}

// drained waits until nothing is in progress and returns the comparison.
func (r *rig) drained(t *testing.T) truth.Report {
	t.Helper()
	quiet := 0
	eventually(t, "every window has closed", func(ctx context.Context) error {
		ok, err := r.Quiet(ctx, r.temporal, truth.SubscriberQueue)
		if err != nil || !ok {
			quiet = 0
			return errNotYet
		}
		if quiet++; quiet < 5 {
			return errNotYet
		}
		return nil
	})
	return r.compare()
}

// compare compares what was written so far with what came.
func (r *rig) compare() truth.Report {
	var writes []simulator.Write
	for _, datastore := range r.Simulator.Datastores() {
		writes = append(writes, r.Simulator.WriteLog(datastore)...)
	}
	return truth.Compare(writes, r.Deliveries.All(), r.subscriber.Events(), r.settings)
}

// complete requires that nothing is missing, repeated or wrong.
func complete(t *testing.T, report truth.Report) {
	t.Helper()
	require.True(t, report.OK(), "missing %v\n%s", report.MissingVersions, report)
}

var errNotYet = errors.New("not yet")
