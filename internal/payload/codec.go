package payload

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/klauspost/compress/zstd"
	commonpb "go.temporal.io/api/common/v1"
	"go.temporal.io/sdk/converter"
	"google.golang.org/protobuf/proto"

	"healthlake-cdc/internal/cdc"
)

const (
	// EncodingEncrypted marks a payload that is compressed, then encrypted. The
	// name is ours: payloads that other programs of the namespace encrypt have another.
	EncodingEncrypted = "binary/healthlake-cdc+zstd+aes-256-gcm"
	// EncodingCompressed marks a payload that is compressed only: insecure mode.
	EncodingCompressed = "binary/healthlake-cdc+zstd"
	// MetadataKeyID is the metadata field with the id of the encrypting key.
	MetadataKeyID = "encryption-key-id"
	// MetadataOwner is the metadata field with the first [ownerSize] bytes of the
	// SHA-256 hash of the ID of the workflow that the payload is of. It is absent
	// where the SDK does not say which workflow that is: in failures.
	MetadataOwner = "of"
	ownerSize     = 16
	// MaxDecodedBytes bounds what the payloads of one Decode may decompress to, together.
	// The server takes 2 MiB encoded; FHIR text compresses about tenfold.
	MaxDecodedBytes = 64 << 20
)

// The errors of Decode; test with errors.Is.
var (
	// ErrUnknownKey: the payload was encrypted with a key that the ring lacks.
	ErrUnknownKey = errors.New("unknown payload key")
	// ErrCorrupt: the payload was changed, cut, not written by this codec, or
	// written for another namespace.
	ErrCorrupt = errors.New("payload is corrupt")
	// ErrNotEncrypted: the codec would not itself have written the payload.
	ErrNotEncrypted = errors.New("payload is not encrypted")
	// ErrOtherWorkflow: the payload was written for another workflow.
	ErrOtherWorkflow = errors.New("payload is of another workflow")
)

// The kinds of payloads that no key encrypted, as [Migration] reports them.
const (
	KindCompressed = "compressed" // by one of our programs without keys
	KindPlain      = "plain"      // in an encoding of the SDK's
	KindOther      = "other"      // of another program
)

// Migration lets a codec with keys decode payloads that no key encrypted, from before the
// namespace had keys. They can be forged, so it has an end.
type Migration struct {
	Until time.Time
	// Accepted, if not nil, gets the kind of each payload that was decoded for this
	// reason only. It must be safe for concurrent use and must not block.
	Accepted func(kind string)
}

// Codec is a [converter.PayloadCodec] that compresses and encrypts the whole marshalled
// payload, its metadata included. It is safe for concurrent use.
//
// A sealed payload is bound to its namespace and, where the SDK names the workflow of a
// payload, to the ID of that workflow: moved elsewhere it is rejected.
// See [Codec.WithSerializationContext].
//
// Encode and Decode return [converter.WorkflowTaskFailureError]: what cannot be decoded
// fails the workflow task, which is tried again, and never the execution.
type Codec struct {
	ring      *KeyRing // nil: compress only
	namespace string
	migration Migration
	// workflow is the ID of the workflow that payloads are of, "" when not known.
	workflow string
	// display makes Decode pass what is not ours as it is: see [NewServer].
	display bool
	enc     *zstd.Encoder
	dec     *zstd.Decoder
}

var (
	_ converter.PayloadCodec                         = (*Codec)(nil)
	_ converter.PayloadCodecWithSerializationContext = (*Codec)(nil)
)

// NewCodec returns a codec for one namespace that encrypts with the ring's first key and
// decrypts with all. It decodes nothing else, but during a migration.
func NewCodec(ring *KeyRing, namespace string, migration Migration) (*Codec, error) {
	if len(ring.IDs()) == 0 {
		return nil, errors.New("creating payload codec: no keys: set CDC_PAYLOAD_KEYS")
	}
	if namespace == "" {
		return nil, errors.New("creating payload codec: no namespace: set TEMPORAL_NAMESPACE")
	}
	return newCodec(&Codec{ring: ring, namespace: namespace, migration: migration})
}

// NewInsecureCodec returns a codec that only compresses, for trials with synthetic data;
// it decodes what it has written, and nothing else.
func NewInsecureCodec() (*Codec, error) { return newCodec(&Codec{}) }

