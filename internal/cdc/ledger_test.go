package cdc

import (
	"encoding/base64"
	"encoding/json"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// hashes draws few distinct values beside many, so that sets overlap.
func hashes() *rapid.Generator[[]Hash] {
	hash := rapid.OneOf(rapid.Uint64Range(0, 20), rapid.Uint64())
	return rapid.SliceOf(rapid.Map(hash, func(h uint64) Hash { return Hash(h) }))
}

func hashSets() *rapid.Generator[HashSet] {
	return rapid.Map(hashes(), func(h []Hash) HashSet { return hashSetOf(h...) })
}

func hashSetOf(hashes ...Hash) (s HashSet) {
	for _, h := range hashes {
		s.Add(h)
	}
	return s
}

func encode(t require.TestingT, v any) string {
	text, err := json.Marshal(v)
	require.NoError(t, err)
	return string(text)
}

func TestHashSetHoldsWhatWasAdded(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		added := hashes().Draw(t, "hashes")
		var s HashSet
		model := map[Hash]bool{}
		for _, h := range added {
			require.Equal(t, !model[h], s.Add(h))
			model[h] = true
		}
		require.Equal(t, len(model), s.Len())
		for h := range model {
			require.True(t, s.Has(h))
		}
		other := Hash(rapid.Uint64().Draw(t, "other"))
		require.Equal(t, model[other], s.Has(other))
		require.True(t, slices.IsSorted(s.Sorted()))
	})
}

func TestHashSetJSON(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		drawn := hashes().Draw(t, "hashes")
		s := hashSetOf(drawn...)
		text := encode(t, s)
		var back HashSet
		require.NoError(t, json.Unmarshal([]byte(text), &back))
		require.Equal(t, s.Sorted(), back.Sorted())
		shuffled := rapid.Permutation(drawn).Draw(t, "shuffled")
		require.Equal(t, text, encode(t, hashSetOf(shuffled...)), "equal sets give equal bytes")
		require.Equal(t, text, encode(t, back))
	})
}

func TestHashSetFormIsStable(t *testing.T) {
	require.Equal(t, `""`, encode(t, HashSet{}))
	require.Equal(t, `"AAAAAAAAAAEAAAAAAAABAA=="`, encode(t, hashSetOf(256, 1)))
	var s HashSet
	require.NoError(t, json.Unmarshal([]byte("null"), &s))
	require.Zero(t, s.Len())
	require.True(t, s.Add(1), "ready to use")
}

func TestHashSetRejectsWhatIsNone(t *testing.T) {
	for _, text := range []string{`1`, `{}`, `["a"]`, `"?"`, `"AAAA"`, `"` + base64.StdEncoding.EncodeToString(make([]byte, 9)) + `"`} {
		s := hashSetOf(7)
		require.Error(t, json.Unmarshal([]byte(text), &s), text)
	}
}

func TestHashSetMergeLaws(t *testing.T) {
	merged := func(sets ...HashSet) HashSet {
		var all HashSet
		for _, s := range sets {
			all.Merge(s)
		}
		return all
	}
	rapid.Check(t, func(t *rapid.T) {
		a, b, c := hashSets().Draw(t, "a"), hashSets().Draw(t, "b"), hashSets().Draw(t, "c")
		before := encode(t, []HashSet{a, b, c})
		ab := merged(a, b)
		require.Equal(t, encode(t, ab), encode(t, merged(b, a)), "commutative")
		require.Equal(t, encode(t, merged(ab, c)), encode(t, merged(a, merged(b, c))), "associative")
		require.Equal(t, encode(t, ab), encode(t, merged(ab, ab)), "idempotent")
		require.Equal(t, encode(t, a), encode(t, merged(a, HashSet{})), "neutral")
		d := a.Clone()
		added := d.Merge(b)
		require.Equal(t, ab.Len()-a.Len(), added, "counts what is new")
		require.Zero(t, d.Merge(b))
		require.Equal(t, before, encode(t, []HashSet{a, b, c}), "operands and originals of clones stay")
	})
}

// payloadLimit is Temporal's blob size limit.
const payloadLimit = 2 << 20

