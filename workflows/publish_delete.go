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
	// refused is EventBridge's code for the last offer; empty when it was taken.
	refused string
}

func (d *publishDelete) run(ctx workflow.Context) (cdc.PublishDeleteResult, error) {
	if d.in.Delete.Exact() {
		if err := d.read(ctx); err != nil {
			return cdc.PublishDeleteResult{}, err
		}
	}
	result := cdc.PublishDeleteResult{
		Type: d.in.Delete.Type, EventTime: d.in.Delete.EventTime, Exact: d.in.Delete.Exact(),
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

// read asks the store what became of the resource, until its history has the
// delete or can be late no more.
//
// What is not in history then is published all the same, without a version: the
// record says that the call succeeded. That the resource can be read shows that
// somebody has created it again since, not that the delete never was; the event
// has the record's time, so that a consumer can tell which was later. A tombstone
// of an earlier delete is this one's too: deleting what is deleted writes none.
func (d *publishDelete) read(ctx workflow.Context) error {
	var found cdc.ReadDeleteResult
	policy := readPolicy(ctx, d.in.Origin.Datastore, "read the deleted "+deletedType(d.in.Delete))
	for tries := 0; ; tries++ {
		in := cdc.ReadDeleteInput{Origin: d.in.Origin, Delete: d.in.Delete}
		if err := workflow.ExecuteActivity(policy, do.ReadDelete, in).Get(ctx, &found); err != nil {
			return err
		}
		left := d.in.Delete.EventTime.Add(historyLag).Sub(workflow.Now(ctx))
		if found.Settled || left <= 0 {
			break
		}
		delay := min(left, readDelays[min(tries, len(readDelays)-1)])
		wait := workflow.TimerOptions{Summary: "history does not show the delete yet"}
		if err := workflow.NewTimerWithOptions(ctx, delay, wait).Get(ctx, nil); err != nil {
			return err
		}
	}
	if found.Refused != "" {
		workflow.GetLogger(ctx).Error("the store does not let us read a deleted resource: it is published without its last version",
			"type", d.in.Delete.Type, "class", found.Refused)
	}
	d.in.Delete.Tombstone = found.Tombstone
	return nil
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

// progress tells of a refused delete as of one version of its type.
func (d *publishDelete) progress() cdc.Progress {
	p := cdc.Progress{Kept: make(map[string]int)}
	if d.refused != "" {
		p.Kept[d.in.Delete.Type] = 1
	}
	return p
}

func deletedType(d cdc.Delete) string {
	if d.Type == "" {
		return "an unnamed type"
	}
	return d.Type
}
