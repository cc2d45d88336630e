package cdc

import (
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"time"
)

// Edges are windows' edges in ascending order. In JSON they are base64 of the
// windows' numbers since the Unix epoch, 4 bytes each, big-endian, which lasts
// until the year 3330: three days of spans of a minute have 23 KB.
type Edges []time.Time

const edgeBytes = 4

// MarshalJSON implements json.Marshaler.
func (e Edges) MarshalJSON() ([]byte, error) {
	packed := make([]byte, 0, edgeBytes*len(e))
	for _, edge := range e {
		number := edge.Unix() / int64(WindowWidth/time.Second)
		if !edge.Equal(floor(edge)) || number < 0 || number > int64(^uint32(0)) {
			return nil, fmt.Errorf("%s is no window's edge", edge.UTC().Format(time.RFC3339Nano))
		}
		packed = binary.BigEndian.AppendUint32(packed, uint32(number))
	}
	return json.Marshal(packed)
}

// UnmarshalJSON implements json.Unmarshaler.
func (e *Edges) UnmarshalJSON(data []byte) error {
	var text string
	if err := json.Unmarshal(data, &text); err != nil {
		return errors.New("edges are not a base64 string")
	}
	packed, err := base64.StdEncoding.DecodeString(text)
	if err != nil {
		return errors.New("edges are not base64")
	}
	if len(packed)%edgeBytes != 0 {
		return errors.New("edges are cut off in the middle of one")
	}
	*e = make(Edges, 0, len(packed)/edgeBytes)
	for i := 0; i < len(packed); i += edgeBytes {
		number := int64(binary.BigEndian.Uint32(packed[i:]))
		*e = append(*e, time.Unix(number*int64(WindowWidth/time.Second), 0).UTC())
	}
	return nil
}
