package payload

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	commonpb "go.temporal.io/api/common/v1"
	"go.temporal.io/sdk/converter"

	"healthlake-cdc/internal/cdc"
)

// of is the codec as the SDK uses it for a workflow's payloads.
func of(c *Codec, workflowID string) *Codec {
	return c.WithSerializationContext(converter.WorkflowSerializationContext{Namespace: "ignored", WorkflowID: workflowID}).(*Codec)
}

func inActivity(c *Codec, workflowID string) *Codec {
	return c.WithSerializationContext(converter.ActivitySerializationContext{WorkflowID: workflowID, ActivityType: "Hydrate"}).(*Codec)
}

// A payload that somebody copies into another workflow, or another namespace, is
// rejected.
func TestAPayloadIsBoundToItsWorkflow(t *testing.T) {
	c := codec(t, ring(t, GenerateKey()))
	sealed := encodeOne(t, of(c, "window/a"), plain("x"))
	unbound := encodeOne(t, c, plain("x"))
	for name, tc := range map[string]struct {
		codec  *Codec
		sealed *commonpb.Payload
		want   error
	}{
		"its own workflow":                   {of(c, "window/a"), sealed, nil},
		"an activity of its workflow":        {inActivity(c, "window/a"), sealed, nil},
		"a reader that knows no workflow":    {c, sealed, nil},
		"another workflow":                   {of(c, "window/b"), sealed, ErrOtherWorkflow},
		"an activity of another workflow":    {inActivity(c, "window/b"), sealed, ErrOtherWorkflow},
		"another namespace":                  {of(inNamespace(c, "other"), "window/a"), sealed, ErrCorrupt},
		"another namespace, no workflow":     {inNamespace(c, "other"), sealed, ErrCorrupt},
		"of no workflow, read by none":       {c, unbound, nil},
		"of no workflow, taken for an input": {of(c, "window/a"), unbound, ErrOtherWorkflow},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := decodeOne(tc.codec, tc.sealed)
			if tc.want != nil {
				require.ErrorIs(t, err, tc.want)
				return
			}
			require.NoError(t, err)
			require.Equal(t, "x", string(got.Data))
		})
	}
}

// Who the payload is of cannot be exchanged either: it is part of what the tag proves.
func TestTheOwnerIsProven(t *testing.T) {
	c := codec(t, ring(t, GenerateKey()))
	sealed := encodeOne(t, of(c, "window/a"), plain("x"))
	sealed.Metadata[MetadataOwner] = of(c, "window/b").owner()
	_, err := decodeOne(of(c, "window/b"), sealed)
	require.ErrorIs(t, err, ErrCorrupt)
	delete(sealed.Metadata, MetadataOwner)
	_, err = decodeOne(c, sealed)
	require.ErrorIs(t, err, ErrCorrupt)
}

// Temporal adds the time to the IDs of what a schedule starts, after the input was
// encoded for the schedule's ID; and an audit reads the result of the one before.
func TestAScheduledAuditReadsItsSchedulesInput(t *testing.T) {
	c := codec(t, ring(t, GenerateKey()))
	schedule := cdc.AuditScheduleID("store")
	sealed := encodeOne(t, of(c, schedule), plain("x"))
	for _, id := range []string{schedule, schedule + "-2026-01-31T00:15:00Z", schedule + "-2026-02-01T00:15:00Z"} {
		_, err := decodeOne(of(c, id), sealed)
		require.NoError(t, err, id)
	}
	span := cdc.Span{From: time.Unix(0, 0), To: time.Unix(10, 0)}
	for _, id := range []string{cdc.AuditScheduleID("other") + "-2026-01-31T00:15:00Z", cdc.AuditID("store", span)} {
		_, err := decodeOne(of(c, id), sealed)
		require.ErrorIs(t, err, ErrOtherWorkflow, id)
	}
}

// Within a workflow task a payload that cannot be decoded fails the task, which is
// tried again, and never the execution.
func TestErrorsFailTheWorkflowTask(t *testing.T) {
	c := codec(t, ring(t, entry("a", 1, 32)))
	for name, p := range map[string]*commonpb.Payload{
		"plain":            plain("x"),
		"unknown key":      encodeOne(t, codec(t, ring(t, entry("b", 2, 32))), plain("x")),
		"another workflow": encodeOne(t, of(c, "window/b"), plain("x")),
	} {
		var task *converter.WorkflowTaskFailureError
		_, err := decodeOne(of(c, "window/a"), p)
		require.ErrorAs(t, err, &task, name)
	}
}

// inNamespace is a codec of another namespace under the same keys.
func inNamespace(c *Codec, namespace string) *Codec {
	of := *c
	of.namespace = namespace
	return &of
}
