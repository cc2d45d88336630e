package cdc

import (
	"encoding/binary"
	"errors"
	"fmt"
	"sync"

	"github.com/klauspost/compress/zstd"
)

const (
	// packBytes is from how many bytes on a pack takes no further body. Synthea's resources
	// shrink to a twentieth in packs of this size, to a sixth alone.
	packBytes = 256 << 10
	// maxPackBytes bounds what a pack may say that it unpacks to: a body on its own is at
	// most an event's 1 MB.
	maxPackBytes = 16 << 20
)

// Body is a resource byte for byte as the store gave it. Between activities it travels
// packed: many bodies compressed together, which workflows carry on without unpacking
// them. It is no part of any JSON: see EncodeBodies. The zero value is no body.
type Body struct {
	pack     *pack
	at, size int // of the unpacked pack
}

// NewBody is a body on its own. It keeps raw, which must not change.
func NewBody(raw []byte) Body {
	if len(raw) == 0 {
		return Body{}
	}
	return Body{pack: &pack{raw: raw, size: len(raw)}, size: len(raw)}
}

// Len is the number of bytes; 0 without a body.
func (b Body) Len() int { return b.size }

// Bytes is the body itself, not to be changed; nil without one. Of a packed body it
// unpacks the whole pack: see Unpacker. An error means that the pack is corrupt.
func (b Body) Bytes() ([]byte, error) {
	if b.pack == nil {
		return nil, nil
	}
	raw, err := b.pack.unpacked()
	if err != nil {
		return nil, err
	}
	return raw[b.at : b.at+b.size : b.at+b.size], nil
}

// Unpacker unpacks bodies one after the other, and keeps the last pack only: those of one
// pack come together. Its zero value is ready.
type Unpacker struct{ last, unpacked *pack }

// Unpack is the body on its own.
func (u *Unpacker) Unpack(b Body) (Body, error) {
	if b.pack == nil || b.pack.raw != nil {
		return b, nil
	}
	if b.pack != u.last {
		raw, err := b.pack.unpacked()
		if err != nil {
			return Body{}, err
		}
		u.last, u.unpacked = b.pack, &pack{raw: raw, size: len(raw)}
	}
	b.pack = u.unpacked
	return b, nil
}

// Packer packs bodies one after the other. Its zero value is ready.
type Packer struct {
	open   *pack  // takes further bodies
	buffer []byte // of the pack before, to be used again
	size   int    // of the packed ones
}

// Add copies a body into a pack.
func (p *Packer) Add(raw []byte) Body {
	if p.open == nil {
		p.open = &pack{raw: p.buffer[:0]}
	}
	b := Body{pack: p.open, at: len(p.open.raw), size: len(raw)}
	p.open.raw = append(p.open.raw, raw...)
	if len(p.open.raw) >= packBytes {
		p.size += len(p.open.packed())
		p.buffer, p.open.raw, p.open = p.open.raw, nil, nil
	}
	return b
}

// Move packs a body that was on its own.
func (p *Packer) Move(b Body) Body {
	if b.pack == nil || b.pack.raw == nil {
		return b
	}
	return p.Add(b.pack.raw[b.at : b.at+b.size])
}

// Size is at most how many bytes the packs take.
func (p *Packer) Size() int {
	if p.open == nil {
		return p.size
	}
	return p.size + len(p.open.raw)
}

// Load adds up what bodies take in one payload: a pack travels whole, whichever of its
// bodies are wanted. Its zero value is ready.
type Load struct {
	packs            map[*pack]bool
	packed, unpacked int
}

// Add adds a body, and reports whether all so far fit into a payload.
func (l *Load) Add(b Body) (fits bool) {
	if b.pack != nil && !l.packs[b.pack] {
		if l.packs == nil {
			l.packs = make(map[*pack]bool)
		}
		l.packs[b.pack] = true
		l.packed += max(len(b.pack.compressed), len(b.pack.raw))
	}
	l.unpacked += b.size
	return l.packed <= MaxResultBytes && l.unpacked <= MaxResultBodies
}

// pack is bodies compressed together. It has raw until it is full, and when it comes from
// a store.
type pack struct {
	raw        []byte
	compressed []byte
	size       int // of raw, by whoever packed it
}

