package explain

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"healthlake-cdc/internal/cdc"
)

// facts are all that was found out about one version.
type facts struct {
	ask        Ask
	found      found
	configured bool
	now        time.Time
	retention  time.Duration
	// window is the zero value when the version's time is not known.
	window  cdc.Window
	capture capture
	// refused and publishing are of the open run; failing is the class of the
	// last failure of the one under way.
	refused, publishing *Publication
	// skippedAt is when an operator gave it up in the open run.
	skippedAt time.Time
	failing   string
	// replayed tells that a replay published the version, and no window did.
	replayed bool
	// noWorker is set when no worker answered for the open run.
	noWorker bool
	// triggers is where a trigger may still be, of a version whose window no trigger
	// has opened.
	triggers Triggers
}

// lateTrigger is how late a CloudTrail record comes at most, as a rule.
const lateTrigger = 15 * time.Minute

// decide fills in verdict, reason and advice.
func (f *facts) decide(a *Answer) {
	switch f.found.state.Standing {
	case Absent:
		f.absent(a)
		return
	case NotWritten:
		a.Verdict = NeverExisted
		a.Reason = fmt.Sprintf("the resource exists, this version does not: the newest that the store tells of is %s", f.found.state.CurrentVersion)
		return
	case Untold:
		f.untold(a)
		return
	case Tombstone:
		a.Verdict, a.Reason = Deleted, "this version is the delete. "+deletesUnresolved
		return
	case Gone:
		if f.found.version.VersionID == "" {
			a.Verdict = Deleted
			a.Reason = "the resource is deleted, and the store has no history of it: its last version is not known. " + deletesUnresolved
			return
		}
	}
	f.version(a)
	switch {
	case f.found.state.Standing == Gone:
		a.Reason = fmt.Sprintf("the resource is deleted; version %s was the last. Of that version (%s): %s. %s",
			a.Version, a.Verdict, a.Reason, deletesUnresolved)
		a.Verdict = Deleted
	case a.Verdict == Published && f.found.state.Standing == Replaced:
		a.Reason += "; it " + f.replacement()
	}
}

// deletesUnresolved is what can be said of a delete's own event.
const deletesUnresolved = "CloudTrail hides which resource a delete was of: unless a FHIR Subscription told of it, its event is unresolved, and whether it was published cannot be told by the resource"

func (f *facts) absent(a *Answer) {
	a.Verdict = NeverExisted
	a.Reason = "the store has no such resource and no trace of one: it was never written, or was erased with its history ($erase, $purge)"
	if !f.configured {
		a.Reason += "; its type is not in CDC_RESOURCE_TYPES either"
	}
}

func (f *facts) untold(a *Answer) {
	a.Verdict = NoHistory
	a.Reason = "the version existed, but the store's history does not have it (history can be off for a type, and lags by minutes)"
	if f.found.state.ReplacedBy != "" || f.found.state.ByDelete {
		a.Reason += "; it " + f.replacement()
	}
	a.Reason += ". Without its time its window is not known, nor whether it was published"
}

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

// version decides for a version whose time is known.
func (f *facts) version(a *Answer) {
	p := a.Publication
	switch {
	case f.capture.first >= 0 && f.capture.skipped:
		a.Verdict, a.Reason = Skipped, "skipped by an operator: it is in the ledger as given up"
		if f.capture.runs[f.capture.first].Skips {
			a.Reason = "skipped by CDC_IMPORTS: it came by an import, and is in the ledger as not to be published"
			a.Advice = fmt.Sprintf("to have it published all the same: `starter replay --name NAME --since %s --until %s --type %s`",
				stamp(f.window.Start), stamp(f.window.End()), f.ask.Type)
		}
	case p != nil:
		f.published(a)
	case f.capture.first >= 0:
		a.Verdict = Published
		a.Reason = "the ledger of " + f.capture.runs[f.capture.first].WorkflowID + " has it as published; the history with EventBridge's id is gone or lies in an earlier run that has expired"
	case !f.skippedAt.IsZero():
		a.Publication, a.Verdict = f.refused, Skipped
		a.Reason = fmt.Sprintf("skipped by an operator at %s: EventBridge refused it for good, and its window is still open for something else", stamp(f.skippedAt))
	case f.refused != nil && f.publishing == nil:
		a.Publication, a.Verdict = f.refused, WaitingForOperator
		a.Reason = fmt.Sprintf("EventBridge refused its event for good (%s) at %s; the window stays open and offers it again", f.refused.Refused, stamp(f.refused.At))
		a.Advice = "see what the code says, often of CDC_EVENT_SOURCE or CDC_DETAIL_TYPE; it goes on by itself once EventBridge takes the event. `starter retry " + f.refused.WorkflowID + "` offers it at once, `starter skip` of the same gives it up"
	case f.publishing != nil:
		a.Publication, a.Verdict = f.publishing, Publishing
		a.Reason = fmt.Sprintf("it is being published, attempt %d", f.publishing.Attempt)
		if f.failing != "" {
			a.Reason += "; the last attempt failed: " + f.failing
		}
		if needsOperator(f.failing) {
			a.Verdict, a.Advice = WaitingForOperator, "see to the event bus: `worker --check` says what is missing"
		}
	case f.capture.open >= 0:
		f.waiting(a)
	case !f.configured && !f.swept():
		a.Verdict = UnconfiguredType
		a.Reason = f.ask.Type + " is not one of the configured resource types, so no window asks the store for it"
		a.Advice = fmt.Sprintf("add it to CDC_RESOURCE_TYPES of all workers; what was written before needs `starter backfill --name NAME --type %s`", f.ask.Type)
	case len(f.capture.runs) == 0:
		f.noWindow(a)
	default:
		f.lacking(a)
	}
}

