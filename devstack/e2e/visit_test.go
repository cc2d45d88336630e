package e2e

import (
	"testing"

	"github.com/stretchr/testify/require"
	commonpb "go.temporal.io/api/common/v1"
	failurepb "go.temporal.io/api/failure/v1"
	historypb "go.temporal.io/api/history/v1"
	updatepb "go.temporal.io/api/update/v1"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/known/anypb"
)

// visit calls f for every message of a type anywhere inside msg, msg included, also in
// messages packed into an Any. Search attributes are left out: they are plain by design.
// It walks by reflection instead of by a list of message types, so that what a later
// release of Temporal's API adds is not overlooked.
func visit[T proto.Message](msg proto.Message, f func(T)) {
	if msg == nil || !msg.ProtoReflect().IsValid() {
		return
	}
	switch m := msg.(type) {
	case *commonpb.SearchAttributes:
		return
	case *anypb.Any:
		if inner, err := m.UnmarshalNew(); err == nil {
			visit(inner, f)
		}
		return
	}
	if m, ok := msg.(T); ok {
		f(m)
	}
	msg.ProtoReflect().Range(func(field protoreflect.FieldDescriptor, value protoreflect.Value) bool {
		switch {
		case field.IsMap():
			if field.MapValue().Message() != nil {
				value.Map().Range(func(_ protoreflect.MapKey, v protoreflect.Value) bool {
					visit(v.Message().Interface(), f)
					return true
				})
			}
		case field.Message() == nil:
		case field.IsList():
			for i := range value.List().Len() {
				visit(value.List().Get(i).Message().Interface(), f)
			}
		default:
			visit(value.Message().Interface(), f)
		}
		return true
	})
}

func TestVisitFindsAll(t *testing.T) {
	payloads := func(n int) *commonpb.Payloads {
		out := &commonpb.Payloads{}
		for range n {
			out.Payloads = append(out.Payloads, &commonpb.Payload{Data: []byte("x")})
		}
		return out
	}
	packed, err := anypb.New(&updatepb.Input{Args: payloads(2)})
	require.NoError(t, err)
	attributes := &commonpb.SearchAttributes{IndexedFields: map[string]*commonpb.Payload{"CdcState": {Data: []byte("x")}}}
	history := &historypb.History{Events: []*historypb.HistoryEvent{
		{Attributes: &historypb.HistoryEvent_WorkflowExecutionStartedEventAttributes{
			WorkflowExecutionStartedEventAttributes: &historypb.WorkflowExecutionStartedEventAttributes{
				Input: payloads(2), SearchAttributes: attributes, Memo: &commonpb.Memo{Fields: map[string]*commonpb.Payload{"a": {}, "b": {}}},
			},
		}},
		{Attributes: &historypb.HistoryEvent_ActivityTaskTimedOutEventAttributes{
			ActivityTaskTimedOutEventAttributes: &historypb.ActivityTaskTimedOutEventAttributes{
				Failure: &failurepb.Failure{EncodedAttributes: &commonpb.Payload{}, Cause: &failurepb.Failure{}},
			},
		}},
	}}
	for msg, want := range map[proto.Message]int{history: 5, packed: 2, (*historypb.History)(nil): 0, &anypb.Any{TypeUrl: "type.googleapis.com/not.linked.In"}: 0} {
		found := 0
		visit(msg, func(*commonpb.Payload) { found++ })
		require.Equal(t, want, found)
	}
	failures := 0
	visit(history, func(*failurepb.Failure) { failures++ })
	require.Equal(t, 2, failures)
}
