package payload

import (
	"testing"

	"github.com/stretchr/testify/require"
	commonpb "go.temporal.io/api/common/v1"
	"go.temporal.io/sdk/converter"

	"healthlake-cdc/internal/cdc"
)

// secretBody must come back byte for byte.
var secretBody = []byte(`{"name":"SECRET"}`)

func publishInput() cdc.PublishInput {
	version := cdc.Version{Type: "Patient", ID: "p1", VersionID: "2", LastUpdated: "2026-03-01T12:00:00Z"}
	return cdc.PublishInput{Changes: []cdc.Change{
		{Version: version, Body: cdc.NewBody(secretBody)},
		{Version: version, Reason: cdc.ReasonOversize},
	}}
}

// What has bodies comes back with them; a payload that was cut is an error.
func TestInputWithBodiesRoundTrip(t *testing.T) {
	for name, dc := range map[string]converter.DataConverter{
		"plain": NewPlainConverter(), "encrypted": NewDataConverter(codec(t, ring(t, GenerateKey()))),
	} {
		t.Run(name, func(t *testing.T) {
			payload, err := dc.ToPayload(publishInput())
			require.NoError(t, err)
			var got cdc.PublishInput
			require.NoError(t, dc.FromPayload(payload, &got))
			body, err := got.Changes[0].Body.Bytes()
			require.NoError(t, err)
			require.Equal(t, secretBody, body)
			require.Zero(t, got.Changes[1].Body.Len())
			require.Equal(t, cdc.ReasonOversize, got.Changes[1].Reason)
		})
	}
	dc := NewPlainConverter()
	payload, err := dc.ToPayload(publishInput())
	require.NoError(t, err)
	require.Equal(t, EncodingBodies, string(payload.Metadata[converter.MetadataEncoding]))
	for n := range len(payload.Data) {
		cut := &commonpb.Payload{Metadata: payload.Metadata, Data: payload.Data[:n]}
		require.Error(t, dc.FromPayload(cut, new(cdc.PublishInput)), "cut after %d bytes", n)
	}
}

// People see which versions a payload has, and not what is in them.
func TestBodiesAreNotShown(t *testing.T) {
	c := codec(t, ring(t, GenerateKey()))
	payload, err := NewDataConverter(c).ToPayload(publishInput())
	require.NoError(t, err)
	display := *c
	display.display = true
	shown, err := display.Decode([]*commonpb.Payload{payload})
	require.NoError(t, err)
	require.Equal(t, converter.MetadataEncodingJSON, string(shown[0].Metadata[converter.MetadataEncoding]))
	require.Contains(t, string(shown[0].Data), `"p1"`)
	require.NotContains(t, string(shown[0].Data), "SECRET")
}