func (f *facts) published(a *Answer) {
	p := a.Publication
	a.Verdict = Published
	a.Reason = fmt.Sprintf("EventBridge accepted it at %s", stamp(p.At))
	if f.replayed {
		by := "the replay " + p.Replay
		if p.Replay == "" { // a backfill's slice, whose ID begins with the backfill's
			by, _, _, _, _ = cdc.ParseSliceID(p.WorkflowID)
		}
		a.Reason += fmt.Sprintf(", by %s; no window that the namespace still has published it", by)
	}
	switch p.PayloadReason {
	case cdc.ReasonOversize:
		a.Reason += "; it went as a reference, without its body, because the event would have been over CDC_MAX_EVENT_BYTES"
	case cdc.ReasonConfigured:
		a.Reason += "; it went as a reference, without its body, because CDC_EVENT_PAYLOAD was reference"
	}
}

func (f *facts) swept() bool {
	return slices.ContainsFunc(f.capture.runs, func(r Run) bool { return r.Swept })
}

// waiting is of a version whose window is open and has not got to it.
func (f *facts) waiting(a *Answer) {
	run := f.capture.runs[f.capture.open]
	if !slices.Contains(f.capture.types, f.ask.Type) {
		if f.swept() { // a rerun for other types, of a window that has closed without it
			f.lacking(a)
			return
		}
		a.Verdict = UnconfiguredType
		a.Reason = "its window is open, but was opened under settings without the type " + f.ask.Type
		a.Advice = f.captureAdvice("once the window has closed, and with the type in CDC_RESOURCE_TYPES, ")
		return
	}
	if f.found.state.Standing != Current {
		a.Verdict = Superseded
		a.Reason = "its window is open and has not published it; it " + f.replacement() + ", and search shows only the newest version"
		return
	}
	a.Verdict = WaitingForPass
	a.Reason = "its window is open, and has not published it yet"
	if a.Window.Blocked != "" {
		a.Reason += "; the type cannot be read: " + a.Window.Blocked
		if needsOperator(a.Window.Blocked) {
			a.Verdict, a.Advice = WaitingForOperator, "check the workers' permissions on the store, and that it searches the type: `worker --check`; the window goes on by itself. `starter retry "+run.WorkflowID+"` tries at once"
		}
	}
	switch {
	case !a.Window.NextStep.IsZero():
		a.Reason += "; the next pass or try is at " + stamp(a.Window.NextStep)
	case f.noWorker:
		a.Reason += "; no worker answers for " + run.WorkflowID
		a.Advice = "see that workers run: `starter status` lists them"
	default:
		a.Reason += "; its pages are being read"
	}
}

// needsOperator tells of the class of a failure whether it waits for someone.
func needsOperator(class string) bool {
	return class != "" && !cdc.Class(class).Retryable() && cdc.Class(class) != cdc.ClassPageToken
}

