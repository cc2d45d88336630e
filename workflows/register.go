// Package workflows holds the durable workflows: CaptureWindow captures ten
// seconds of one datastore, CaptureSlice reads page after page of what
// overflows, CaptureRange cuts a long span into slices, PublishDelete publishes
// one delete, Audit compares what the store holds with what was published.
//
// Workflow code gets time and randomness from Temporal only, and does I/O through
// activities only.
package workflows

import (
	"go.temporal.io/sdk/workflow"

	"healthlake-cdc/activities"
	auditing "healthlake-cdc/activities/audit"
	"healthlake-cdc/internal/cdc"
)

// Registry is where workflows are registered: a worker, a replayer or a test environment.
type Registry interface {
	RegisterWorkflowWithOptions(w any, options workflow.RegisterOptions)
}

// Register registers every workflow under its name.
func Register(r Registry) {
	r.RegisterWorkflowWithOptions(CaptureWindow, workflow.RegisterOptions{Name: cdc.WorkflowCaptureWindow})
	r.RegisterWorkflowWithOptions(CaptureSlice, workflow.RegisterOptions{Name: cdc.WorkflowCaptureSlice})
	r.RegisterWorkflowWithOptions(CaptureRange, workflow.RegisterOptions{Name: cdc.WorkflowCaptureRange})
	r.RegisterWorkflowWithOptions(Audit, workflow.RegisterOptions{Name: cdc.WorkflowAudit})
	r.RegisterWorkflowWithOptions(PublishDelete, workflow.RegisterOptions{Name: cdc.WorkflowPublishDelete})
}

// do and doAudit name the activities by their methods; they are never called.
var (
	do      *activities.Activities
	doAudit *auditing.Activities
)
