package awslocal

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/eventbridge"
	ebtypes "github.com/aws/aws-sdk-go-v2/service/eventbridge/types"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/stretchr/testify/require"
)

// resourceBytes is the size of a typical Synthea resource.
const resourceBytes = 1400

func tenEntries() []ebtypes.PutEventsRequestEntry {
	detail := `{"meta":{"schema":"healthlake-cdc/1"},"data":{"text":"` + strings.Repeat(`x\"`, resourceBytes/3) + `"}}`
	out := make([]ebtypes.PutEventsRequestEntry, 10)
	for i := range out {
		out[i] = entry("b", "com.fhir-patient", detail)
	}
	return out
}

// BenchmarkPutEvents measures the whole way: SDK, HTTP, signature, rule,
// queue. The SDK's half of the work is in it.
func BenchmarkPutEvents(b *testing.B) {
	r := start(b, testConfig)
	r.bus(b, "b")
	url := r.route(b, "b", "q", `{"source":[{"prefix":"com.fhir-"}]}`)
	in := &eventbridge.PutEventsInput{Entries: tenEntries()}
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			_, err := r.events.PutEvents(b.Context(), in)
			require.NoError(b, err)
		}
	})
	b.ReportMetric(float64(b.N*10)/b.Elapsed().Seconds(), "entries/s")
	_, err := r.sqs.PurgeQueue(b.Context(), &sqs.PurgeQueueInput{QueueUrl: url})
	require.NoError(b, err)
}

// BenchmarkPutEventsServer measures the server alone: requests are prepared,
// unsigned, and handed to the handler without a connection.
func BenchmarkPutEventsServer(b *testing.B) {
	s, err := New(Config{SkipSignatures: true})
	require.NoError(b, err)
	require.NoError(b, s.Start("127.0.0.1:0"))
	b.Cleanup(func() { require.NoError(b, s.Close()) })
	r := clientsOf(s, http.DefaultTransport.(*http.Transport).Clone(), b)
	r.bus(b, "b")
	url := r.route(b, "b", "q", `{"source":[{"prefix":"com.fhir-"}]}`)
	body, err := json.Marshal(map[string]any{"Entries": tenEntries()})
	require.NoError(b, err)
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			req, _ := http.NewRequestWithContext(b.Context(), http.MethodPost, "/", bytes.NewReader(body))
			req.Header.Set("X-Amz-Target", "AWSEvents.PutEvents")
			s.http.Handler.ServeHTTP(discard{header: http.Header{}}, req)
		}
	})
	b.ReportMetric(float64(b.N*10)/b.Elapsed().Seconds(), "entries/s")
	_, err = r.sqs.PurgeQueue(b.Context(), &sqs.PurgeQueueInput{QueueUrl: url})
	require.NoError(b, err)
}

type discard struct{ header http.Header }

func (d discard) Header() http.Header         { return d.header }
func (d discard) Write(p []byte) (int, error) { return io.Discard.Write(p) }
func (d discard) WriteHeader(int)             {}

// BenchmarkReceiveAndDelete drains a full queue by tens.
func BenchmarkReceiveAndDelete(b *testing.B) {
	s := &sqsService{queues: map[string]*queue{}}
	q := newQueue("q", "arn", defaultAttributes(), &s.stored)
	for range b.N {
		q.push(newMessage("body", nil, q.created), 0)
	}
	b.ResetTimer()
	for left := b.N; left > 0; left -= 10 {
		got, err := q.receive(b.Context(), 10, defaultVisibility, 0, nil)
		require.NoError(b, err)
		for _, m := range got {
			require.NoError(b, q.delete(m.handle))
		}
	}
}
