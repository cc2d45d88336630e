package cdc

import (
	"bytes"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

func pointers(bodies []Body) []*Body {
	out := make([]*Body, len(bodies))
	for i := range bodies {
		out[i] = &bodies[i]
	}
	return out
}

// Bodies come out as they went in, in whatever packs they are, also when only some of
// them go on.
func TestBodiesTravelPacked(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var packer Packer
		var raws [][]byte
		var bodies []Body
		for range rapid.IntRange(0, 12).Draw(t, "bodies") {
			raw := bytes.Repeat(rapid.SliceOfN(rapid.Byte(), 1, 40).Draw(t, "raw"), rapid.IntRange(1, 9_000).Draw(t, "times"))
			switch rapid.IntRange(0, 2).Draw(t, "kind") {
			case 0:
				raws, bodies = append(raws, nil), append(bodies, Body{})
			case 1:
				raws, bodies = append(raws, raw), append(bodies, NewBody(raw))
			default:
				raws, bodies = append(raws, raw), append(bodies, packer.Add(raw))
			}
		}
		for range 2 {
			encoded := EncodeBodies([]byte("head"), pointers(bodies))
			decoded := make([]Body, len(bodies))
			require.NoError(t, DecodeBodies(encoded[len("head"):], pointers(decoded)))
			// An activity of the next workflow task gets only some of them, still packed.
			var keptRaws [][]byte
			bodies = nil
			for i, b := range decoded {
				require.Equal(t, len(raws[i]), b.Len())
				if rapid.Bool().Draw(t, "kept") {
					keptRaws, bodies = append(keptRaws, raws[i]), append(bodies, b)
				}
			}
			raws = keptRaws
		}
		var unpacker Unpacker
		for i, b := range bodies {
			alone, err := unpacker.Unpack(b)
			require.NoError(t, err)
			for _, b := range []Body{b, alone} {
				got, err := b.Bytes()
				require.NoError(t, err)
				require.Equal(t, string(raws[i]), string(got))
			}
		}
	})
}

// What was changed on the way is an error, never a panic, whatever it claims to be.
func TestChangedBodiesAreAnError(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		bodies := []Body{NewBody([]byte(`{"a":1}`)), {}, NewBody(bytes.Repeat([]byte("x"), 3_000))}
		encoded := EncodeBodies(nil, pointers(bodies))
		at := rapid.IntRange(0, len(encoded)-1).Draw(t, "at")
		if rapid.Bool().Draw(t, "cut") {
			encoded = encoded[:at]
		} else {
			encoded[at] ^= rapid.ByteRange(1, 255).Draw(t, "bits")
		}
		decoded := make([]Body, len(bodies))
		if DecodeBodies(encoded, pointers(decoded)) != nil {
			return
		}
		for _, b := range decoded {
			_, _ = b.Bytes() // an error or another text: the codec's seal is what tells
		}
	})
	require.Error(t, DecodeBodies([]byte{}, pointers(make([]Body, 1))))
	require.NoError(t, DecodeBodies([]byte{0, 0}, nil))
}

// A pack is released from memory once it is full: what is read does not add up.
func TestFullPacksKeepOnlyWhatIsPacked(t *testing.T) {
	var packer Packer
	raw := bytes.Repeat([]byte("0123456789"), 10_000)
	var bodies []Body
	for range 50 {
		bodies = append(bodies, packer.Add(raw))
	}
	require.Less(t, packer.Size(), 300<<10)
	unpacked := 0
	for _, b := range bodies {
		if b.pack.raw != nil {
			unpacked++
		}
	}
	require.LessOrEqual(t, unpacked, 3)
}

// A pack travels whole: changes of many packs do not fit into one payload, however few
// they are.
func TestLoadCountsEachPackOnce(t *testing.T) {
	var load Load
	var packer Packer
	for range 40 {
		require.True(t, load.Add(packer.Add([]byte("of one pack"))))
	}
	fits := 0
	for load.Add(NewBody(make([]byte, 100_000))) {
		fits++
	}
	require.Equal(t, 10, fits)
}
