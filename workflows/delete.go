package workflows

import (
	"errors"
	"slices"
	"time"

	"go.temporal.io/sdk/workflow"

	"healthlake-cdc/internal/cdc"
)

// PublishDelete publishes one delete.
func PublishDelete(ctx workflow.Context, in cdc.PublishDeleteInput) (cdc.PublishDeleteResult, error) {
	if !cdc.ValidDatastore(in.Origin.Datastore) || !cdc.ValidEventID(in.Delete.EventID) {
		return cdc.PublishDeleteResult{}, invalidInput("a delete needs a datastore and an event id")
	}
	d := &publishDelete{in: in, retry: in.Resume}
	var err error
	if d.operator, err = newOperator(ctx, in.Attributes, d.progress); err != nil {
		return cdc.PublishDeleteResult{}, err
	}
	return d.run(ctx)
}

// publishDelete is a running PublishDelete.
type publishDelete struct {
	in       cdc.PublishDeleteInput
	operator *operator
	// retry is set while EventBridge rejects the delete, or the store does not say what
	// became of the resource.
	retry  cdc.Retry
	counts cdc.Counts
}

var errDeleteSkipped = errors.New("an operator skipped the delete")

func (d *publishDelete) run(ctx workflow.Context) (cdc.PublishDeleteResult, error) {
	result := cdc.PublishDeleteResult{
		Type: d.in.Delete.Type, EventTime: d.in.Delete.EventTime, Exact: d.in.Delete.Exact(),
	}
	confirmed, err := true, error(nil)
	if result.Exact && !d.in.Read {
		confirmed, err = d.confirm(ctx)
	}
	if confirmed && err == nil {
		err = d.publish(ctx)
	}
	switch {
	case errors.Is(err, errDeleteSkipped):
		result.Skipped = true
	case err != nil:
		return cdc.PublishDeleteResult{}, err
	default:
		result.Contradicted = !confirmed
	}
	return result, d.operator.close(ctx)
}

// historyLag is for how long after a delete history may not show it yet: one to five
// minutes were seen.
const historyLag = 6 * time.Minute

// readDelays are the pauses between the reads of a delete that is not in history
// yet; the last one is repeated.
var readDelays = []time.Duration{5 * time.Second, 15 * time.Second, 40 * time.Second, time.Minute}

// confirm reads what became of the resource, until its history has the delete or can
// be late no more. It reports whether the delete is confirmed.
//
// Only a delete that the store confirms is published: notifications can be forged, and
// $erase is logged as a delete and may erase one version of a resource that lives on.
// It is confirmed when the resource is gone, with or without a tombstone in history,
// or when history has a tombstone of that time and the resource was created again. A
// tombstone of an earlier delete is this one's too where the resource is gone:
// deleting what is deleted writes none.
func (d *publishDelete) confirm(ctx workflow.Context) (confirmed bool, err error) {
	for tries := 0; ; tries++ {
		found, err := d.read(ctx)
		if err != nil {
			return false, err
		}
		now, last := workflow.Now(ctx), d.in.Delete.EventTime.Add(historyLag)
		if found.Final || !last.After(now) {
			return d.confirmedBy(ctx, found), nil
		}
		next := earlier(last, now.Add(readDelays[min(tries, len(readDelays)-1)]))
		if err := sleep(ctx, next, "history does not show the delete yet"); err != nil {
			return false, err
		}
	}
}

