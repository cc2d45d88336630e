package payload

import (
	commonpb "go.temporal.io/api/common/v1"
	"go.temporal.io/sdk/converter"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/known/anypb"
)

// searchAttributesField is the name of every field of Temporal's API that holds
// search attributes: payloads that are plain text by design.
const searchAttributesField protoreflect.Name = "search_attributes"

// VisitPayloads calls visit for every [commonpb.Payload] anywhere inside msg:
// inputs, results, failures and their causes, heartbeat details, memos, headers,
// user metadata, messages packed into an Any. Search attributes are left out.
//
// It walks by reflection instead of by a list of message types, so that what a
// later release of the API adds is not overlooked. An Any of a type that is not
// linked into the program is skipped.
func VisitPayloads(msg proto.Message, visit func(*commonpb.Payload)) {
	if msg == nil || !msg.ProtoReflect().IsValid() {
		return
	}
	switch m := msg.(type) {
	case *commonpb.Payload:
		visit(m)
		return
	case *anypb.Any:
		if inner, err := m.UnmarshalNew(); err == nil {
			VisitPayloads(inner, visit)
		}
		return
	}
	msg.ProtoReflect().Range(func(field protoreflect.FieldDescriptor, value protoreflect.Value) bool {
		switch {
		case field.Name() == searchAttributesField:
		case field.IsMap():
			if field.MapValue().Message() != nil {
				value.Map().Range(func(_ protoreflect.MapKey, v protoreflect.Value) bool {
					VisitPayloads(v.Message().Interface(), visit)
					return true
				})
			}
		case field.Message() == nil:
		case field.IsList():
			for i := range value.List().Len() {
				VisitPayloads(value.List().Get(i).Message().Interface(), visit)
			}
		default:
			VisitPayloads(value.Message().Interface(), visit)
		}
		return true
	})
}

// Encodings counts the payloads of msg by their encoding, "" standing for a
// payload without one.
func Encodings(msg proto.Message) map[string]int {
	counts := make(map[string]int)
	VisitPayloads(msg, func(p *commonpb.Payload) {
		counts[string(p.GetMetadata()[converter.MetadataEncoding])]++
	})
	return counts
}
