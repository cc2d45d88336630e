package workflows

import (
	"slices"
	"time"

	"go.temporal.io/sdk/workflow"

	"healthlake-cdc/internal/cdc"
)

// PublishDelete publishes one delete. Its ID holds the event's id, so that a
// repeated record publishes once.
func PublishDelete(ctx workflow.Context, in cdc.PublishDeleteInput) (cdc.PublishDeleteResult, error) {
	if !cdc.ValidDatastore(in.Origin.Datastore) || !cdc.ValidEventID(in.Delete.EventID) {
		return cdc.PublishDeleteResult{}, invalidInput("a delete needs a datastore and an event id")
	}
	d := &publishDelete{in: in, orders: newOrders(ctx), mark: newStateMark(ctx, in.Marks)}
	err := workflow.SetQueryHandler(ctx, cdc.QueryProgress, func() (cdc.Progress, error) { return d.progress(), nil })
	if err != nil {
		return cdc.PublishDeleteResult{}, err
	}
	return d.run(ctx)
}

type publishDelete struct {
	in     cdc.PublishDeleteInput
	orders orders
	mark   stateMark
	// unread is the class of the store's error while it does not let us look.
	unread cdc.Class
	// refused is EventBridge's code for the last offer; empty when it was taken.
	refused string
}

func (d *publishDelete) run(ctx workflow.Context) (cdc.PublishDeleteResult, error) {
	result := cdc.PublishDeleteResult{
		Type: d.in.Delete.Type, EventTime: d.in.Delete.EventTime, Exact: d.in.Delete.Exact(),
	}
	if result.Exact {
		verdict, err := d.confirm(ctx)
		if err != nil {
			return cdc.PublishDeleteResult{}, err
		}
		if verdict != confirmed {
			result.Contradicted, result.Skipped = verdict == contradicted, verdict == skipped
			return result, d.mark.close(ctx)
		}
	}
	published, err := d.publish(ctx, cdc.PublishInput{Origin: d.in.Origin, Delete: &d.in.Delete})
	if err != nil {
		return cdc.PublishDeleteResult{}, err
	}
	result.Skipped = !published
	return result, d.mark.close(ctx)
}

// historyLag is for how long after a delete history may not show it yet: it was
// seen to lag by one to five minutes.
const historyLag = 6 * time.Minute

// readDelays are the pauses between the looks at a delete that is not in history
// yet; the last one goes on.
var readDelays = []time.Duration{5 * time.Second, 15 * time.Second, 40 * time.Second, time.Minute}

// verdict is what is to become of an exact delete.
type verdict int

const (
	confirmed verdict = iota
	contradicted
	skipped // by an operator
)

// confirm asks the store what became of the resource, until its history has the
// delete or can be late no more.
//
// Only a delete that the store confirms is published: notifications can be forged, and
// $erase is logged as a delete and may erase one version of a resource that lives on.
// It is confirmed when the resource is gone, with or without a tombstone in history,
// or when history has a tombstone of that time and the resource was created again. A
// tombstone of an earlier delete is this one's too where the resource is gone:
// deleting what is deleted writes none.
func (d *publishDelete) confirm(ctx workflow.Context) (verdict, error) {
	for tries := 0; ; tries++ {
		found, ok, err := d.ask(ctx)
		if err != nil {
			return 0, err
		}
		if !ok {
			return skipped, nil
		}
		left := d.in.Delete.EventTime.Add(historyLag).Sub(workflow.Now(ctx))
		switch {
		case !found.Settled && left > 0:
			delay := min(left, readDelays[min(tries, len(readDelays)-1)])
			wait := workflow.TimerOptions{Summary: "history does not show the delete yet"}
			if err := workflow.NewTimerWithOptions(ctx, delay, wait).Get(ctx, nil); err != nil {
				return 0, err
			}
		case !found.Confirmed():
			d.contradict(ctx)
			return contradicted, nil
		default:
			if found.NoHistory != "" {
				workflow.GetLogger(ctx).Error("the store does not let us read the history of a deleted resource: the delete is published without its last version",
					"type", d.in.Delete.Type, "class", found.NoHistory)
			}
			d.in.Delete.Tombstone = found.Tombstone
			return confirmed, nil
		}
	}
}

