package payload

import (
	"bytes"
	"crypto/rand"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/klauspost/compress/zstd"
	"github.com/stretchr/testify/require"
	commonpb "go.temporal.io/api/common/v1"
	"go.temporal.io/sdk/converter"
	"golang.org/x/sync/errgroup"
	"google.golang.org/protobuf/proto"
	"pgregory.net/rapid"
)

const namespace = "clinical"

func codec(t testing.TB, r *KeyRing) *Codec {
	t.Helper()
	c, err := NewCodec(r, namespace, Migration{})
	require.NoError(t, err)
	return c
}

func insecure(t testing.TB) *Codec {
	t.Helper()
	c, err := NewInsecureCodec()
	require.NoError(t, err)
	return c
}

func encodeOne(t testing.TB, c *Codec, p *commonpb.Payload) *commonpb.Payload {
	t.Helper()
	out, err := c.Encode([]*commonpb.Payload{p})
	require.NoError(t, err)
	require.Len(t, out, 1)
	return out[0]
}

func decodeOne(c *Codec, p *commonpb.Payload) (*commonpb.Payload, error) {
	out, err := c.Decode([]*commonpb.Payload{p})
	if err != nil {
		return nil, err
	}
	return out[0], nil
}

func plain(text string) *commonpb.Payload {
	return &commonpb.Payload{
		Metadata: map[string][]byte{converter.MetadataEncoding: []byte("json/plain"), "messageType": []byte("a.secret.Type")},
		Data:     []byte(text),
	}
}

func payloads() *rapid.Generator[[]*commonpb.Payload] {
	one := rapid.Custom(func(t *rapid.T) *commonpb.Payload {
		return &commonpb.Payload{
			Metadata: rapid.MapOfN(rapid.String(), rapid.SliceOf(rapid.Byte()), 0, 4).Draw(t, "metadata"),
			Data:     rapid.SliceOfN(rapid.Byte(), 0, 4096).Draw(t, "data"),
		}
	})
	return rapid.SliceOfN(one, 0, 5)
}

func TestRoundTrip(t *testing.T) {
	for name, c := range map[string]*Codec{
		"encrypted":  codec(t, ring(t, GenerateKey())),
		"compressed": insecure(t),
	} {
		t.Run(name, func(t *testing.T) {
			rapid.Check(t, func(t *rapid.T) {
				in := payloads().Draw(t, "payloads")
				before := make([]*commonpb.Payload, len(in))
				for i, p := range in {
					before[i] = proto.Clone(p).(*commonpb.Payload)
				}
				encoded, err := c.Encode(in)
				require.NoError(t, err)
				sealed := make([]*commonpb.Payload, len(in))
				for i, p := range encoded {
					sealed[i] = proto.Clone(p).(*commonpb.Payload)
				}
				out, err := c.Decode(encoded)
				require.NoError(t, err)
				require.Len(t, out, len(in))
				for i := range in {
					require.True(t, proto.Equal(before[i], out[i]))
					require.True(t, proto.Equal(before[i], in[i]), "Encode changed its input")
					require.True(t, proto.Equal(sealed[i], encoded[i]), "Decode changed its input")
				}
			})
		})
	}
}

func TestEncodedPayloadShowsNothing(t *testing.T) {
	c := codec(t, ring(t, entry("k1", 1, 32), entry("k2", 2, 32)))
	p := plain("the patient's name")
	sealed := encodeOne(t, c, p)
	require.Len(t, sealed.Metadata, 2)
	require.Equal(t, EncodingEncrypted, string(sealed.Metadata[converter.MetadataEncoding]))
	require.Equal(t, "k1", string(sealed.Metadata[MetadataKeyID]))
	wire, err := proto.Marshal(sealed)
	require.NoError(t, err)
	require.False(t, bytes.Contains(wire, []byte("patient")))
	require.False(t, bytes.Contains(wire, []byte("secret.Type")))
	require.NotEqual(t, sealed.Data, encodeOne(t, c, p).Data, "two encodings of one payload share a nonce")
}

func TestKeyRotation(t *testing.T) {
	k1, k2 := entry("k1", 1, 32), entry("k2", 2, 32)
	before, during, after := codec(t, ring(t, k1)), codec(t, ring(t, k2, k1)), codec(t, ring(t, k2))
	old, fresh := encodeOne(t, before, plain("x")), encodeOne(t, during, plain("x"))

	for _, p := range []*commonpb.Payload{old, fresh} {
		got, err := decodeOne(during, p)
		require.NoError(t, err)
		require.Equal(t, "x", string(got.Data))
	}
	_, err := decodeOne(after, fresh)
	require.NoError(t, err)

	_, err = decodeOne(after, old)
	require.ErrorIs(t, err, ErrUnknownKey)
	require.ErrorContains(t, err, `encrypted with key "k1": add that key to CDC_PAYLOAD_KEYS, which has k2`)
	_, err = decodeOne(insecure(t), old)
	require.ErrorIs(t, err, ErrUnknownKey)
	require.ErrorContains(t, err, `"k1"`)
}

