package simulator_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"healthlake-cdc/devstack/internal/fhirclient"
	"healthlake-cdc/devstack/internal/simulator"
)

// mailbox keeps the events that the service sends by itself.
type mailbox struct {
	mu     sync.Mutex
	events []simulator.Event
}

func (m *mailbox) add(e simulator.Event) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.events = append(m.events, e)
}

func (m *mailbox) wait(t *testing.T, n int) []simulator.Event {
	t.Helper()
	var events []simulator.Event
	require.Eventually(t, func() bool {
		m.mu.Lock()
		defer m.mu.Unlock()
		events = append([]simulator.Event(nil), m.events...)
		return len(events) >= n
	}, 10*time.Second, time.Millisecond)
	require.Len(t, events, n)
	return events
}

const (
	topicBody = `{"resourceType":"SubscriptionTopic","id":"patients","url":"urn:t","status":"unknown",
		"resourceTrigger":[{"resource":"Patient","supportedInteraction":["create","update","delete"]}]}`
	subscriptionBody = `{"resourceType":"Subscription","id":%q,"status":"requested",
		"criteria":"https://x/datastore/y/r4/SubscriptionTopic/patients",
		"channel":{"type":"event-bridge","endpoint":"arn:aws:events:us-east-1:111122223333:event-bus/default",
		"_payload":{"extension":[{"url":"http://hl7.org/fhir/uv/subscriptions-backport/StructureDefinition/backport-payload-content","valueCode":"id-only"}]}}}`
)

func putAt(t *testing.T, c *fhirclient.Client, path, body string) int {
	t.Helper()
	status, _, err := c.Do(t.Context(), http.MethodPut, path, nil, []byte(body))
	var refused *fhirclient.StatusError
	if err != nil {
		require.ErrorAs(t, err, &refused)
		return refused.Status
	}
	return status
}

func TestSubscriptionsNotify(t *testing.T) {
	mail := &mailbox{}
	s, c := start(t, simulator.Config{Events: mail.add})
	require.Equal(t, http.StatusBadRequest, putAt(t, c, "Subscription/early", fmt.Sprintf(subscriptionBody, "early")), "its topic does not exist")
	require.Equal(t, http.StatusCreated, putAt(t, c, "SubscriptionTopic/patients", topicBody))
	require.Equal(t, http.StatusCreated, putAt(t, c, "Subscription/one", fmt.Sprintf(subscriptionBody, "one")))
	mail.wait(t, 1)

	ctx := context.Background()
	_, err := c.Update(ctx, "Patient", "p", []byte(`{"resourceType":"Patient","id":"p"}`))
	require.NoError(t, err)
	_, err = c.Update(ctx, "Observation", "o", []byte(`{"resourceType":"Observation","id":"o"}`))
	require.NoError(t, err)
	require.NoError(t, c.Delete(ctx, "Patient", "p"))
	events := mail.wait(t, 3)
	kinds := make([]string, len(events))
	for i, e := range events {
		require.Equal(t, "healthlake", e.Source)
		require.Equal(t, "FHIR Subscription Notification", e.DetailType)
		var detail struct {
			Bundle struct {
				Entry []struct {
					Resource struct {
						Type   string `json:"type"`
						Events []struct {
							Focus   string `json:"focus"`
							Context string `json:"additionalContext"`
						} `json:"notificationEvent"`
					} `json:"resource"`
					Request struct {
						Method string `json:"method"`
					} `json:"request"`
				} `json:"entry"`
			} `json:"notificationBundlePayload"`
		}
		require.NoError(t, json.Unmarshal(e.Detail, &detail))
		kinds[i] = detail.Bundle.Entry[0].Resource.Type
		for _, entry := range detail.Bundle.Entry {
			for _, event := range entry.Resource.Events {
				kinds[i] += " " + event.Focus + " " + event.Context
			}
			kinds[i] += entry.Request.Method
		}
	}
	require.ElementsMatch(t, []string{
		"handshake", "event-notification Patient/p Patient/p/_history/1", "event-notification Patient/p Patient/p/_history/2DELETE",
	}, kinds)

	read, err := c.Read(ctx, "Subscription", "one")
	require.NoError(t, err)
	require.Contains(t, string(read.Body), `"status":"active"`)
	for i := range simulator.MaxSubscriptions - 1 {
		id := fmt.Sprintf("s-%d", i)
		require.Equal(t, http.StatusCreated, putAt(t, c, "Subscription/"+id, fmt.Sprintf(subscriptionBody, id)))
	}
	require.Equal(t, http.StatusBadRequest, putAt(t, c, "Subscription/more", fmt.Sprintf(subscriptionBody, "more")), "the quota is used up")
	require.Equal(t, http.StatusOK, putAt(t, c, "Subscription/one", fmt.Sprintf(subscriptionBody, "one")))
	for _, write := range s.WriteLog(simulator.DefaultDatastore) {
		require.NotContains(t, write.Type, "Subscription", "subscriptions are no data")
	}
}

func TestImportLeavesNoRecords(t *testing.T) {
	mail, records := &mailbox{}, 0
	s, _ := start(t, simulator.Config{Events: mail.add})
	require.NoError(t, s.SetTrail(simulator.Trail{Sink: func(simulator.Record) { records++ }}))
	job, err := s.Import(simulator.ImportJob{
		Datastore: simulator.DefaultDatastore, Resources: 10,
		Resource: func(i int) (string, []byte) {
			return "Patient", fmt.Appendf(nil, `{"resourceType":"Patient","id":"i-%d"}`, i)
		},
	})
	require.NoError(t, err)
	var states []string
	for _, e := range mail.wait(t, 3) {
		states = append(states, e.DetailType)
		require.Contains(t, string(e.Detail), job)
	}
	require.Equal(t, []string{"Import Job Submitted", "Import Job In Progress", "Import Job Completed"}, states)
	require.Len(t, s.WriteLog(simulator.DefaultDatastore), 10)
	require.Zero(t, records)
}
