package payload

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// entry returns "id:base64key" whose key is n bytes of fill.
func entry(id string, fill byte, n int) string {
	return id + ":" + base64.StdEncoding.EncodeToString(bytes.Repeat([]byte{fill}, n))
}

func ring(t testing.TB, entries ...string) *KeyRing {
	t.Helper()
	r, err := ParseKeys(strings.Join(entries, ","))
	require.NoError(t, err)
	return r
}

func TestParseKeysKeepsTheirOrder(t *testing.T) {
	r, err := ParseKeys(" " + entry("new", 2, 32) + " ,\n" + entry("old.1", 1, 32) + "\n")
	require.NoError(t, err)
	require.Equal(t, []string{"new", "old.1"}, r.IDs())
}

func TestParseKeysErrors(t *testing.T) {
	for name, tc := range map[string]struct{ in, want string }{
		"nothing":        {" ", "no key given"},
		"no colon":       {"abc", "entry 1: no colon"},
		"empty id":       {entry("", 7, 32), "entry 1: the id is empty"},
		"space in id":    {entry("a b", 7, 32), "entry 1: the id must be"},
		"long id":        {entry(strings.Repeat("a", 33), 7, 32), "entry 1: the id must be"},
		"short key":      {entry("a", 7, 31), "has 31 bytes, AES-256 needs 32"},
		"long key":       {entry("a", 7, 33), "has 33 bytes, AES-256 needs 32"},
		"not base64":     {"a:???", "not standard base64"},
		"zeros":          {entry("a", 0, 32), "all zeros"},
		"same id":        {entry("a", 7, 32) + "," + entry("a", 8, 32), "entries 1 and 2 have the same id"},
		"same key":       {entry("a", 7, 32) + "," + entry("b", 7, 32), "entries 1 and 2 are the same key"},
		"trailing comma": {entry("a", 7, 32) + ",", "entry 2: no colon"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := ParseKeys(tc.in)
			require.ErrorContains(t, err, tc.want)
		})
	}
}

func TestParseKeysErrorsNeverPrintAKey(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		key := base64.StdEncoding.EncodeToString(rapid.SliceOfN(rapid.Byte(), 24, 40).Draw(t, "key"))
		// Right, swapped, without a colon, cut, and twice.
		for _, in := range []string{"id:" + key, key + ":id", key, "id:" + key[1:], "id:" + key + ",id:" + key} {
			if _, err := ParseKeys(in); err != nil {
				require.NotContains(t, err.Error(), key[1:20])
			}
		}
	})
}

func TestGenerateKeyParses(t *testing.T) {
	a, b := GenerateKey(), GenerateKey()
	require.NotEqual(t, a, b)
	require.Len(t, ring(t, a, b).IDs(), 2)
}

func TestKeyRingPrintsIDsOnly(t *testing.T) {
	r := ring(t, entry("k1", 0x41, 32), entry("k2", 0x42, 32))
	var logged bytes.Buffer
	slog.New(slog.NewJSONHandler(&logged, nil)).Info("x", "ring", r, "nested", struct{ R *KeyRing }{r})
	asJSON, err := json.Marshal(map[string]any{"ring": r})
	require.NoError(t, err)
	nested := struct{ R *KeyRing }{r}
	for _, printed := range []string{
		fmt.Sprint(r), fmt.Sprintf("%v %+v %#v %s %q %x %d", r, r, r, r, r, r, r),
		fmt.Sprintf("%v %+v %#v", nested, nested, nested), logged.String(), string(asJSON),
	} {
		require.NotContains(t, printed, "QUFB") // base64 of "AAA"
		require.NotContains(t, printed, "AAAA")
		require.NotContains(t, printed, "4141")
		require.NotContains(t, printed, "65 65")
	}
	require.Equal(t, "[keys k1, k2]", r.String())
	require.Equal(t, "[no keys]", (*KeyRing)(nil).String())
}