func TestWrongKeyUnderTheRightID(t *testing.T) {
	sealed := encodeOne(t, codec(t, ring(t, entry("k", 1, 32))), plain("x"))
	_, err := decodeOne(codec(t, ring(t, entry("k", 2, 32))), sealed)
	require.ErrorIs(t, err, ErrCorrupt)
}

func TestAnyChangeIsNoticed(t *testing.T) {
	c := codec(t, ring(t, entry("a", 1, 32), entry("b", 2, 32)))
	sealed := encodeOne(t, c, plain(strings.Repeat("a resource ", 50)))
	rapid.Check(t, func(t *rapid.T) {
		changed := proto.Clone(sealed).(*commonpb.Payload)
		switch rapid.IntRange(0, 3).Draw(t, "kind") {
		case 0:
			i := rapid.IntRange(0, len(changed.Data)-1).Draw(t, "at")
			changed.Data[i] ^= 1 << rapid.IntRange(0, 7).Draw(t, "bit")
		case 1:
			changed.Data = changed.Data[:rapid.IntRange(0, len(changed.Data)-1).Draw(t, "length")]
		case 2:
			changed.Data = append(changed.Data, rapid.SliceOfN(rapid.Byte(), 1, 9).Draw(t, "more")...)
		case 3:
			changed.Metadata[MetadataKeyID] = []byte("b")
		}
		_, err := decodeOne(c, changed)
		require.ErrorIs(t, err, ErrCorrupt)
	})
}

func TestKeyIDAndEncodingAreBound(t *testing.T) {
	// The same key under two ids, which ParseKeys refuses within one ring:
	// only the additional data can tell them apart.
	sealed := encodeOne(t, codec(t, ring(t, entry("a", 1, 32))), plain("x"))
	sealed.Metadata[MetadataKeyID] = []byte("b")
	_, err := decodeOne(codec(t, ring(t, entry("b", 1, 32))), sealed)
	require.ErrorIs(t, err, ErrCorrupt)
	require.NotEqual(t, EncodingEncrypted, EncodingCompressed)
	require.Contains(t, string(codec(t, ring(t, entry("b", 1, 32))).additionalData("b", nil)), EncodingEncrypted)
}

func TestHostileKeyIDIsNotPrinted(t *testing.T) {
	c := codec(t, ring(t, entry("a", 1, 32)))
	for _, id := range []string{"", "a\nb", strings.Repeat("x", 5000)} {
		sealed := encodeOne(t, c, plain("x"))
		sealed.Metadata[MetadataKeyID] = []byte(id)
		_, err := decodeOne(c, sealed)
		require.ErrorIs(t, err, ErrCorrupt)
		require.Less(t, len(err.Error()), 200)
		require.NotContains(t, err.Error(), "\n")
	}
}

// What the codec would not itself have written is rejected: whoever may write to the
// namespace could otherwise start any of our workflows.
func TestOnlyItsOwnPayloadsAreDecoded(t *testing.T) {
	keys := ring(t, entry("a", 1, 32))
	foreign := []*commonpb.Payload{plain("x"), {}, {Metadata: map[string][]byte{converter.MetadataEncoding: []byte("binary/encrypted")}}}
	for _, p := range foreign {
		for _, c := range []*Codec{codec(t, keys), insecure(t)} {
			_, err := decodeOne(c, p)
			require.ErrorIs(t, err, ErrNotEncrypted)
		}
	}
	compressed := encodeOne(t, insecure(t), plain("x"))
	require.Equal(t, EncodingCompressed, string(compressed.Metadata[converter.MetadataEncoding]))
	_, err := decodeOne(codec(t, keys), compressed)
	require.ErrorIs(t, err, ErrNotEncrypted)
	require.ErrorContains(t, err, "CDC_ACCEPT_PLAINTEXT_UNTIL")
}

// During a migration the past of a namespace is decoded and counted; when it ends,
// no longer.
func TestMigrationEnds(t *testing.T) {
	end := time.Now().Add(time.Hour)
	var kinds []string
	c, err := NewCodec(ring(t, entry("a", 1, 32)), namespace, Migration{Until: end, Accepted: func(kind string) { kinds = append(kinds, kind) }})
	require.NoError(t, err)
	past := map[string]*commonpb.Payload{
		KindCompressed: encodeOne(t, insecure(t), plain("x")),
		KindPlain:      plain("x"),
		KindOther:      {Metadata: map[string][]byte{converter.MetadataEncoding: []byte("binary/encrypted")}},
	}
	for kind, p := range past {
		kinds = nil
		_, err := decodeOne(c, p)
		require.NoError(t, err)
		require.Equal(t, []string{kind}, kinds)
	}
	kinds = nil
	sealed := encodeOne(t, c, plain("x"))
	require.Equal(t, EncodingEncrypted, string(sealed.Metadata[converter.MetadataEncoding]))
	_, err = decodeOne(c, sealed)
	require.NoError(t, err)
	require.Empty(t, kinds, "a payload of ours counts as none of a migration's")

	c.migration.Until = time.Now()
	for _, p := range past {
		_, err := decodeOne(c, p)
		require.ErrorIs(t, err, ErrNotEncrypted)
	}
	require.Empty(t, kinds)
}

