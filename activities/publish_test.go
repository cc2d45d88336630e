package activities

import (
	"context"
	"encoding/json"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/testsuite"

	"healthlake-cdc/internal/cdc"
	"healthlake-cdc/internal/payload"
)

// busFunc is a bus in a function.
type busFunc func(events []cdc.Event, accepted []string, progress func([]string)) (cdc.PublishResult, error)

func (f busFunc) Publish(_ context.Context, batch cdc.Batch, accepted []string, progress func([]string)) (cdc.PublishResult, error) {
	var events []cdc.Event
	for i := range batch.Len() {
		if event, err := batch.Event(i); err == nil {
			events = append(events, event)
		}
	}
	return f(events, accepted, progress)
}

type countingObserver struct {
	full, references, deletes int
	audited                   []cdc.Statement
}

func (o *countingObserver) Published(_, _, payload string, _ int, _, _ time.Time) {
	switch payload {
	case cdc.PayloadFull:
		o.full++
	case cdc.PayloadReference:
		o.references++
	default:
		o.deletes++
	}
}
func (o *countingObserver) Invalid(string, string, int) {}
func (o *countingObserver) Audited(s cdc.Statement) {
	o.audited = append(o.audited, s)
}

// batch is a Publish's input of versions with these ids.
func batch(resourceType string, ids ...string) cdc.PublishInput {
	var in cdc.PublishInput
	for _, id := range ids {
		in.Changes = append(in.Changes, cdc.Change{Version: version(resourceType, id), Body: cdc.NewBody([]byte("{}"))})
	}
	return in
}

func version(resourceType, id string) cdc.Version {
	return cdc.Version{Type: resourceType, ID: id, VersionID: "1", LastUpdated: "2026-03-01T12:00:01.000Z"}
}

// publishEnv is an activity environment with a Publish on top of a bus.
func publishEnv(t *testing.T, b busFunc) (*testsuite.TestActivityEnvironment, *Activities, *countingObserver, *[][]string) {
	t.Helper()
	var suite testsuite.WorkflowTestSuite
	env := suite.NewTestActivityEnvironment()
	env.SetDataConverter(payload.NewPlainConverter())
	observer := &countingObserver{}
	a := &Activities{Bus: func(string) Bus { return b }, Reader: &Reader{
		Observer: observer, Logger: slog.New(slog.DiscardHandler),
		Format: cdc.EventFormat{Source: "com.fhir-{type}", DetailType: "Fhir{Type}Changed"},
	}}
	env.RegisterActivity(a)
	heartbeats := new([][]string)
	a.Heartbeats = heartbeatFunc(func(options client.RecordActivityHeartbeatOptions) error {
		require.NotEmpty(t, options.TaskToken)
		require.NotEmpty(t, options.WorkflowID, "details are bound to their workflow")
		*heartbeats = append(*heartbeats, options.Details[0].([]string))
		return nil
	})
	return env, a, observer, heartbeats
}

// heartheartbeatFunc is a function that records heartbeats.
type heartbeatFunc func(options client.RecordActivityHeartbeatOptions) error

func (f heartbeatFunc) RecordActivityHeartbeatWithOptions(_ context.Context, options client.RecordActivityHeartbeatOptions) error {
	return f(options)
}

func TestPublishGoesOnFromItsHeartbeat(t *testing.T) {
	in := batch("Patient", "a", "b", "c")
	in.Origin.Datastore = testStore
	var given []string
	env, a, observer, _ := publishEnv(t, func(events []cdc.Event, accepted []string, _ func([]string)) (cdc.PublishResult, error) {
		require.Len(t, events, 3)
		given = append(given, accepted...)
		return cdc.PublishResult{EventIDs: []string{"e1", "e2", "e3"}}, nil
	})
	env.SetHeartbeatDetails([]string{"e1", "", "e3"})
	_, err := env.ExecuteActivity(a.Publish, in)
	require.NoError(t, err)
	require.Equal(t, []string{"e1", "", "e3"}, given)
	require.Equal(t, 3, observer.full)
}

func TestPublishThatIsDoneAtOnceRecordsNoHeartbeat(t *testing.T) {
	in := batch("Patient", "a", "b")
	env, a, _, heartbeats := publishEnv(t, func(_ []cdc.Event, accepted []string, progress func([]string)) (cdc.PublishResult, error) {
		progress([]string{"e1", ""})
		progress([]string{"e1", "e2"})
		return cdc.PublishResult{EventIDs: []string{"e1", "e2"}}, nil
	})
	_, err := env.ExecuteActivity(a.Publish, in)
	require.NoError(t, err)
	require.Empty(t, *heartbeats, "each recorded heartbeat is billed")
}

func TestPublishThatFailsRecordsWhatWasAccepted(t *testing.T) {
	in := batch("Patient", "a", "b")
	throttled := &cdc.Error{Op: "PutEvents", Class: cdc.ClassThrottled, Code: "ThrottlingException"}
	env, a, observer, heartbeats := publishEnv(t, func(_ []cdc.Event, _ []string, progress func([]string)) (cdc.PublishResult, error) {
		progress([]string{"e1", ""})
		return cdc.PublishResult{}, throttled
	})
	_, err := env.ExecuteActivity(a.Publish, in)
	var failure *temporal.ApplicationError
	require.ErrorAs(t, err, &failure)
	require.Equal(t, string(cdc.ClassThrottled), failure.Type())
	require.Equal(t, [][]string{{"e1", ""}}, *heartbeats)
	require.Zero(t, observer.full)
}

