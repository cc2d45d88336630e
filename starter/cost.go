package main

import (
	"fmt"

	"healthlake-cdc/internal/cdc"
)

// List prices in dollars, of a million: EventBridge's custom events of up to 64 KB
// each, and Temporal Cloud's actions.
const (
	dollarsPerEvents  = 1.0
	dollarsPerActions = 50.0
	million           = 1e6
)

// cost is what a range is estimated to cost.
type cost struct {
	EventBridge float64 `json:"eventBridgeDollars"`
	Temporal    float64 `json:"temporalDollars"`
	Total       float64 `json:"totalDollars"`
}

func estimate(r cdc.CaptureRangeResult) *cost {
	c := &cost{
		EventBridge: float64(r.Counts.Events) * dollarsPerEvents / million,
		Temporal:    float64(r.Actions) * dollarsPerActions / million,
	}
	c.Total = c.EventBridge + c.Temporal
	return c
}

func (c cost) text(id string, r cdc.CaptureRangeResult) string {
	return fmt.Sprintf(`%s: nothing was published
versions    %d, %d of them as references
bytes       %d of resources
events      %d of up to 64 KB each, as EventBridge bills them: about $%.4f
actions     about %d of Temporal: about $%.4f
in all      about $%.4f at list prices`,
		id, r.Counts.Published, r.Counts.References, r.Counts.Bytes,
		r.Counts.Events, c.EventBridge, r.Actions, c.Temporal, c.Total)
}
