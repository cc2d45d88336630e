package cdc

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// idTime is how a time stands in a workflow ID: whole seconds, UTC.
const idTime = "2006-01-02T15:04:05Z"

// The first element of our workflow IDs.
const (
	windowPrefix   = "window/"
	replayPrefix   = "replay/"
	backfillPrefix = "backfill/"
	deletePrefix   = "delete/"
	auditPrefix    = "audit/"
	dryRunPrefix   = "dry-run/"
)

func notA(id, whose string) error { return fmt.Errorf("workflow ID %q is not a %s", id, whose) }

// ID is the workflow ID of the window's first run, and the dedup.
func (w Window) ID() string {
	return WindowPrefix(w.Datastore) + w.Start.UTC().Format(idTime)
}

// RerunID is the workflow ID of the window's n-th rerun; 0 is the first run.
func (w Window) RerunID(n int) string {
	if n == 0 {
		return w.ID()
	}
	return w.ID() + "/r" + strconv.Itoa(n)
}

// ParseWindowID is the inverse of RerunID.
func ParseWindowID(id string) (Window, int, error) {
	parts := strings.Split(strings.TrimPrefix(id, windowPrefix), "/")
	if !strings.HasPrefix(id, windowPrefix) || len(parts) < 2 || len(parts) > 3 {
		return Window{}, 0, fmt.Errorf("workflow ID %q is not a window's: want %s{datastore}/{start}", id, windowPrefix)
	}
	start, err := time.Parse(idTime, parts[1])
	if err != nil {
		return Window{}, 0, fmt.Errorf("workflow ID %q has no window start", id)
	}
	window := Window{Datastore: parts[0], Start: start}
	if err := window.Validate(); err != nil {
		return Window{}, 0, fmt.Errorf("workflow ID %q: %w", id, err)
	}
	rerun := 0
	if len(parts) == 3 {
		n, err := strconv.Atoi(strings.TrimPrefix(parts[2], "r"))
		if err != nil || n < 1 || parts[2] != "r"+strconv.Itoa(n) {
			return Window{}, 0, fmt.Errorf("workflow ID %q: %q is not a rerun, want r1, r2 …", id, parts[2])
		}
		rerun = n
	}
	if window.RerunID(rerun) != id { // time.Parse accepts several spellings of a time
		return Window{}, 0, fmt.Errorf("workflow ID %q: its window start is not spelled as in 2026-01-31T00:00:10Z", id)
	}
	return window, rerun, nil
}

// WindowPrefix is how the workflow IDs of a datastore's windows begin.
func WindowPrefix(datastore string) string { return windowPrefix + datastore + "/" }

// SliceID is the workflow ID of the k-th slice that an execution starts.
func SliceID(parent, resourceType string, from time.Time, k int) string {
	return fmt.Sprintf("%s/%s/%s/%d", parent, resourceType, from.UTC().Format(idTime), k)
}

// ParseSliceID is the inverse of SliceID, for windows, reruns, replays and backfills.
func ParseSliceID(id string) (parent, resourceType string, from time.Time, k int, err error) {
	parts := strings.Split(id, "/")
	n := len(parts)
	if n < 5 {
		return "", "", time.Time{}, 0, notA(id, "slice's")
	}
	k, errK := strconv.Atoi(parts[n-1])
	from, errFrom := time.Parse(idTime, parts[n-2])
	resourceType = parts[n-3]
	parent = strings.Join(parts[:n-3], "/")
	_, _, notWindow := ParseWindowID(parent)
	_, _, notRange := ParseRangeID(parent)
	if errK != nil || errFrom != nil || k < 1 || !ValidType(resourceType) || notWindow != nil && notRange != nil ||
		SliceID(parent, resourceType, from, k) != id {
		return "", "", time.Time{}, 0, notA(id, "slice's")
	}
	return parent, resourceType, from, k, nil
}

// AuditScheduleID is the ID of the datastore's schedule of audits.
func AuditScheduleID(datastore string) string { return auditPrefix + datastore }

// scheduledTime is what Temporal adds to the IDs of executions that a schedule starts:
// audit/{datastore}-2026-01-31T00:15:00Z.
const scheduledTime = "-" + idTime

