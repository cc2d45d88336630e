package cdc

import "time"

// AuditState is an audit's result, with which the next scheduled audit goes on, and what an
// audit carries over a continue-as-new. Spans lie on windows' edges.
type AuditState struct {
	// StartedAt is when the run started; a continue-as-new keeps it.
	StartedAt time.Time `json:"startedAt"`
	// Audited is the time range of each type, back to the horizon, that was stated or is in
	// Unresolved. It is empty, [t, t), for a type that begins at t.
	Audited map[string]Span `json:"audited,omitempty"`
	// Edges are where audited spans end, ascending, back to the horizon: a type's spans
	// are its Audited, cut at the Edges in it. So statements made again keep their spans.
	Edges []time.Time `json:"edges,omitempty"`
	// Unresolved spans are audited and stated again by each run.
	Unresolved []UnresolvedSpan `json:"unresolved,omitempty"`
	// Pending are the spans that this run is still to audit again: unresolved ones, those
	// with Found versions, and halves of what was too much for one listing.
	Pending []AuditPart `json:"pending,omitempty"`
	// Found are the versions that were found after their span was audited (VersionsAll), and
	// FoundDropped how many more there were than are kept.
	Found        []Version `json:"found,omitempty"`
	FoundDropped int       `json:"foundDropped,omitempty"`
	// Healed is for the statements that are made again.
	Healed []HealedSpan `json:"healed,omitempty"`
	// Expired spans became older than the horizon unaudited or unresolved, in this run.
	Expired []AuditPart `json:"expired,omitempty"`
	// Statements of an audit of one span that count any version, and StatementsOmitted
	// how many more there were than are kept.
	Statements        []Statement `json:"statements,omitempty"`
	StatementsOmitted int         `json:"statementsOmitted,omitempty"`
	// Totals are of this run.
	Totals AuditTotals `json:"totals"`
	// Follow is how far the audit has followed a job; nil for any other audit.
	Follow *FollowState `json:"follow,omitempty"`
}

// FollowState is how far an audit has followed a job: in rounds that heal what is new,
// and at the end by stating the whole time range.
type FollowState struct {
	// Rounds were started, the last one, up to RoundEnd, a window's edge, at RoundStart.
	Rounds     int       `json:"rounds"`
	RoundStart time.Time `json:"roundStart"`
	RoundEnd   time.Time `json:"roundEnd"`
	// LastNew is the start of the last round that found something new, at first the job's.
	LastNew time.Time `json:"lastNew"`
	// Unavailable is set when a type could not be listed in the round for a reason that
	// may pass.
	Unavailable bool `json:"unavailable,omitempty"`
	// CompleteUntil is the start of the oldest window that the round could not complete, or
	// RoundEnd.
	CompleteUntil time.Time `json:"completeUntil"`
	// Stating is set when the rounds are over and the time range is stated.
	Stating bool `json:"stating,omitempty"`
}

// AuditPart is a span of some types.
type AuditPart struct {
	Span  Span     `json:"span"`
	Types []string `json:"types"`
}

// UnresolvedSpan is a span with unresolved types, by its last audit.
type UnresolvedSpan struct {
	Span  Span             `json:"span"`
	Types []UnresolvedType `json:"types"`
	// Runs is how many runs have audited the span, Stuck how many in a row have healed it
	// without progress.
	Runs  int `json:"runs"`
	Stuck int `json:"stuck,omitempty"`
}

// Part is the span with its unresolved types.
func (u UnresolvedSpan) Part() AuditPart {
	part := AuditPart{Span: u.Span}
	for _, t := range u.Types {
		part.Types = append(part.Types, t.Type)
	}
	return part
}

// Why a type of a span is unresolved.
const (
	UnresolvedOpen        = "open"        // an open window has not published everything
	UnresolvedUnknown     = "unknown"     // a window's ledger cannot be read, or is older than the horizon
	UnresolvedMissing     = "missing"     // something is missing after healing
	UnresolvedUnavailable = "unavailable" // the store did not list the type
	UnresolvedUnstated    = "unstated"    // EventBridge rejected the statement
	UnresolvedIncomplete  = "incomplete"  // the store counts more versions than it lists
)

// UnresolvedType is a type of an unresolved span.
type UnresolvedType struct {
	Type   string `json:"type"`
	Reason string `json:"reason"`
	// Class is the store's error, with UnresolvedUnavailable.
	Class Class `json:"class,omitempty"`
	// Missing after the last healing; Open and Unknown are as in TypeAudit.
	Missing int `json:"missing,omitempty"`
	Open    int `json:"open,omitempty"`
	Unknown int `json:"unknown,omitempty"`
}

// HealedSpan is how many versions of a span were healed, by type.
type HealedSpan struct {
	Span  Span           `json:"span"`
	Types map[string]int `json:"types"`
}
