package bench

import (
	"context"
	"fmt"
	"time"

	"healthlake-cdc/internal/cdc"
)

// trickle is a write a second over all types, and a bundle without a type every ten, for
// the same contenders: what each costs where little happens.
func (r *runner) trickle(ctx context.Context) ([]Table, error) {
	c := contest{
		load: workload{
			length: 5 * time.Minute, updates: 0.2, seed: contestSeed, bundleEvery: 10 * time.Second, bundleEntries: 10,
		},
		passes: "10s,60s", late: 40 * time.Second,
		atOnce: len(contenders), // they leave the machine nearly idle
	}
	if r.Short {
		c.load.length, c.passes, c.late = 40*time.Second, "10s,20s", 20*time.Second
	}
	c.load.writes = int(c.load.length / time.Second)
	var err error
	if c.load.samples, c.types, err = samplesOf(25); err != nil {
		return nil, err
	}
	outcomes, err := r.compete(ctx, c)
	if err != nil {
		return nil, err
	}
	what := fmt.Sprintf("a write a second for %s over %d types, %.0f %% of them updates, and every %s a bundle of %d entries whose record names no type",
		c.load.length, len(c.types), c.load.updates*100, c.load.bundleEvery, c.load.bundleEntries)
	return append(contestTables("Trickle", what+"; "+c.settings(), outcomes), evenTable(outcomes)), nil
}

// defaultLookback is CDC_LOOKBACK's.
const defaultLookback = 5 * time.Second

// modelOf takes the windows' actions from the worker's histories, and those of a trigger
// and a change from the histories of a workflow a change.
func modelOf(outcomes []outcome) windowModel {
	m := windowModel{
		touched: cdc.WindowWidth + defaultLookback + time.Second, width: cdc.WindowWidth,
	}
	for _, o := range outcomes {
		if full, found := o.census[cdc.WorkflowCaptureWindow]; found {
			m.full = full.mean()
			m.empty = m.full - float64(full.publishes+full.upserts)/float64(full.runs)
		}
		if triggers, found := o.census["CaptureTrigger"]; found {
			m.perChange = triggers.mean() + o.census["PublishChange"].mean()
		}
	}
	return m
}
