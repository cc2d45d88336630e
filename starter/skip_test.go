package main

import (
	"context"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"
	commonpb "go.temporal.io/api/common/v1"
	enumspb "go.temporal.io/api/enums/v1"
	workflowpb "go.temporal.io/api/workflow/v1"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/converter"

	"healthlake-cdc/internal/cdc"
	"healthlake-cdc/internal/temporal"
)

// waiter is an execution that waits and loses signals, which the real server's do at
// a moment that no test can name: it answers with one progress after the other, and
// with the last one from then on. Skips that are taken are tested end to end.
type waiter struct {
	client.Client
	answers []cdc.Progress
	closes  enumspb.WorkflowExecutionStatus // before the last answer
	signals int
}

func (w *waiter) SignalWorkflow(context.Context, string, string, string, any) error {
	w.signals++
	return nil
}

func (w *waiter) DescribeWorkflowExecution(_ context.Context, id, _ string) (*workflowservice.DescribeWorkflowExecutionResponse, error) {
	status := enumspb.WORKFLOW_EXECUTION_STATUS_RUNNING
	if len(w.answers) == 1 && w.closes != 0 {
		status = w.closes
	}
	return &workflowservice.DescribeWorkflowExecutionResponse{
		WorkflowExecutionInfo: &workflowpb.WorkflowExecutionInfo{
			Execution: &commonpb.WorkflowExecution{WorkflowId: id}, Status: status,
			Type: &commonpb.WorkflowType{Name: cdc.WorkflowCaptureWindow},
		},
	}, nil
}

func (w *waiter) QueryWorkflow(context.Context, string, string, string, ...any) (converter.EncodedValue, error) {
	payloads, err := converter.GetDefaultDataConverter().ToPayloads(w.answers[0])
	if len(w.answers) > 1 {
		w.answers = w.answers[1:]
	}
	return client.NewValue(payloads), err
}

func connected(c client.Client) *connection {
	return &connection{Connection: &temporal.Connection{Client: c, Executions: temporal.Executions{Client: c}}}
}

// A skip is reported as done when the execution counts it, and not because nothing
// waits at the moment of the question.
func TestSkipIsDoneWhenItIsTaken(t *testing.T) {
	waits := cdc.Progress{Waiting: []cdc.Wait{{Type: "Patient", Versions: 2}}}
	between := cdc.Progress{} // between two tries, or in a new run
	taken := cdc.Progress{Counts: cdc.Counts{Skipped: 2}}
	for name, c := range map[string]struct {
		waiter  waiter
		says    string
		signals int
	}{
		"taken":                           {waiter: waiter{answers: []cdc.Progress{waits, taken}}, signals: 1},
		"taken late":                      {waiter: waiter{answers: []cdc.Progress{between, taken}}, signals: 1},
		"lost, and sent again":            {waiter: waiter{answers: []cdc.Progress{between, waits, taken}}, signals: 2},
		"never taken":                     {waiter: waiter{answers: []cdc.Progress{waits}}, signals: 1, says: "has not done so yet"},
		"went on by itself":               {waiter: waiter{answers: []cdc.Progress{between}}, signals: 1, says: "nothing was skipped"},
		"closed with it":                  {waiter: waiter{answers: []cdc.Progress{waits, taken}, closes: enumspb.WORKFLOW_EXECUTION_STATUS_COMPLETED}, signals: 1},
		"closed without it, as published": {waiter: waiter{answers: []cdc.Progress{waits, between}, closes: enumspb.WORKFLOW_EXECUTION_STATUS_COMPLETED}, signals: 1, says: "nothing was skipped"},
		"terminated meanwhile":            {waiter: waiter{answers: []cdc.Progress{waits, between}, closes: enumspb.WORKFLOW_EXECUTION_STATUS_TERMINATED}, signals: 1, says: "Terminated"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				err := connected(&c.waiter).skipAndWait(t.Context(), "window/d/x", waits.Counts, waits.Waiting)
				if c.says == "" {
					require.NoError(t, err)
				} else {
					require.ErrorContains(t, err, c.says)
				}
				require.Equal(t, c.signals, c.waiter.signals)
			})
		})
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	require.ErrorContains(t, connected(&waiter{answers: []cdc.Progress{waits}}).skipAndWait(ctx, "window/d/x", waits.Counts, waits.Waiting), "interrupted")
}