// packCoder are shared: both are safe for concurrent use.
var packCoder = sync.OnceValues(func() (*zstd.Encoder, *zstd.Decoder) {
	// Options that are constants never fail.
	enc, _ := zstd.NewWriter(nil, zstd.WithEncoderLevel(zstd.SpeedFastest), zstd.WithEncoderCRC(false),
		zstd.WithSingleSegment(true), zstd.WithWindowSize(2*packBytes)) // it bounds an encoder's memory
	dec, _ := zstd.NewReader(nil, zstd.WithDecoderConcurrency(0), zstd.WithDecoderMaxMemory(maxPackBytes), zstd.WithDecodeAllCapLimit(true))
	return enc, dec
})

// packed is the pack compressed. More may be added to it after.
func (p *pack) packed() []byte {
	if p.raw != nil {
		enc, _ := packCoder()
		p.compressed, p.size = enc.EncodeAll(p.raw, nil), len(p.raw)
	}
	return p.compressed
}

var errPack = errors.New("the bodies cannot be unpacked: they were changed or cut")

func (p *pack) unpacked() ([]byte, error) {
	if p.raw != nil {
		return p.raw, nil
	}
	_, dec := packCoder()
	raw, err := dec.DecodeAll(p.compressed, make([]byte, 0, p.size))
	if err != nil || len(raw) != p.size {
		return nil, errPack
	}
	return raw, nil
}

// EncodeBodies writes bodies as they travel: for each, in which pack it is and where, and
// then the packs.
//
//	bodies  uvarint; for each body: pack + 1 or 0 for none, offset, length
//	packs   uvarint; for each pack: length unpacked, length packed, zstd
func EncodeBodies(out []byte, bodies []*Body) []byte {
	var packs []*pack
	index := make(map[*pack]int)
	out = binary.AppendUvarint(out, uint64(len(bodies)))
	for _, b := range bodies {
		if b.pack == nil {
			out = append(out, 0)
			continue
		}
		i, found := index[b.pack]
		if !found {
			i = len(packs)
			packs, index[b.pack] = append(packs, b.pack), i
		}
		for _, n := range []int{i + 1, b.at, b.size} {
			out = binary.AppendUvarint(out, uint64(n))
		}
	}
	out = binary.AppendUvarint(out, uint64(len(packs)))
	for _, p := range packs {
		packed := p.packed()
		for _, n := range []int{p.size, len(packed)} {
			out = binary.AppendUvarint(out, uint64(n))
		}
		out = append(out, packed...)
	}
	return out
}

// DecodeBodies reads what EncodeBodies wrote into as many bodies. Their packs share the
// memory of data.
func DecodeBodies(data []byte, bodies []*Body) error {
	r := &reader{data: data}
	if n := r.number(); n != len(bodies) {
		return fmt.Errorf("%w: there are %d bodies for %d changes", errPack, n, len(bodies))
	}
	of := make([]int, len(bodies))
	for i, b := range bodies {
		if of[i] = r.number(); of[i] > 0 {
			*b = Body{at: r.number(), size: r.number()}
		}
	}
	count := r.number()
	if count > len(bodies) {
		return errPack
	}
	packs := make([]*pack, count)
	for i := range packs {
		packs[i] = &pack{size: r.number()}
		packs[i].compressed = r.bytes(r.number())
		r.failed = r.failed || packs[i].size > maxPackBytes
	}
	for i, b := range bodies {
		switch {
		case of[i] == 0:
		case r.failed || of[i] > count || b.at+b.size > packs[of[i]-1].size:
			return errPack
		default:
			b.pack = packs[of[i]-1]
		}
	}
	if r.failed || len(r.data) > 0 {
		return errPack
	}
	return nil
}

// reader reads numbers and bytes, until one is not there.
type reader struct {
	data   []byte
	failed bool
}

// number is at most 4 GiB, so that two of them have a sum.
func (r *reader) number() int {
	n, size := binary.Uvarint(r.data)
	if size <= 0 || n > 1<<32 {
		r.failed, r.data = true, nil
		return 0
	}
	r.data = r.data[size:]
	return int(n) // bounded above
}

func (r *reader) bytes(n int) []byte {
	if n > len(r.data) {
		r.failed = true
		return nil
	}
	out := r.data[:n:n]
	r.data = r.data[n:]
	return out
}
