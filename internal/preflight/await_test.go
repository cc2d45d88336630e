package preflight

import (
	"context"
	"errors"
	"log/slog"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

// failing fails so often, and then is there.
func failing(name string, times int, err error) Dependency {
	return Dependency{Name: name, Probe: func(context.Context) (string, error) {
		if times--; times >= 0 {
			return "", err
		}
		return "there", nil
	}}
}

func TestAwaitNamesWhatIsMissing(t *testing.T) {
	logger, down := slog.New(slog.DiscardHandler), errors.New("connection refused")
	synctest.Test(t, func(t *testing.T) {
		require.NoError(t, Await(t.Context(), time.Minute, logger, failing("queue", 5, down), failing("bus", 0, nil)))

		began := time.Now()
		err := Await(t.Context(), time.Minute, logger, failing("queue", 1000, down), failing("bus", 3, down))
		require.EqualError(t, err, "not started after waiting 1m0s: queue is missing: connection refused")
		require.Equal(t, time.Minute, time.Since(began))

		began = time.Now()
		err = Await(t.Context(), time.Minute, logger, failing("queue", 1000, down), failing("datastore x", 1, permanent{errors.New("it does not know Claim")}))
		require.EqualError(t, err, "not started: datastore x: it does not know Claim")
		require.Less(t, time.Since(began), time.Minute, "waiting does not help")
	})
}
