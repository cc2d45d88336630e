package launch

import (
	"context"
	"fmt"
	"time"

	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/temporal"

	"healthlake-cdc/internal/cdc"
)

// Follow starts the audit that follows an asynchronous job. started is false when it
// was started before: there is one for each record of a job's start.
func (l *Launcher) Follow(ctx context.Context, datastore string, j cdc.Job) (started bool, err error) {
	types := l.config.Types[datastore]
	if len(types) == 0 {
		return false, fmt.Errorf("datastore %s is not configured: see CDC_DATASTORES", datastore)
	}
	return l.start(ctx, func(attributes bool) (client.StartWorkflowOptions, string, any) {
		span := j.Span
		input := cdc.AuditInput{
			Datastore: datastore, Types: types, Span: &span, Follow: true,
			Versions: l.config.Versions, CapturedBy: cdc.ByCloudTrail, SourceTime: j.Time,
			Horizon: l.config.Horizon, Attributes: attributes,
		}
		options := client.StartWorkflowOptions{
			ID:            cdc.JobAuditID(datastore, j.ID),
			StaticSummary: fmt.Sprintf("follows a job in datastore %s that began at %s", datastore, j.Time.UTC().Format(time.DateTime)),
		}
		if attributes {
			options.TypedSearchAttributes = temporal.NewSearchAttributes(
				cdc.AttrDatastore.ValueSet(datastore), cdc.AttrState.ValueSet(cdc.StateOpen))
		}
		return options, cdc.WorkflowAudit, input
	})
}