func newCodec(c *Codec) (*Codec, error) {
	var err error
	// GCM's tag proves the content; only the plain form needs the checksum. The window
	// bounds the memory of an encoder.
	c.enc, err = zstd.NewWriter(nil,
		zstd.WithEncoderLevel(zstd.SpeedDefault),
		zstd.WithEncoderCRC(c.ring == nil),
		// Every frame announces its size, also the smallest: see decompress.
		zstd.WithSingleSegment(true),
		zstd.WithWindowSize(1<<20))
	if err != nil {
		return nil, fmt.Errorf("creating zstd encoder: %w", err)
	}
	c.dec, err = zstd.NewReader(nil,
		zstd.WithDecoderConcurrency(0),
		zstd.WithDecoderMaxMemory(MaxDecodedBytes),
		zstd.WithDecodeAllCapLimit(true))
	if err != nil {
		return nil, fmt.Errorf("creating zstd decoder: %w", err)
	}
	return c, nil
}

// WithSerializationContext returns the codec for the payloads of one workflow: what it
// encodes is bound to the workflow's ID, and it decodes only what is. The SDK calls it
// for everything but failures. What the audits' schedule starts counts as one workflow:
// its input is encoded before Temporal adds the time to the ID.
//
// The codec that it is called on encodes payloads of no workflow and decodes those of any
// in its namespace, as readers of histories need it. The namespace is the codec's own, not
// the context's, which in a replay is made up.
func (c *Codec) WithSerializationContext(sc converter.SerializationContext) converter.PayloadCodec {
	id := ""
	switch sc := sc.(type) {
	case converter.WorkflowSerializationContext:
		id = sc.WorkflowID
	case converter.ActivitySerializationContext:
		id = sc.WorkflowID
	}
	if id == "" {
		return c
	}
	if datastore, err := cdc.ParseScheduledAuditID(id); err == nil {
		id = cdc.AuditScheduleID(datastore)
	}
	of := *c
	of.workflow = id
	return &of
}

// Encode seals each payload; it does not change its input.
func (c *Codec) Encode(payloads []*commonpb.Payload) ([]*commonpb.Payload, error) {
	out := make([]*commonpb.Payload, len(payloads))
	for i, p := range payloads {
		raw, err := proto.Marshal(p)
		if err != nil {
			return nil, converter.NewWorkflowTaskFailureError(fmt.Errorf("marshalling payload: %w", err))
		}
		out[i] = c.seal(c.enc.EncodeAll(raw, nil))
	}
	return out, nil
}

// seal makes a payload of compressed content, encrypted where there are keys.
func (c *Codec) seal(compressed []byte) *commonpb.Payload {
	if c.ring == nil {
		return &commonpb.Payload{
			Metadata: map[string][]byte{converter.MetadataEncoding: []byte(EncodingCompressed)},
			Data:     compressed,
		}
	}
	id, owner := c.ring.ids[0], c.owner()
	sealed := &commonpb.Payload{
		Metadata: map[string][]byte{
			converter.MetadataEncoding: []byte(EncodingEncrypted),
			MetadataKeyID:              []byte(id),
		},
		// The AEAD draws a random nonce and puts it in front.
		Data: c.ring.aeads[id].Seal(nil, nil, compressed, c.additionalData(id, owner)),
	}
	if owner != nil {
		sealed.Metadata[MetadataOwner] = owner
	}
	return sealed
}

// owner is derived from the workflow's ID, nil when that is not known.
func (c *Codec) owner() []byte {
	if c.workflow == "" {
		return nil
	}
	hash := sha256.Sum256([]byte(c.workflow))
	return hash[:ownerSize]
}

// additionalData binds encoding, key id, namespace and owner to the content. Neither a key
// id nor a namespace's name contains the separator.
func (c *Codec) additionalData(keyID string, owner []byte) []byte {
	return append([]byte(EncodingEncrypted+"\x00"+keyID+"\x00"+c.namespace+"\x00"), owner...)
}

// Decode opens what Encode sealed; it does not change its input.
func (c *Codec) Decode(payloads []*commonpb.Payload) ([]*commonpb.Payload, error) {
	out := make([]*commonpb.Payload, len(payloads))
	room := uint64(MaxDecodedBytes)
	for i, p := range payloads {
		decoded, err := c.decode(p, &room)
		if err != nil {
			return nil, converter.NewWorkflowTaskFailureError(fmt.Errorf("decoding payload: %w", err))
		}
		out[i] = decoded
	}
	return out, nil
}