// noWindow is of a version whose window has no execution.
func (f *facts) noWindow(a *Answer) {
	age := f.now.Sub(f.found.version.Time())
	switch {
	case f.now.Sub(f.window.End()) >= f.retention:
		a.Verdict = OlderThanRetention
		a.Reason = fmt.Sprintf("the version exists, and its window lies further back (%s) than Temporal keeps closed executions (%s): its ledger, if there was one, is gone, and whether it was published cannot be told",
			age.Round(time.Second), f.retention)
		a.Advice = fmt.Sprintf("to have it published again: `starter replay --name NAME --since %s --until %s --type %s`",
			stamp(f.window.Start), stamp(f.window.End()), f.ask.Type)
	case f.triggers.queued() > 0:
		a.Verdict = WaitingForTrigger
		a.Reason = fmt.Sprintf("no trigger has opened its window yet; %s in the trigger queue, and its trigger may be among them", messagesAre(f.triggers.queued()))
		if f.triggers.NoWorker {
			a.Reason += "; no worker polls the task queue " + f.triggers.TaskQueue
		}
		a.Advice = "see that workers run and take messages from the queue: `starter status` shows both; " + f.captureAdvice("to go on without: ")
	case f.triggers.dead() > 0:
		a.Verdict = WaitingForTrigger
		a.Reason = fmt.Sprintf("no trigger has opened its window; %s in the dead-letter queue, and its trigger may be among them", messagesAre(f.triggers.dead()))
		a.Advice = "the log says why they could not be read; `starter redrive` moves them back; " + f.captureAdvice("to go on without: ")
	case age < lateTrigger:
		a.Verdict = WaitingForTrigger
		a.Reason = fmt.Sprintf("no trigger has opened its window yet; it is %s old, and CloudTrail's records come up to %s late", age.Round(time.Second), lateTrigger)
		a.Advice = f.captureAdvice("to go on without: ")
	case f.triggers.Unknown != "":
		a.Verdict = NoTrigger
		a.Reason = fmt.Sprintf("no trigger has opened its window; it is %s old. Its trigger may wait in the trigger queue or the dead-letter queue, which could not be looked at (%s), or CloudTrail has lost the record",
			age.Round(time.Second), f.triggers.Unknown)
		a.Advice = f.captureAdvice(audits)
	default:
		a.Verdict = NoTrigger
		a.Reason = fmt.Sprintf("no trigger has opened its window; it is %s old and both queues are empty, so CloudTrail has most likely lost the record", age.Round(time.Second))
		a.Advice = f.captureAdvice(audits)
	}
	if f.triggers.NoWorker && f.triggers.queued() == 0 && a.Verdict != OlderThanRetention {
		a.Reason += "; no worker polls the task queue " + f.triggers.TaskQueue
	}
	if f.found.state.Standing != Current {
		a.Reason += "; it " + f.replacement()
		a.Advice = ""
	}
}

// lacking is of a version whose window has closed without it.
func (f *facts) lacking(a *Answer) {
	last := f.capture.runs[len(f.capture.runs)-1]
	if f.capture.open > 0 {
		last = f.capture.runs[f.capture.open-1]
	}
	switch {
	case f.found.state.Standing != Current:
		a.Verdict = Superseded
		a.Reason = "its window has closed without it; it " + f.replacement()
		switch at := f.found.state.ReplacedAt; {
		case !f.swept():
			a.Reason += fmt.Sprintf(" (its window never swept the type: it is %s)", last.Status)
		case !at.IsZero() && !f.found.state.AtLatest && at.After(last.Closed):
			a.Reason += ", after the window had closed: search did not show it in time"
		default:
			a.Reason += ", and search shows only the newest version"
		}
	case !f.swept():
		a.Verdict = Missed
		a.Reason = fmt.Sprintf("its window has ended (%s) without sweeping the type", strings.Join(f.statuses(), ", "))
		a.Advice = f.captureAdvice("")
	default:
		a.Verdict = Missed
		a.Reason = "its window has closed without it: search did not show it up to the last pass"
		a.Advice = f.captureAdvice(audits)
	}
}

func (f *facts) statuses() []string {
	texts := make([]string, len(f.capture.runs))
	for i, run := range f.capture.runs {
		texts[i] = run.Status
	}
	return texts
}

// audits is said of what a scheduled audit mends by itself.
const audits = "the next audit of its span publishes it (`starter status` says through when the store is audited); at once: "

func (f *facts) captureAdvice(prefix string) string {
	return fmt.Sprintf("%s`starter capture --at %s --datastore %s`", prefix, f.found.version.LastUpdated, f.ask.Datastore)
}
