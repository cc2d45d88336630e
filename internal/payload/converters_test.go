package payload

import (
	"context"
	"errors"
	"testing"

	"github.com/stretchr/testify/require"
	commonpb "go.temporal.io/api/common/v1"
	enumspb "go.temporal.io/api/enums/v1"
	failurepb "go.temporal.io/api/failure/v1"
	historypb "go.temporal.io/api/history/v1"
	"go.temporal.io/api/proxy"
	sdkpb "go.temporal.io/api/sdk/v1"
	updatepb "go.temporal.io/api/update/v1"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/converter"
	"go.temporal.io/sdk/temporal"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/anypb"
)

func TestDataConverterRoundTrip(t *testing.T) {
	dc := NewDataConverter(codec(t, ring(t, GenerateKey())))
	type input struct{ Body []byte }
	want := input{Body: []byte(`{"note":"1.10 < 2"}`)}
	encoded, err := dc.ToPayloads(want, 3, nil)
	require.NoError(t, err)
	require.Equal(t, map[string]int{EncodingEncrypted: 3}, Encodings(encoded))
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
	require.Equal(t, map[string]int{EncodingEncrypted: 4}, Encodings(failure))

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

// history has a payload in each kind of place: list, map, nested message,
// failure with cause, user metadata, memo, header; and search attributes.
func history() *historypb.History {
	p := func() *commonpb.Payload { return plain("x") }
	ps := func(n int) *commonpb.Payloads {
		out := &commonpb.Payloads{}
		for range n {
			out.Payloads = append(out.Payloads, p())
		}
		return out
	}
	searchAttributes := &commonpb.SearchAttributes{IndexedFields: map[string]*commonpb.Payload{"CdcState": p()}}
	return &historypb.History{Events: []*historypb.HistoryEvent{
		{
			UserMetadata: &sdkpb.UserMetadata{Summary: p(), Details: p()},
			Attributes: &historypb.HistoryEvent_WorkflowExecutionStartedEventAttributes{
				WorkflowExecutionStartedEventAttributes: &historypb.WorkflowExecutionStartedEventAttributes{
					Input: ps(2), LastCompletionResult: ps(1), SearchAttributes: searchAttributes,
					Memo:   &commonpb.Memo{Fields: map[string]*commonpb.Payload{"a": p(), "b": p()}},
					Header: &commonpb.Header{Fields: map[string]*commonpb.Payload{"h": p()}},
				},
			},
		},
		{Attributes: &historypb.HistoryEvent_ActivityTaskTimedOutEventAttributes{
			ActivityTaskTimedOutEventAttributes: &historypb.ActivityTaskTimedOutEventAttributes{
				Failure: &failurepb.Failure{
					EncodedAttributes: p(),
					FailureInfo: &failurepb.Failure_TimeoutFailureInfo{TimeoutFailureInfo: &failurepb.TimeoutFailureInfo{
						TimeoutType: enumspb.TIMEOUT_TYPE_HEARTBEAT, LastHeartbeatDetails: ps(1),
					}},
					Cause: &failurepb.Failure{FailureInfo: &failurepb.Failure_ApplicationFailureInfo{
						ApplicationFailureInfo: &failurepb.ApplicationFailureInfo{Details: ps(2)},
					}},
				},
			},
		}},
		{Attributes: &historypb.HistoryEvent_MarkerRecordedEventAttributes{
			MarkerRecordedEventAttributes: &historypb.MarkerRecordedEventAttributes{
				Details: map[string]*commonpb.Payloads{"data": ps(1), "more": ps(2)},
			},
		}},
		{Attributes: &historypb.HistoryEvent_UpsertWorkflowSearchAttributesEventAttributes{
			UpsertWorkflowSearchAttributesEventAttributes: &historypb.UpsertWorkflowSearchAttributesEventAttributes{
				SearchAttributes: searchAttributes,
			},
		}},
	}}
}

func TestVisitPayloadsFindsAll(t *testing.T) {
	h := history()
	want := 0
	err := proxy.VisitPayloads(context.Background(), proto.Clone(h), proxy.VisitPayloadsOptions{
		SkipSearchAttributes: true,
		Visitor: func(_ *proxy.VisitPayloadsContext, ps []*commonpb.Payload) ([]*commonpb.Payload, error) {
			want += len(ps)
			return ps, nil
		},
	})
	require.NoError(t, err)
	require.Equal(t, 15, want)
	require.Equal(t, map[string]int{"json/plain": want}, Encodings(h))

	response := &workflowservice.GetWorkflowExecutionHistoryResponse{History: h}
	require.Equal(t, map[string]int{"json/plain": want}, Encodings(response))
}

func TestVisitPayloadsLooksIntoAny(t *testing.T) {
	packed, err := anypb.New(&updatepb.Input{Args: &commonpb.Payloads{Payloads: []*commonpb.Payload{plain("x"), {}}}})
	require.NoError(t, err)
	require.Equal(t, map[string]int{"json/plain": 1, "": 1}, Encodings(packed))
	require.Empty(t, Encodings(&anypb.Any{TypeUrl: "type.googleapis.com/not.linked.In"}))
	require.Empty(t, Encodings(nil))
	require.Empty(t, Encodings((*historypb.History)(nil)))
}

func TestVisitPayloadsMayChangeThem(t *testing.T) {
	h := history()
	c := codec(t, ring(t, GenerateKey()))
	VisitPayloads(h, func(p *commonpb.Payload) {
		sealed := encodeOne(t, c, p)
		p.Metadata, p.Data = sealed.Metadata, sealed.Data
	})
	require.Equal(t, map[string]int{EncodingEncrypted: 15}, Encodings(h))
	// What is plain by design was left alone.
	attributes := h.Events[3].GetUpsertWorkflowSearchAttributesEventAttributes().SearchAttributes
	require.Equal(t, "x", string(attributes.IndexedFields["CdcState"].Data))
}
