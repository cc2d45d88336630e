package cdc

import (
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

func TestVersionHashTellsVersionsApart(t *testing.T) {
	// The ledger's hashes live in histories and in other releases: they must not
	// change.
	require.Equal(t, Hash(0x754422c298ead6f4), Version{Type: "Patient", ID: "123", VersionID: "4"}.Hash())
	seen := map[Hash]string{}
	for i := range 200 {
		for v := range 50 {
			version := Version{ID: fmt.Sprint(i), VersionID: fmt.Sprint(v)}
			key := version.ID + " " + version.VersionID
			require.Empty(t, seen[version.Hash()], key)
			seen[version.Hash()] = key
		}
	}
}

func TestChangeJSONRoundTripKeepsTheBody(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c := Change{Version: versions().Draw(t, "version"), Body: bodies().Draw(t, "body")}
		var back Change
		require.NoError(t, json.Unmarshal([]byte(encode(t, c)), &back))
		require.Equal(t, c, back)
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
	require.False(t, ClassRejected.Retryable())
}
