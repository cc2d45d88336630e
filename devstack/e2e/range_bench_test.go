package e2e

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"healthlake-cdc/devstack/internal/simulator"
	"healthlake-cdc/devstack/internal/stack"
	"healthlake-cdc/internal/cdc"
)

// BenchmarkLiveWindows shows how long after its end a window's last version is on
// the bus, alone and beside a backfill: passes after 2 and 6 s, searches as with
// CDC_SEARCH_RATE=20.
func BenchmarkLiveWindows(b *testing.B) {
	const past, each, windows = 20_000, 2_500, 6
	for _, beside := range []bool{false, true} {
		name := "alone"
		if beside {
			name = "beside a backfill"
		}
		b.Run(name, func(b *testing.B) {
			r, c := newClockedRig(b, stack.Options{Simulator: simulator.Config{Limits: noLimits}},
				fewTypes, fmt.Sprintf("CDC_SEARCH_RATE=%d", besideRate))
			r.silenced(b)
			for i := range past / each {
				r.writePast(b, c, longAgo.Add(time.Duration(i)*12*time.Hour), "Patient", fmt.Sprintf("past%d", i), each)
			}
			if err := r.Simulator.SetTrail(simulator.Trail{Sink: r.Sink()}); err != nil {
				b.Fatal(err)
			}
			r.worker(b)
			for n := range b.N {
				backfill := fmt.Sprintf("beside-%d", n)
				if beside {
					r.operate(b, append([]string{"backfill", "--name", backfill}, yearOf...)...)
				}
				b.ResetTimer()
				prefix := fmt.Sprintf("live%d", n)
				written := r.live(b, prefix, func(n int) bool { return n < windows })
				for _, window := range written {
					r.closed(b, window.ID())
				}
				r.subscribed(b)
				lags := r.lagsOf(prefix, written)
				b.ReportMetric(lags[len(lags)/2].Seconds()*1000, "ms-middle/window")
				b.ReportMetric(lags[len(lags)-1].Seconds()*1000, "ms-most/window")
				if beside {
					r.closed(b, cdc.BackfillID(backfill))
				}
			}
		})
	}
}

// lagsOf are how long after the ends of windows the last of each was published, in
// ascending order.
func (r *rig) lagsOf(prefix string, windows []cdc.Window) []time.Duration {
	all := make([]time.Duration, len(windows))
	for n, window := range windows {
		_, last, _ := r.published(fmt.Sprintf("%s-%d-", prefix, n))
		all[n] = last.Sub(window.End()).Round(time.Millisecond)
	}
	slices.Sort(all)
	return all
}
