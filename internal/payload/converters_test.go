package payload

import (
	"errors"
	"testing"

	"github.com/stretchr/testify/require"
	commonpb "go.temporal.io/api/common/v1"
	failurepb "go.temporal.io/api/failure/v1"
	"go.temporal.io/api/proxy"
	"go.temporal.io/sdk/converter"
	"go.temporal.io/sdk/temporal"
	"google.golang.org/protobuf/proto"
)

func TestDataConverterRoundTrip(t *testing.T) {
	dc := NewDataConverter(codec(t, ring(t, GenerateKey())))
	type input struct{ Body []byte }
	want := input{Body: []byte(`{"note":"1.10 < 2"}`)}
	encoded, err := dc.ToPayloads(want, 3, nil)
	require.NoError(t, err)
	require.Equal(t, map[string]int{EncodingEncrypted: 3}, encodings(t, encoded))
	var got input
	var number int
	var nothing *string
	require.NoError(t, dc.FromPayloads(encoded, &got, &number, &nothing))
	require.Equal(t, want, got)
	require.Equal(t, 3, number)
	require.Nil(t, nothing)
}

func TestFailureConverterHidesTheMessage(t *testing.T) {
	dc := NewDataConverter(codec(t, ring(t, GenerateKey())))
	fc := NewFailureConverter(dc)
	cause := temporal.NewApplicationError("inner secret", "Inner", "secret detail")
	failure := fc.ErrorToFailure(temporal.NewApplicationErrorWithCause("outer secret", "Outer", cause, "secret detail"))
	wire, err := proto.Marshal(failure)
	require.NoError(t, err)
	require.NotContains(t, string(wire), "secret")
	require.Equal(t, "Encoded failure", failure.Message)
	require.Empty(t, failure.StackTrace)
	require.NotNil(t, failure.EncodedAttributes)
	require.NotNil(t, failure.Cause.EncodedAttributes)
	require.Equal(t, map[string]int{EncodingEncrypted: 4}, encodings(t, failure))

	var app *temporal.ApplicationError
	got := fc.FailureToError(failure)
	require.ErrorAs(t, got, &app)
	require.Equal(t, "outer secret", app.Message())
	var detail string
	require.NoError(t, app.Details(&detail))
	require.Equal(t, "secret detail", detail)
	require.ErrorContains(t, errors.Unwrap(got), "inner secret")
}

func TestFailureConverterHidesTheStackTrace(t *testing.T) {
	dc := NewDataConverter(codec(t, ring(t, GenerateKey())))
	failure := &failurepb.Failure{Message: "secret", StackTrace: "secret.go:1"}
	require.NoError(t, converter.EncodeCommonFailureAttributes(dc, failure))
	require.NotContains(t, failure.String(), "secret")
	converter.DecodeCommonFailureAttributes(dc, failure)
	require.Equal(t, "secret.go:1", failure.StackTrace)
}

// encodings counts the payloads inside msg by their encoding.
func encodings(t testing.TB, msg proto.Message) map[string]int {
	counts := make(map[string]int)
	require.NoError(t, proxy.VisitPayloads(t.Context(), msg, proxy.VisitPayloadsOptions{
		Visitor: func(_ *proxy.VisitPayloadsContext, ps []*commonpb.Payload) ([]*commonpb.Payload, error) {
			for _, p := range ps {
				counts[string(p.GetMetadata()[converter.MetadataEncoding])]++
			}
			return ps, nil
		},
	}))
	return counts
}
