package eventbus

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/stretchr/testify/require"

	"healthlake-cdc/internal/cdc"
)

// entry is a PutEvents entry as it stands on the wire.
type entry struct {
	EventBusName, Source, DetailType, Detail string
	Time                                     json.Number
}

// size counts the entry as EventBridge does, by the fields that arrived.
func (e entry) size() int {
	n := len(e.Source) + len(e.DetailType) + len(e.Detail)
	if e.Time != "" {
		n += 14
	}
	return n
}

// answer is what the server says of one entry; no code means accepted.
type answer struct {
	EventID      string `json:"EventId,omitempty"`
	ErrorCode    string `json:",omitempty"`
	ErrorMessage string `json:",omitempty"`
}

// reply is how the server answers a call.
type reply struct {
	// codes fails single entries, by place.
	codes map[int]string
	// status and code fail the call as a whole.
	status int
	code   string
	// lost takes the entries and closes the connection without an answer.
	lost bool
	// raw is a body to answer with status 200, after taking nothing.
	raw *string
	// then runs before the answer is sent.
	then func()
}

// busServer speaks EventBridge's AWS JSON 1.1 protocol.
type busServer struct {
	*httptest.Server
	// put and describe script the answer to the n-th call, from 0.
	put      func(n int, entries []entry) reply
	describe func(n int) reply

	mu        sync.Mutex
	calls     [][]entry
	described int
	taken     []entry
}

func newBusServer(t testing.TB) *busServer {
	b := &busServer{}
	b.Server = httptest.NewServer(b)
	b.Config.ErrorLog = nil
	t.Cleanup(b.Close)
	return b
}

func (b *busServer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil || r.Header.Get("Content-Type") != "application/x-amz-json-1.1" ||
		!strings.Contains(r.Header.Get("Authorization"), "/events/aws4_request") {
		http.Error(w, "not a signed AWS JSON 1.1 call", http.StatusTeapot)
		return
	}
	w.Header().Set("Content-Type", "application/x-amz-json-1.1")
	switch r.Header.Get("X-Amz-Target") {
	case "AWSEvents.DescribeEventBus":
		b.serveDescribe(w)
	case "AWSEvents.PutEvents":
		b.servePut(w, body)
	default:
		fail(w, http.StatusBadRequest, "UnknownOperationException")
	}
}

func (b *busServer) serveDescribe(w http.ResponseWriter) {
	b.mu.Lock()
	n := b.described
	b.described++
	b.mu.Unlock()
	var rep reply
	if b.describe != nil {
		rep = b.describe(n)
	}
	if rep.then != nil {
		rep.then()
	}
	if rep.status != 0 {
		fail(w, rep.status, rep.code)
		return
	}
	_, _ = io.WriteString(w, `{"Name":"clinical"}`)
}

func (b *busServer) servePut(w http.ResponseWriter, body []byte) {
	var in struct{ Entries []entry }
	if err := json.Unmarshal(body, &in); err != nil {
		fail(w, http.StatusBadRequest, "SerializationException")
		return
	}
	b.mu.Lock()
	n := len(b.calls)
	b.calls = append(b.calls, in.Entries)
	b.mu.Unlock()
	var rep reply
	if b.put != nil {
		rep = b.put(n, in.Entries)
	}
	if rep.then != nil {
		defer rep.then()
	}
	switch {
	case rep.status != 0:
		fail(w, rep.status, rep.code)
		return
	case rep.raw != nil:
		_, _ = io.WriteString(w, *rep.raw)
		return
	}
	answers := make([]answer, len(in.Entries))
	failed := 0
	b.mu.Lock()
	for i, e := range in.Entries {
		if code := rep.codes[i]; code != "" {
			answers[i] = answer{ErrorCode: code, ErrorMessage: "about " + e.Detail}
			failed++
			continue
		}
		b.taken = append(b.taken, e)
		answers[i] = answer{EventID: fmt.Sprintf("event-%d", len(b.taken))}
	}
	b.mu.Unlock()
	if rep.lost {
		panic(http.ErrAbortHandler)
	}
	_ = json.NewEncoder(w).Encode(map[string]any{"FailedEntryCount": failed, "Entries": answers})
}

