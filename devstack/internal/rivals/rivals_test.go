package rivals

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/stretchr/testify/mock"
	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/testsuite"

	"healthlake-cdc/internal/cdc"
	"healthlake-cdc/internal/config"
	"healthlake-cdc/internal/eventbus"
	"healthlake-cdc/internal/healthlake"
)

const datastore = "a1b2c3d4e5f60718293a4b5c6d7e8f90"

var recordTime = time.Date(2026, 11, 23, 15, 4, 5, 0, time.UTC)

func TestParse(t *testing.T) {
	body := fmt.Sprintf(`{"source":"aws.healthlake","detail":{"eventID":"e1","eventName":"UpdateResource","eventTime":"2026-11-23T15:04:05Z",
		"requestParameters":{"datastoreId":%q,"resourceType":"Patient","resourceId":"HIDDEN"},"responseElements":{"statusCode":201}}}`, datastore)
	got, err := parse([]byte(body))
	require.NoError(t, err)
	require.Equal(t, record{EventID: "e1", Name: "UpdateResource", Datastore: datastore, Type: "Patient", Time: recordTime, Status: 201}, got)

	for _, wrong := range []string{"", "{}", `{"detail":{"eventID":"e1"}}`} {
		_, err := parse([]byte(wrong))
		require.Error(t, err)
	}
}

// The table holds two versions for the same when they are of one day and the records of
// one second.
func TestRows(t *testing.T) {
	version := func(id, number, at string) cdc.Version {
		return cdc.Version{Type: "Patient", ID: id, VersionID: number, LastUpdated: at}
	}
	first, later := record{Time: recordTime}, record{Time: recordTime.Add(time.Second)}
	table := table{rows: make(map[row]bool)}
	require.True(t, table.put(rowOf(first, version("a", "1", "2026-11-23T15:04:05Z"))))
	require.False(t, table.put(rowOf(first, version("a", "2", "2026-11-23T15:04:06Z"))), "version 2 is taken for version 1")
	require.True(t, table.put(rowOf(later, version("a", "1", "2026-11-23T15:04:05Z"))), "a record of another second finds it again")
	require.True(t, table.put(rowOf(first, version("b", "1", "2026-11-23T15:04:05Z"))))
	require.True(t, table.put(rowOf(first, version("a", "3", "2026-11-24T00:00:00Z"))))
}

// services are a store that has one page of patients, and a bus.
type services struct {
	mu       sync.Mutex
	queries  []string
	puts     int
	patients int
	// failing makes every search fail, refusing every entry.
	failing, refusing bool
}

func (s *services) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if r.Header.Get("X-Amz-Target") != "" {
		s.puts++
		if s.refusing {
			_, _ = w.Write([]byte(`{"FailedEntryCount":1,"Entries":[{"ErrorCode":"InternalFailure"}]}`))
			return
		}
		_, _ = w.Write([]byte(`{"FailedEntryCount":0,"Entries":[{"EventId":"x"}]}`))
		return
	}
	s.queries = append(s.queries, r.URL.Query()["_lastUpdated"]...)
	if s.failing {
		w.WriteHeader(http.StatusTooManyRequests)
		return
	}
	entries := make([]map[string]any, s.patients)
	for i := range entries {
		entries[i] = map[string]any{"resource": map[string]any{
			"resourceType": "Patient", "id": fmt.Sprint("p", i),
			"meta": map[string]any{"versionId": "1", "lastUpdated": "2026-11-23T15:04:05.500Z"},
		}}
	}
	_ = json.NewEncoder(w).Encode(map[string]any{"resourceType": "Bundle", "type": "searchset", "entry": entries})
}

func newChain(t *testing.T, s *services) *chain {
	t.Helper()
	server := httptest.NewServer(s)
	t.Cleanup(server.Close)
	store, err := healthlake.New(healthlake.Config{Endpoint: server.URL, Region: "us-west-2", Credentials: aws.AnonymousCredentials{}})
	require.NoError(t, err)
	return &chain{
		parts: &parts{
			cfg: &config.Config{ResourceTypes: []string{"Patient"}, EventBus: "b"}, store: store, tally: &tally{},
			format: cdc.EventFormat{Source: "com.fhir-{type}", DetailType: "Fhir{Type}Changed"},
		},
		bus:   eventbus.NewClient(aws.Config{Region: "us-west-2", BaseEndpoint: aws.String(server.URL), Credentials: aws.AnonymousCredentials{}}),
		table: table{rows: make(map[row]bool)},
	}
}

