package payload

import (
	"errors"
	"fmt"
	"strings"

	"github.com/klauspost/compress/zstd"
	commonpb "go.temporal.io/api/common/v1"
	"go.temporal.io/sdk/converter"
	"google.golang.org/protobuf/proto"
)

const (
	// EncodingEncrypted marks a payload that is compressed, then encrypted. The
	// name is ours, so that payloads which other programs of the namespace
	// encrypt are not taken for our own.
	EncodingEncrypted = "binary/healthlake-cdc+zstd+aes-256-gcm"
	// EncodingCompressed marks a payload that is compressed only: insecure mode.
	EncodingCompressed = "binary/healthlake-cdc+zstd"
	// MetadataKeyID is the metadata field with the id of the encrypting key.
	MetadataKeyID = "encryption-key-id"
	// MaxDecodedBytes bounds what one payload may decompress to. The server
	// takes 2 MiB encoded; FHIR text compresses about tenfold, so that honest
	// payloads stay well below and a decompression bomb ends here.
	MaxDecodedBytes = 64 << 20
)

// What Decode refuses; test with errors.Is.
var (
	// ErrUnknownKey: the payload was encrypted with a key that the ring lacks.
	ErrUnknownKey = errors.New("unknown payload key")
	// ErrCorrupt: the payload was changed, cut or not written by this codec.
	ErrCorrupt = errors.New("payload is corrupt")
	// ErrNotEncrypted: a strict codec met a payload that is not encrypted by it.
	ErrNotEncrypted = errors.New("payload is not encrypted")
)

// Codec is a [converter.PayloadCodec] that compresses and encrypts. The whole
// marshalled payload is sealed, so that its metadata (type names, its inner
// encoding) is unreadable as well. It is safe for concurrent use and keeps its
// encoders and decoders for reuse.
type Codec struct {
	ring   *KeyRing // nil: compress only
	strict bool
	enc    *zstd.Encoder
	dec    *zstd.Decoder
}

var _ converter.PayloadCodec = (*Codec)(nil)

// Option changes a codec.
type Option func(*Codec)

// Strict makes Decode refuse whatever the codec would not itself have written:
// plain payloads, other programs' encodings and, with keys, payloads that are
// only compressed. Without it they pass, so that a namespace with a mixed past
// stays readable.
func Strict() Option { return func(c *Codec) { c.strict = true } }

// NewCodec returns a codec that encrypts with the ring's first key and decrypts
// with all. A missing ring is an error: see [NewInsecureCodec].
func NewCodec(ring *KeyRing, opts ...Option) (*Codec, error) {
	if len(ring.IDs()) == 0 {
		return nil, errors.New("creating payload codec: no keys: set CDC_PAYLOAD_KEYS")
	}
	return newCodec(ring, opts)
}

// NewInsecureCodec returns a codec that compresses and does not encrypt. Whoever
// reads Temporal's database then reads patient data: for trials with synthetic
// data only.
func NewInsecureCodec(opts ...Option) (*Codec, error) { return newCodec(nil, opts) }

func newCodec(ring *KeyRing, opts []Option) (*Codec, error) {
	c := &Codec{ring: ring}
	for _, opt := range opts {
		opt(c)
	}
	var err error
	// The tag of GCM already proves the content; only the plain form needs the
	// checksum. A window of 1 MiB bounds the memory of an encoder: hardly any
	// payload is larger.
	c.enc, err = zstd.NewWriter(nil,
		zstd.WithEncoderLevel(zstd.SpeedDefault),
		zstd.WithEncoderCRC(ring == nil),
		zstd.WithWindowSize(1<<20))
	if err != nil {
		return nil, fmt.Errorf("creating zstd encoder: %w", err)
	}
	c.dec, err = zstd.NewReader(nil,
		zstd.WithDecoderConcurrency(0),
		zstd.WithDecoderMaxMemory(MaxDecodedBytes))
	if err != nil {
		return nil, fmt.Errorf("creating zstd decoder: %w", err)
	}
	return c, nil
}

