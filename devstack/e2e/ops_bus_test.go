package e2e

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"healthlake-cdc/devstack/internal/simulator"
	"healthlake-cdc/devstack/internal/stack"
	"healthlake-cdc/internal/cdc"
)

// plainBus is an EventBridge endpoint that knows PutEvents and nothing else.
type plainBus struct {
	*httptest.Server
	mu      sync.Mutex
	buses   map[string]int // entries by bus
	keys    map[string]int // entries by idempotency key
	refused int            // requests that it does not know
}

func newPlainBus(t *testing.T) *plainBus {
	t.Helper()
	b := &plainBus{buses: make(map[string]int), keys: make(map[string]int)}
	b.Server = httptest.NewServer(b)
	t.Cleanup(b.Close)
	return b
}

func (b *plainBus) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	b.mu.Lock()
	defer b.mu.Unlock()
	w.Header().Set("Content-Type", "application/x-amz-json-1.1")
	var request struct {
		Entries []struct{ EventBusName, Detail string }
	}
	if r.Header.Get("X-Amz-Target") != "AWSEvents.PutEvents" || json.NewDecoder(r.Body).Decode(&request) != nil {
		b.refused++
		w.WriteHeader(http.StatusBadRequest)
		_, _ = w.Write([]byte(`{"__type":"UnknownOperationException"}`)) // a client that left needs no answer
		return
	}
	type accepted struct {
		EventID string `json:"EventId"`
	}
	var answer struct {
		FailedEntryCount int
		Entries          []accepted
	}
	for i, entry := range request.Entries {
		var detail struct {
			Meta struct{ IdempotencyKey string }
		}
		if json.Unmarshal([]byte(entry.Detail), &detail) == nil {
			b.keys[detail.Meta.IdempotencyKey]++
		}
		b.buses[entry.EventBusName]++
		answer.Entries = append(answer.Entries, accepted{fmt.Sprintf("event-%d-%d", len(b.keys), i)})
	}
	_ = json.NewEncoder(w).Encode(answer) // likewise
}

// Another EventBridge endpoint, by AWS_ENDPOINT_URL_EVENTBRIDGE only, which cannot check
// whether the bus exists.
func TestPlainEventBridgeEndpoint(t *testing.T) {
	t.Parallel()
	bus := newPlainBus(t)
	r := newRig(t, stack.Options{Simulator: simulator.Config{Limits: noLimits}}, fewTypes,
		"AWS_ENDPOINT_URL_EVENTBRIDGE="+bus.URL, "CDC_EVENT_BUS=arn:aws:events:us-west-2:111122223333:event-bus/elsewhere")
	r.silenced(t)
	r.worker(t)
	window := r.earlyInWindow(t)
	r.writeMany(t, window, "Patient", "elsewhere", 130)
	r.capture(t, window.Start)
	r.closed(t, window.ID())

	bus.mu.Lock()
	defer bus.mu.Unlock()
	require.Positive(t, bus.refused, "the bus was asked for")
	require.Equal(t, map[string]int{"arn:aws:events:us-west-2:111122223333:event-bus/elsewhere": 130}, bus.buses)
	want := make(map[string]int)
	for _, write := range r.Simulator.WriteLog(r.datastore()) {
		version := cdc.Version{Type: write.Type, ID: write.ID, VersionID: fmt.Sprint(write.Version)}
		want[version.IdempotencyKey(write.Datastore)] = 1
	}
	require.Equal(t, want, bus.keys)
}
