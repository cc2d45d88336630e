package fhirdata_test

import (
	"encoding/json"
	"regexp"
	"testing"

	"github.com/stretchr/testify/require"

	"healthlake-cdc/devstack/internal/fhirdata"
)

func TestSampleIsLargeAndClosed(t *testing.T) {
	bundles, err := fhirdata.LoadAll()
	require.NoError(t, err)
	require.Len(t, bundles, 5)
	types, entries := map[string]bool{}, 0
	for _, b := range bundles {
		known := map[string]bool{}
		for _, r := range b.Resources {
			known[r.Type+"/"+r.ID] = true
			types[r.Type] = true
			entries++
			require.NotContains(t, string(r.Body), "urn:uuid:")
		}
		references := 0
		for _, r := range b.Resources {
			for _, m := range regexp.MustCompile(`"reference": *"([^"#]+)"`).FindAllSubmatch(r.Body, -1) {
				require.True(t, known[string(m[1])], "a reference of %s leads nowhere", r.Type)
				references++
			}
		}
		require.Greater(t, references, len(b.Resources))
	}
	require.Equal(t, 1022, entries)
	require.Len(t, types, 14)
}

func TestRawIsTheOriginalTransaction(t *testing.T) {
	raw, err := fhirdata.Raw(fhirdata.Names()[0])
	require.NoError(t, err)
	require.Len(t, raw, 852910)
	_, err = fhirdata.Raw("nobody")
	require.Error(t, err)
}

func TestExamplesAreOneOfEachType(t *testing.T) {
	examples, err := fhirdata.Examples()
	require.NoError(t, err)
	seen := map[string]bool{}
	for _, r := range examples {
		require.False(t, seen[r.Type])
		require.NotEmpty(t, r.ID)
		seen[r.Type] = true
	}
	require.Len(t, seen, 15)
}

func TestTransactionsSplitAndKeepOrder(t *testing.T) {
	b, err := fhirdata.Load(fhirdata.Names()[0])
	require.NoError(t, err)
	parts := fhirdata.Transactions(b.Resources, 100)
	require.Len(t, parts, 3)
	i := 0
	for _, part := range parts {
		var bundle struct {
			Entry []struct {
				Resource json.RawMessage
				Request  struct{ Method, URL string }
			}
		}
		require.NoError(t, json.Unmarshal(part, &bundle))
		require.LessOrEqual(t, len(bundle.Entry), 100)
		for _, e := range bundle.Entry {
			require.Equal(t, "PUT", e.Request.Method)
			require.Equal(t, b.Resources[i].Type+"/"+b.Resources[i].ID, e.Request.URL)
			require.Equal(t, string(b.Resources[i].Body), string(e.Resource))
			i++
		}
	}
	require.Equal(t, len(b.Resources), i)
}

func TestVaryChangesOneExtensionOnly(t *testing.T) {
	b, err := fhirdata.Load(fhirdata.Names()[0])
	require.NoError(t, err)
	for _, r := range b.Resources {
		one, err := fhirdata.Vary(r, 1)
		require.NoError(t, err)
		two, err := fhirdata.Vary(one, 2)
		require.NoError(t, err)
		direct, err := fhirdata.Vary(r, 2)
		require.NoError(t, err)
		require.Equal(t, r.ID, two.ID)
		require.JSONEq(t, string(direct.Body), string(two.Body))
		require.NotEqual(t, string(one.Body), string(two.Body))

		var before, after map[string]json.RawMessage
		require.NoError(t, json.Unmarshal(r.Body, &before))
		require.NoError(t, json.Unmarshal(two.Body, &after))
		delete(before, "extension")
		delete(after, "extension")
		require.Equal(t, before, after)
	}
}

func TestLargeAndWithID(t *testing.T) {
	large := fhirdata.Large("big", 1_500_000, 7)
	require.True(t, json.Valid(large.Body))
	require.Greater(t, len(large.Body), 2_000_000)
	require.Equal(t, large, fhirdata.Large("big", 1_500_000, 7))
	require.NotEqual(t, large.Body, fhirdata.Large("big", 1_500_000, 8).Body)

	renamed, err := fhirdata.WithID(large, "other")
	require.NoError(t, err)
	var head struct{ ID string }
	require.NoError(t, json.Unmarshal(renamed.Body, &head))
	require.Equal(t, "other", head.ID)
}
