package bench

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"
)

// backfill is 50,000 old versions that a backfill publishes alone, with the latencies of
// the real services.
func (r *runner) backfill(ctx context.Context) (_ []Table, err error) {
	windows, each := 20, 2_500
	if r.Short {
		windows = 4
	}
	const rate = 50
	samples, types, err := samplesOf(25)
	if err != nil {
		return nil, err
	}
	s, err := r.open(ctx)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	old := windowsBefore(s.datastore(), windows, 30*24*time.Hour)
	r.progress("writing %d versions", windows*each)
	if err := s.load(ctx, old, each, samples); err != nil {
		return nil, err
	}
	s.slow()
	if _, err := s.StartWorker(ctx, settings(types, fmt.Sprintf("CDC_SEARCH_RATE=%d", rate))...); err != nil {
		return nil, err
	}
	r.progress("a backfill publishes them")
	searches, began := s.searches(), time.Now()
	if _, stderr, err := s.Starter(ctx, "backfill", "--name", "bench",
		"--type", strings.Join(types, ","), "--since", old[0].Start.Format(time.RFC3339), "--until", old[len(old)-1].End().Format(time.RFC3339)); err != nil {
		return nil, fmt.Errorf("starting the backfill: %w: %s", err, stderr)
	}
	t, err := s.bus.await(ctx, windows*each)
	if err != nil {
		return nil, err
	}
	took := t.lastNew.Sub(began)
	used := float64(s.searches()-searches) / took.Seconds()
	return []Table{{
		Title:    "A backfill alone",
		Settings: latencySettings(fmt.Sprintf("%d versions of 25 types", windows*each), rate),
		Columns: []Column{
			{Name: "last event", Unit: "s", Digits: 1}, {Name: "searches"}, {Name: "searches", Unit: "/s", Digits: 1},
			{Name: "share of CDC_SEARCH_RATE", Digits: 2}, {Name: "repeats"},
		},
		Rows: []Row{figures("backfill", seconds(took), some(s.searches()-searches), some(used), some(used/rate), some(t.events-t.versions))},
	}}, nil
}
