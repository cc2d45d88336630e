package explain

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"healthlake-cdc/internal/cdc"
	"healthlake-cdc/internal/queue"
)

type facts struct {
	request             Request
	found               found
	configured, audited bool
	now                 time.Time
	retention           time.Duration
	// window is zero when the version's time is not known.
	window cdc.Window
	runs   []*Run
	// open is the run that is open, holder the first one whose ledger has the version;
	// nil without one. The open run searches openTypes.
	open, holder    *Run
	openTypes       []string
	skippedInLedger bool
	// rejected and publishing are of the open run; failing is the class of the last
	// failure of the one under way.
	rejected, publishing *Publication
	failing              string
	skippedAt            time.Time
	// replayed is set when a replay published the version, and no window did.
	replayed bool
	noWorker bool
	triggers Triggers
}

func (f *facts) decide(r *Result) {
	switch f.found.state.Standing {
	case Absent:
		r.Verdict = NeverExisted
		r.Reason = "the store has no such resource and no trace of one: it was never written, or was erased with its history ($erase, $purge)"
		if !f.configured {
			r.Reason += "; its type is not in CDC_RESOURCE_TYPES either"
		}
		return
	case NotWritten:
		r.Verdict = NeverExisted
		r.Reason = fmt.Sprintf("the resource exists, this version does not: the newest in the store is %s", f.found.state.CurrentVersion)
		return
	case NotStored:
		r.Verdict = NoHistory
		r.Reason = "the version existed, but the store's history does not have it (history can be off for a type, and lags by minutes)"
		if f.found.state.ReplacedBy != "" || f.found.state.ByDelete {
			r.Reason += "; it " + f.replacement()
		}
		r.Reason += ". Without its time its window is not known, nor whether it was published"
		return
	case Tombstone:
		r.Verdict, r.Reason = Deleted, "this version is the delete. "+deletesUnresolved
		return
	case Gone:
		if f.found.version.VersionID == "" {
			r.Verdict = Deleted
			r.Reason = "the resource is deleted, and the store has no history of it: its last version is not known. " + deletesUnresolved
			return
		}
	}
	f.version(r)
	switch {
	case f.found.state.Standing == Gone:
		r.Reason = fmt.Sprintf("the resource is deleted; version %s was the last. Of that version (%s): %s. %s",
			r.Version, r.Verdict, r.Reason, deletesUnresolved)
		r.Verdict = Deleted
	case r.Verdict == Published && f.found.state.Standing == Replaced:
		r.Reason += "; it " + f.replacement()
	}
}

const deletesUnresolved = "CloudTrail hides which resource was deleted: unless a FHIR Subscription named it, its event is unresolved, and whether it was published cannot be told by the resource"

