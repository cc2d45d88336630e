package cdc

import (
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

func TestVersionTime(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		at := instants().Draw(t, "at")
		layout := rapid.SampledFrom([]string{"2006-01-02T15:04:05.000Z07:00", "2006-01-02T15:04:05.000000000Z07:00"}).Draw(t, "layout")
		zone := time.FixedZone("", rapid.IntRange(-12, 12).Draw(t, "hours")*3600)
		text := at.In(zone).Format(layout)
		want, err := time.Parse(layout, text)
		if err != nil {
			t.Skip("the zone takes it out of the years 1 to 9999")
		}
		got := Version{LastUpdated: text}.Time()
		require.True(t, want.Equal(got), "%s", text)
		require.Equal(t, time.UTC, got.Location())
	})
	require.True(t, Version{LastUpdated: "soon"}.Time().IsZero())
}

func TestHashTellsVersionsApart(t *testing.T) {
	salt := Salt{1, 2, 3}
	seen := make(map[Hash]Key)
	for i := range 200 {
		for v := range 50 {
			version := Version{ID: fmt.Sprint(i), VersionID: fmt.Sprint(v)}
			require.Empty(t, seen[salt.Hash(version)])
			seen[salt.Hash(version)] = version.Key()
		}
	}
	require.NotEqual(t, salt.Hash(Version{ID: "a\n1", VersionID: "2"}), salt.Hash(Version{ID: "a", VersionID: "1\n2"}))
	require.NotEqual(t, salt.Hash(Version{ID: "a1", VersionID: "2"}), salt.Hash(Version{ID: "a", VersionID: "12"}))
}

// Whoever writes to the store chooses ids. These two were found in some minutes: the
// first 8 bytes of the SHA-256 of "{id}\n{version}" are the same.
func TestChosenIDsDoNotCollide(t *testing.T) {
	unsalted := func(v Version) []byte {
		sum := sha256.Sum256([]byte(v.ID + "\n" + v.VersionID))
		return sum[:8]
	}
	for _, pair := range [][2]string{{"e85c9ea764d3fc71", "a4426c176d196b81"}, {"d6adad29864d0a6a", "813b284bbc50763f"}} {
		a, b := Version{ID: pair[0], VersionID: "1"}, Version{ID: pair[1], VersionID: "1"}
		require.Equal(t, unsalted(a), unsalted(b), "as plain hashes they collide")
		for i := range 100 {
			salt := Salt{byte(i)}
			require.NotEqual(t, salt.Hash(a), salt.Hash(b))
		}
	}
}

// A change's JSON names the version; its body travels beside it.
func TestChangeJSONHasNoBody(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c := Change{Version: versions().Draw(t, "version"), Body: NewBody(bodies().Draw(t, "body"))}
		var back Change
		require.NoError(t, json.Unmarshal([]byte(encode(t, c)), &back))
		require.Equal(t, Change{Version: c.Version}, back)
	})
}

func TestErrorSaysWhatToDo(t *testing.T) {
	err := fmt.Errorf("publishing: %w", &Error{
		Op: "EventBridge PutEvents", Class: ClassForbidden, Status: 403, Code: "AccessDenied", Advice: "allow it",
	})
	require.EqualError(t, err, "publishing: EventBridge PutEvents: Forbidden (status 403) AccessDenied: allow it")
	require.Equal(t, ClassForbidden, ClassOf(err))
	require.Equal(t, ClassUnavailable, ClassOf(errors.New("anything")))
	require.Empty(t, ClassOf(nil))
	require.True(t, ClassThrottled.Retryable())
	require.False(t, ClassInvalidRequest.Retryable())
}
