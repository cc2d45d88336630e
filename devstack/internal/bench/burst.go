package bench

import (
	"context"
	"fmt"
	"time"
)

// burst is 10,000 writes in a minute, for the worker, the origin's algorithm and a
// workflow a change.
func (r *runner) burst(ctx context.Context) ([]Table, error) {
	load := workload{writes: 10_000, length: time.Minute, updates: 0.2, seed: contestSeed}
	passes, atOnce := "10s,60s", 1
	if r.Short {
		// Counts do not change with the time that each takes.
		load.writes, load.length, passes, atOnce = 1_000, 10*time.Second, "10s,30s", len(contenders)
	}
	samples, types, err := samplesOf(25)
	if err != nil {
		return nil, err
	}
	load.samples = samples
	outcomes, err := r.compete(ctx, contest{load: load, env: contestEnv(types, passes), atOnce: atOnce})
	if err != nil {
		return nil, err
	}
	what := fmt.Sprintf("%d writes of %d types in %s, %.0f %% of them updates, %.1f KB a resource",
		load.writes, len(types), load.length, load.updates*100, meanSize(samples)/1000)
	return contestTables("Burst", what, passes, outcomes), nil
}

// contestSearchRate is CDC_SEARCH_RATE of the worker and of the workflow a change.
const contestSearchRate = 50

func contestEnv(types []string, passes string) []string {
	return settings(types, "CDC_PASSES="+passes, fmt.Sprintf("CDC_SEARCH_RATE=%d", contestSearchRate))
}
