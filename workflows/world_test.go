package workflows_test

import (
	"bytes"
	"context"
	"log/slog"
	"testing"
	"time"

	"github.com/stretchr/testify/mock"
	"github.com/stretchr/testify/require"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/converter"
	"go.temporal.io/sdk/log"
	sdktemporal "go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/testsuite"
	"go.temporal.io/sdk/workflow"

	"healthlake-cdc/activities"
	"healthlake-cdc/activities/audit"
	"healthlake-cdc/internal/cdc"
	"healthlake-cdc/internal/healthlake/healthlaketest"
	"healthlake-cdc/internal/ledger"
	"healthlake-cdc/internal/payload"
	"healthlake-cdc/internal/temporal"
	"healthlake-cdc/internal/temporal/temporaltest"
	"healthlake-cdc/workflows"
)

const datastore = "0123456789abcdef0123456789abcdef"

// start is the start of the window under test.
var start = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

var passes = []time.Duration{10 * time.Second, 60 * time.Second}

// end is the window's end plus some seconds.
func end(after time.Duration) time.Time { return start.Add(cdc.WindowWidth + after) }

type observer struct{}

func (observer) Published(string, string, string, int, time.Time, time.Time) {}
func (observer) Invalid(string, string, int)                                 {}
func (observer) Audited(cdc.Statement)                                       {}

// runs are the executions that ledgers are read from.
type runs struct {
	temporaltest.Executions
	described []string
}

func (r *runs) DescribeWorkflowExecution(ctx context.Context, id, run string) (*workflowservice.DescribeWorkflowExecutionResponse, error) {
	r.described = append(r.described, id)
	return r.Executions.DescribeWorkflowExecution(ctx, id, run)
}

func (r *runs) RecordActivityHeartbeatWithOptions(context.Context, client.RecordActivityHeartbeatOptions) error {
	return nil
}

// world is a test environment with the real activities on top of a store and a
// bus in memory.
type world struct {
	t      *testing.T
	env    *testsuite.TestWorkflowEnvironment
	store  *healthlaketest.Store
	bus    *bus
	runs   *runs
	real   *activities.Activities
	window cdc.Window
	// logged and counted are what workflows log and count.
	logged  bytes.Buffer
	counted temporaltest.Counters
}

// newWorld begins 3 s into the window, as a prompt trigger would.
func newWorld(t *testing.T) *world { return newWorldAt(t, start.Add(3*time.Second)) }

func newWorldAt(t *testing.T, at time.Time) *world {
	w := &world{t: t, window: cdc.WindowAt(datastore, start)}
	w.store = healthlaketest.New()
	w.store.Margin = 2 * time.Second
	w.bus = &bus{}
	w.renew(at)
	return w
}

// renew replaces the environment by a new one, with the same store and bus: the
// next execution.
func (w *world) renew(at time.Time) {
	var suite testsuite.WorkflowTestSuite
	suite.SetLogger(log.NewStructuredLogger(slog.New(slog.NewTextHandler(&w.logged, nil))))
	suite.SetMetricsHandler(w.counted.Handler())
	w.env = suite.NewTestWorkflowEnvironment()
	w.env.SetDataConverter(payload.NewPlainConverter())
	w.env.SetStartTime(at)
	w.env.SetTestTimeout(2 * time.Minute)
	w.store.Now, w.bus.now = w.now, w.now
	if w.bus.tried == nil {
		w.bus.tried = make(map[string][]time.Time)
	}
	if w.runs == nil {
		w.runs = &runs{Executions: make(temporaltest.Executions)}
	}
	executions := temporal.Executions{Client: w.runs, Data: payload.NewPlainConverter()}
	reader := &activities.Reader{
		Store: w.store, Observer: observer{}, Limits: activities.NewLimits(1e6), Logger: slog.New(slog.DiscardHandler),
		Format:        cdc.EventFormat{Source: "com.fhir-{type}", DetailType: "Fhir{Type}Changed"},
		MaxEventBytes: 1_000_000,
	}
	w.real = &activities.Activities{Reader: reader, Bus: func(string) activities.Bus { return w.bus }, Heartbeats: w.runs, Ledgers: ledger.Reader{Executions: executions}}
	workflows.Register(w.env)
	w.env.RegisterActivity(w.real)
	w.env.RegisterActivity(&audit.Activities{Reader: reader, Executions: executions})
	w.env.SetStartWorkflowOptions(client.StartWorkflowOptions{ID: w.window.ID(), TaskQueue: cdc.DefaultTaskQueue})
}

