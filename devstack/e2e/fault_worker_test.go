package e2e

import (
	"context"
	"io"
	"net/http"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"healthlake-cdc/devstack/internal/stack"
)

// pause suspends a worker's process, and resumes it when the test ends, so that it can be
// ended.
func pause(t *testing.T, w *stack.Worker) {
	t.Helper()
	require.NoError(t, w.Signal(syscall.SIGSTOP))
	t.Cleanup(func() { _ = w.Signal(syscall.SIGCONT) }) // it may have been killed
}

func resume(t *testing.T, w *stack.Worker) {
	t.Helper()
	require.NoError(t, w.Signal(syscall.SIGCONT))
}

// get requests an endpoint of a worker.
func get(ctx context.Context, url string) (status int, text string, err error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return 0, "", err
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return 0, "", err
	}
	defer func() { _ = response.Body.Close() }()
	body, err := io.ReadAll(response.Body)
	return response.StatusCode, string(body), err
}

// answersReadyz waits until /readyz returns a status, and returns its body.
func answersReadyz(t *testing.T, base string, status int) string {
	t.Helper()
	var said string
	eventually(t, "/readyz answers "+strconv.Itoa(status), func(ctx context.Context) error {
		got, text, err := get(ctx, base+"/readyz")
		if err != nil {
			return err
		}
		if got != status {
			return errNotYet
		}
		said = text
		return nil
	})
	return said
}

// metric is the sum of a worker's series of that name whose labels hold all of
// those given, such as `outcome="received"`. ok is false when there is none.
func metric(ctx context.Context, base, name string, labels ...string) (sum float64, ok bool, err error) {
	_, text, err := get(ctx, base+"/metrics")
	if err != nil {
		return 0, false, err
	}
	for line := range strings.Lines(text) {
		series, value, _ := strings.Cut(strings.TrimSpace(line), " ")
		if series != name && !strings.HasPrefix(series, name+"{") {
			continue
		}
		fits := true
		for _, label := range labels {
			fits = fits && strings.Contains(series, label)
		}
		n, err := strconv.ParseFloat(value, 64)
		if err != nil || !fits {
			continue
		}
		sum, ok = sum+n, true
	}
	return sum, ok, nil
}

// messagesMetric and triggersMetric count messages: by what became of them, and by
// what they turned out to be.
const (
	messagesMetric = "healthlake_cdc_sqs_messages_total"
	triggersMetric = "healthlake_cdc_triggers_total"
)

// outcome is a worker's count of one outcome, 0 before the first.
func outcome(t *testing.T, w *stack.Worker, name, value string) int {
	t.Helper()
	n, _, err := metric(t.Context(), w.MetricsURL, name, `outcome="`+value+`"`)
	require.NoError(t, err)
	return int(n)
}

// counted waits until a worker's count of an outcome is at least n.
func counted(t *testing.T, w *stack.Worker, name, value string, n int) {
	t.Helper()
	eventually(t, value+" is counted", func(ctx context.Context) error {
		got, _, err := metric(ctx, w.MetricsURL, name, `outcome="`+value+`"`)
		if err != nil {
			return err
		}
		if int(got) < n {
			return errNotYet
		}
		return nil
	})
}
