package temporal

import (
	"context"
	"fmt"
	"time"

	"go.temporal.io/sdk/client"

	"healthlake-cdc/internal/cdc"
)

// Follow starts the audit that follows an asynchronous job. started is false when it
// was started before: there is one for each record of a job's start.
func (l *Launcher) Follow(ctx context.Context, datastore string, j cdc.Job) (started bool, err error) {
	types, err := l.types(datastore)
	if err != nil {
		return false, err
	}
	span := j.Span
	return l.startAudit(ctx, cdc.AuditInput{
		Datastore: datastore, Types: types, Span: &span, Follow: true,
		Versions: l.config.Versions, CapturedBy: cdc.ByCloudTrail, SourceTime: j.Time,
		Horizon: l.config.Horizon,
	}, client.StartWorkflowOptions{
		ID:            cdc.JobAuditID(datastore, j.ID),
		StaticSummary: fmt.Sprintf("follows a job in datastore %s that began at %s", datastore, j.Time.UTC().Format(time.DateTime)),
	})
}
