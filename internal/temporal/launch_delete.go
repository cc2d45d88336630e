package temporal

import (
	"context"

	"healthlake-cdc/internal/cdc"
)

// PublishDelete starts the publishing of a delete. started is false when its record
// was seen before.
func (l *Launcher) PublishDelete(ctx context.Context, datastore string, d cdc.Delete, by string) (started bool, err error) {
	id := cdc.DeleteID(datastore, d.EventID)
	return l.start(ctx, execution{
		id: id, workflow: cdc.WorkflowPublishDelete, summary: "a delete in datastore " + datastore,
		datastore: datastore, windowStart: d.EventTime, // by which audits find the deletes of a time range
		input: func(attributes bool) any {
			return cdc.PublishDeleteInput{
				Origin: cdc.Origin{Datastore: datastore, Cause: cdc.Cause{SourceTime: d.EventTime, CapturedBy: by}, CorrelationID: id},
				Delete: d, Attributes: attributes,
			}
		},
	})
}
