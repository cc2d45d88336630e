package docs_test

import (
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"healthlake-cdc/internal/cdc"
	"healthlake-cdc/internal/eventbus"
	"healthlake-cdc/internal/healthlake"
	"healthlake-cdc/internal/queue"
	"healthlake-cdc/internal/telemetry"
	"healthlake-cdc/internal/trigger"
)

// Every metric that operations.md names is one that a worker serves.
func TestDocumentedMetricsExist(t *testing.T) {
	text, err := os.ReadFile("operations.md")
	require.NoError(t, err)
	documented := regexp.MustCompile("(?m)^\\| `(healthlake_cdc_[a-z_]+)`").FindAllStringSubmatch(string(text), -1)
	require.NotEmpty(t, documented)

	served := servedMetrics(t)
	for _, match := range documented {
		require.Contains(t, served, match[1])
	}
}

// Every outcome of a message, and every event of messages that is counted as
// one, is in operations.md.
func TestOutcomesAreDocumented(t *testing.T) {
	text, err := os.ReadFile("operations.md")
	require.NoError(t, err)
	for file, constant := range map[string]string{"trigger/result.go": "Outcome", "queue/metrics.go": "Event"} {
		source, err := os.ReadFile("../internal/" + file)
		require.NoError(t, err)
		values := regexp.MustCompile(constant+` += "([a-z_]+)"`).FindAllStringSubmatch(string(source), -1)
		require.NotEmpty(t, values)
		for _, value := range values {
			if !strings.HasPrefix(value[1], "window_") { // these are counted under a name of their own
				require.Contains(t, string(text), "`"+value[1]+"`")
			}
		}
	}
}

// servedMetrics are the names of our metrics, each counted once.
func servedMetrics(t *testing.T) map[string]bool {
	t.Helper()
	ctx := t.Context()
	served, err := telemetry.New(slog.New(slog.DiscardHandler))
	require.NoError(t, err)
	m := served.Metrics
	m.Outcome(trigger.OutcomeTrigger)
	m.Delay("cloudtrail", time.Second)
	m.Invalid("store", "Patient", 1)
	m.Window("cloudtrail", true)
	m.StoreCall(healthlake.Call{Op: "search"})
	m.StoreCall(healthlake.Call{Op: healthlake.ReadOps[0]})
	now := time.Now()
	m.Published("store", "Patient", "full", 1, now, now)
	m.BusCall(eventbus.Call{Failed: 1})
	m.Count(queue.EventReceived, 1)
	m.Paused(false)
	m.Audited(cdc.Statement{DatastoreID: "store", ResourceType: "Patient", AuditFigures: cdc.AuditFigures{InStore: 1, Missing: 1}})
	m.Waiting("store", 1)
	m.Plaintext("plain")
	served.TemporalHandler().WithTags(map[string]string{"datastore": "store", "resource_type": "Patient"}).
		Counter(cdc.MetricContradicted).Inc(1) // by a workflow

	recorder := httptest.NewRecorder()
	served.Handler().ServeHTTP(recorder, httptest.NewRequestWithContext(ctx, http.MethodGet, "/metrics", nil))
	names := make(map[string]bool)
	for _, match := range regexp.MustCompile(`(?m)^# TYPE (healthlake_cdc_\S+)`).FindAllStringSubmatch(recorder.Body.String(), -1) {
		names[match[1]] = true
	}
	return names
}
