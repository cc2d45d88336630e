package main

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"healthlake-cdc/internal/cdc"
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
versions, bytes and events the replay would publish, and what that would cost.

A name that is used already joins the replay that has it when that one is of the
same range, types, resources, rate and bus; when it is not, that is an error. Times
like 48h are another range at each start: name the times to join.

Resources that --id names are looked for in the range; how many are not there is
said at the end. Give --id - to name them on standard input.
` + whyStdin,
		Example: "  starter replay --name monday-outage --since 2026-11-23T08:00:00Z --until 2026-11-23T12:00:00Z --wait\n" +
			"  starter replay --name lab-again --since 48h --until 24h --type Observation --type DiagnosticReport --dry-run\n" +
			"  starter replay --name to-the-warehouse --since 720h --until 0s --to-bus warehouse --rate 200\n" +
			"  starter replay --name some-patients --since 720h --until 0s --id - < patients.txt",
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return s.replay(cmd, f) },
	}
	f.bind(command, "replay")
	flags := command.Flags()
	flags.StringSliceVar(&f.ids, "id", nil, "only these resources, as Patient/123 (repeat or separate by commas), or - for standard input: their current versions, if they lie in the range")
	flags.Float64Var(&f.rate, "rate", 0, "at most so many versions a second over the whole replay; 0 is as fast as the bulk share of CDC_SEARCH_RATE allows")
	flags.StringVar(&f.bus, "to-bus", "", "another event bus than CDC_EVENT_BUS, by name or ARN; the workers need events:PutEvents on it")
	for _, name := range []string{"since", "until"} {
		_ = command.MarkFlagRequired(name)
	}
	return command
}

func (s *session) replay(cmd *cobra.Command, f replayFlags) error {
	ctx := cmd.Context()
	if err := f.check(); err != nil {
		return err
	}
	var err error
	if f.ids, err = s.resourceNames(ctx, cmd.InOrStdin(), f.ids, mostIDs); err != nil {
		return fmt.Errorf("--id: %w", err)
	}
	named, err := parseResources(f.ids)
	if err != nil {
		return err
	}
	now := time.Now()
	span, err := f.span(now)
	if err != nil {
		return err
	}
	c, err := s.connectToStart(ctx)
	if err != nil {
		return err
	}
	defer c.client.Close()
	in, err := f.input(c, span, now)
	if err != nil {
		return err
	}
	in.CapturedBy, in.Rate, in.Bus = cdc.ByOperator, f.rate, f.bus
	if err := nameResources(&in, named); err != nil {
		return err
	}
	if err := s.checkBus(ctx, c, f.bus); err != nil {
		return err
	}
	return s.startRange(ctx, c, in, f.rangeFlags)
}

func (f *replayFlags) check() error {
	if err := f.rangeFlags.check(); err != nil {
		return err
	}
	if !(f.rate >= 0) || math.IsInf(f.rate, 0) {
		return errors.New("--rate takes a number of versions a second, 0 for any")
	}
	return nil
}

// parseResources reads what --id names, each once. Errors say which one by its place,
// never by its text: an id is patient data.
func parseResources(names []string) ([]cdc.ResourceID, error) {
	var all []cdc.ResourceID
	seen := make(map[cdc.ResourceID]bool)
	for i, text := range names {
		resourceType, id, version, ok := cdc.ParseReference(text)
		if !ok || version != "" {
			return nil, fmt.Errorf("--id number %d is not of the form Patient/123", i+1)
		}
		if named := (cdc.ResourceID{Type: resourceType, ID: id}); !seen[named] {
			seen[named] = true
			all = append(all, named)
		}
	}
	return all, nil
}

// nameResources lets a replay be of these resources only, and of their types.
func nameResources(in *cdc.CaptureRangeInput, resources []cdc.ResourceID) error {
	if len(resources) == 0 {
		return nil
	}
	types := make(map[string]bool)
	for _, one := range resources {
		if !slices.Contains(in.Types, one.Type) {
			return fmt.Errorf("--id names a resource of type %s, which is not among the types of this replay", one.Type)
		}
		types[one.Type] = true
	}
	in.IDs = resources
	in.Types = slices.DeleteFunc(slices.Clone(in.Types), func(name string) bool { return !types[name] })
	return nil
}