// salt is that of every ledger.
var salt = cdc.Salt{1, 2, 3}

// now is the workflows' time.
func (w *world) now() time.Time { return w.env.Now().UTC() }

func (w *world) input(types ...string) cdc.CaptureWindowInput {
	return cdc.CaptureWindowInput{
		Window: w.window, Salt: salt, Types: types, Passes: passes,
		Cause: cdc.Cause{SourceTime: start.Add(2 * time.Second), CapturedBy: cdc.ByCloudTrail},
	}
}

// capture runs the window to its end.
func (w *world) capture(types ...string) cdc.CaptureWindowResult {
	w.t.Helper()
	return w.run(w.input(types...))
}

func (w *world) run(in cdc.CaptureWindowInput) cdc.CaptureWindowResult {
	w.t.Helper()
	w.env.ExecuteWorkflow(cdc.WorkflowCaptureWindow, in)
	require.True(w.t, w.env.IsWorkflowCompleted())
	require.NoError(w.t, w.env.GetWorkflowError())
	var result cdc.CaptureWindowResult
	require.NoError(w.t, w.env.GetWorkflowResult(&result))
	return result
}

// continued returns the input of the run that follows a continue-as-new.
func (w *world) continued(next any) {
	w.t.Helper()
	require.True(w.t, w.env.IsWorkflowCompleted())
	var again *workflow.ContinueAsNewError
	require.ErrorAs(w.t, w.env.GetWorkflowError(), &again)
	require.NoError(w.t, converter.GetDefaultDataConverter().FromPayloads(again.Input, next))
}

// requireExactlyOnce compares what the bus has with the store's versions that
// lie in the window and that keep approves.
func (w *world) requireExactlyOnce(keep func(healthlaketest.Stored) bool) {
	w.t.Helper()
	want := w.store.Keys(datastore, func(v healthlaketest.Stored) bool { return w.window.Contains(v.Time()) && keep(v) })
	require.Equal(w.t, want, w.bus.keys())
}

func all(healthlaketest.Stored) bool { return true }

// requireLedger requires that the result holds exactly what the bus has.
func (w *world) requireLedger(ledger cdc.Ledger, swept ...string) {
	w.t.Helper()
	require.ElementsMatch(w.t, swept, ledger.Names())
	count := 0
	for _, v := range w.store.Log {
		if len(w.bus.acceptedAt(v.Version)) > 0 {
			require.True(w.t, ledger.Has(v.Version), "published, and not in the ledger")
			count++
		}
	}
	require.Equal(w.t, count, ledger.Published())
}

// when runs a callback at a moment of the workflow's time.
func (w *world) when(at time.Time, do func()) {
	w.env.RegisterDelayedCallback(do, at.Sub(w.env.Now()))
}

// progress asks the execution how far it is.
func (w *world) progress() cdc.Progress {
	w.t.Helper()
	value, err := w.env.QueryWorkflow(cdc.QueryProgress)
	require.NoError(w.t, err)
	var progress cdc.Progress
	require.NoError(w.t, value.Get(&progress))
	return progress
}

// states collects the values of CdcState that are upserted from now on.
func (w *world) states() *[]string {
	var states []string
	w.env.OnUpsertTypedSearchAttributes(mock.Anything).Run(func(arguments mock.Arguments) {
		changes, ok := arguments.Get(0).(sdktemporal.SearchAttributes)
		require.True(w.t, ok)
		if state, ok := changes.GetKeyword(cdc.AttrState); ok {
			states = append(states, state)
		}
	}).Return(nil).Maybe()
	return &states
}

// lasting is an error that is not retried within an attempt: the store asks to
// wait for longer than an attempt does.
func lasting(class cdc.Class, status int) error {
	return &cdc.Error{Op: "GET {Type}?_lastUpdated", Class: class, Status: status, RetryAfter: 3 * time.Second}
}
