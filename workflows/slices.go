package workflows

import (
	"fmt"
	"time"

	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"

	"healthlake-cdc/internal/cdc"
)

// openSlice is a child that is reading pages.
type openSlice struct {
	id     string
	future workflow.ChildWorkflowFuture
}

// startSlice starts the k-th slice of this execution. A parent that is
// terminated takes its slices with it; a rerun reads what they had published.
func startSlice(ctx workflow.Context, k int, in cdc.CaptureSliceInput) *openSlice {
	return startSliceWith(ctx, k, in, workflow.ChildWorkflowOptions{})
}

func startSliceWith(ctx workflow.Context, k int, in cdc.CaptureSliceInput, options workflow.ChildWorkflowOptions) *openSlice {
	id := cdc.SliceID(workflow.GetInfo(ctx).WorkflowExecution.ID, in.Type, in.Span.From, k)
	options.WorkflowID = id
	options.ParentClosePolicy = enumspb.PARENT_CLOSE_POLICY_TERMINATE
	options.StaticSummary = fmt.Sprintf("%s of datastore %s from %s", in.Type, in.Origin.Datastore, in.Span.From.UTC().Format(time.DateTime))
	options.TypedSearchAttributes = sliceAttributes(in)
	ctx = workflow.WithChildOptions(ctx, options)
	return &openSlice{id: id, future: workflow.ExecuteChildWorkflow(ctx, cdc.WorkflowCaptureSlice, in)}
}

// sliceAttributes let what waits for an operator be found: a slice that does is
// listed by itself, so that its parent need not be told.
func sliceAttributes(in cdc.CaptureSliceInput) temporal.SearchAttributes {
	if !in.Marks {
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
	err := workflow.ExecuteActivity(ledgerPolicy(ctx, "what the terminated slice published"), do.Ledger, read).Get(ctx, &ledger)
	return ledger, err
}

// publishChanges puts a batch on the bus.
func publishChanges(ctx workflow.Context, origin cdc.Origin, changes []cdc.Change, bulk bool) (cdc.PublishResult, error) {
	var result cdc.PublishResult
	err := startPublish(ctx, origin, changes, bulk).Get(ctx, &result)
	if err == nil && len(result.EventIDs) != len(changes) {
		return result, invalidInput("Publish answered for another number of changes")
	}
	return result, err
}

func startPublish(ctx workflow.Context, origin cdc.Origin, changes []cdc.Change, bulk bool) workflow.Future {
	if bulk {
		ctx = bulkPublishPolicy(ctx, origin.Datastore, changesSummary(changes))
	} else {
		ctx = publishPolicy(ctx, origin.Datastore, false, changesSummary(changes))
	}
	return workflow.ExecuteActivity(ctx, do.Publish, cdc.PublishInput{Origin: origin, Changes: changes})
}
