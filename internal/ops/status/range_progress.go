package status

import (
	"context"
	"fmt"
	"slices"
	"time"

	"healthlake-cdc/internal/cdc"
	"healthlake-cdc/internal/temporal"
)

// ProgressWithSlices queries an execution for its progress, and for what waits in it for an
// operator. Those of a replay or backfill include its open slices, which it counts itself
// only when they have closed, minutes later; a slice that does not respond is left out.
func ProgressWithSlices(ctx context.Context, queries temporal.Queries, id string, now time.Time) (*cdc.Progress, []cdc.Wait, error) {
	p, err := temporal.Progress(ctx, queries, id)
	if err != nil {
		return nil, nil, err
	}
	if p.Range == nil {
		return &p, p.Waiting, nil
	}
	waits, done := slices.Clone(p.Waiting), 0
	for _, slice := range p.Range.Slices {
		part, err := temporal.Progress(ctx, queries, slice)
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
	return &p, waits, nil
}

// ProgressText says how far a replay, a backfill or an audit is.
func ProgressText(p *cdc.Progress) string {
	if p.Range != nil {
		return fmt.Sprintf("%s; %d searches, %d published", p.Range.Text(), p.Counts.Searches, p.Counts.Published)
	}
	return fmt.Sprintf("%d of %d time ranges, %d healed, %d searches", p.Done, p.Total, p.Counts.Published, p.Counts.Searches)
}
