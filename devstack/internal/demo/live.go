package demo

import (
	"context"
	"fmt"
	"time"

	"go.temporal.io/sdk/client"

	"healthlake-cdc/devstack/internal/stack"
	"healthlake-cdc/devstack/internal/truth"
)

// live is what the demo looks at once a second.
type live struct {
	stack      *stack.Stack
	subscriber *truth.Subscriber
	temporal   client.Client
	started    time.Time
}

// figures are one line's.
type figures struct {
	written    int64
	triggers   int
	windows    int64
	open       int64
	searches   int64
	published  int
	duplicates int
	lag        time.Duration
}

func (l *live) look(ctx context.Context) figures {
	var f figures
	for _, counters := range l.stack.Simulator.Stats().Datastores {
		f.written += counters.Total.Versions()
		f.searches += counters.Total.Searches
	}
	f.triggers = l.stack.Deliveries.Len()
	f.published, _ = l.subscriber.Len()
	f.duplicates = l.subscriber.Duplicates()
	// The line goes on when Temporal does not answer in time: it says 0 windows.
	f.windows, _ = l.count(ctx, "WorkflowType='CaptureWindow'")
	f.open, _ = l.count(ctx, openWindows)
	if last, ok := l.subscriber.LastVersion(); ok {
		f.lag = last.Meta.PublishedAt.Sub(last.Meta.LastUpdated)
	}
	return f
}

const openWindows = "WorkflowType='CaptureWindow' AND ExecutionStatus='Running'"

func (l *live) count(ctx context.Context, query string) (int64, error) {
	ctx, cancel := context.WithTimeout(ctx, 900*time.Millisecond)
	defer cancel()
	return stack.Count(ctx, l.temporal, query)
}

// line is one live line.
func (l *live) line(f figures) string {
	return fmt.Sprintf("%4.0fs  written %6d  triggers %6d  windows %4d (%d open)  searches %6d  published %6d  duplicates %d  lag %s",
		time.Since(l.started).Seconds(), f.written, f.triggers, f.windows, f.open, f.searches, f.published, f.duplicates, f.lag.Round(100*time.Millisecond))
}
