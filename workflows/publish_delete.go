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
	d := &publishDelete{in: in, operator: newOperator(ctx, in.Attributes)}
	if in.Resume != nil {
		d.retry = *in.Resume
	}
	err := workflow.SetQueryHandler(ctx, cdc.QueryProgress, func() (cdc.Progress, error) { return d.progress(ctx), nil })
	if err != nil {
		return cdc.PublishDeleteResult{}, err
	}
	return d.run(ctx)
}

type publishDelete struct {
	in       cdc.PublishDeleteInput
	operator operator
	// retry is set while EventBridge refuses the delete, or the store does not say what
	// became of the resource; bus while the bus takes nothing.
	retry cdc.Retry
	bus   cdc.Class
}

func (d *publishDelete) run(ctx workflow.Context) (cdc.PublishDeleteResult, error) {
	result := cdc.PublishDeleteResult{
		Type: d.in.Delete.Type, EventTime: d.in.Delete.EventTime, Exact: d.in.Delete.Exact(),
	}
	if result.Exact && !d.in.Read {
		verdict, err := d.confirm(ctx)
		if err != nil {
			return cdc.PublishDeleteResult{}, err
		}
		if verdict != deleteConfirmed {
			result.Contradicted, result.Skipped = verdict == deleteContradicted, verdict == deleteSkipped
			return result, d.operator.close(ctx)
		}
	}
	published, err := d.publish(ctx, cdc.PublishInput{Origin: d.in.Origin, Delete: &d.in.Delete})
	if err != nil {
		return cdc.PublishDeleteResult{}, err
	}
	result.Skipped = !published
	return result, d.operator.close(ctx)
}

// historyLag is for how long after a delete history may not show it yet: it was
// seen to lag by one to five minutes.
const historyLag = 6 * time.Minute

// readDelays are the pauses between the looks at a delete that is not in history
// yet; the last one goes on.
var readDelays = []time.Duration{5 * time.Second, 15 * time.Second, 40 * time.Second, time.Minute}

// deleteVerdict is what is to become of an exact delete.
type deleteVerdict int

