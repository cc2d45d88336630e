package status

import (
	"context"
	"errors"
	"slices"
	"time"

	"go.temporal.io/sdk/converter"

	"healthlake-cdc/internal/cdc"
)

// Queries are asked of executions.
type Queries interface {
	QueryWorkflow(ctx context.Context, workflowID, runID, queryType string, args ...any) (converter.EncodedValue, error)
}

// errUndecoded is of an answer that our keys do not decode. The decoder's own error
// may quote what it read.
var errUndecoded = errors.New("the answer cannot be decoded: is the payload key in CDC_PAYLOAD_KEYS?")

// Progress asks an execution how far it is, and what waits in it for an operator. A
// range is asked with its open slices: it counts what a slice has published only when
// that has closed, which may be minutes later. A slice that does not answer is left
// out: the next question is soon.
func Progress(ctx context.Context, queries Queries, id string, now time.Time) (*cdc.Progress, []cdc.Wait, error) {
	p, err := query(ctx, queries, id)
	if err != nil {
		return nil, nil, err
	}
	waits := p.Waiting
	if p.Range == nil {
		return p, waits, nil
	}
	done := 0
	for _, slice := range p.Range.Slices {
		part, err := query(ctx, queries, slice)
		if err != nil {
			continue
		}
		done += part.Counts.Published
		p.Counts.Add(part.Counts)
		for _, wait := range part.Waiting {
			if !slices.Contains(waits, wait) {
				waits = append(waits, wait)
			}
		}
	}
	p.Range.Add(done, now)
	return p, waits, nil
}

func query(ctx context.Context, queries Queries, id string) (*cdc.Progress, error) {
	value, err := queries.QueryWorkflow(ctx, id, "", cdc.QueryProgress)
	if err != nil {
		return nil, err
	}
	var p cdc.Progress
	if value.Get(&p) != nil {
		return nil, errUndecoded
	}
	return &p, nil
}