// replacement says what followed the version, after "it".
func (f *facts) replacement() string {
	s := f.found.state
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

// version is of a version whose time is known.
func (f *facts) version(r *Result) {
	switch {
	case f.holder != nil && f.skippedInLedger:
		r.Verdict, r.Reason = Skipped, "skipped by an operator: it is in the ledger as skipped"
		if f.holder.Skips {
			r.Reason = "skipped by CDC_IMPORTS: an import wrote it, and it is in the ledger as skipped"
			r.Advice = "to publish it anyway: " + f.replayCommand()
		}
	case r.Publication != nil:
		f.published(r)
	case f.holder != nil:
		r.Verdict = Published
		r.Reason = "the ledger of " + f.holder.WorkflowID + " has it as published; the history with EventBridge's id has expired"
	case !f.skippedAt.IsZero():
		r.Publication, r.Verdict = f.rejected, Skipped
		r.Reason = fmt.Sprintf("skipped by an operator at %s: EventBridge rejected it, and its window is still open for something else", stamp(f.skippedAt))
	case f.rejected != nil && f.publishing == nil:
		r.Publication, r.Verdict = f.rejected, WaitingForOperator
		r.Reason = fmt.Sprintf("EventBridge rejected its event (%s) at %s; the window stays open and tries again", f.rejected.Rejected, stamp(f.rejected.At))
		r.Advice = "check what the code means, often a wrong CDC_EVENT_SOURCE or CDC_DETAIL_TYPE; once EventBridge accepts the event the window continues. `starter retry " + f.rejected.WorkflowID + "` tries now, `starter skip` of the same skips it for good"
	case f.publishing != nil:
		r.Publication, r.Verdict = f.publishing, Publishing
		r.Reason = fmt.Sprintf("it is being published, attempt %d", f.publishing.Attempt)
		if f.failing != "" {
			r.Reason += "; the last attempt failed: " + f.failing
		}
		if needsOperator(f.failing) {
			r.Verdict, r.Advice = WaitingForOperator, "check the event bus: `worker --check` says what is missing"
		}
	case f.open != nil:
		f.waiting(r)
	case !f.configured && !f.searched():
		r.Verdict = UnconfiguredType
		r.Reason = f.request.Type + " is not one of the configured resource types, so no window searches it"
		r.Advice = fmt.Sprintf("add it to CDC_RESOURCE_TYPES of all workers; what was written before needs `starter backfill --name NAME --type %s`", f.request.Type)
	case len(f.runs) == 0:
		f.noWindow(r)
	default:
		f.lacking(r)
	}
}

func (f *facts) published(r *Result) {
	p := r.Publication
	r.Verdict = Published
	r.Reason = fmt.Sprintf("EventBridge accepted it at %s", stamp(p.At))
	if f.replayed {
		by := "the replay " + p.Replay
		if p.Replay == "" { // a backfill's slice, whose ID begins with the backfill's
			by, _, _, _, _ = cdc.ParseSliceID(p.WorkflowID)
		}
		r.Reason += fmt.Sprintf(", by %s; no window in the namespace has published it", by)
	}
	switch p.PayloadReason {
	case cdc.ReasonOversize:
		r.Reason += "; it went as a reference, without its body, because the event would have been over CDC_MAX_EVENT_BYTES"
	case cdc.ReasonConfigured:
		r.Reason += "; it went as a reference, without its body, because CDC_EVENT_PAYLOAD was reference"
	}
}

func (f *facts) searched() bool {
	return slices.ContainsFunc(f.runs, func(r *Run) bool { return r.Searched })
}

func (f *facts) waiting(r *Result) {
	if !slices.Contains(f.openTypes, f.request.Type) {
		if f.searched() { // a rerun for other types, of a window that has closed without it
			f.lacking(r)
			return
		}
		r.Verdict = UnconfiguredType
		r.Reason = "its window is open, but was opened under settings without the type " + f.request.Type
		r.Advice = "once the window has closed, and with the type in CDC_RESOURCE_TYPES, " + f.captureCommand()
		return
	}
	if f.found.state.Standing != Current {
		r.Verdict = Superseded
		r.Reason = "its window is open and has not published it; it " + f.replacement() + ", and search shows only the newest version"
		return
	}
	r.Verdict = WaitingForPass
	r.Reason = "its window is open, and has not published it yet"
	if r.Window.Blocked != "" {
		r.Reason += "; the type cannot be read: " + r.Window.Blocked
		if needsOperator(r.Window.Blocked) {
			r.Verdict = WaitingForOperator
			r.Advice = "check the workers' permissions on the store, and that it can search the type: `worker --check`; the window then continues. `starter retry " + f.open.WorkflowID + "` tries now"
		}
	}
	switch {
	case !r.Window.NextStep.IsZero():
		r.Reason += "; the next pass or try is at " + stamp(r.Window.NextStep)
	case f.noWorker:
		r.Reason += "; no worker answers for " + f.open.WorkflowID
		r.Advice = "check that workers run: `starter status` lists them"
	default:
		r.Reason += "; its pages are being read"
	}
}

// needsOperator reports whether a failure of this class waits for someone.
func needsOperator(class string) bool {
	return class != "" && !cdc.Class(class).Retryable() && cdc.Class(class) != cdc.ClassPageTokenRejected
}

func (f *facts) noWindow(r *Result) {
	age := f.now.Sub(f.found.version.Time())
	old := age.Round(time.Second)
	queued, dead := messages(f.triggers.Queue), messages(f.triggers.DLQ)
	r.Verdict, r.Advice = WaitingForTrigger, "to publish it without its trigger: "+f.captureCommand()
	switch {
	case f.now.Sub(f.window.End()) >= f.retention:
		r.Verdict, r.Advice = OlderThanRetention, "to publish it again: "+f.replayCommand()
		r.Reason = fmt.Sprintf("the version exists, and its window is older (%s) than Temporal keeps closed executions (%s): its ledger, if there was one, has expired, and whether it was published cannot be told",
			old, f.retention)
	case queued > 0:
		r.Reason = fmt.Sprintf("no trigger has opened its window yet; %s in the trigger queue, and its trigger may be among them", messagesAre(queued))
		r.Advice = "check that workers run and take messages from the queue: `starter status` shows both; " + r.Advice
	case dead > 0:
		r.Reason = fmt.Sprintf("no trigger has opened its window; %s in the dead-letter queue, and its trigger may be among them", messagesAre(dead))
		r.Advice = "the log says why they could not be read; `starter redrive` moves them back; " + r.Advice
	case age < cdc.RecordDelay:
		r.Reason = fmt.Sprintf("no trigger has opened its window yet; it is %s old, and CloudTrail's records come up to %s late", old, cdc.RecordDelay)
	case f.triggers.Unknown != "":
		r.Verdict, r.Advice = NoTrigger, f.auditOrCapture()
		r.Reason = fmt.Sprintf("no trigger has opened its window; it is %s old. Its trigger may be in the trigger queue or the dead-letter queue, which could not be read (%s), or CloudTrail has lost the record",
			old, f.triggers.Unknown)
	default:
		r.Verdict, r.Advice = NoTrigger, f.auditOrCapture()
		r.Reason = fmt.Sprintf("no trigger has opened its window; it is %s old and both queues are empty, so CloudTrail has most likely lost the record", old)
	}
	if f.triggers.NoWorker && r.Verdict != OlderThanRetention {
		r.Reason += "; no worker polls the task queue " + f.triggers.TaskQueue
	}
	if f.found.state.Standing != Current {
		r.Reason += "; it " + f.replacement()
		r.Advice = ""
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

// lacking is of a version whose window has closed without it.
func (f *facts) lacking(r *Result) {
	if f.found.state.Standing == Current {
		r.Verdict, r.Advice = Missed, f.auditOrCapture()
		r.Reason = "its window has closed without it: search did not show it up to the last pass"
		if !f.searched() {
			r.Advice = f.captureCommand()
			r.Reason = fmt.Sprintf("its window has ended (%s) without a search of the type", statuses(f.runs))
		}
		return
	}
	closed := slices.DeleteFunc(slices.Clone(f.runs), func(run *Run) bool { return run.Closed.IsZero() })
	last := closed[len(closed)-1]
	r.Verdict = Superseded
	switch at := f.found.state.ReplacedAt; {
	case !f.searched():
		r.Reason = fmt.Sprintf("its window has ended (%s) without a search of the type; it %s", last.Status, f.replacement())
	case !f.found.state.AtLatest && at.After(last.Closed):
		r.Reason = "its window has closed without it; it " + f.replacement() + ", after the window had closed: search did not show it in time"
	default:
		r.Reason = "its window has closed without it; it " + f.replacement() + ", and search shows only the newest version"
	}
}

func statuses(runs []*Run) string {
	texts := make([]string, len(runs))
	for i, run := range runs {
		texts[i] = run.Status
	}
	return strings.Join(texts, ", ")
}

// auditOrCapture is the advice for what a scheduled audit repairs by itself.
func (f *facts) auditOrCapture() string {
	if !f.audited {
		return f.captureCommand()
	}
	return "the next audit of that time publishes it (`starter status` shows how far the store is audited); to publish it now: " + f.captureCommand()
}

func (f *facts) captureCommand() string {
	return fmt.Sprintf("`starter capture --at %s --datastore %s`", f.found.version.LastUpdated, f.request.Datastore)
}

func (f *facts) replayCommand() string {
	return fmt.Sprintf("`starter replay --name NAME --since %s --until %s --type %s`", stamp(f.window.Start), stamp(f.window.End()), f.request.Type)
}
