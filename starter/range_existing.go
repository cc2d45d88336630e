package main

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	enumspb "go.temporal.io/api/enums/v1"

	"healthlake-cdc/internal/cdc"
	"healthlake-cdc/internal/temporal"
)

// joined is the range of the same name that was there already.
type joined struct {
	Started time.Time `json:"started"`
	// State is "running" or "done".
	State string   `json:"state"`
	Span  cdc.Span `json:"span"`
}

func (j joined) text(id string) string {
	return fmt.Sprintf("%s is joined: it was started at %s for %s to %s, and is %s", id,
		stamp(j.Started), stamp(j.Span.From), stamp(j.Span.To), j.State)
}

// stamp is a time as --since and --until take it.
func stamp(t time.Time) string { return t.UTC().Format(time.RFC3339Nano) }

// join looks at the range that has the name already. It is an error when that range
// was asked for something else, or has ended without doing what it was asked for.
func (c *connection) join(ctx context.Context, id string, in cdc.CaptureRangeInput, openEnd bool) (*joined, error) {
	existing, err := c.launcher.Existing(ctx, id, c.temporal.Converter)
	if err != nil {
		return nil, err
	}
	if openEnd && existing.Input.Span.To.Equal(existing.Input.SourceTime) {
		// Neither was given an end: each goes up to its start, the existing one to its own.
		in.Span.To = existing.Input.Span.To
	}
	if differences := rangeDifferences(existing.Input, in); len(differences) > 0 {
		return nil, fmt.Errorf("%s exists already and is of something else: nothing was started\n  %s\n%s", id,
			strings.Join(differences, "\n  "), differentAdvice(existing, in))
	}
	return existingState(id, existing)
}

// existingState is the state of the range that is joined. One that neither runs nor
// has completed will never publish the rest.
func existingState(id string, existing temporal.ExistingRange) (*joined, error) {
	j := &joined{Started: existing.Started, Span: existing.Input.Span}
	switch existing.Status {
	case enumspb.WORKFLOW_EXECUTION_STATUS_RUNNING, enumspb.WORKFLOW_EXECUTION_STATUS_PAUSED:
		j.State = "running"
	case enumspb.WORKFLOW_EXECUTION_STATUS_COMPLETED:
		j.State = "done"
	default:
		return nil, fmt.Errorf("%s exists already and has ended as %s at %s, before it was done: its name stays taken; start the range again under another name",
			id, strings.ToLower(existing.Status.String()), stamp(existing.Closed))
	}
	return j, nil
}

// differentAdvice says how to mean the existing range, which relative times never
// do: they are another range at each moment.
func differentAdvice(existing temporal.ExistingRange, in cdc.CaptureRangeInput) string {
	advice := "take another --name"
	if was := existing.Input.Span; !was.From.Equal(in.Span.From) || !was.To.Equal(in.Span.To) {
		advice += fmt.Sprintf("; times like 48h are other ones at each start: the existing range is --since %s --until %s",
			stamp(was.From), stamp(was.To))
	}
	return advice
}

// rangeDifferences says, flag by flag, in what a range that exists differs from one
// that is asked for. It names no resource's id. What follows from the moment of the
// start (the border of a backfill) or from the workers' settings is left out.
func rangeDifferences(was, is cdc.CaptureRangeInput) []string {
	var all []string
	differ := func(differs bool, flag, was, is string) {
		if differs {
			all = append(all, fmt.Sprintf("%s was %s, is %s", flag, was, is))
		}
	}
	differ(!was.Span.From.Equal(is.Span.From), "--since", stamp(was.Span.From), stamp(is.Span.From))
	differ(!was.Span.To.Equal(is.Span.To), "--until", stamp(was.Span.To), stamp(is.Span.To))
	all = append(all, listDifference("--type", was.Types, is.Types)...)
	all = append(all, listDifference("--datastore", was.Datastores, is.Datastores)...)
	if same := sameIDs(was.IDs, is.IDs); same != len(was.IDs) || same != len(is.IDs) {
		all = append(all, fmt.Sprintf("--id named %s, names %s; %d of them are the same", resources(was.IDs), resources(is.IDs), same))
	}
	differ(was.Rate != is.Rate, "--rate", fmt.Sprintf("%g", was.Rate), fmt.Sprintf("%g", is.Rate))
	differ(was.Bus != is.Bus, "--to-bus", busText(was.Bus), busText(is.Bus))
	if was.CapturedBy == cdc.ByBackfill {
		differ(was.Versions != is.Versions, "CDC_VERSIONS", was.Versions, is.Versions)
	}
	return all
}

// listDifference names what only one of two lists has.
func listDifference(flag string, was, is []string) []string {
	var all []string
	for _, one := range was {
		if !slices.Contains(is, one) {
			all = append(all, fmt.Sprintf("%s %s was in it, is not", flag, one))
		}
	}
	for _, one := range is {
		if !slices.Contains(was, one) {
			all = append(all, fmt.Sprintf("%s %s was not in it, is", flag, one))
		}
	}
	return all
}

// sameIDs counts the resources that both name.
func sameIDs(was, is []cdc.ResourceID) int {
	named := make(map[cdc.ResourceID]bool, len(was))
	for _, one := range was {
		named[one] = true
	}
	n := 0
	for _, one := range is {
		if named[one] {
			n++
		}
	}
	return n
}

func resources(ids []cdc.ResourceID) string {
	switch len(ids) {
	case 0:
		return "none: every resource of the range"
	case 1:
		return "1 resource"
	default:
		return fmt.Sprintf("%d resources", len(ids))
	}
}

func busText(bus string) string {
	if bus == "" {
		return "CDC_EVENT_BUS"
	}
	return bus
}
