package payload

import (
	"encoding/binary"
	"encoding/json"
	"fmt"

	commonpb "go.temporal.io/api/common/v1"
	"go.temporal.io/sdk/converter"

	"healthlake-cdc/internal/cdc"
)

// EncodingBodies marks a payload that is JSON, followed by the bodies of its changes as
// they travel (cdc.EncodeBodies):
//
//	length of the JSON (uvarint), the JSON, the bodies
//
// Without it, base64 within JSON made bodies a third longer, and every workflow task read
// each of them byte by byte.
const EncodingBodies = "binary/healthlake-cdc+bodies"

// bodied is an input or a result with bodies.
type bodied interface{ Bodies() []*cdc.Body }

// bodiesConverter converts what has bodies, and nothing else.
type bodiesConverter struct{}

var _ converter.PayloadConverter = bodiesConverter{}

func (bodiesConverter) Encoding() string { return EncodingBodies }

func (bodiesConverter) ToPayload(value any) (*commonpb.Payload, error) {
	v, ok := value.(bodied)
	if !ok {
		return nil, nil // another converter's
	}
	text, err := json.Marshal(value)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", converter.ErrUnableToEncode, err)
	}
	data := append(binary.AppendUvarint(nil, uint64(len(text))), text...)
	return &commonpb.Payload{
		Metadata: map[string][]byte{converter.MetadataEncoding: []byte(EncodingBodies)},
		Data:     cdc.EncodeBodies(data, v.Bodies()),
	}, nil
}

func (bodiesConverter) FromPayload(p *commonpb.Payload, valuePtr any) error {
	text, bodies, err := divide(p.GetData())
	if err != nil {
		return err
	}
	if err := json.Unmarshal(text, valuePtr); err != nil {
		return fmt.Errorf("%w: %w", converter.ErrUnableToDecode, err)
	}
	v, ok := valuePtr.(bodied)
	if !ok {
		return nil
	}
	if err := cdc.DecodeBodies(bodies, v.Bodies()); err != nil {
		return fmt.Errorf("%w: %w", converter.ErrUnableToDecode, err)
	}
	return nil
}

// ToString is the JSON: which versions, not what is in them.
func (bodiesConverter) ToString(p *commonpb.Payload) string {
	text, _, err := divide(p.GetData())
	if err != nil {
		return err.Error()
	}
	return string(text)
}

// withoutBodies is a payload as people see it: which versions, not what is in them.
func withoutBodies(p *commonpb.Payload) *commonpb.Payload {
	if string(p.GetMetadata()[converter.MetadataEncoding]) != EncodingBodies {
		return p
	}
	text, _, err := divide(p.GetData())
	if err != nil {
		return p
	}
	return &commonpb.Payload{
		Metadata: map[string][]byte{converter.MetadataEncoding: []byte(converter.MetadataEncodingJSON)}, Data: text,
	}
}

func divide(data []byte) (text, bodies []byte, err error) {
	n, size := binary.Uvarint(data)
	if size <= 0 || n > uint64(len(data)-size) {
		return nil, nil, fmt.Errorf("%w: it is cut off", converter.ErrUnableToDecode)
	}
	return data[size : size+int(n)], data[size+int(n):], nil
}