// confirmedBy reports whether the store confirms the delete, and keeps the tombstone that
// it found. A delete that it does not confirm is counted and logged.
func (d *publishDelete) confirmedBy(ctx workflow.Context, found cdc.ReadDeleteResult) bool {
	log := workflow.GetLogger(ctx)
	if !found.Gone && found.Tombstone == nil {
		countType(ctx, cdc.MetricContradicted, d.in.Origin.Datastore, d.in.Delete.Type)
		log.Error("a delete is not published: the store shows its resource, and no delete in its history; it was forged, or one version was erased",
			"delete", workflow.GetInfo(ctx).WorkflowExecution.ID, "datastore", d.in.Origin.Datastore,
			"type", d.in.Delete.Type, "captured_by", d.in.Origin.CapturedBy)
		return false
	}
	if found.NoHistory != "" {
		log.Error("the store does not let us read the history of a deleted resource: the delete is published without its last version",
			"type", d.in.Delete.Type, "class", found.NoHistory)
	}
	d.in.Delete.Tombstone = found.Tombstone
	return true
}

func (d *publishDelete) read(ctx workflow.Context) (found cdc.ReadDeleteResult, err error) {
	in := cdc.ReadDeleteInput{Origin: d.in.Origin, Delete: d.in.Delete}
	for {
		policy := readPolicy(ctx, d.in.Origin.Datastore, d.retry, "read the deleted "+deletedType(d.in.Delete))
		err := workflow.ExecuteActivity(policy, do.ReadDelete, in).Get(ctx, &found)
		if err == nil {
			d.retry = cdc.Retry{}
			d.counts.Add(found.Counts)
			return found, d.operator.show(ctx)
		}
		if err := retryLater(ctx, &d.retry, err); err != nil {
			return found, err
		}
		if err := d.waitForRetry(ctx, "the deleted resource cannot be read: "+string(d.retry.Class)); err != nil {
			return found, err
		}
	}
}

// publish offers the delete to EventBridge until it is accepted.
func (d *publishDelete) publish(ctx workflow.Context) error {
	in := cdc.PublishInput{Origin: d.in.Origin, Delete: &d.in.Delete}
	for {
		result, err := startPublishing(ctx, in).await(ctx, d.operator)
		if err != nil {
			return err
		}
		if len(result.Rejected) == 0 {
			d.retry, d.counts.Published = cdc.Retry{}, 1
			return nil
		}
		d.retry.Failed(workflow.Now(ctx), cdc.ClassEventRejected, 0)
		if err := d.waitForRetry(ctx, "rejected by EventBridge: "+result.Rejected[0].Code); err != nil {
			return err
		}
	}
}

// waitForRetry waits until the next try is due, or errDeleteSkipped.
func (d *publishDelete) waitForRetry(ctx workflow.Context, reason string) error {
	skips, err := d.operator.wait(ctx, d.retry.Due, reason)
	if err != nil {
		return err
	}
	if slices.ContainsFunc(skips, d.isNamed) {
		workflow.GetLogger(ctx).Warn("an operator skipped a delete", "type", d.in.Delete.Type, "class", d.retry.Class)
		d.retry = cdc.Retry{}
		d.counts.Skipped++
		return errDeleteSkipped
	}
	if historyIsLarge(ctx) {
		d.in.Resume, d.in.Read = d.retry, d.in.Read || d.retry.Class == cdc.ClassEventRejected
		return workflow.NewContinueAsNewError(ctx, cdc.WorkflowPublishDelete, d.in)
	}
	return nil
}

// isNamed reports whether a skip names the delete, by its type, as what it waits for.
func (d *publishDelete) isNamed(s cdc.Skip) bool {
	if d.retry.Class == cdc.ClassEventRejected {
		return slices.Contains(s.Versions, d.in.Delete.Type)
	}
	return slices.Contains(s.Types, d.in.Delete.Type)
}

// progress shows a rejected delete as one version of its type.
func (d *publishDelete) progress(ctx workflow.Context) cdc.Progress {
	p := cdc.Progress{Counts: d.counts}
	what := cdc.Wait{Type: d.in.Delete.Type}
	if d.retry.Class == cdc.ClassEventRejected {
		what.Versions = 1
	}
	p.Add(what, d.retry, workflow.Now(ctx))
	return p
}

func deletedType(d cdc.Delete) string {
	if d.Type == "" {
		return "an unnamed type"
	}
	return d.Type
}
