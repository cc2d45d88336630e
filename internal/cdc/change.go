package cdc

import (
	"errors"
	"fmt"
	"time"
)

// Version names one version of one resource of a datastore.
type Version struct {
	// Type is the FHIR resource type, as in "Patient".
	Type string `json:"type"`
	// ID is the FHIR logical id. It counts as patient data: payloads only.
	ID string `json:"id"`
	// VersionID is meta.versionId, a decimal string from "1" in HealthLake.
	VersionID string `json:"version"`
	// LastUpdated is meta.lastUpdated as the store wrote it, in RFC 3339.
	LastUpdated string `json:"lastUpdated"`
}

// Time is LastUpdated parsed; the zero time when it is not RFC 3339.
func (v Version) Time() time.Time {
	t, err := time.Parse(time.RFC3339Nano, v.LastUpdated)
	if err != nil {
		return time.Time{}
	}
	return t.UTC()
}

// Validate says what a version lacks to be published, without saying its id.
func (v Version) Validate() error {
	switch {
	case !ValidType(v.Type):
		return errors.New("resource has no valid resourceType")
	case !UsableID(v.ID):
		return errors.New("resource has no valid id")
	case !UsableVersion(v.VersionID):
		return errors.New("resource has no valid meta.versionId")
	}
	if _, err := time.Parse(time.RFC3339Nano, v.LastUpdated); err != nil {
		return errors.New("resource has no valid meta.lastUpdated")
	}
	return nil
}

// Key is a version's full name within its datastore and type. What lists a store compares
// keys: who writes to the store may choose ids whose short hashes are the same.
type Key struct{ ID, VersionID string }

// Key is the version's.
func (v Version) Key() Key { return Key{ID: v.ID, VersionID: v.VersionID} }

// IdempotencyKey is the same at every delivery of this version, replays included.
func (v Version) IdempotencyKey(datastore string) string {
	return fmt.Sprintf("%s/%s/%s/_history/%s", datastore, v.Type, v.ID, v.VersionID)
}

// Why a change travels without its body.
const (
	ReasonConfigured = "configured" // CDC_EVENT_PAYLOAD=reference
	ReasonOversize   = "oversize"   // larger than CDC_MAX_EVENT_BYTES allows
)

// Change is a version to publish.
type Change struct {
	Version
	// Body is the resource; none for a reference. It travels beside the JSON.
	Body Body `json:"-"`
	// Reason says why there is no Body.
	Reason string `json:"reason,omitempty"`
}

func bodiesOf(changes []Change, to []*Body) []*Body {
	for i := range changes {
		to = append(to, &changes[i].Body)
	}
	return to
}

// Delete is a deletion that a record, usually without an id, or a notification reports.
type Delete struct {
	// EventID is the id of the CloudTrail or notification event.
	EventID string `json:"eventId"`
	// Type is the resource type, empty where the record has none.
	Type string `json:"type,omitempty"`
	// EventTime is when the call completed, by the record.
	EventTime time.Time `json:"eventTime"`
	// Scope is ScopeBulk for a bulk delete, else empty.
	Scope string `json:"scope,omitempty"`
	// ResourceID is of an exact delete, which has a Type: the FHIR logical id.
	ResourceID string `json:"resourceId,omitempty"`
	// Tombstone is what history has of an exact delete.
	Tombstone *Tombstone `json:"tombstone,omitempty"`
}

// Exact reports whether the deleted resource is known.
func (d Delete) Exact() bool { return d.ResourceID != "" }

// Tombstone is the version that a delete makes in a resource's history, and the body
// that the resource had last.
type Tombstone struct {
	// VersionID is the tombstone's own, empty where the store does not say.
	VersionID string `json:"version,omitempty"`
	// LastUpdated is when it was written, in RFC 3339; empty where the store does not say.
	LastUpdated string `json:"lastUpdated,omitempty"`
	// Body is empty where history has none, or where Reason says why it does not travel.
	Body   []byte `json:"body,omitempty"`
	Reason string `json:"reason,omitempty"`
}

// Time is LastUpdated parsed; the zero time when it is not RFC 3339.
func (t Tombstone) Time() time.Time { return Version{LastUpdated: t.LastUpdated}.Time() }

// ScopeBulk marks an unresolved delete of many resources.
const ScopeBulk = "bulk"
