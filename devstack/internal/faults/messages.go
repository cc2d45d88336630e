package faults

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/google/uuid"

	"healthlake-cdc/devstack/internal/awslocal"
	"healthlake-cdc/devstack/internal/proc"
	"healthlake-cdc/devstack/internal/stack"
)

// send puts a message into the trigger queue, when SQS takes it.
func (h *harness) send(ctx context.Context, body string) error {
	return proc.Poll(ctx, func(ctx context.Context) error {
		_, err := h.queues.SendMessage(ctx, &sqs.SendMessageInput{QueueUrl: aws.String(h.Outputs["QueueUrl"]), MessageBody: &body})
		return err
	})
}

// duplicate sends the last n triggers again.
func duplicate(ctx context.Context, h *harness, f Fault) (func(context.Context) error, error) {
	var bodies []string
	h.round().note(func(r *round) { bodies = append(bodies, r.bodies[max(0, len(r.bodies)-f.N):]...) })
	for _, body := range bodies {
		if err := h.send(ctx, body); err != nil {
			return nil, err
		}
	}
	return nil, nil
}

// malformed sends n messages that nothing can be made of.
func malformed(ctx context.Context, h *harness, f Fault) (func(context.Context) error, error) {
	garbage := []string{"{", "[]", "plain text", `{"detail-type":"none"}`, strings.Repeat("x", 100_000)}
	for i := range f.N {
		h.malformed.Add(1)
		if err := h.send(ctx, garbage[(int(f.Pick%5)+i)%len(garbage)]); err != nil {
			return nil, err
		}
	}
	return nil, nil
}

// notifications is the bus of notifications, as the template names it.
const notifications = "arn:aws:events:us-west-2:111122223333:event-bus/healthlake-cdc-notifications"

// forge sends n of each: records of another store, records of 1990, and notifications that
// a resource was deleted which lives.
func forge(_ context.Context, h *harness, f Fault) (func(context.Context) error, error) {
	for i := range f.N {
		old := time.Date(1990, 1, 1, int(f.Pick%24), i, 7, 0, time.UTC)
		h.Sink()(stack.WriteRecord(strings.Repeat("0f", 16), "Patient", time.Now()))
		h.Sink()(stack.WriteRecord(h.datastore(), "Patient", old))
		// History can be late no more.
		long := time.Now().Add(-10 * time.Minute).UTC().Truncate(time.Second)
		detail, err := json.Marshal(map[string]any{
			"subscriptionUrl": "https://x/datastore/" + h.datastore() + "/r4/Subscription/1",
			"notificationBundlePayload": map[string]any{"resourceType": "Bundle", "entry": []any{map[string]any{
				"resource": map[string]any{"resourceType": "SubscriptionStatus", "type": "event-notification", "notificationEvent": []any{
					map[string]any{"id": uuid.NewString(), "timestamp": long, "focus": "Patient/" + h.round().lives(), "change": "delete"},
				}},
			}}},
		})
		if err != nil {
			return nil, fmt.Errorf("forging a notification: %w", err)
		}
		if _, err := h.AWS.PutAWSEvent(awslocal.AWSEvent{
			Bus: notifications, Source: "healthlake", DetailType: "FHIR Subscription Notification", Detail: detail,
		}); err != nil {
			return nil, fmt.Errorf("forging a notification: %w", err)
		}
	}
	return nil, nil
}
