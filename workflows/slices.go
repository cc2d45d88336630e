package workflows

import (
	"fmt"
	"time"

	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"

	"healthlake-cdc/internal/cdc"
)

// handBackAfter is how long a parent that has to continue as new waits for its open
// slices: most are done by then, and one that waits for an operator would keep it for
// as long as that lasts.
const handBackAfter = 10 * time.Minute

// openSlice is a child that is reading pages.
type openSlice struct {
	id     string
	future workflow.ChildWorkflowFuture
	// handBack lets the slice close, when its Publish under way has returned, with what
	// it has published so far.
	handBack workflow.CancelFunc
}

// startSlice starts the k-th slice of this execution. A parent that is
// terminated takes its slices with it; a rerun reads what they had published.
func startSlice(ctx workflow.Context, k int, in cdc.CaptureSliceInput) *openSlice {
	id := cdc.SliceID(workflow.GetInfo(ctx).WorkflowExecution.ID, in.Type, in.Span.From, k)
	ctx, handBack := workflow.WithCancel(ctx)
	ctx = workflow.WithChildOptions(ctx, workflow.ChildWorkflowOptions{
		WorkflowID:            id,
		ParentClosePolicy:     enumspb.PARENT_CLOSE_POLICY_TERMINATE,
		WaitForCancellation:   true,
		StaticSummary:         fmt.Sprintf("%s of datastore %s from %s", in.Type, in.Origin.Datastore, in.Span.From.UTC().Format(time.DateTime)),
		TypedSearchAttributes: sliceAttributes(in),
	})
	return &openSlice{id: id, future: workflow.ExecuteChildWorkflow(ctx, cdc.WorkflowCaptureSlice, in), handBack: handBack}
}

// sliceAttributes let what waits for an operator be found: a slice that does is
// listed by itself, so that its parent need not be told.
func sliceAttributes(in cdc.CaptureSliceInput) temporal.SearchAttributes {
	if !in.Attributes {
		return temporal.SearchAttributes{}
	}
	return temporal.NewSearchAttributes(
		cdc.AttrDatastore.ValueSet(in.Origin.Datastore), cdc.AttrState.ValueSet(cdc.StateOpen))
}

// sliceLedger reads what a slice had published, or skipped, that did not
// complete.
func sliceLedger(ctx workflow.Context, id string) (cdc.Ledger, error) {
	var ledger cdc.Ledger
	read := cdc.LedgerInput{WorkflowID: id}
	err := workflow.ExecuteActivity(ledgerPolicy(ctx, "what the slice that did not complete has published"), do.Ledger, read).Get(ctx, &ledger)
	return ledger, err
}
