package explain

import (
	"fmt"
	"slices"
	"time"

	workflowpb "go.temporal.io/api/workflow/v1"

	"healthlake-cdc/internal/cdc"
	"healthlake-cdc/internal/queue"
)

// explanation is a version's result, and what Explain has found out to decide it.
type explanation struct {
	Result
	version             cdc.Version
	configured, audited bool
	now                 time.Time
	retention           time.Duration
	// open is the run that is open, nil without one. It searches openTypes; pending are its
	// activities.
	open      *Run
	openTypes []string
	pending   []*workflowpb.PendingActivityInfo
	// holder is the first run whose ledger has the version, skipped or published; nil
	// without one.
	holder  *Run
	skipped bool
	// rejected and publishing are of the open run; failing is the class of the last
	// failure of the one under way.
	rejected, publishing *Publication
	failing              string
	noWorker             bool
	backlog              Backlog
}

// decide sets the verdict, its reason and the advice.
func (x *explanation) decide() {
	switch x.Store.Standing {
	case Absent:
		x.Verdict = NeverExisted
		x.Reason = "the store has no such resource and no trace of one: it was never written, or was erased with its history ($erase, $purge)"
		if !x.configured {
			x.Reason += "; its type is not in CDC_RESOURCE_TYPES either"
		}
		return
	case NotWritten:
		x.Verdict = NeverExisted
		x.Reason = fmt.Sprintf("the resource exists, this version does not: the newest in the store is %s", x.Store.CurrentVersion)
		return
	case NotStored:
		x.Verdict = NoHistory
		x.Reason = "the version existed, but the store's history does not have it (history can be off for a type, and lags by minutes)"
		if x.Store.ReplacedBy != "" || x.Store.ByDelete {
			x.Reason += "; it " + x.replacement()
		}
		x.Reason += ". " + timeNotKnown
		return
	case Tombstone:
		x.Verdict, x.Reason = Deleted, "this version is the delete. "+deletesUnresolved
		return
	case Gone:
		if x.version.VersionID == "" {
			x.Verdict = Deleted
			x.Reason = "the resource is deleted, and the store has no history of it: its last version is not known. " + deletesUnresolved
			return
		}
	}
	if x.Window == nil {
		x.Verdict, x.Reason = NoHistory, "the store does not say when the version was written. "+timeNotKnown
		return
	}
	x.decideVersion()
	switch {
	case x.Store.Standing == Gone:
		x.Reason = fmt.Sprintf("the resource is deleted; version %s was the last. Of that version (%s): %s. %s",
			x.Version, x.Verdict, x.Reason, deletesUnresolved)
		x.Verdict = Deleted
	case x.Verdict == Published && x.Store.Standing == Replaced:
		x.Reason += "; it " + x.replacement()
	}
}

// What reasons say in two places.
const (
	deletesUnresolved = "CloudTrail hides which resource was deleted: unless a FHIR Subscription named it, its event is unresolved, and whether it was published cannot be told by the resource"
	timeNotKnown      = "Without its time its window is not known, nor whether it was published"
)

// replacement says what followed the version, after "it".
func (x *explanation) replacement() string {
	s := x.Store
	text := "was replaced by version " + s.ReplacedBy
	if s.ByDelete {
		text = "was replaced by a delete"
	}
	if s.AtLatest {
		text += ", or by one before that"
	}
	if !s.ReplacedAt.IsZero() {
		text += " at " + stamp(s.ReplacedAt)
	}
	return text
}

