package faults_test

import (
	"bytes"
	"flag"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"healthlake-cdc/devstack/internal/faults"
)

// drawn lets the short form run: `make faults`.
var drawn = flag.Bool("drawn", false, "run the short form of the fault suite, which takes about four minutes")

// The short form of `devstack faults`: one seed, whose plan has all groups and 28 of the
// kinds of faults.
func TestInvariantsHoldUnderDrawnFaults(t *testing.T) {
	if !*drawn {
		t.Skip("run it with `make faults`")
	}
	var table bytes.Buffer
	o := faults.Defaults()
	o.Seed, o.Changes, o.Rate, o.Every, o.ShrinkRuns = 849, 2_500, 50, 1500*time.Millisecond, 0
	o.Out, o.Dir = &table, t.TempDir()
	_, err := faults.Run(t.Context(), o)
	require.NoError(t, err, "%s", &table)
	t.Log(table.String())
}
