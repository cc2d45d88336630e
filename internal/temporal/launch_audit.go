package temporal

import (
	"context"
	"fmt"
	"slices"
	"time"

	"healthlake-cdc/internal/cdc"
	"healthlake-cdc/internal/config"
)

// Audit starts the audit of a time range that was asked for, widened to windows' edges.
// started is false when one of the same range runs. One that has finished runs again.
func (l *Launcher) Audit(ctx context.Context, in cdc.AuditInput) (id string, started bool, err error) {
	span := in.Span.Widened()
	in.Span = &span
	id = cdc.AuditID(in.Datastore, span)
	started, err = l.startAudit(ctx, in, execution{
		id: id, again: true, summary: "audit of datastore " + in.Datastore + " " + period(span),
	})
	return id, started, err
}

// Import starts the audit of what an import has written, which left no record of each
// of its resources. started is false when it was started before.
//
// The audit begins once search has settled, as a window's last pass does. With
// CDC_IMPORTS=summary what is missing goes into the ledgers as skipped, and the
// statements say how much that was; with off it does so without statements, for
// what no ledger knows the scheduled audit would publish. Such an audit begins
// only when records of other writes have had the time to come (cdc.RecordDelay), and
// skips nothing but what lies in an import job's own time.
func (l *Launcher) Import(ctx context.Context, datastore string, i cdc.Import, cause cdc.Cause) (started bool, err error) {
	types, err := l.types(datastore)
	if err != nil {
		return false, err
	}
	skip := l.Settings.Imports != config.ImportsPublish && i.Job
	settle := slices.Max(l.Settings.Passes)
	if skip {
		settle = max(settle, cdc.RecordDelay)
	}
	return l.startAudit(ctx, cdc.AuditInput{
		Datastore: datastore, Types: types, Span: &i.Span, StartAt: i.Span.To.Add(settle),
		Versions: l.Settings.Versions, Cause: cause,
		Skip: skip, NoStatements: skip && l.Settings.Imports == config.ImportsOff, Horizon: l.Horizon,
	}, execution{
		id: cdc.ImportAuditID(datastore, i.ID), summary: "import into datastore " + datastore + " " + period(i.Span),
	})
}

// Follow starts the audit that follows an asynchronous job. started is false when it
// was started before: there is one for each record of a job's start.
func (l *Launcher) Follow(ctx context.Context, datastore string, j cdc.Job, cause cdc.Cause) (started bool, err error) {
	types, err := l.types(datastore)
	if err != nil {
		return false, err
	}
	return l.startAudit(ctx, cdc.AuditInput{
		Datastore: datastore, Types: types, Span: &j.Span, Follow: true,
		Versions: l.Settings.Versions, Cause: cause, Horizon: l.Horizon,
	}, execution{
		id:      cdc.JobAuditID(datastore, j.ID),
		summary: fmt.Sprintf("follows a job in datastore %s that began at %s", datastore, cause.SourceTime.UTC().Format(time.DateTime)),
	})
}

func (l *Launcher) startAudit(ctx context.Context, in cdc.AuditInput, e execution) (started bool, err error) {
	e.workflow, e.datastore = cdc.WorkflowAudit, in.Datastore
	e.input = func(attributes bool) any {
		in.Attributes = attributes
		return in
	}
	return l.start(ctx, e)
}