func patientRecord() record {
	return record{EventID: "e", Name: "CreateResource", Datastore: datastore, Type: "Patient", Time: recordTime, Status: 201}
}

func TestOriginSearchesFromTheRecordsTime(t *testing.T) {
	s := &services{patients: 2}
	c := newChain(t, s)
	require.Len(t, c.search(t.Context(), patientRecord()), 2)
	require.Equal(t, "ge2026-11-23T15:04:05.000Z", s.queries[0])
	require.Greater(t, s.queries[1], "lt2126", "there is an upper bound")

	s.failing = true
	require.Empty(t, c.search(t.Context(), patientRecord()))
	require.Equal(t, Counts{Searches: 2, FailedSearches: 1, Found: 2}, c.tally.now())
}

func TestOriginPublishesOnceForARecordsSecond(t *testing.T) {
	s := &services{patients: 2}
	c := newChain(t, s)
	resource := func(id, version string) cdc.Resource {
		return cdc.Resource{
			Version: cdc.Version{Type: "Patient", ID: id, VersionID: version, LastUpdated: "2026-11-23T15:04:05.500Z"},
			Body:    []byte(`{"resourceType":"Patient"}`),
		}
	}
	c.publish(t.Context(), patientRecord(), resource("a", "1"))
	c.publish(t.Context(), patientRecord(), resource("a", "2"))
	require.Equal(t, 1, s.puts)
	require.Equal(t, Counts{Duplicates: 1, WriteUnits: 2}, c.tally.now())

	s.refusing = true
	c.publish(t.Context(), patientRecord(), resource("b", "1"))
	c.publish(t.Context(), patientRecord(), resource("b", "1"))
	require.Equal(t, 2, s.puts, "what failed is in the table, and never sent again")
	require.Equal(t, 1, c.tally.now().FailedPuts)
}

func TestOriginTakesCreatesAndUpdatesThatNameAType(t *testing.T) {
	for name, change := range map[string]func(*record){
		"a bundle":               func(r *record) { r.Name, r.Type = "ProcessBundle", "" },
		"a delete":               func(r *record) { r.Name = "DeleteResource" },
		"a status of 202":        func(r *record) { r.Status = 202 },
		"a type that is not set": func(r *record) { r.Type = "Basic" },
	} {
		c := newChain(t, &services{})
		r := patientRecord()
		change(&r)
		require.NoError(t, c.handle(t.Context(), r), name)
		require.Equal(t, Counts{Ignored: 1}, c.tally.now(), name)
	}
}

func TestCaptureTriggerWaitsBeforeItSearches(t *testing.T) {
	var suite testsuite.WorkflowTestSuite
	env := suite.NewTestWorkflowEnvironment()
	env.RegisterActivity(&activities{})
	in := TriggerInput{Types: []string{"Patient"}, Span: cdc.Span{From: recordTime.Add(-5 * time.Second), To: recordTime.Add(time.Second)}}
	began := env.Now()
	var searched time.Time
	env.OnActivity("StartChanges", mock.Anything, in).Return(nil).Run(func(mock.Arguments) { searched = env.Now() })
	env.ExecuteWorkflow(CaptureTrigger, in)
	require.NoError(t, env.GetWorkflowError())
	require.GreaterOrEqual(t, searched.Sub(began), Settle)
}

func TestChangeIDsAreOneAVersion(t *testing.T) {
	require.Equal(t, "change/Patient/a/2", changeID(cdc.Version{Type: "Patient", ID: "a", VersionID: "2"}))
	var r recent
	require.True(t, r.add("x"))
	require.False(t, r.add("x"))
	r.remove("x")
	require.True(t, r.add("x"))
}
