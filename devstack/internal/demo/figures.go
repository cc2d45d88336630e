package demo

import (
	"context"
	"fmt"
	"time"

	"healthlake-cdc/devstack/internal/stack"
)

// figures are what the demo has counted so far.
type figures struct {
	elapsed    time.Duration
	written    int64
	triggers   int
	windows    int64
	open       int64
	searches   int64
	published  int
	duplicates int
	lag        time.Duration // of the newest event, from write to publish
}

func (d *demo) look(ctx context.Context) figures {
	f := figures{elapsed: time.Since(d.started), triggers: d.stack.Deliveries.Len(), duplicates: d.subscriber.Duplicates()}
	for _, counters := range d.stack.Simulator.Stats().Datastores {
		f.written += counters.Total.Versions()
		f.searches += counters.Total.Searches
	}
	f.published, _ = d.subscriber.Len()
	f.windows = d.count(ctx, "WorkflowType='CaptureWindow'", d.last.windows)
	f.open = d.count(ctx, "WorkflowType='CaptureWindow' AND ExecutionStatus='Running'", d.last.open)
	if last, ok := d.subscriber.LastVersion(); ok {
		f.lag = last.Meta.PublishedAt.Sub(last.Meta.LastUpdated)
	}
	return f
}

// count returns last if Temporal does not answer in time.
func (d *demo) count(ctx context.Context, query string, last int64) int64 {
	ctx, cancel := context.WithTimeout(ctx, 900*time.Millisecond)
	defer cancel()
	n, err := stack.Count(ctx, d.temporal, query)
	if err != nil {
		return last
	}
	return n
}

func (f figures) String() string {
	return fmt.Sprintf("%4.0fs  written %d  triggers %d  windows %d (%d open)  searches %d  published %d  duplicates %d  lag %s",
		f.elapsed.Seconds(), f.written, f.triggers, f.windows, f.open, f.searches, f.published, f.duplicates, f.lag.Round(100*time.Millisecond))
}

// news is what happened since the earlier figures.
func (f figures) news(before figures) []string {
	var news []string
	closed, closedBefore := f.windows-f.open, before.windows-before.open
	if before.triggers == 0 && f.triggers > 0 {
		news = append(news, "the first CloudTrail record is in the trigger queue")
	}
	if before.windows == 0 && f.windows > 0 {
		news = append(news, "the first window is open: it waits until search shows its versions")
	}
	if before.published == 0 && f.published > 0 {
		news = append(news, fmt.Sprintf("the first events are on the bus, %s after their writes", f.lag.Round(100*time.Millisecond)))
	}
	if closed > closedBefore && before.windows > 0 && f.windows > 0 {
		news = append(news, fmt.Sprintf("%d of %d windows are closed; %d versions published", closed, f.windows, f.published))
	}
	if f.duplicates > before.duplicates {
		news = append(news, fmt.Sprintf("%d events came twice", f.duplicates-before.duplicates))
	}
	return news
}
