package main

import (
	"context"
	"fmt"
	"strings"
	"time"

	"healthlake-cdc/internal/ops/status"
)

const (
	// progressEvery is how often a waiting command queries the progress, and queryEvery
	// how often one that waits for a signal's effect does; each query is billed.
	progressEvery = 2 * time.Second
	queryEvery    = time.Second
	// signalTimeout is how long an execution may take to act on a signal.
	signalTimeout = time.Minute
)

func sleep(ctx context.Context, d time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(d):
	}
}

// await waits for the result of a workflow and shows its progress. Ctrl-C ends the wait,
// and not the workflow.
func (s *session) await(ctx context.Context, c *connection, id string, result any) error {
	done := make(chan error, 1)
	go func() { done <- c.Client.GetWorkflow(ctx, id, "").Get(ctx, result) }()
	ticker := time.NewTicker(progressEvery)
	defer ticker.Stop()
	line := &progressLine{session: s}
	defer line.end()
	for {
		select {
		case err := <-done:
			return waitError(ctx, id, err)
		case <-ticker.C:
			line.show(c.progressText(ctx, id))
		}
	}
}

// progressText is the progress of a replay, a backfill or an audit, empty when it is not known.
func (c *connection) progressText(ctx context.Context, id string) string {
	p, waits, err := status.ProgressWithSlices(ctx, c.Client, id, time.Now())
	if err != nil {
		return ""
	}
	parts := []string{id + ": " + status.ProgressText(p)}
	for _, wait := range waits {
		parts = append(parts, "WAITS FOR AN OPERATOR: "+wait.Text())
	}
	return strings.Join(parts, "; ")
}

// waitError names the execution that was waited for; Ctrl-C is no failure of it.
func waitError(ctx context.Context, id string, err error) error {
	switch {
	case err == nil:
		return nil
	case ctx.Err() != nil:
		return fmt.Errorf("interrupted: %s keeps running; `starter status` shows its progress", id)
	default:
		return fmt.Errorf("waiting for %s: %w", id, err)
	}
}

// progressLine is one line that is redrawn on a terminal; else each change is a new line.
type progressLine struct {
	*session
	last string
}

func (l *progressLine) show(text string) {
	switch {
	case text == "" || text == l.last:
		return
	case isTerminal(l.progress):
		fmt.Fprintf(l.progress, "\r%s%s", text, strings.Repeat(" ", max(0, len(l.last)-len(text))))
	default:
		fmt.Fprintln(l.progress, text)
	}
	l.last = text
}

func (l *progressLine) end() {
	if l.last != "" && isTerminal(l.progress) {
		fmt.Fprintln(l.progress)
	}
}
