package cdc

import (
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"time"
)

// How statements are named on the bus.
const (
	StatementSource     = "healthlake-cdc"
	StatementDetailType = "FhirAuditStatement"
)

// Statement says what the store holds of one type and span and what was published. Its
// JSON, the detail of a StatementDetailType event, is fixed.
type Statement struct {
	DatastoreID  string    `json:"datastoreId"`
	ResourceType string    `json:"resourceType"`
	From         time.Time `json:"from"`
	To           time.Time `json:"to"`
	Versions     string    `json:"versions"`
	// AuditFigures after healing.
	AuditFigures
	// Digest is the hex SHA-256 of the sorted idempotency keys of InStore, joined
	// by newlines.
	Digest string `json:"digest"`
	// HistoryUnavailable is of how many resources the store gave no history, with
	// versions "all" only: their earlier versions are not in InStore.
	HistoryUnavailable int `json:"historyUnavailable,omitempty"`
}

var digestPattern = regexp.MustCompile(`^[0-9a-f]{64}$`)

// Validate returns why a statement cannot be published.
func (s Statement) Validate() error {
	switch {
	case !ValidDatastore(s.DatastoreID):
		return errors.New("statement names no valid datastore id")
	case !ValidType(s.ResourceType):
		return errors.New("statement names no valid resource type")
	case !s.From.Equal(floor(s.From)) || !s.To.Equal(floor(s.To)) || !s.To.After(s.From):
		return errors.New("statement's span does not lie on windows' edges")
	case s.Versions != VersionsLatest && s.Versions != VersionsAll:
		return fmt.Errorf("statement's versions are neither %s nor %s", VersionsLatest, VersionsAll)
	case min(s.Published, s.Missing, s.Healed, s.Skipped, s.Superseded, s.Open, s.Unreadable,
		s.Deletes.Exact, s.Deletes.Unresolved, s.Deletes.Contradicted, s.HistoryUnavailable) < 0:
		return errors.New("statement has a negative figure")
	case s.InStore != s.Published+s.Missing+s.Skipped+s.Open:
		return errors.New("statement's figures do not add up: inStore is published + missing + skipped + open")
	case !digestPattern.MatchString(s.Digest):
		return errors.New("statement's digest is not a SHA-256 in hex")
	}
	return nil
}

// Event builds the statement's event; now becomes its time.
func (s Statement) Event(now time.Time) (Event, error) {
	if err := s.Validate(); err != nil {
		return Event{}, fmt.Errorf("building event: %w", err)
	}
	s.From, s.To = s.From.UTC(), s.To.UTC()
	detail, err := json.Marshal(s)
	if err != nil {
		return Event{}, fmt.Errorf("building event: %w", err)
	}
	return Event{Source: StatementSource, DetailType: StatementDetailType, Time: now, Detail: detail}, nil
}
