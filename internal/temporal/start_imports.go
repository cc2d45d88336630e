package temporal

import (
	"context"
	"fmt"
	"slices"
	"time"

	"go.temporal.io/sdk/client"

	"healthlake-cdc/internal/cdc"
	"healthlake-cdc/internal/config"
)

// recordsDelay is how late CloudTrail's records come: minutes as a rule, up to about
// 15 (best effort, so more is possible). It is less than the default of
// CDC_AUDIT_AFTER, after which the scheduled audit publishes what is in no ledger.
const recordsDelay = 15 * time.Minute

// Import starts the audit of what an import has written, which left no record of each
// of its resources. started is false when it was started before.
//
// The audit begins once search has settled, as a window's last pass does. With
// CDC_IMPORTS=summary what is missing goes into the ledgers as skipped, and the
// statements tell how much that was; with off it does so without statements, for
// what no ledger knows the scheduled audit would publish. Such an audit begins
// only when records of other writes have had the time to come (recordsDelay), and
// skips nothing but what lies in an import job's own time.
func (l *Launcher) Import(ctx context.Context, datastore string, i cdc.Import) (started bool, err error) {
	types, err := l.types(datastore)
	if err != nil {
		return false, err
	}
	span := i.Span
	skip := l.config.Imports != config.ImportsPublish && i.Job
	settle := slices.Max(l.config.Passes)
	if skip {
		settle = max(settle, recordsDelay)
	}
	return l.startAudit(ctx, cdc.AuditInput{
		Datastore: datastore, Types: types, Span: &span, StartAt: i.Span.To.Add(settle),
		Versions: l.config.Versions, CapturedBy: cdc.ByImport, SourceTime: i.Time,
		Skip:         skip,
		NoStatements: skip && l.config.Imports == config.ImportsOff,
		Horizon:      l.config.Horizon,
	}, client.StartWorkflowOptions{
		ID: cdc.ImportAuditID(datastore, i.ID),
		StaticSummary: fmt.Sprintf("import into datastore %s from %s to %s", datastore,
			span.From.UTC().Format(time.DateTime), span.To.UTC().Format(time.DateTime)),
	})
}
