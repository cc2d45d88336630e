package main

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/eventbridge"
	eventtypes "github.com/aws/aws-sdk-go-v2/service/eventbridge/types"
	"github.com/aws/smithy-go"
	"github.com/spf13/cobra"

	"healthlake-cdc/internal/cdc"
)

// maxIDs: they are part of the input.
const maxIDs = 5_000

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
		Short: "Publish again what the stores hold of a time range",
		Long: `Replay publishes again every version that search shows of the time range, with the
same idempotency keys and meta.replay = NAME. Search does not show versions that were
replaced or deleted since.

If the name is in use, the command joins the existing replay when that one is the same;
otherwise it fails. Times like 48h are different at each start: give exact times to join.

With --id it publishes only the named resources, if they lie in the time range; --id -
reads them from standard input.
` + whyStdin,
		Example: "  starter replay --name monday-outage --since 2026-11-23T08:00:00Z --until 2026-11-23T12:00:00Z --wait\n" +
			"  starter replay --name lab-again --since 48h --until 24h --type Observation --type DiagnosticReport --dry-run\n" +
			"  starter replay --name to-the-warehouse --since 720h --until 0s --to-bus warehouse --rate 200\n" +
			"  starter replay --name some-patients --since 720h --until 0s --id - < patients.txt",
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := f.check(); err != nil {
				return err
			}
			names, err := s.resourceNames(cmd.Context(), cmd.InOrStdin(), f.ids, maxIDs)
			if err != nil {
				return fmt.Errorf("--id: %w", err)
			}
			resources, err := parseResources(names)
			if err != nil {
				return err
			}
			return s.replay(cmd.Context(), f, resources)
		},
	}
	f.bind(command, "replay")
	flags := command.Flags()
	flags.StringSliceVar(&f.ids, "id", nil, "only these resources, as Patient/123 (repeat or separate by commas), or - for standard input: their current versions")
	flags.Float64Var(&f.rate, "rate", 0, "at most this many versions per second over the whole replay; 0 is as fast as live windows leave room in CDC_SEARCH_RATE")
	flags.StringVar(&f.bus, "to-bus", "", "another event bus than CDC_EVENT_BUS, by name or ARN; the workers need events:PutEvents on it")
	required(command, "since", "until")
	return command
}

func (s *session) replay(ctx context.Context, f replayFlags, resources []cdc.ResourceID) error {
	now := time.Now()
	span, err := f.span(now)
	if err != nil {
		return err
	}
	return s.withConnection(ctx, needsWorkers, func(c *connection) error {
		in, err := f.input(c, span, now)
		if err != nil {
			return err
		}
		in.CapturedBy, in.Rate, in.Bus = cdc.ByOperator, f.rate, f.bus
		if err := nameResources(&in, resources); err != nil {
			return err
		}
		if err := s.checkBus(ctx, c, f.bus); err != nil {
			return err
		}
		return s.startRange(ctx, c, in, f.rangeFlags)
	})
}

func (f *replayFlags) check() error {
	if err := f.rangeFlags.check(); err != nil {
		return err
	}
	if !(f.rate >= 0) || math.IsInf(f.rate, 0) {
		return errors.New("--rate must be a number of versions per second, or 0 for no limit")
	}
	return nil
}

// parseResources never repeats a text in an error: an id is patient data.
func parseResources(names []string) ([]cdc.ResourceID, error) {
	var all []cdc.ResourceID
	for i, text := range names {
		resourceType, id, version, ok := cdc.ParseReference(text)
		if !ok || version != "" {
			return nil, fmt.Errorf("--id number %d is not of the form Patient/123", i+1)
		}
		if named := (cdc.ResourceID{Type: resourceType, ID: id}); !slices.Contains(all, named) {
			all = append(all, named)
		}
	}
	return all, nil
}

func nameResources(in *cdc.CaptureRangeInput, resources []cdc.ResourceID) error {
	if len(resources) == 0 {
		return nil
	}
	var types []string
	for _, one := range resources {
		if !slices.Contains(in.Types, one.Type) {
			return fmt.Errorf("--id names a resource of type %s, which is not among the types of this replay", one.Type)
		}
		types = append(types, one.Type)
	}
	in.IDs, in.Types = resources, slices.Compact(slices.Sorted(slices.Values(types)))
	return nil
}

// busTimeout: without credentials the SDK looks for them on hosts that do not respond.
const busTimeout = 15 * time.Second

// checkBus checks that the bus exists: a replay to one that does not publishes nothing and
// waits. An operator who may not describe buses gets a warning.
func (s *session) checkBus(ctx context.Context, c *connection, bus string) error {
	if bus == "" {
		return nil
	}
	if err := c.config.CheckBus(bus); err != nil {
		return fmt.Errorf("--to-bus %w: nothing was started", err)
	}
	limited, cancel := context.WithTimeout(ctx, busTimeout)
	defer cancel()
	awsConfig, err := c.config.AWS(limited)
	if err == nil {
		_, err = eventbridge.NewFromConfig(awsConfig).DescribeEventBus(limited, &eventbridge.DescribeEventBusInput{Name: &bus})
	}
	var missing *eventtypes.ResourceNotFoundException
	var failure smithy.APIError
	why := "EventBridge does not respond, or there are no credentials"
	switch {
	case err == nil:
		return nil
	case ctx.Err() != nil:
		return errInterrupted
	case errors.As(err, &missing):
		return fmt.Errorf("--to-bus: there is no event bus %s in %s: nothing was started", bus, c.config.Region)
	case errors.As(err, &failure):
		why = failure.ErrorCode()
	}
	fmt.Fprintf(s.progress, "could not check whether the event bus %s exists (%s; this needs events:DescribeEventBus): if it does not, the replay publishes nothing and `starter status` lists it as waiting\n", bus, why)
	return nil
}