// Of what is no version no event can be built; the others' are, with their bodies.
func TestEventsAreBuiltAsTheyAreSent(t *testing.T) {
	in := batch("Patient", "a", "b")
	in.Origin.Datastore = testStore
	in.Changes = append(in.Changes, cdc.Change{Version: cdc.Version{Type: "Patient", ID: "SECRET"}}, in.Changes[0])
	var packer cdc.Packer
	for i := range in.Changes {
		in.Changes[i].Body = packer.Move(in.Changes[i].Body)
	}
	env, a, _, _ := publishEnv(t, func(events []cdc.Event, _ []string, _ func([]string)) (cdc.PublishResult, error) {
		require.Len(t, events, 3)
		for _, event := range events {
			require.Contains(t, string(event.Detail), `"data":{}`)
		}
		return cdc.PublishResult{EventIDs: []string{"e1", "e2", "", "e4"}, Rejected: []cdc.Rejection{{Index: 2, Code: "NoEventCanBeBuilt"}}}, nil
	})
	value, err := env.ExecuteActivity(a.Publish, in)
	require.NoError(t, err)
	var result cdc.PublishResult
	require.NoError(t, value.Get(&result))
	require.Equal(t, []string{"e1", "e2", "", "e4"}, result.EventIDs)
}

// What an earlier Publish of the same batch had accepted is not sent again.
func TestPublishGoesOnFromAnEarlierOne(t *testing.T) {
	env, a, _, _ := publishEnv(t, func(_ []cdc.Event, accepted []string, _ func([]string)) (cdc.PublishResult, error) {
		require.Equal(t, []string{"e1", ""}, accepted)
		return cdc.PublishResult{EventIDs: []string{"e1", "e2"}}, nil
	})
	change := cdc.Change{Version: version("Patient", "a"), Body: cdc.NewBody([]byte(`{}`))}
	_, err := env.ExecuteActivity(a.Publish, cdc.PublishInput{
		Origin: cdc.Origin{Datastore: testStore}, Changes: []cdc.Change{change, change}, Accepted: []string{"e1", ""},
	})
	require.NoError(t, err)
}

func TestRejectedDeleteIsNotObserved(t *testing.T) {
	for _, c := range []struct {
		result  cdc.PublishResult
		deletes int
	}{
		{cdc.PublishResult{EventIDs: []string{"e"}}, 1},
		{cdc.PublishResult{EventIDs: []string{""}, Rejected: []cdc.Rejection{{Index: 0, Code: "Refused"}}}, 0},
	} {
		env, a, observer, _ := publishEnv(t, func([]cdc.Event, []string, func([]string)) (cdc.PublishResult, error) { return c.result, nil })
		in := cdc.PublishInput{Origin: cdc.Origin{Datastore: testStore}, Delete: &cdc.Delete{EventID: "e1", EventTime: time.Unix(1_700_000_000, 0)}}
		_, err := env.ExecuteActivity(a.Publish, in)
		require.NoError(t, err)
		require.Equal(t, c.deletes, observer.deletes)
	}
}

// statementsOf are statements of a span, one a type.
func statementsOf(types ...string) cdc.PublishInput {
	from := time.Unix(1_700_000_000, 0).UTC()
	in := cdc.PublishInput{Origin: cdc.Origin{Datastore: testStore, Cause: cdc.Cause{CapturedBy: cdc.ByAudit}}}
	for i, name := range types {
		in.Statements = append(in.Statements, cdc.Statement{
			DatastoreID: testStore, ResourceType: name, From: from, To: from.Add(time.Minute), Versions: cdc.VersionsLatest,
			AuditFigures: cdc.AuditFigures{InStore: i, Published: i}, Digest: strings.Repeat("a", 64),
		})
	}
	return in
}

func TestStatementsGoOnTheBusAndAreObservedWhereAccepted(t *testing.T) {
	in := statementsOf("Patient", "Observation", "Encounter")
	var sent []cdc.Event
	env, a, observer, _ := publishEnv(t, func(events []cdc.Event, accepted []string, _ func([]string)) (cdc.PublishResult, error) {
		sent = events
		require.Equal(t, []string{"e1", "", ""}, accepted, "a retry goes on from its heartbeat")
		return cdc.PublishResult{EventIDs: []string{"e1", "", "e3"}, Rejected: []cdc.Rejection{{Index: 1, Code: "Refused"}}}, nil
	})
	env.SetHeartbeatDetails([]string{"e1", "", ""})
	value, err := env.ExecuteActivity(a.Publish, in)
	require.NoError(t, err)
	var result cdc.PublishResult
	require.NoError(t, value.Get(&result))
	require.Equal(t, []cdc.Rejection{{Index: 1, Code: "Refused"}}, result.Rejected)

	require.Len(t, sent, 3)
	for i, event := range sent {
		require.Equal(t, cdc.StatementSource, event.Source)
		require.Equal(t, cdc.StatementDetailType, event.DetailType)
		want, err := json.Marshal(in.Statements[i])
		require.NoError(t, err)
		require.Equal(t, string(want), string(event.Detail))
	}
	require.Equal(t, []cdc.Statement{in.Statements[0], in.Statements[2]}, observer.audited)
	require.Zero(t, observer.full+observer.references+observer.deletes)
}

func TestStatementThatDoesNotAddUpIsNotPublished(t *testing.T) {
	env, a, observer, _ := publishEnv(t, nil)
	in := statementsOf("Patient")
	in.Statements[0].Missing = 1
	_, err := env.ExecuteActivity(a.Publish, in)
	var failure *temporal.ApplicationError
	require.ErrorAs(t, err, &failure)
	require.True(t, failure.NonRetryable())
	require.Empty(t, observer.audited)
}