func stamp(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.000Z") }

// decideVersion sets verdict, reason and advice for a version whose time is known: the
// first case that holds counts.
func (x *explanation) decideVersion() {
	switch {
	case x.holder != nil && x.skipped:
		x.Verdict, x.Reason = Skipped, "skipped by an operator: it is in the ledger as skipped"
		if x.holder.Skips {
			x.Reason = "skipped by CDC_IMPORTS: an import wrote it, and it is in the ledger as skipped"
			x.Advice = "to publish it anyway: " + x.replayCommand()
		}
	case x.Publication != nil:
		x.decidePublished()
	case x.holder != nil:
		x.Verdict = Published
		x.Reason = "the ledger of " + x.holder.WorkflowID + " has it as published; the history with EventBridge's id has expired"
	case len(x.Replays) > 0:
		x.Verdict = Published
		x.Reason = x.Replays[0].rangeID + " published it, and no window in the namespace has; the history with EventBridge's id has expired"
	case x.rejected != nil && x.publishing == nil:
		x.Publication, x.Verdict = x.rejected, WaitingForOperator
		x.Reason = fmt.Sprintf("EventBridge rejected its event (%s) at %s; the window stays open and tries again", x.rejected.Rejected, stamp(x.rejected.At))
		x.Advice = "check what the code means, often a wrong CDC_EVENT_SOURCE or CDC_DETAIL_TYPE; once EventBridge accepts the event the window continues. `starter retry " + x.rejected.WorkflowID + "` tries now, `starter skip` of the same skips it for good"
	case x.publishing != nil:
		x.Publication, x.Verdict = x.publishing, Publishing
		x.Reason = fmt.Sprintf("it is being published, attempt %d", x.publishing.Attempt)
		if x.failing != "" {
			x.Reason += "; the last attempt failed: " + x.failing
		}
		if needsOperator(x.failing) {
			x.Verdict, x.Advice = WaitingForOperator, "check the event bus: `worker --check` says what is missing"
		}
	case x.open != nil:
		x.decideOpen()
	case !x.configured && !x.searched():
		x.Verdict = UnconfiguredType
		x.Reason = x.Type + " is not one of the configured resource types, so no window searches it"
		x.Advice = fmt.Sprintf("add it to CDC_RESOURCE_TYPES of all workers; what was written before needs `starter backfill --name NAME --type %s`", x.Type)
	case len(x.Window.Runs) == 0:
		x.decideNoWindow()
	default:
		x.decideClosed()
	}
}

// decidePublished decides for a version that EventBridge accepted.
func (x *explanation) decidePublished() {
	p := x.Publication
	x.Verdict = Published
	x.Reason = fmt.Sprintf("EventBridge accepted it at %s", stamp(p.At))
	if len(x.Replays) > 0 && p.WorkflowID == x.Replays[0].slice {
		x.Reason += fmt.Sprintf(", by %s; no window in the namespace has published it", x.Replays[0].rangeID)
	}
	switch p.PayloadReason {
	case cdc.ReasonOversize:
		x.Reason += "; it went as a reference, without its body, because the event would have been over CDC_MAX_EVENT_BYTES"
	case cdc.ReasonConfigured:
		x.Reason += "; it went as a reference, without its body, because CDC_EVENT_PAYLOAD was reference"
	}
}

// searched reports whether a closed run of the window searched the type.
func (x *explanation) searched() bool {
	return slices.ContainsFunc(x.Window.Runs, func(r *Run) bool { return r.Searched && !r.Closed.IsZero() })
}

// decideOpen decides for a version that its open window has not published yet.
func (x *explanation) decideOpen() {
	if !slices.Contains(x.openTypes, x.Type) {
		if x.searched() { // a rerun for other types, of a window that has closed without it
			x.decideClosed()
			return
		}
		x.Verdict = UnconfiguredType
		x.Reason = "its window is open, but was opened under settings without the type " + x.Type
		x.Advice = "once the window has closed, and with the type in CDC_RESOURCE_TYPES, " + x.captureCommand()
		return
	}
	if x.Store.Standing != Current {
		x.Verdict = Superseded
		x.Reason = "its window is open and has not published it; it " + x.replacement() + ", and search shows only the newest version"
		return
	}
	x.Verdict = WaitingForPass
	x.Reason = "its window is open, and has not published it yet"
	if x.Window.Blocked != "" {
		x.Reason += "; the type cannot be read: " + x.Window.Blocked
		if needsOperator(x.Window.Blocked) {
			x.Verdict = WaitingForOperator
			x.Advice = "check the workers' permissions on the store, and that it can search the type: `worker --check`; the window then continues. `starter retry " + x.open.WorkflowID + "` tries now"
		}
	}
	switch {
	case !x.Window.NextStep.IsZero():
		x.Reason += "; the next pass or try is at " + stamp(x.Window.NextStep)
	case x.noWorker:
		x.Reason += "; no worker answers for " + x.open.WorkflowID
		x.Advice = "check that workers run: `starter status` lists them"
	default:
		x.Reason += "; its pages are being read"
	}
}

// needsOperator reports whether a failure of this class waits for someone.
func needsOperator(class string) bool {
	return class != "" && !cdc.Class(class).Retryable() && cdc.Class(class) != cdc.ClassPageTokenRejected
}

// decideNoWindow decides for a version whose window has no run in the namespace.
func (x *explanation) decideNoWindow() {
	age := x.now.Sub(x.version.Time())
	old := age.Round(time.Second)
	queued, dead := messages(x.backlog.Queue), messages(x.backlog.DLQ)
	x.Verdict, x.Advice = WaitingForTrigger, "to publish it without its trigger: "+x.captureCommand()
	switch {
	case x.now.Sub(x.Window.End) >= x.retention:
		x.Verdict, x.Advice = OlderThanRetention, "to publish it again: "+x.replayCommand()
		x.Reason = fmt.Sprintf("the version exists, and its window is older (%s) than Temporal keeps closed executions (%s): its ledger, if there was one, has expired, and whether it was published cannot be told",
			old, x.retention)
	case queued > 0:
		x.Reason = fmt.Sprintf("no trigger has opened its window yet; %s in the trigger queue, and its trigger may be among them", messagesAre(queued))
		x.Advice = "check that workers run and take messages from the queue: `starter status` shows both; " + x.Advice
	case dead > 0:
		x.Reason = fmt.Sprintf("no trigger has opened its window; %s in the dead-letter queue, and its trigger may be among them", messagesAre(dead))
		x.Advice = "the log says why they could not be read; `starter redrive` moves them back; " + x.Advice
	case age < cdc.RecordDelay:
		x.Reason = fmt.Sprintf("no trigger has opened its window yet; it is %s old, and CloudTrail's records come up to %s late", old, cdc.RecordDelay)
	case x.backlog.Unknown != "":
		x.Verdict, x.Advice = NoTrigger, x.auditOrCapture()
		x.Reason = fmt.Sprintf("no trigger has opened its window; it is %s old. Its trigger may be in the trigger queue or the dead-letter queue, which could not be read (%s), or CloudTrail has lost the record",
			old, x.backlog.Unknown)
	default:
		x.Verdict, x.Advice = NoTrigger, x.auditOrCapture()
		x.Reason = fmt.Sprintf("no trigger has opened its window; it is %s old and both queues are empty, so CloudTrail has most likely lost the record", old)
	}
	if x.backlog.NoWorker && x.Verdict != OlderThanRetention {
		x.Reason += "; no worker polls the task queue " + x.backlog.TaskQueue
	}
	if x.Store.Standing != Current {
		x.Reason += "; it " + x.replacement()
		x.Advice = ""
	}
}

func messages(d *queue.Depth) int {
	if d == nil {
		return 0
	}
	return d.Visible + d.InFlight + d.Delayed
}

func messagesAre(n int) string {
	if n == 1 {
		return "1 message is"
	}
	return fmt.Sprintf("%d messages are", n)
}

// decideClosed decides for a version whose window has closed without it.
func (x *explanation) decideClosed() {
	var last *Run
	for _, run := range x.Window.Runs {
		if !run.Closed.IsZero() {
			last = run
		}
	}
	x.Reason = "its window has closed without it"
	if !x.searched() {
		x.Reason = fmt.Sprintf("its window has ended (%s) without a search of the type", last.Status)
	}
	if x.Store.Standing == Current {
		x.Verdict, x.Advice = Missed, x.captureCommand()
		if x.searched() {
			x.Advice = x.auditOrCapture()
			x.Reason += ": search did not show it up to the last pass"
		}
		return
	}
	x.Verdict = Superseded
	x.Reason += "; it " + x.replacement()
	switch {
	case !x.searched():
	case !x.Store.AtLatest && x.Store.ReplacedAt.After(last.Closed):
		x.Reason += ", after the window had closed: search did not show it in time"
	default:
		x.Reason += ", and search shows only the newest version"
	}
}

// auditOrCapture is the advice for what a scheduled audit repairs by itself.
func (x *explanation) auditOrCapture() string {
	if !x.audited {
		return x.captureCommand()
	}
	return "the next audit of that time publishes it (`starter status` shows how far the store is audited); to publish it now: " + x.captureCommand()
}

func (x *explanation) captureCommand() string {
	return fmt.Sprintf("`starter capture --at %s --datastore %s`", x.version.LastUpdated, x.Datastore)
}

func (x *explanation) replayCommand() string {
	return fmt.Sprintf("`starter replay --name NAME --since %s --until %s --type %s`", stamp(x.Window.Start), stamp(x.Window.End), x.Type)
}
