package temporal

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
	"time"

	enumspb "go.temporal.io/api/enums/v1"
	taskqueuepb "go.temporal.io/api/taskqueue/v1"
	"go.temporal.io/api/workflowservice/v1"

	"healthlake-cdc/internal/cdc"
)

// PollerAge is after how long without a poll a worker no longer counts. A poll lasts up
// to a minute.
const PollerAge = 90 * time.Second

// markSize is the length in bytes of each hash in a mark.
const markSize = 4

// Mark is what the identity of a worker that polls a datastore's task queues ends
// with, so that others see which resource types it is configured with and to which bus
// it publishes: "#" and a hash of each.
func Mark(types []string, owner cdc.Owner) string {
	return "#" + shortHash(strings.Join(slices.Sorted(slices.Values(types)), ",")) + "." + shortHash(owner.Bus)
}

func shortHash(text string) string {
	hash := sha256.Sum256([]byte(text))
	return hex.EncodeToString(hash[:markSize])
}

// pollers are the identities of the workers that poll the datastore's task queue of
// the owner's fleet, and for which other is true of their mark.
func (s *AuditSchedules) pollers(ctx context.Context, owner cdc.Owner, datastore string, other func(mark string) bool) ([]string, error) {
	described, err := s.Client.WorkflowService().DescribeTaskQueue(ctx, &workflowservice.DescribeTaskQueueRequest{
		Namespace:     s.Namespace,
		TaskQueue:     &taskqueuepb.TaskQueue{Name: cdc.LiveTaskQueue(owner.TaskQueue, datastore), Kind: enumspb.TASK_QUEUE_KIND_NORMAL},
		TaskQueueType: enumspb.TASK_QUEUE_TYPE_ACTIVITY,
	})
	if err != nil {
		return nil, fmt.Errorf("looking for the workers of datastore %s: %w", datastore, err)
	}
	var found []string
	for _, poller := range described.GetPollers() {
		_, mark, _ := strings.Cut(poller.GetIdentity(), "#")
		if s.Now().Sub(poller.GetLastAccessTime().AsTime()) < PollerAge && other("#"+mark) {
			found = append(found, poller.GetIdentity())
		}
	}
	return found, nil
}

// checkOwner returns an error when another fleet owns the datastore and this one may not
// take it over.
func (s *AuditSchedules) checkOwner(ctx context.Context, datastore string, owner cdc.Owner, takeOver bool) (err error) {
	if owner == s.Owner {
		return nil
	}
	other := &OtherOwnerError{Datastore: datastore, Found: owner, Ours: s.Owner}
	if !takeOver {
		return other
	}
	if other.Polling, err = s.stillPolling(ctx, datastore, owner); err != nil {
		return err
	}
	if len(other.Polling) > 0 {
		return other
	}
	s.Logger.Warn("taking over the datastore from another fleet: start no worker of that fleet any more, and no other one with --take-over",
		"datastore", datastore, "from", owner.String(), "to", s.Owner.String())
	return nil
}

// otherTypes are the workers of our fleet that are configured with other types.
func (s *AuditSchedules) otherTypes(ctx context.Context, datastore string, types []string) ([]string, error) {
	ours, _, _ := strings.Cut(Mark(types, s.Owner), ".")
	return s.pollers(ctx, s.Owner, datastore, func(mark string) bool { return !strings.HasPrefix(mark, ours+".") })
}

// stillPolling are the workers of the fleet that owned the datastore before.
func (s *AuditSchedules) stillPolling(ctx context.Context, datastore string, before cdc.Owner) ([]string, error) {
	_, ours, _ := strings.Cut(Mark(nil, s.Owner), ".")
	return s.pollers(ctx, before, datastore, func(mark string) bool {
		return before.TaskQueue != s.Owner.TaskQueue || !strings.HasSuffix(mark, "."+ours)
	})
}

// OtherOwnerError is of a datastore that another fleet captures.
type OtherOwnerError struct {
	Datastore   string
	Found, Ours cdc.Owner
	// Polling are workers of that fleet that were seen although it was to be taken
	// over.
	Polling []string
}

func (e *OtherOwnerError) Error() string {
	text := fmt.Sprintf("datastore %s is captured into this namespace by another fleet: its schedule says %s, we are %s: ", e.Datastore, e.Found, e.Ours)
	if len(e.Polling) > 0 {
		return text + fmt.Sprintf("it still polls (%s): stop it, wait %s, then take over", strings.Join(e.Polling, ", "), PollerAge)
	}
	return text + "give this fleet a namespace of its own, or start one worker with --take-over once the other fleet has stopped"
}
