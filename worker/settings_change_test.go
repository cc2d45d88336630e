package main

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestNotSwept(t *testing.T) {
	now := time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	ago := func(d time.Duration, types ...string) sweptWindow {
		return sweptWindow{opened: now.Add(-d), types: types}
	}
	configured := []string{"Encounter", "Patient"}
	for name, test := range map[string]struct {
		windows []sweptWindow
		missing []string
		all     bool
	}{
		"no window of the store": {nil, nil, true},
		"the same settings":      {[]sweptWindow{ago(time.Minute, "Patient", "Encounter")}, nil, false},
		"fewer types than before": {
			[]sweptWindow{ago(time.Minute, "Patient", "Encounter", "Group")}, nil, false},
		"a type more than before": {[]sweptWindow{ago(time.Minute, "Patient")}, []string{"Encounter"}, false},
		"a type more than in a window of long ago": {
			[]sweptWindow{ago(72*time.Hour, "Patient")}, []string{"Encounter"}, false},
		"another worker has the new settings, a third one not yet": {
			[]sweptWindow{ago(time.Second, "Patient", "Encounter"), ago(time.Minute, "Patient")}, []string{"Encounter"}, false},
		"the new settings are everywhere for long": {
			[]sweptWindow{ago(time.Second, "Patient", "Encounter"), ago(time.Hour, "Patient")}, nil, false},
	} {
		t.Run(name, func(t *testing.T) {
			missing, all := notSwept(configured, test.windows, now)
			require.Equal(t, test.missing, missing)
			require.Equal(t, test.all, all)
		})
	}
}

func TestBackfillCommands(t *testing.T) {
	now := time.Date(2026, 11, 23, 12, 0, 3, 0, time.UTC)
	require.Empty(t, backfillCommands(nil, []string{"a"}, now))
	require.Equal(t, []string{
		"starter backfill --name settings-20261123T120010Z --since 1970-01-01T00:00:00Z --until 2026-11-23T12:00:10Z --type Encounter --type Group",
	}, backfillCommands([]gap{{datastores: []string{"a", "b"}, types: []string{"Encounter", "Group"}}}, []string{"a", "b"}, now))
	require.Equal(t, []string{
		"CDC_DATASTORES=a,b starter backfill --name settings-20261123T120010Z --since 1970-01-01T00:00:00Z --until 2026-11-23T12:00:10Z --type Encounter",
		"CDC_DATASTORES=c starter backfill --name settings-20261123T120010Z-2 --since 1970-01-01T00:00:00Z --until 2026-11-23T12:00:10Z",
	}, backfillCommands([]gap{
		{datastores: []string{"a", "b"}, types: []string{"Encounter"}}, {datastores: []string{"c"}},
	}, []string{"a", "b", "c"}, now))
}
