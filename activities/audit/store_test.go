package audit

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/stretchr/testify/require"

	"healthlake-cdc/activities"
	"healthlake-cdc/internal/cdc"
	"healthlake-cdc/internal/healthlake"
	"healthlake-cdc/internal/healthlake/healthlaketest"
)

// fhirStore is the store that is audited.
type fhirStore struct {
	*healthlaketest.Server
	limit int64 // of the client's answers
}

func newStore(t interface{ Cleanup(func()) }, entries ...string) *fhirStore {
	return &fhirStore{Server: healthlaketest.NewServer(t, entries...)}
}

// write adds the next version of a resource.
func (s *fhirStore) write(resourceType, id string, at time.Time) cdc.Version {
	return s.Write(resourceType, id, at, 0, 0).Version
}

// histories are the resources whose history was read.
func (s *fhirStore) histories() []string {
	var ids []string
	for _, c := range s.Made("history", "") {
		if !c.Further {
			ids = append(ids, c.ID)
		}
	}
	return ids
}

// failure is the error of a response with a status; of 0 it is none.
func failure(status int) error {
	if status == 0 {
		return nil
	}
	return &cdc.Error{Status: status}
}

// patientAt is a resource of some size.
func patientAt(id string, after time.Duration, size int) string {
	name, _ := json.Marshal(id)
	return fmt.Sprintf(`{"resourceType":"Patient","id":%s,"meta":{"versionId":"1","lastUpdated":%q},"x":%q}`,
		name, auditStart.Add(after).Format(time.RFC3339Nano), strings.Repeat("x", size))
}

// auditor audits a store, through the real client.
func auditor(t require.TestingT, s *fhirStore, e *engine) *Activities {
	client, err := healthlake.New(healthlake.Config{Endpoint: s.URL, Credentials: aws.AnonymousCredentials{}, MaxBodyBytes: s.limit})
	require.NoError(t, err)
	return auditorOf(client, e)
}

func auditorOf(store activities.Store, e *engine) *Activities {
	logger := slog.New(slog.DiscardHandler)
	return &Activities{
		Reader: &activities.Reader{
			Store: store, Limits: activities.NewLimits(1e6), Observer: silent{}, Logger: logger, MaxEventBytes: 1_000_000,
			Format: cdc.EventFormat{Source: "com.fhir-{type}", DetailType: "Fhir{Type}Changed"},
		},
		Executions: executionsOf(e), Logger: logger,
	}
}

// noted is what the activities say of what they pass over.
type noted struct {
	activities.Observer
	mu      sync.Mutex
	invalid int
}

func (n *noted) Invalid(_, _ string, entries int) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.invalid += entries
}

// world is the activities on top of a store, with what they observe and log.
type world struct {
	*activities.Activities
	audit *Activities
	noted *noted
	log   *bytes.Buffer
}

func (s *fhirStore) world(t *testing.T) world {
	w := world{noted: &noted{}, log: &bytes.Buffer{}}
	w.audit = auditor(t, s, newEngine())
	w.audit.Logger = slog.New(slog.NewTextHandler(w.log, nil))
	w.audit.Reader.Observer, w.audit.Reader.Logger = w.noted, w.audit.Logger
	w.Activities = &activities.Activities{Reader: w.audit.Reader}
	return w
}

var origin = cdc.Origin{
	Datastore: testStore, Cause: cdc.Cause{SourceTime: auditStart, CapturedBy: cdc.ByCloudTrail}, CorrelationID: cdc.WindowAt(testStore, auditStart).ID(),
}

// hydrated hydrates Patients until a type is done, as a window does. It returns what
// came, by id, and the state it ended in.
func hydrated(t *testing.T, a world, request cdc.PageRequest, list bool) (map[string]cdc.Change, cdc.PageState) {
	got := map[string]cdc.Change{}
	request.Type = "Patient"
	for range 200 {
		in := cdc.HydrateInput{Origin: origin, Window: cdc.WindowAt(testStore, auditStart), Salt: salt, Requests: []cdc.PageRequest{request}, List: list}
		text, err := json.Marshal(in)
		require.NoError(t, err)
		require.NoError(t, json.Unmarshal(text, &in)) // as it comes to an activity
		result, err := a.Hydrate(t.Context(), in)
		require.NoError(t, err)
		page := result.Pages[0]
		for _, change := range page.Changes {
			got[change.ID] = change
			request.Known.Add(salt.Hash(change.Version))
		}
		if page.State == cdc.PageDone || page.State == cdc.PageUnavailable {
			return got, page.State
		}
		request.Next, request.Trail = page.Next, page.Trail
	}
	require.Fail(t, "it never ends")
	return nil, ""
}