// decode opens one payload, and subtracts its size from the room.
func (c *Codec) decode(p *commonpb.Payload, room *uint64) (*commonpb.Payload, error) {
	var compressed []byte
	switch encoding := string(p.GetMetadata()[converter.MetadataEncoding]); encoding {
	case EncodingEncrypted:
		var err error
		if compressed, err = c.open(p); err != nil {
			return nil, err
		}
	case EncodingCompressed:
		if c.ring != nil && !c.accepts(KindCompressed) {
			return nil, fmt.Errorf("%w: it is only compressed: %s", ErrNotEncrypted, adviceNotEncrypted)
		}
		compressed = p.GetData()
	default:
		if !c.accepts(kindOf(encoding)) {
			return nil, fmt.Errorf("%w: its encoding is %q: %s", ErrNotEncrypted, encoding[:min(len(encoding), 64)], adviceNotEncrypted)
		}
		return p, nil
	}
	raw, err := c.decompress(compressed, room)
	if err != nil {
		return nil, err
	}
	inner := &commonpb.Payload{}
	if err := proto.Unmarshal(raw, inner); err != nil {
		// Not wrapped: a parser's message may quote what it parsed.
		return nil, fmt.Errorf("%w: what it holds is no payload", ErrCorrupt)
	}
	if c.display {
		return withoutBodies(inner), nil
	}
	return inner, nil
}

const adviceNotEncrypted = "somebody without our keys wrote it, or it is from before there were keys: see CDC_ACCEPT_PLAINTEXT_UNTIL"

// accepts reports whether a payload that no key encrypted is decoded.
func (c *Codec) accepts(kind string) bool {
	switch {
	case c.display:
		return true
	case c.ring == nil || !time.Now().Before(c.migration.Until):
		return false
	}
	if c.migration.Accepted != nil {
		c.migration.Accepted(kind)
	}
	return true
}

// kindOf is the kind of a payload that neither we nor our keys wrote, by its encoding.
func kindOf(encoding string) string {
	switch encoding {
	case converter.MetadataEncodingNil, converter.MetadataEncodingBinary, converter.MetadataEncodingJSON,
		converter.MetadataEncodingProto, converter.MetadataEncodingProtoJSON:
		return KindPlain
	default:
		return KindOther
	}
}

// decompress allocates what the frame announces, and only within the limit. One that
// holds more does not fit.
func (c *Codec) decompress(compressed []byte, room *uint64) ([]byte, error) {
	if len(compressed) == 0 { // of an empty payload
		return nil, nil
	}
	var header zstd.Header
	if err := header.Decode(compressed); err != nil || header.Skippable {
		return nil, fmt.Errorf("%w: it does not decompress", ErrCorrupt)
	}
	if header.FrameContentSize > *room {
		return nil, fmt.Errorf("%w: it decompresses to more than %d bytes, together with those beside it", ErrCorrupt, MaxDecodedBytes)
	}
	*room -= header.FrameContentSize
	raw, err := c.dec.DecodeAll(compressed, make([]byte, 0, header.FrameContentSize))
	if err != nil {
		return nil, fmt.Errorf("%w: it does not decompress", ErrCorrupt)
	}
	return raw, nil
}

// open decrypts what seal encrypted, and checks of which workflow it is.
func (c *Codec) open(p *commonpb.Payload) ([]byte, error) {
	id := string(p.GetMetadata()[MetadataKeyID])
	if !validKeyID(id) {
		return nil, fmt.Errorf("%w: its metadata names no valid key", ErrCorrupt)
	}
	if c.ring == nil {
		return nil, fmt.Errorf("%w: it was encrypted with key %q and no keys are configured: add that key to CDC_PAYLOAD_KEYS", ErrUnknownKey, id)
	}
	aead, ok := c.ring.aeads[id]
	if !ok {
		return nil, fmt.Errorf("%w: it was encrypted with key %q: add that key to CDC_PAYLOAD_KEYS, which has %s",
			ErrUnknownKey, id, strings.Join(c.ring.ids, ", "))
	}
	owner := p.GetMetadata()[MetadataOwner]
	compressed, err := aead.Open(nil, nil, p.GetData(), c.additionalData(id, owner))
	if err != nil {
		return nil, fmt.Errorf("%w: it was changed, it is of another namespace, or key %q is not the key that it had under this id", ErrCorrupt, id)
	}
	if expected := c.owner(); expected != nil && !bytes.Equal(owner, expected) {
		return nil, fmt.Errorf("%w: somebody has copied it", ErrOtherWorkflow)
	}
	return compressed, nil
}

// Reason is the codec's part of a converter's error. Another error, which may quote what
// it could not read, is replaced.
func Reason(err error) error {
	for _, known := range []error{ErrUnknownKey, ErrCorrupt, ErrNotEncrypted, ErrOtherWorkflow} {
		if errors.Is(err, known) {
			return err
		}
	}
	return errors.New("it has another form than what we write")
}
