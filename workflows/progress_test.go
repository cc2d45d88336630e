package workflows_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"healthlake-cdc/internal/cdc"
)

// An operator sees in a window's progress when each type goes on, and what
// EventBridge rejects.
func TestProgressShowsWhatIsDueAndWhatIsRejected(t *testing.T) {
	w := newWorld(t)
	w.store.Write("Patient", "bad", start.Add(time.Second), 0, 300)
	w.store.Write("Observation", "good", start.Add(time.Second), 0, 300)
	w.bus.reject = func(key string) bool {
		return key == datastore+"/Patient/bad/_history/1" && w.now().Before(end(time.Hour))
	}
	at := func(d time.Duration, check func(p cdc.Progress)) {
		w.when(end(d), func() {
			value, err := w.env.QueryWorkflow(cdc.QueryProgress)
			require.NoError(t, err)
			var progress cdc.Progress
			require.NoError(t, value.Get(&progress))
			check(progress)
		})
	}
	checked := 0
	at(5*time.Second, func(p cdc.Progress) {
		require.Empty(t, p.Failing)
		require.Len(t, p.Due, 2)
		require.True(t, p.Due["Patient"].Equal(end(10*time.Second)))
		checked++
	})
	at(30*time.Second, func(p cdc.Progress) {
		require.Equal(t, []cdc.Wait{{Type: "Patient", Versions: 1}}, p.Failing)
		require.True(t, p.Due["Observation"].Equal(end(60*time.Second)))
		checked++
	})
	at(30*time.Minute, func(p cdc.Progress) {
		require.Equal(t, []cdc.Wait{{Type: "Patient", Versions: 1}}, p.Failing)
		require.Empty(t, p.Due, "no pass is left")
		checked++
	})
	w.capture("Patient", "Observation")
	require.Equal(t, 3, checked)
	w.requireExactlyOnce(all)
}
