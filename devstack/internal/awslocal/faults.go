package awslocal

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"io"
	"maps"
	"net/http"
	"strings"
	"sync"
	"time"
)

// FaultsPath is the control endpoint: GET returns the remaining faults, PUT or POST of
// the same JSON replaces them, DELETE ends them. It is not signed.
const FaultsPath = "/_devstack/faults"

// Faults are failures on demand. Counts go down as they are used.
type Faults struct {
	// Throttle rejects the next calls of an operation (such as "PutEvents") with
	// ThrottlingException, before they do anything.
	Throttle map[string]int `json:"throttle,omitempty"`
	// LoseResponse carries out the next calls of an operation and then closes the
	// connection without a response.
	LoseResponse map[string]int `json:"loseResponse,omitempty"`
	// FailEntries lets the next valid entries of PutEvents fail one by one
	// with FailEntryCode (default InternalFailure), in calls with status 200.
	FailEntries   int    `json:"failEntries,omitempty"`
	FailEntryCode string `json:"failEntryCode,omitempty"`
	// FailEvery lets every so-manieth valid entry of PutEvents fail in the same way, as
	// long as it is set; 0 fails none.
	FailEvery int `json:"failEvery,omitempty"`
	// RejectDetailContaining rejects every entry of PutEvents whose Detail contains this
	// text with MalformedDetail, as often as it is sent; the other entries of its call
	// are not affected. Empty rejects none.
	RejectDetailContaining string `json:"rejectDetailContaining,omitempty"`
	// SQSDown and EventBridgeDown return 503 for every call of the API. Rules still
	// deliver to queues.
	SQSDown         bool `json:"sqsDown,omitempty"`
	EventBridgeDown bool `json:"eventBridgeDown,omitempty"`
	// Latency is added to every call, Stall to those of an operation.
	Latency Latency            `json:"latency,omitempty"`
	Stall   map[string]Latency `json:"stall,omitempty"`
}

// Latency is a duration that JSON carries as text, such as "150ms".
type Latency time.Duration

// MarshalText writes the duration as [time.Duration.String] does.
func (l Latency) MarshalText() ([]byte, error) { return []byte(time.Duration(l).String()), nil }

// UnmarshalText reads what [time.ParseDuration] accepts.
func (l *Latency) UnmarshalText(text []byte) error {
	d, err := time.ParseDuration(string(text))
	if err != nil || d < 0 {
		return errors.New("reading latency: give a duration such as 150ms")
	}
	*l = Latency(d)
	return nil
}

type faultBox struct {
	mu sync.Mutex
	f  Faults
	// entries were counted for FailEvery.
	entries int
}

func (b *faultBox) set(f Faults) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.f = f.clone()
}

// update changes the failures, with none used meanwhile.
func (b *faultBox) update(change func(*Faults)) {
	b.mu.Lock()
	defer b.mu.Unlock()
	f := b.f.clone()
	change(&f)
	b.f = f.clone()
}

func (b *faultBox) get() Faults {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.f.clone()
}

func (f Faults) clone() Faults {
	f.Throttle, f.LoseResponse, f.Stall = maps.Clone(f.Throttle), maps.Clone(f.LoseResponse), maps.Clone(f.Stall)
	return f
}

// before returns what happens to a call: its additional latency, whether its response is
// lost, or its error.
func (b *faultBox) before(service, operation string) (latency time.Duration, lose bool, err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	latency = time.Duration(b.f.Latency + b.f.Stall[operation])
	switch {
	case service == "sqs" && b.f.SQSDown, service == "events" && b.f.EventBridgeDown:
		down := apiErrorf("ServiceUnavailable", "The service is down on demand.")
		down.status = http.StatusServiceUnavailable
		return latency, false, down
	case use(b.f.Throttle, operation):
		return latency, false, apiErrorf("ThrottlingException", "Rate exceeded.")
	}
	return latency, use(b.f.LoseResponse, operation), nil
}

func use(counts map[string]int, operation string) bool {
	n := counts[operation]
	switch {
	case n <= 0:
		return false
	case n == 1:
		delete(counts, operation)
	default:
		counts[operation] = n - 1
	}
	return true
}

// failEntry returns the error code of an entry with this detail, or "".
func (b *faultBox) failEntry(detail string) string {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.f.RejectDetailContaining != "" && strings.Contains(detail, b.f.RejectDetailContaining) {
		return "MalformedDetail"
	}
	b.entries++
	switch {
	case b.f.FailEntries > 0:
		b.f.FailEntries--
	case b.f.FailEvery <= 0 || b.entries%b.f.FailEvery != 0:
		return ""
	}
	return cmp.Or(b.f.FailEntryCode, "InternalFailure")
}

func (b *faultBox) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	switch r.Method {
	case http.MethodGet:
	case http.MethodDelete:
		b.set(Faults{})
	case http.MethodPut, http.MethodPost:
		body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, 1<<16))
		var f Faults
		if err == nil {
			err = decodeStrict(body, &f)
		}
		if err != nil {
			http.Error(w, "the body is not a description of faults: "+err.Error(), http.StatusBadRequest)
			return
		}
		b.set(f)
	default:
		http.Error(w, "use GET, PUT, POST or DELETE", http.StatusMethodNotAllowed)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(b.get()) // fails only when the client has disconnected
}

// decodeStrict decodes a document of which every field must be known.
func decodeStrict(doc []byte, into any) error {
	dec := json.NewDecoder(bytes.NewReader(doc))
	dec.DisallowUnknownFields()
	return dec.Decode(into)
}