func TestLedgerOf150000VersionsFitsAPayload(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	var ledger Ledger
	for i := range 150_000 {
		entry := ledger.Type([]string{"Observation", "Patient", "Encounter"}[i%3])
		if set := &entry.Published; i%10 == 0 {
			entry.Skipped.Add(Hash(random.Uint64()))
		} else {
			set.Add(Hash(random.Uint64()))
		}
	}
	text := encode(t, CaptureWindowResult{Ledger: ledger})
	require.Less(t, len(text), payloadLimit)
	require.Equal(t, 135_000, ledger.Published())
}

func ledgers() *rapid.Generator[Ledger] {
	return rapid.Custom(func(t *rapid.T) Ledger {
		var l Ledger
		types := rapid.SliceOfDistinct(rapid.SampledFrom([]string{"Patient", "Observation", "Encounter", "Task"}), rapid.ID)
		for _, name := range types.Draw(t, "types") {
			entry := l.Type(name)
			entry.Published, entry.Skipped = hashSets().Draw(t, "published"), hashSets().Draw(t, "skipped")
		}
		return l
	})
}

func TestLedgerJSONRoundTripKeepsSweptAndAbsentApart(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		l := ledgers().Draw(t, "ledger")
		text := encode(t, l)
		var back Ledger
		require.NoError(t, json.Unmarshal([]byte(text), &back))
		require.Equal(t, text, encode(t, back))
		require.Equal(t, l.Names(), back.Names())
		require.Equal(t, l.Published(), back.Published())
		for _, name := range []string{"Patient", "Observation", "Encounter", "Task"} {
			require.Equal(t, l.Swept(name), back.Swept(name))
		}
	})
}

func TestLedgerSweptVersusAbsent(t *testing.T) {
	var l Ledger
	v := Version{Type: "Patient", ID: "p1", VersionID: "1"}
	require.False(t, l.Swept("Patient"))
	require.False(t, l.Has(v))
	require.Zero(t, l.Known("Patient").Len())
	require.Empty(t, l.Names(), "asking sweeps nothing")

	l.Type("Patient")
	require.True(t, l.Swept("Patient"), "swept and empty")
	require.False(t, l.Has(v))
	require.False(t, l.Swept("Observation"))
	require.JSONEq(t, `{"salt":"AAAAAAAAAAAAAAAAAAAAAA==","types":{"Patient":{"published":"","skipped":""}}}`, encode(t, l))

	l.Type("Patient").Published.Add(l.Salt.Hash(v))
	require.True(t, l.Has(v))
	require.False(t, l.Has(Version{Type: "Observation", ID: "p1", VersionID: "1"}), "hashes are a type's own")
	require.False(t, l.Has(Version{Type: "Patient", ID: "p1", VersionID: "2"}))

	skipped := Version{Type: "Patient", ID: "p2", VersionID: "1"}
	l.Type("Patient").Skipped.Add(l.Salt.Hash(skipped))
	require.True(t, l.Has(skipped))
	require.Equal(t, 1, l.Published())
	known := l.Known("Patient")
	require.Equal(t, 2, known.Len())
	known.Add(99)
	require.Equal(t, 2, l.Known("Patient").Len(), "what is known is a copy")

	var null Ledger
	require.NoError(t, json.Unmarshal([]byte(`{"salt":"AAAAAAAAAAAAAAAAAAAAAA==","types":{"Patient":null}}`), &null))
	require.False(t, null.Swept("Patient"))
	require.Empty(t, null.Names())
	require.Zero(t, null.Published())
}

func TestLedgerMergeLaws(t *testing.T) {
	merged := func(ledgers ...Ledger) Ledger {
		var all Ledger
		for _, l := range ledgers {
			_ = all.Merge(l) // one salt
		}
		return all
	}
	rapid.Check(t, func(t *rapid.T) {
		a, b, c := ledgers().Draw(t, "a"), ledgers().Draw(t, "b"), ledgers().Draw(t, "c")
		before := encode(t, []Ledger{a, b, c})
		ab := merged(a, b)
		require.Equal(t, encode(t, ab), encode(t, merged(b, a)))
		require.Equal(t, encode(t, merged(ab, c)), encode(t, merged(a, merged(b, c))))
		require.Equal(t, encode(t, ab), encode(t, merged(ab, ab)))
		for _, name := range []string{"Patient", "Observation", "Encounter", "Task"} {
			require.Equal(t, a.Swept(name) || b.Swept(name), ab.Swept(name), "swept by either")
		}
		ab.Type("Patient").Published.Add(12345)
		require.Equal(t, before, encode(t, []Ledger{a, b, c}), "a merged ledger shares nothing")
	})
}