func TestDecompressionIsBounded(t *testing.T) {
	enc, err := zstd.NewWriter(nil)
	require.NoError(t, err)
	c := codec(t, ring(t, GenerateKey()))
	bomb := c.seal(enc.EncodeAll(make([]byte, MaxDecodedBytes+1), nil))
	_, err = decodeOne(c, bomb)
	require.ErrorIs(t, err, ErrCorrupt)
	require.ErrorContains(t, err, "more than 67108864 bytes")

	// Each is within the limit, all of them are not.
	raw, err := proto.Marshal(plain(strings.Repeat(" ", MaxDecodedBytes/4)))
	require.NoError(t, err)
	quarter := c.seal(enc.EncodeAll(raw, nil))
	_, err = c.Decode([]*commonpb.Payload{quarter, quarter, quarter})
	require.NoError(t, err)
	_, err = c.Decode([]*commonpb.Payload{quarter, quarter, quarter, quarter})
	require.ErrorContains(t, err, "more than 67108864 bytes")
}

// The encoder announces what a frame decompresses to; a frame that does not, or that
// is followed by another, could be larger than what was allowed for it.
func TestFramesOfUnknownSizeAreCorrupt(t *testing.T) {
	raw, err := proto.Marshal(plain("x"))
	require.NoError(t, err)
	var stream bytes.Buffer
	w, err := zstd.NewWriter(&stream)
	require.NoError(t, err)
	_, err = w.Write(raw)
	require.NoError(t, err)
	require.NoError(t, w.Flush()) // or else the size is known when the header is written
	require.NoError(t, w.Close())
	c := codec(t, ring(t, GenerateKey()))
	frame := c.enc.EncodeAll(raw, nil)
	_, err = decodeOne(c, c.seal(frame))
	require.NoError(t, err)
	for name, data := range map[string][]byte{"no size": stream.Bytes(), "two frames": append(bytes.Clone(frame), frame...)} {
		_, err = decodeOne(c, c.seal(data))
		require.ErrorIs(t, err, ErrCorrupt, name)
	}
}

func TestGarbageInsideIsCorrupt(t *testing.T) {
	c := codec(t, ring(t, GenerateKey()))
	for _, data := range [][]byte{[]byte("Patient/123"), c.enc.EncodeAll([]byte("Patient/123"), nil)} {
		_, err := decodeOne(c, c.seal(data))
		require.ErrorIs(t, err, ErrCorrupt)
		require.NotContains(t, err.Error(), "123")
	}
}

// The server refuses a summary of more than 400 bytes after encoding
// (limit.userMetadataSummarySize); the SDK documents 200 before.
func TestLongestSummaryFitsTheServersLimit(t *testing.T) {
	c := codec(t, ring(t, entry(strings.Repeat("i", MaxKeyIDLength), 1, 32)))
	text := make([]byte, 200)
	_, _ = rand.Read(text)
	sealed := encodeOne(t, c.WithSerializationContext(converter.WorkflowSerializationContext{WorkflowID: "w"}).(*Codec), &commonpb.Payload{
		Metadata: map[string][]byte{converter.MetadataEncoding: []byte("json/plain")}, Data: text,
	})
	require.LessOrEqual(t, proto.Size(sealed), 400)
}

func TestCodecNeedsAKey(t *testing.T) {
	_, err := NewCodec(nil, namespace, Migration{})
	require.ErrorContains(t, err, "set CDC_PAYLOAD_KEYS")
	_, err = NewCodec(ring(t, GenerateKey()), "", Migration{})
	require.ErrorContains(t, err, "set TEMPORAL_NAMESPACE")
}

func TestConcurrentUse(t *testing.T) {
	c := codec(t, ring(t, GenerateKey()))
	var group errgroup.Group
	for g := range 16 {
		group.Go(func() error {
			want := plain(strings.Repeat(fmt.Sprint(g), 3000))
			for range 20 {
				sealed, err := c.Encode([]*commonpb.Payload{want})
				if err != nil {
					return err
				}
				got, err := c.Decode(sealed)
				if err != nil {
					return err
				}
				if !proto.Equal(want, got[0]) {
					return fmt.Errorf("goroutine %d read another's payload", g)
				}
			}
			return nil
		})
	}
	require.NoError(t, group.Wait())
}