const (
	deleteConfirmed deleteVerdict = iota
	deleteContradicted
	deleteSkipped // by an operator
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
func (d *publishDelete) confirm(ctx workflow.Context) (deleteVerdict, error) {
	for tries := 0; ; tries++ {
		found, skipped, err := d.ask(ctx)
		if err != nil {
			return 0, err
		}
		if skipped {
			return deleteSkipped, nil
		}
		left := d.in.Delete.EventTime.Add(historyLag).Sub(workflow.Now(ctx))
		switch {
		case !found.Final && left > 0:
			delay := min(left, readDelays[min(tries, len(readDelays)-1)])
			wait := workflow.TimerOptions{Summary: "history does not show the delete yet"}
			if err := workflow.NewTimerWithOptions(ctx, delay, wait).Get(ctx, nil); err != nil {
				return 0, err
			}
		case !found.Confirmed():
			d.contradict(ctx)
			return deleteContradicted, nil
		default:
			if found.NoHistory != "" {
				workflow.GetLogger(ctx).Error("the store does not let us read the history of a deleted resource: the delete is published without its last version",
					"type", d.in.Delete.Type, "class", found.NoHistory)
			}
			d.in.Delete.Tombstone = found.Tombstone
			return deleteConfirmed, nil
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

// ask asks the store once, and goes on as long as it does not answer. skipped is set
// when an operator skips the delete meanwhile.
func (d *publishDelete) ask(ctx workflow.Context) (found cdc.ReadDeleteResult, skipped bool, err error) {
	in := cdc.ReadDeleteInput{Origin: d.in.Origin, Delete: d.in.Delete}
	for {
		policy := readPolicy(ctx, d.in.Origin.Datastore, d.retry, "read the deleted "+deletedType(d.in.Delete))
		err := workflow.ExecuteActivity(policy, do.ReadDelete, in).Get(ctx, &found)
		if err == nil {
			d.retry = cdc.Retry{}
			return found, false, d.operator.show(ctx, d.waiting(ctx))
		}
		class, asked, ok := failed(ctx, err)
		if !ok {
			return found, false, err
		}
		d.retry.Failed(workflow.Now(ctx), class, asked)
		if skipped, err := d.wait(ctx, "the deleted resource cannot be read: "+string(class)); err != nil || skipped {
			return found, skipped, err
		}
	}
}

// publish offers the delete until EventBridge takes it or an operator skips it.
func (d *publishDelete) publish(ctx workflow.Context, in cdc.PublishInput) (published bool, err error) {
	for {
		result, err := startPublishing(ctx, in).result(ctx, func(class cdc.Class) error {
			d.bus = class
			return d.operator.show(ctx, d.waiting(ctx))
		})
		if err != nil {
			return false, err
		}
		if len(result.Rejected) == 0 {
			d.retry = cdc.Retry{}
			return true, nil
		}
		d.retry.Failed(workflow.Now(ctx), cdc.ClassEvent, 0)
		skipped, err := d.wait(ctx, "refused by EventBridge: "+result.Rejected[0].Code)
		if err != nil || skipped {
			return false, err
		}
	}
}

// wait waits until the next try is due, and reports whether an operator has skipped
// the delete instead.
func (d *publishDelete) wait(ctx workflow.Context, why string) (skipped bool, err error) {
	if err := d.operator.show(ctx, d.waiting(ctx)); err != nil {
		return false, err
	}
	if err := d.operator.sleep(ctx, d.retry.Due, why); err != nil {
		return false, err
	}
	_, skips := d.operator.signals()
	if d.skipped(skips) {
		workflow.GetLogger(ctx).Warn("an operator skipped a delete", "type", d.in.Delete.Type, "class", d.retry.Class)
		d.retry = cdc.Retry{}
		return true, nil
	}
	if historyIsLarge(ctx) {
		next, retry := d.in, d.retry
		next.Resume, next.Read = &retry, d.in.Read || retry.Class == cdc.ClassEvent
		return false, workflow.NewContinueAsNewError(ctx, cdc.WorkflowPublishDelete, next)
	}
	return false, nil
}

// skipped reports whether one of the skips names the delete, by its type: as what
// EventBridge refuses, or as what the store does not let us read.
func (d *publishDelete) skipped(skips []cdc.Skip) bool {
	return slices.ContainsFunc(skips, func(s cdc.Skip) bool {
		if d.retry.Class == cdc.ClassEvent {
			return slices.Contains(s.Versions, d.in.Delete.Type)
		}
		return slices.Contains(s.Types, d.in.Delete.Type)
	})
}

// waiting is what waits for an operator.
func (d *publishDelete) waiting(ctx workflow.Context) []cdc.Wait {
	var all []cdc.Wait
	switch {
	case !d.retry.Waits(workflow.Now(ctx)):
	case d.retry.Class == cdc.ClassEvent:
		all = append(all, cdc.Wait{Type: d.in.Delete.Type, Versions: 1})
	default:
		all = append(all, cdc.Wait{Type: d.in.Delete.Type, Class: d.retry.Class})
	}
	return append(all, busWait(d.bus)...)
}

// progress shows a refused delete as one version of its type.
func (d *publishDelete) progress(ctx workflow.Context) cdc.Progress {
	p := cdc.Progress{Rejected: make(map[string]int), Waiting: d.waiting(ctx)}
	switch {
	case !d.retry.Failing():
	case d.retry.Class == cdc.ClassEvent:
		p.Rejected[d.in.Delete.Type] = 1
	default:
		p.Unavailable = map[string]cdc.Class{d.in.Delete.Type: d.retry.Class}
	}
	return p
}

func deletedType(d cdc.Delete) string {
	if d.Type == "" {
		return "an unnamed type"
	}
	return d.Type
}