// Encrypts tells whether the codec encrypts; an insecure one only compresses.
func (c *Codec) Encrypts() bool { return c.ring != nil }

// Encode seals each payload; its input is left alone.
func (c *Codec) Encode(payloads []*commonpb.Payload) ([]*commonpb.Payload, error) {
	out := make([]*commonpb.Payload, len(payloads))
	for i, p := range payloads {
		raw, err := proto.Marshal(p)
		if err != nil {
			return nil, fmt.Errorf("marshalling payload: %w", err)
		}
		out[i] = c.seal(c.enc.EncodeAll(raw, nil))
	}
	return out, nil
}

func (c *Codec) seal(compressed []byte) *commonpb.Payload {
	if c.ring == nil {
		return &commonpb.Payload{
			Metadata: map[string][]byte{converter.MetadataEncoding: []byte(EncodingCompressed)},
			Data:     compressed,
		}
	}
	id := c.ring.ids[0]
	return &commonpb.Payload{
		Metadata: map[string][]byte{
			converter.MetadataEncoding: []byte(EncodingEncrypted),
			MetadataKeyID:              []byte(id),
		},
		// The AEAD draws a random nonce and puts it in front.
		Data: c.ring.aeads[id].Seal(nil, nil, compressed, additionalData(id)),
	}
}

// additionalData binds encoding and key id to the content: neither can be
// exchanged without the tag failing. No id contains the separator.
func additionalData(keyID string) []byte {
	return []byte(EncodingEncrypted + "\x00" + keyID)
}

// Decode opens what Encode sealed; its input is left alone. Payloads of other
// encodings pass as they are, unless the codec is [Strict].
func (c *Codec) Decode(payloads []*commonpb.Payload) ([]*commonpb.Payload, error) {
	out := make([]*commonpb.Payload, len(payloads))
	for i, p := range payloads {
		decoded, err := c.decode(p)
		if err != nil {
			return nil, fmt.Errorf("decoding payload: %w", err)
		}
		out[i] = decoded
	}
	return out, nil
}

func (c *Codec) decode(p *commonpb.Payload) (*commonpb.Payload, error) {
	var compressed []byte
	switch encoding := string(p.GetMetadata()[converter.MetadataEncoding]); encoding {
	case EncodingEncrypted:
		var err error
		if compressed, err = c.open(p); err != nil {
			return nil, err
		}
	case EncodingCompressed:
		if c.strict && c.ring != nil {
			return nil, fmt.Errorf("%w: it is only compressed", ErrNotEncrypted)
		}
		compressed = p.GetData()
	default:
		if c.strict {
			return nil, fmt.Errorf("%w: its encoding is %q", ErrNotEncrypted, truncate(encoding))
		}
		return p, nil
	}
	// The errors below are replaced, not wrapped: a parser's message may quote
	// what it parsed.
	raw, err := c.dec.DecodeAll(compressed, nil)
	if err != nil {
		if errors.Is(err, zstd.ErrDecoderSizeExceeded) || errors.Is(err, zstd.ErrWindowSizeExceeded) {
			return nil, fmt.Errorf("%w: it decompresses to more than %d bytes", ErrCorrupt, MaxDecodedBytes)
		}
		return nil, fmt.Errorf("%w: it does not decompress", ErrCorrupt)
	}
	inner := &commonpb.Payload{}
	if err := proto.Unmarshal(raw, inner); err != nil {
		return nil, fmt.Errorf("%w: what it holds is no payload", ErrCorrupt)
	}
	return inner, nil
}

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
	compressed, err := aead.Open(nil, nil, p.GetData(), additionalData(id))
	if err != nil {
		return nil, fmt.Errorf("%w: it was changed, or key %q is not the key that it had under this id", ErrCorrupt, id)
	}
	return compressed, nil
}

// truncate keeps a foreign text that goes into an error short.
func truncate(s string) string {
	const longest = 64
	if len(s) > longest {
		return s[:longest]
	}
	return s
}