// contradict counts and logs a delete that the store contradicts.
func (d *publishDelete) contradict(ctx workflow.Context) {
	workflow.GetMetricsHandler(ctx).
		WithTags(map[string]string{"datastore": d.in.Origin.Datastore, "resource_type": d.in.Delete.Type}).
		Counter(cdc.MetricContradicted).Inc(1)
	workflow.GetLogger(ctx).Error("a delete is not published: the store shows its resource, and no delete in its history; it was forged, or one version was erased",
		"delete", workflow.GetInfo(ctx).WorkflowExecution.ID, "datastore", d.in.Origin.Datastore,
		"type", d.in.Delete.Type, "captured_by", d.in.Origin.CapturedBy)
}

// ask asks the store once, and waits for an operator while the store does not let us
// look. ok is false when the operator skips the delete.
func (d *publishDelete) ask(ctx workflow.Context) (found cdc.ReadDeleteResult, ok bool, err error) {
	policy := workflow.WithRetryPolicy(
		readPolicy(ctx, d.in.Origin.Datastore, "read the deleted "+deletedType(d.in.Delete)),
		retriesBut(cdc.ClassForbidden, cdc.ClassRejected))
	in := cdc.ReadDeleteInput{Origin: d.in.Origin, Delete: d.in.Delete}
	for tries := 1; ; tries++ {
		err := workflow.ExecuteActivity(policy, do.ReadDelete, in).Get(ctx, &found)
		d.unread = operatorClass(err)
		if err == nil {
			return found, true, d.mark.set(ctx, false)
		}
		if d.unread == "" {
			return found, false, err
		}
		if err := d.mark.set(ctx, true); err != nil {
			return found, false, err
		}
		if err := d.orders.wait(ctx, backoff(tries), "the store does not let us read the resource: "+string(d.unread)); err != nil {
			return found, false, err
		}
		if _, skips := d.orders.take(); d.leftUnread(skips) {
			d.unread = ""
			return found, false, nil
		}
	}
}

// leftUnread reports whether an operator skips a delete that cannot be confirmed.
func (d *publishDelete) leftUnread(skips []cdc.Skip) bool {
	return slices.ContainsFunc(skips, func(s cdc.Skip) bool { return slices.Contains(s.Types, d.in.Delete.Type) })
}

// publish offers the delete until EventBridge takes it or an operator gives it
// up.
func (d *publishDelete) publish(ctx workflow.Context, in cdc.PublishInput) (published bool, err error) {
	publishCtx := publishPolicy(ctx, d.in.Origin.Datastore, false, "publish 1 delete of "+deletedType(d.in.Delete))
	for tries := 1; ; tries++ {
		var result cdc.PublishResult
		if err := workflow.ExecuteActivity(publishCtx, do.Publish, in).Get(ctx, &result); err != nil {
			return false, err
		}
		if len(result.Refused) == 0 {
			d.refused = ""
			return true, nil
		}
		d.refused = result.Refused[0].Code
		if err := d.mark.set(ctx, true); err != nil {
			return false, err
		}
		if err := d.orders.wait(ctx, backoff(tries), "refused by EventBridge: "+d.refused); err != nil {
			return false, err
		}
		if _, skips := d.orders.take(); d.skipped(skips) {
			d.refused = ""
			return false, nil
		}
	}
}

func (d *publishDelete) skipped(skips []cdc.Skip) bool {
	return slices.ContainsFunc(skips, func(s cdc.Skip) bool { return slices.Contains(s.Versions, d.in.Delete.Type) })
}

// progress shows a refused delete as one version of its type, and one that cannot be
// confirmed as a type that cannot be read.
func (d *publishDelete) progress() cdc.Progress {
	p := cdc.Progress{Kept: make(map[string]int), Refused: make(map[string]cdc.Class)}
	if d.refused != "" {
		p.Kept[d.in.Delete.Type] = 1
	}
	if d.unread != "" {
		p.Refused[d.in.Delete.Type] = d.unread
	}
	return p
}

func deletedType(d cdc.Delete) string {
	if d.Type == "" {
		return "an unnamed type"
	}
	return d.Type
}
