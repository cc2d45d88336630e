package workflows

import (
	"go.temporal.io/sdk/workflow"

	"healthlake-cdc/internal/cdc"
)

// PublishDelete publishes one unresolved delete. Its ID holds the event's id, so
// that a repeated record publishes once.
func PublishDelete(ctx workflow.Context, in cdc.PublishDeleteInput) error {
	if !cdc.ValidDatastore(in.Origin.Datastore) || !cdc.ValidEventID(in.Delete.EventID) {
		return invalidInput("a delete needs a datastore and an event id")
	}
	publishCtx := publishPolicy(ctx, in.Origin.Datastore, false, "publish 1 delete of "+deletedType(in.Delete))
	for tries := 1; ; tries++ {
		var result cdc.PublishResult
		input := cdc.PublishInput{Origin: in.Origin, Delete: &in.Delete}
		if err := workflow.ExecuteActivity(publishCtx, do.Publish, input).Get(ctx, &result); err != nil {
			return err
		}
		if len(result.Refused) == 0 {
			return nil
		}
		wait := workflow.TimerOptions{Summary: "refused by EventBridge: " + result.Refused[0].Code}
		if err := workflow.NewTimerWithOptions(ctx, backoff(tries), wait).Get(ctx, nil); err != nil {
			return err
		}
	}
}

func deletedType(d cdc.Delete) string {
	if d.Type == "" {
		return "an unnamed type"
	}
	return d.Type
}
