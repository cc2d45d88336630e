package cdc

import "time"

// PublishDeleteInput starts a PublishDelete.
type PublishDeleteInput struct {
	Origin Origin `json:"origin"`
	Delete Delete `json:"delete"`
	// Attributes is set when our search attributes are registered.
	Attributes bool `json:"attributes,omitempty"`
	// Resume is where the delete goes on after a continue-as-new; Read is set when the
	// resource was read before that, and Delete holds the Tombstone.
	Resume Retry `json:"resume,omitzero"`
	Read   bool  `json:"read,omitempty"`
}

// PublishDeleteResult is the result of a PublishDelete. Audits count it.
type PublishDeleteResult struct {
	Type      string    `json:"type,omitempty"`
	EventTime time.Time `json:"eventTime"`
	// Exact is set when the deleted resource was known.
	Exact bool `json:"exact,omitempty"`
	// Skipped is set when an operator skipped it: it was not published.
	Skipped bool `json:"skipped,omitempty"`
	// Contradicted is set when it was not published: the store shows the resource alive, and
	// no delete of that time in its history.
	Contradicted bool `json:"contradicted,omitempty"`
}

// ReadDeleteInput asks the store about a resource that was reported as deleted.
type ReadDeleteInput struct {
	Origin Origin `json:"origin"`
	Delete Delete `json:"delete"`
}

// ReadDeleteResult is what the store says of a delete. It is confirmed when Gone or
// when there is a Tombstone.
type ReadDeleteResult struct {
	// Gone is set when a read of the resource finds nothing, or a tombstone.
	Gone bool `json:"gone,omitempty"`
	// Final is set when reading it again later would bring nothing more: history has
	// the delete, or there is no history of the resource, which is gone.
	Final bool `json:"final,omitempty"`
	// Tombstone is the delete in history. Unless Final it is that of an earlier
	// delete, after which history has nothing so far.
	Tombstone *Tombstone `json:"tombstone,omitempty"`
	// NoHistory is the class of the error when the store does not let us look at the
	// history of a resource that is gone.
	NoHistory Class  `json:"noHistory,omitempty"`
	Counts    Counts `json:"counts"`
}
