package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/eventbridge"
	eventtypes "github.com/aws/aws-sdk-go-v2/service/eventbridge/types"
	"github.com/aws/smithy-go"

	"healthlake-cdc/internal/temporal"
)

// busTimeout bounds the look at a bus. Without credentials the SDK looks for them in
// several places, some of which are hosts that do not answer.
const busTimeout = 15 * time.Second

// checkBus makes sure that the bus of --to-bus is there: a replay to one that is not
// publishes nothing and waits. Whoever may start a replay need not be allowed to look
// at buses: then it is said that nobody looked, and the replay starts.
func (s *session) checkBus(ctx context.Context, c *connection, bus string) error {
	if bus == "" {
		return nil
	}
	if err := c.config.CheckBus(bus); err != nil {
		return fmt.Errorf("--to-bus: %w: nothing was started", err)
	}
	asking, cancel := context.WithTimeout(ctx, busTimeout)
	defer cancel()
	awsConfig, err := temporal.AWS(asking, c.config)
	if err == nil {
		_, err = eventbridge.NewFromConfig(awsConfig).DescribeEventBus(asking, &eventbridge.DescribeEventBusInput{Name: &bus})
	}
	var missing *eventtypes.ResourceNotFoundException
	var refusal smithy.APIError
	switch {
	case err == nil:
		return nil
	case ctx.Err() != nil:
		return errInterrupted
	case errors.As(err, &missing):
		return fmt.Errorf("--to-bus: there is no event bus %s in %s: nothing was started", bus, c.config.Region)
	case errors.As(err, &refusal) && refusal.ErrorCode() == "ValidationException":
		return fmt.Errorf("--to-bus: EventBridge does not take %s for the name or the ARN of a bus: nothing was started", bus)
	case errors.As(err, &refusal):
		s.busUnchecked(bus, refusal.ErrorCode())
	default:
		s.busUnchecked(bus, "EventBridge does not answer, or there are no credentials")
	}
	return nil
}

func (s *session) busUnchecked(bus, why string) {
	fmt.Fprintf(s.progress, "whether the event bus %s exists could not be checked (%s; events:DescribeEventBus lets us): if it does not, the replay publishes nothing and `starter status` lists it as waiting\n", bus, why)
}
