package e2e

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"healthlake-cdc/devstack/internal/fhirdata"
	"healthlake-cdc/devstack/internal/simulator"
	"healthlake-cdc/devstack/internal/stack"
)

// A Synthea bundle over several types, through two workers, each version once.
func TestBundleOverSeveralTypes(t *testing.T) {
	t.Parallel()
	r := newRig(t, stack.Options{Simulator: simulator.Config{
		SearchLag: simulator.FixedLag(time.Second), Digits: simulator.MixedDigits,
	}})
	r.worker(t)
	r.worker(t)
	bundle, err := fhirdata.Load(fhirdata.Names()[0])
	require.NoError(t, err)
	for _, transaction := range fhirdata.Transactions(bundle.Resources, 500) {
		_, err := r.writer.Transaction(t.Context(), transaction)
		require.NoError(t, err)
	}
	report := r.drained(t)
	complete(t, report)
	require.Equal(t, len(bundle.Resources), report.Total.Published)
	require.GreaterOrEqual(t, len(report.Rows), 8)
}