// ParseScheduledAuditID is the datastore of an audit that its schedule has started.
func ParseScheduledAuditID(id string) (datastore string, err error) {
	rest, found := strings.CutPrefix(id, auditPrefix)
	cut := len(rest) - len(scheduledTime)
	if !found || cut < 1 || !ValidDatastore(rest[:cut]) {
		return "", notA(id, "scheduled audit's")
	}
	if _, err := time.Parse(scheduledTime, rest[cut:]); err != nil {
		return "", notA(id, "scheduled audit's")
	}
	return rest[:cut], nil
}

// AuditID is the workflow ID of an audit of one span: audit/{datastore}/{from}/{to}.
func AuditID(datastore string, span Span) string {
	return auditPrefix + datastore + "/" + span.From.UTC().Format(idTime) + "/" + span.To.UTC().Format(idTime)
}

// ImportAuditID is the workflow ID of the audit of an import, by the id of its job: a
// repeated event audits once.
func ImportAuditID(datastore, jobID string) string {
	return auditPrefix + datastore + "/import/" + jobID
}

// JobAuditID is the workflow ID of the audit that follows an asynchronous job, by the id
// of the CloudTrail event of its start: a repeated record follows once.
func JobAuditID(datastore, eventID string) string {
	return auditPrefix + datastore + "/job/" + eventID
}

// BackfillID is a backfill's workflow ID: one named twice runs once.
func BackfillID(name string) string { return backfillPrefix + name }

var namePattern = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$`)

// ValidName reports whether an operator may give a range this name: 1 to 100
// letters, digits, dots, hyphens and underscores, starting with a letter or a
// digit. Names stand in workflow IDs and in events, so no patient data.
func ValidName(name string) bool { return namePattern.MatchString(name) }

// ReplayID is a replay's workflow ID.
func ReplayID(name string) string { return replayPrefix + name }

// ParseRangeID is the inverse of ReplayID and BackfillID.
func ParseRangeID(id string) (name string, replay bool, err error) {
	kind, name, _ := strings.Cut(id, "/")
	replay = kind+"/" == replayPrefix
	if !replay && kind+"/" != backfillPrefix || !ValidName(name) {
		return "", false, notA(id, "replay's or backfill's")
	}
	return name, replay, nil
}

// DryRunID is the workflow ID of the dry run of a replay or a backfill, whose name stays
// free: dry-run/replay/{name}.
func DryRunID(rangeID string) string { return dryRunPrefix + rangeID }

// rangeAudit stands between a range's ID and the datastore of its audit.
const rangeAudit = "/audit/"

// RangeAuditID is the workflow ID of the audit that a backfill, or its dry run,
// makes of the recent part of its span: {backfill's ID}/audit/{datastore}.
func RangeAuditID(parent, datastore string) string { return parent + rangeAudit + datastore }

// ParseRangeAuditID is the inverse of RangeAuditID.
func ParseRangeAuditID(id string) (parent, datastore string, err error) {
	parent, datastore, found := strings.Cut(id, rangeAudit)
	_, replay, notRange := ParseRangeID(strings.TrimPrefix(parent, dryRunPrefix))
	if !found || replay || notRange != nil || !ValidDatastore(datastore) {
		return "", "", notA(id, "backfill audit's")
	}
	return parent, datastore, nil
}

// eventIDPattern is of ids that may stand in a workflow ID (AWS gives UUIDs).
var eventIDPattern = regexp.MustCompile(`^[A-Za-z0-9._:-]{1,128}$`)

// ValidEventID reports whether id can be that of a CloudTrail or notification event.
func ValidEventID(id string) bool { return eventIDPattern.MatchString(id) }

// DeleteID is the workflow ID that publishes the delete of one CloudTrail or notification
// event: a repeated one publishes once.
func DeleteID(datastore, eventID string) string {
	return deletePrefix + datastore + "/" + eventID
}

// ParseDeleteID is the inverse of DeleteID.
func ParseDeleteID(id string) (datastore, eventID string, err error) {
	rest, found := strings.CutPrefix(id, deletePrefix)
	datastore, eventID, cut := strings.Cut(rest, "/")
	if !found || !cut || !ValidDatastore(datastore) || !ValidEventID(eventID) {
		return "", "", notA(id, "delete's")
	}
	return datastore, eventID, nil
}
