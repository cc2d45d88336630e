package audit

import (
	"context"
	"errors"
	"maps"
	"slices"
	"time"

	"healthlake-cdc/internal/cdc"
	"healthlake-cdc/internal/temporal"
)

// maxInputs bounds the windows whose input FirstWindow reads.
const maxInputs = 1000

// FirstWindow finds the first window of a store that a trigger opened, for audits that
// begin. Windows that an operator opened, with the starter's settings, do not count; nor
// do those whose input cannot be decoded, because their payload key is lost.
func (a *Activities) FirstWindow(ctx context.Context, in cdc.FirstWindowInput) (cdc.FirstWindowResult, error) {
	reads, undecodable := 0, 0
	defer func() {
		if undecodable > 0 {
			a.Logger.Warn("the inputs of windows cannot be decoded: audits begin without them; is their payload key in CDC_PAYLOAD_KEYS?",
				"datastore", in.Datastore, "windows", undecodable)
		}
	}()
	for hour := in.Span; hour.From.Before(in.Span.To); hour.From = hour.To {
		hour.To = hour.From.Truncate(time.Hour).Add(time.Hour)
		runs, err := a.newestRuns(ctx, in.Datastore, hour)
		if err != nil {
			return cdc.FirstWindowResult{}, err
		}
		for _, start := range slices.SortedFunc(maps.Keys(runs), time.Time.Compare) {
			if reads++; reads > maxInputs || !start.Before(in.Span.To) {
				return cdc.FirstWindowResult{}, nil
			}
			var opened cdc.CaptureWindowInput
			err := a.Executions.Input(ctx, cdc.WindowAt(in.Datastore, start).ID(), "", &opened)
			switch {
			case errors.Is(err, temporal.ErrUndecodable):
				undecodable++
			case err != nil && !temporal.IsNotFound(err):
				return cdc.FirstWindowResult{}, err
			case opened.CapturedBy == cdc.ByCloudTrail || opened.CapturedBy == cdc.BySubscription:
				return cdc.FirstWindowResult{Start: start, Types: opened.Types}, nil
			}
		}
	}
	return cdc.FirstWindowResult{}, nil
}
