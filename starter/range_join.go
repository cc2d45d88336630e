package main

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	enumspb "go.temporal.io/api/enums/v1"

	"healthlake-cdc/internal/cdc"
	"healthlake-cdc/internal/temporal"
)

// joinedRange is the replay or backfill of the same name that existed already.
type joinedRange struct {
	Started time.Time `json:"started"`
	State   string    `json:"state"` // "running" or "done"
	Span    cdc.Span  `json:"span"`
}

func (j joinedRange) text(id string) string {
	return fmt.Sprintf("joined %s: it was started at %s for %s to %s, and is %s", id,
		stamp(j.Started), stamp(j.Span.From), stamp(j.Span.To), j.State)
}

// join returns the replay or backfill that has the name already. That one must be the same.
func (c *connection) join(ctx context.Context, id string, in cdc.CaptureRangeInput, openEnd bool) (*joinedRange, error) {
	existing, err := c.launcher.Existing(ctx, id)
	if err != nil {
		return nil, err
	}
	if openEnd && existing.Input.Span.To.Equal(existing.Input.SourceTime) {
		// Neither was given an end: each goes up to its own start.
		in.Span.To = existing.Input.Span.To
	}
	if differences := rangeDifferences(existing.Input, in); len(differences) > 0 {
		return nil, fmt.Errorf("%s exists already and is different: nothing was started\n  %s\n%s", id,
			strings.Join(differences, "\n  "), differentAdvice(existing, in))
	}
	return existingState(id, existing)
}

// existingState is the state of the one that is joined. One that neither runs nor has
// completed will never publish the rest.
func existingState(id string, existing temporal.ExistingRange) (*joinedRange, error) {
	j := &joinedRange{Started: existing.Started, Span: existing.Input.Span, State: "running"}
	switch {
	case cdc.IsOpen(existing.Status):
	case existing.Status == enumspb.WORKFLOW_EXECUTION_STATUS_COMPLETED:
		j.State = "done"
	default:
		return nil, fmt.Errorf("%s exists already and ended as %s at %s before it was done: its name stays in use; start again under another name",
			id, strings.ToLower(existing.Status.String()), stamp(existing.Closed))
	}
	return j, nil
}

// differentAdvice says what to do: relative times are different at each start.
func differentAdvice(existing temporal.ExistingRange, in cdc.CaptureRangeInput) string {
	advice := "use another --name"
	if was := existing.Input.Span; !was.From.Equal(in.Span.From) || !was.To.Equal(in.Span.To) {
		advice += fmt.Sprintf("; times like 48h are different at each start: to join, give --since %s --until %s",
			stamp(was.From), stamp(was.To))
	}
	return advice
}

// rangeDifferences says, flag by flag, how the existing input differs from the new one.
// It names no resource's id. What follows from the moment of the start (the border of a
// backfill) or from the workers' settings is not compared, except CDC_VERSIONS.
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
	same := 0
	for _, one := range is.IDs {
		if slices.Contains(was.IDs, one) {
			same++
		}
	}
	if same != len(was.IDs) || same != len(is.IDs) {
		all = append(all, fmt.Sprintf("--id named %s, names %s; %d are the same", resourceCount(was.IDs), resourceCount(is.IDs), same))
	}
	differ(was.Rate != is.Rate, "--rate", fmt.Sprintf("%g", was.Rate), fmt.Sprintf("%g", is.Rate))
	differ(was.Bus != is.Bus, "--to-bus", cmp.Or(was.Bus, "CDC_EVENT_BUS"), cmp.Or(is.Bus, "CDC_EVENT_BUS"))
	if was.CapturedBy == cdc.ByBackfill {
		differ(was.Versions != is.Versions, "CDC_VERSIONS", was.Versions, is.Versions)
	}
	return all
}

func listDifference(flag string, was, is []string) (all []string) {
	for _, one := range temporal.Lacking(was, is) {
		all = append(all, fmt.Sprintf("%s %s was in it, is not", flag, one))
	}
	for _, one := range temporal.Lacking(is, was) {
		all = append(all, fmt.Sprintf("%s %s was not in it, is", flag, one))
	}
	return all
}

func resourceCount(ids []cdc.ResourceID) string {
	if len(ids) == 0 {
		return "none: every resource of the time range"
	}
	return strconv.Itoa(len(ids))
}
