package temporal

import (
	"context"

	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/temporal"

	"healthlake-cdc/internal/cdc"
)

// PublishDelete starts the publishing of a delete. started is false when its record
// was seen before.
func (l *Launcher) PublishDelete(ctx context.Context, datastore string, d cdc.Delete, by string) (started bool, err error) {
	id := cdc.DeleteID(datastore, d.EventID)
	return l.start(ctx, func(attributes bool) (client.StartWorkflowOptions, string, any) {
		input := cdc.PublishDeleteInput{
			Origin: cdc.Origin{Datastore: datastore, Cause: cdc.Cause{SourceTime: d.EventTime, CapturedBy: by}, CorrelationID: id},
			Delete: d, Attributes: attributes,
		}
		options := client.StartWorkflowOptions{ID: id, StaticSummary: "a delete in datastore " + datastore}
		if attributes {
			options.TypedSearchAttributes = temporal.NewSearchAttributes(
				cdc.AttrDatastore.ValueSet(datastore),
				// Audits ask for a span's deletes by it.
				cdc.AttrWindowStart.ValueSet(d.EventTime),
				cdc.AttrState.ValueSet(cdc.StateOpen),
			)
		}
		return options, cdc.WorkflowPublishDelete, input
	})
}
