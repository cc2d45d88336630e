package healthlake

import (
	"context"
	"io"
	"log/slog"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel/attribute"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"go.opentelemetry.io/otel/trace"

	"healthlake-cdc/internal/cdc"
)

// discardLog keeps a test server from reporting the handshakes that it is meant
// to fail.
var discardLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)

// TestSpansTellNothing checks all that a span carries, of calls that succeed
// and of calls that fail.
func TestSpansTellNothing(t *testing.T) {
	for _, handler := range []http.HandlerFunc{
		answering(searchset("", patient(secretID, "3"))),
		refusing(403),
		refusing(410),
	} {
		for op, call := range operations {
			recorder := tracetest.NewSpanRecorder()
			provider := sdktrace.NewTracerProvider(sdktrace.WithSpanProcessor(recorder))
			s := newStore(t, handler)
			c := s.client(t, func(cfg *Config) { cfg.Retries = -1 })
			c.tracer = provider.Tracer("test")
			err := call(context.Background(), c)

			require.Len(t, recorder.Ended(), 1)
			span := recorder.Ended()[0]
			require.Equal(t, op, span.Name())
			require.Equal(t, trace.SpanKindClient, span.SpanKind())
			require.Empty(t, span.Events(), "a recorded error would hold its text")
			want := map[attribute.Key]attribute.Value{
				"cdc.datastore":             attribute.StringValue(testDatastore),
				"fhir.resource_type":        attribute.StringValue("Patient"),
				"http.response.status_code": attribute.IntValue(s.calls[0].Status),
			}
			if op == opMetadata {
				delete(want, "fhir.resource_type")
			}
			got := map[attribute.Key]attribute.Value{}
			for _, kv := range span.Attributes() {
				got[kv.Key] = kv.Value
			}
			require.Equal(t, want, got)
			if err != nil {
				require.Equal(t, string(cdc.ClassOf(err)), span.Status().Description)
			}
		}
	}
}

// TestBackoffDoublesWithJitter runs the real wait on a clock of its own.
func TestBackoffDoublesWithJitter(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := linkClient(t)
		c.retries = 4
		var attempts []time.Time
		c.http.Transport = roundTrip(func(*http.Request) (*http.Response, error) {
			attempts = append(attempts, time.Now())
			return nil, io.ErrUnexpectedEOF
		})
		_, err := searchPatients(c)
		requireClass(t, cdc.ClassUnavailable, err)
		require.Len(t, attempts, 5)
		for i := range 4 {
			wait := attempts[i+1].Sub(attempts[i])
			require.GreaterOrEqual(t, wait, firstBackoff<<i/2)
			require.Less(t, wait, firstBackoff<<i)
		}
	})
}

// TestWaitEndsWithTheCaller: neither a stop nor a deadline waits for a backoff.
func TestWaitEndsWithTheCaller(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(context.Background())
		cancel()
		require.ErrorIs(t, sleep(ctx, time.Hour), context.Canceled)
		ctx, cancel = context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		start := time.Now()
		require.ErrorIs(t, sleep(ctx, time.Hour), context.DeadlineExceeded)
		require.Equal(t, time.Second, time.Since(start))
	})
}
