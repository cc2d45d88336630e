package cdc

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func statement() Statement {
	from := time.Date(2026, 3, 4, 6, 0, 0, 0, time.FixedZone("CET", 3600))
	return Statement{
		DatastoreID: "store", ResourceType: "Patient", From: from, To: from.Add(10 * time.Minute),
		Versions: VersionsLatest, AuditFigures: AuditFigures{InStore: 11, Published: 3, Missing: 2, Open: 5, Unreadable: 7, Healed: 1, Skipped: 1, Superseded: 4, Deletes: DeleteCounts{Exact: 1, Unresolved: 2, Contradicted: 3}}, Digest: strings.Repeat("0f", 32),
	}
}

func TestStatementEvent(t *testing.T) {
	now := time.Date(2026, 3, 4, 5, 40, 0, 0, time.UTC)
	event, err := statement().Event(now)
	require.NoError(t, err)
	require.Equal(t, "healthlake-cdc", event.Source)
	require.Equal(t, "FhirAuditStatement", event.DetailType)
	require.Equal(t, now, event.Time)
	require.Equal(t, `{"datastoreId":"store","resourceType":"Patient","from":"2026-03-04T05:00:00Z","to":"2026-03-04T05:10:00Z",`+
		`"versions":"latest","inStore":11,"published":3,"missing":2,"healed":1,"skipped":1,"superseded":4,`+
		`"deletes":{"exact":1,"unresolved":2,"contradicted":3},"open":5,"unreadable":7,"digest":"`+strings.Repeat("0f", 32)+`"}`, string(event.Detail))

	all := statement()
	all.Versions, all.HistoryUnavailable = VersionsAll, 5
	event, err = all.Event(now)
	require.NoError(t, err)
	var detail map[string]any
	require.NoError(t, json.Unmarshal(event.Detail, &detail))
	require.EqualValues(t, 5, detail["historyUnavailable"])
}

func TestStatementThatIsNoneIsRejected(t *testing.T) {
	for name, spoil := range map[string]func(*Statement){
		"no store":           func(s *Statement) { s.DatastoreID = "" },
		"no type":            func(s *Statement) { s.ResourceType = "patient" },
		"off the edge":       func(s *Statement) { s.From = s.From.Add(time.Second) },
		"end off the edge":   func(s *Statement) { s.To = s.To.Add(time.Nanosecond) },
		"empty span":         func(s *Statement) { s.To = s.From },
		"other versions":     func(s *Statement) { s.Versions = "some" },
		"negative figure":    func(s *Statement) { s.Superseded = -1 },
		"figures do not add": func(s *Statement) { s.InStore++ },
		"short digest":       func(s *Statement) { s.Digest = "0f" },
	} {
		s := statement()
		spoil(&s)
		_, err := s.Event(time.Now())
		require.Error(t, err, name)
	}
}
