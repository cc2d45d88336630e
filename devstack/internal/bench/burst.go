package bench

import (
	"context"
	"fmt"
	"time"
)

// burst is 10,000 writes in a minute, for the worker, the origin's algorithm and a
// workflow a change.
func (r *runner) burst(ctx context.Context) ([]Table, error) {
	c := contest{
		load:   workload{writes: 10_000, length: time.Minute, updates: 0.2, seed: contestSeed},
		passes: "10s,60s", late: 40 * time.Second, atOnce: 1,
	}
	if r.Short {
		c.load.writes, c.load.length = 1_000, 10*time.Second
		c.passes, c.late, c.atOnce = "10s,20s", 20*time.Second, len(contenders)
	}
	var err error
	if c.load.samples, c.types, err = samplesOf(25); err != nil {
		return nil, err
	}
	outcomes, err := r.compete(ctx, c)
	if err != nil {
		return nil, err
	}
	what := fmt.Sprintf("%d writes of %d types in %s, %.0f %% of them updates, %.1f KB a resource",
		c.load.writes, len(c.types), c.load.length, c.load.updates*100, meanSize(c.load.samples)/1000)
	return contestTables("Burst", what+"; "+c.settings(), outcomes), nil
}