// fail answers with an error that quotes patient data, as a ValidationException
// may.
func fail(w http.ResponseWriter, status int, code string) {
	w.Header().Set("X-Amzn-ErrorType", code)
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(map[string]string{"__type": code, "message": "value 'patient-7' at 'entries' is bad"})
}

// sizes are the numbers of entries of the calls so far.
func (b *busServer) sizes() []int {
	b.mu.Lock()
	defer b.mu.Unlock()
	sizes := make([]int, len(b.calls))
	for i, call := range b.calls {
		sizes[i] = len(call)
	}
	return sizes
}

// asked is how often the bus was described.
func (b *busServer) asked() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.described
}

// entries are what the bus took, in order.
func (b *busServer) entries() []entry {
	b.mu.Lock()
	defer b.mu.Unlock()
	return slices.Clone(b.taken)
}

// details are the details that the bus took, in order.
func (b *busServer) details() []string {
	taken := b.entries()
	details := make([]string, len(taken))
	for i, e := range taken {
		details[i] = e.Detail
	}
	return details
}

func (b *busServer) awsConfig() aws.Config {
	return aws.Config{
		Region:           "eu-central-1",
		BaseEndpoint:     aws.String(b.URL),
		Credentials:      credentials.NewStaticCredentialsProvider("id", "secret", ""),
		RetryMaxAttempts: 5, // as from AWS_MAX_ATTEMPTS: NewClient must not follow it
	}
}

// publisher returns one that does not wait between tries.
func (b *busServer) publisher(t testing.TB, edit ...func(*Config)) *Publisher {
	config := Config{
		Client: NewClient(b.awsConfig()), Bus: "clinical", MaxBytes: 1_000_000,
		Observe: func(Call) {}, Logger: slog.New(slog.DiscardHandler),
	}
	for _, f := range edit {
		f(&config)
	}
	p := New(config)
	p.backoff = func(int) time.Duration { return 0 }
	p.inFlight = 1
	return p
}

// ignored is a Publish's progress that nobody looks at.
func ignored([]string) {}

// clock is a publisher's time, from the Unix epoch; it goes on only by advance.
type clock struct {
	mu sync.Mutex
	at time.Time
}

func newClock(p *Publisher) *clock {
	c := &clock{at: time.Unix(0, 0)}
	p.now = c.now
	return c
}

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.at
}

func (c *clock) advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.at = c.at.Add(d)
}

// someEvents returns n events whose details are {"n":0}, {"n":1} …
func someEvents(n int) []cdc.Event {
	events := make([]cdc.Event, n)
	for i := range events {
		events[i] = cdc.Event{
			Source: "com.fhir-patient", DetailType: "FhirPatientChanged",
			Time: time.Unix(1_780_000_000, 0), Detail: []byte(`{"n":` + strconv.Itoa(i) + `}`),
		}
	}
	return events
}

func detailsOf(events []cdc.Event) []string {
	details := make([]string, len(events))
	for i, e := range events {
		details[i] = string(e.Detail)
	}
	return details
}

// requireClass checks err's class, and that it quotes nothing of the service's
// message.
func requireClass(t testing.TB, err error, class cdc.Class) {
	t.Helper()
	_ = errorOfClass(t, err, class)
}

// errorOfClass is requireClass for who looks further.
func errorOfClass(t testing.TB, err error, class cdc.Class) *cdc.Error {
	t.Helper()
	var e *cdc.Error
	require.ErrorAs(t, err, &e)
	require.Equal(t, class, e.Class, "error: %v", err)
	require.NotContains(t, err.Error(), "patient-7")
	require.NotContains(t, err.Error(), `"n"`)
	require.NotContains(t, err.Error(), "http://")
	require.NoError(t, errors.Unwrap(err))
	return e
}
