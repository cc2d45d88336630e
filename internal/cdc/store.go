package cdc

import (
	"crypto/sha256"
	"time"
)

// PageSize is how many resources a page is asked to hold: HealthLake's largest _count
// (HealthLake developer guide, "FHIR search parameters").
const PageSize = 100

// SearchRequest asks for a page of one type's versions of a span.
type SearchRequest struct {
	Datastore string
	Type      string
	// Span is what is wanted. The client asks for a margin on both sides, since stores read
	// boundaries differently; the caller filters.
	Span Span
	// ID asks for one resource only (_id); empty for all.
	ID string
	// IDsOnly asks for id and meta only (_elements=id,meta).
	IDsOnly bool
	// Next is the Page.Next that leads to a further page; empty for the first. What the page
	// is of is in the link.
	Next string
}

// Resource is one version as the store gave it.
type Resource struct {
	Version
	// Body is the resource byte for byte; nil on pages of ids, and of a tombstone.
	Body []byte
	// Deleted is set on a tombstone, which a history has for a delete.
	Deleted bool
}

// Page is one page of a search, or of a resource's history, newest version first.
type Page struct {
	Resources []Resource
	// Next leads to the following page; empty on the last one. It may hold patient data.
	Next string
	// Total is how many matches the whole search has, -1 when the store did not say.
	Total int
	// Date is the response's Date header, in whole seconds; zero when there was none.
	Date       time.Time
	Unreadable []Unreadable
	// IDsOnly is set when the resources have no bodies, also when they were asked for: a
	// page that was too large is requested again as one of ids.
	IDsOnly bool
}

// Unreadable is an entry of a page that is no readable version of the type, or of the
// history's resource: it has no valid id, version or time, or is no JSON.
type Unreadable struct {
	// Digest is of its bytes, so that an entry that is listed twice counts once.
	Digest Digest
	// LastUpdated is its time, zero where that cannot be read either.
	LastUpdated time.Time
}

// Digest is a SHA-256.
type Digest [sha256.Size]byte

// In reports whether the entry lies, or may lie, in a span.
func (u Unreadable) In(span Span) bool {
	return u.LastUpdated.IsZero() || span.Contains(u.LastUpdated)
}
