package temporal

import (
	"context"
	"errors"
	"fmt"
	"time"

	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/converter"
	"go.temporal.io/sdk/temporal"

	"healthlake-cdc/internal/cdc"
)

// Audit starts the audit of a span that was asked for. One of the same span that
// runs is joined: started is false then. One that has finished runs again.
func (l *Launcher) Audit(ctx context.Context, in cdc.AuditInput) (id string, started bool, err error) {
	if in.Span == nil {
		return "", false, errors.New("an audit that is asked for needs a span")
	}
	span := in.Span.Widened()
	in.Span = &span
	id = cdc.AuditID(in.Datastore, span)
	started, err = l.startAudit(ctx, in, client.StartWorkflowOptions{
		ID:                    id,
		WorkflowIDReusePolicy: enumspb.WORKFLOW_ID_REUSE_POLICY_ALLOW_DUPLICATE,
		StaticSummary: fmt.Sprintf("audit of datastore %s from %s to %s", in.Datastore,
			span.From.UTC().Format(time.DateTime), span.To.UTC().Format(time.DateTime)),
	})
	return id, started, err
}

// startAudit starts an audit, with our search attributes where the server has them.
func (l *Launcher) startAudit(ctx context.Context, in cdc.AuditInput, options client.StartWorkflowOptions) (started bool, err error) {
	return l.start(ctx, func(attributes bool) (client.StartWorkflowOptions, string, any) {
		in, options := in, options
		in.Attributes = attributes
		if attributes {
			options.TypedSearchAttributes = temporal.NewSearchAttributes(
				cdc.AttrDatastore.ValueSet(in.Datastore), cdc.AttrState.ValueSet(cdc.StateOpen))
		}
		return options, cdc.WorkflowAudit, in
	})
}

// ExistingAudit is what the latest audit of an ID was started with.
func (l *Launcher) ExistingAudit(ctx context.Context, id string, data converter.DataConverter) (cdc.AuditInput, error) {
	var in cdc.AuditInput
	err := l.startedWith(ctx, id, data, &in)
	return in, err
}
