package main

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"healthlake-cdc/internal/cdc"
	"healthlake-cdc/internal/config"
)

// mostIDs bounds how many resources a replay names: they are part of its input.
const mostIDs = 5_000

type replayFlags struct {
	rangeFlags
	ids  []string
	rate float64
	bus  string
}

func newReplayCommand(s *session) *cobra.Command {
	var f replayFlags
	command := &cobra.Command{
		Use:   "replay --name NAME --since TIME --until TIME",
		Short: "Publish again what the stores hold of a range",
		Long: `Replay publishes every version that search shows of the range again, with the
same idempotency keys and meta.replay = NAME. A replay named twice runs once.
Versions that were replaced or deleted since are not in search and not replayed.

With --dry-run it reads the same and publishes nothing: it prints how many
versions, bytes and events the replay would publish, and what that would cost.`,
		Example: "  starter replay --name monday-outage --since 2026-11-23T08:00:00Z --until 2026-11-23T12:00:00Z --wait\n" +
			"  starter replay --name lab-again --since 48h --until 24h --type Observation --type DiagnosticReport --dry-run\n" +
			"  starter replay --name to-the-warehouse --since 720h --until 0s --to-bus warehouse --rate 200",
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return s.replay(cmd.Context(), f) },
	}
	f.bind(command, "replay")
	flags := command.Flags()
	flags.StringSliceVar(&f.ids, "id", nil, "only these resources, as Patient/123 (repeat or separate by commas): their current versions, if they lie in the range")
	flags.Float64Var(&f.rate, "rate", 0, "at most so many versions a second over the whole replay; 0 is as fast as the bulk share of CDC_SEARCH_RATE allows")
	flags.StringVar(&f.bus, "to-bus", "", "another event bus than CDC_EVENT_BUS, by name or ARN; the workers need events:PutEvents on it")
	for _, name := range []string{"since", "until"} {
		_ = command.MarkFlagRequired(name)
	}
	return command
}

func (s *session) replay(ctx context.Context, f replayFlags) error {
	if err := f.check(); err != nil {
		return err
	}
	now := time.Now()
	span, err := f.span(now)
	if err != nil {
		return err
	}
	c, err := s.connect(ctx)
	if err != nil {
		return err
	}
	defer c.client.Close()
	in, err := f.input(c, span, now)
	if err != nil {
		return err
	}
	in.CapturedBy, in.Rate, in.Bus = cdc.ByOperator, f.rate, f.bus
	if err := f.nameResources(&in); err != nil {
		return err
	}
	return s.startRange(ctx, c, in, f.wait)
}

func (f *replayFlags) check() error {
	if err := f.rangeFlags.check(); err != nil {
		return err
	}
	switch {
	case !(f.rate >= 0) || math.IsInf(f.rate, 0):
		return errors.New("--rate takes a number of versions a second, 0 for any")
	case f.bus != "" && !config.ValidBus(f.bus):
		return errors.New("--to-bus is neither the name nor the ARN of an event bus")
	case len(f.ids) > mostIDs:
		return fmt.Errorf("--id names %d resources; a replay takes %d at most", len(f.ids), mostIDs)
	}
	return nil
}

// nameResources takes the ids. Errors say which one by its place, never by its
// text: an id is patient data.
func (f *replayFlags) nameResources(in *cdc.CaptureRangeInput) error {
	if len(f.ids) == 0 {
		return nil
	}
	types := make(map[string]bool)
	for i, text := range f.ids {
		resourceType, id, version, ok := cdc.ParseReference(text)
		if !ok || version != "" {
			return fmt.Errorf("--id number %d is not of the form Patient/123", i+1)
		}
		if !slices.Contains(in.Types, resourceType) {
			return fmt.Errorf("--id number %d is of type %s, which is not among the types of this replay", i+1, resourceType)
		}
		in.IDs = append(in.IDs, cdc.ResourceID{Type: resourceType, ID: id})
		types[resourceType] = true
	}
	var named []string
	for _, name := range in.Types {
		if types[name] {
			named = append(named, name)
		}
	}
	in.Types = named
	return nil
}
