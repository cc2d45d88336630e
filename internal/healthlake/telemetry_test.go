package healthlake

import (
	"context"
	"log/slog"
	"net/http"
	"testing"

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
	for status, handler := range map[int]http.HandlerFunc{
		200: answering(searchset("", patient(secretID, "3"))),
		403: refusing(403),
		410: refusing(410),
	} {
		for op, call := range operations {
			recorder := tracetest.NewSpanRecorder()
			provider := sdktrace.NewTracerProvider(sdktrace.WithSpanProcessor(recorder))
			s := newStore(t, handler)
			c := s.client(t)
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
				"http.response.status_code": attribute.IntValue(status),
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
