package faults

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	commonpb "go.temporal.io/api/common/v1"
	enumspb "go.temporal.io/api/enums/v1"
	historypb "go.temporal.io/api/history/v1"

	"healthlake-cdc/internal/cdc"
)

const publishActivity = "Publish"

// keysOf are the idempotency keys of the changes of a Publish.
func (h *harness) keysOf(input *commonpb.Payloads) ([]string, error) {
	var in cdc.PublishInput
	if err := h.data.FromPayloads(input, &in); err != nil {
		return nil, fmt.Errorf("reading what was to be published: %w", err)
	}
	keys := make([]string, len(in.Changes))
	for i, change := range in.Changes {
		keys[i] = change.IdempotencyKey(in.Origin.Datastore)
	}
	if d := in.Delete; d != nil {
		switch {
		case d.Tombstone != nil && d.Tombstone.VersionID != "":
			keys = []string{fmt.Sprintf("%s/%s/%s/_history/%s", in.Origin.Datastore, d.Type, d.ResourceID, d.Tombstone.VersionID)}
		case d.Exact():
			keys = []string{fmt.Sprintf("%s/%s/%s/_delete/%s", in.Origin.Datastore, d.Type, d.ResourceID, d.EventID)}
		default:
			keys = []string{fmt.Sprintf("%s/%s/_delete/%s", in.Origin.Datastore, d.Type, d.EventID)}
		}
	}
	return keys, nil
}

// publishes reads every Publish of the round from the histories, and notes what their
// results name.
func (h *harness) publishes(ctx context.Context, r *round) ([]publish, error) {
	all, err := h.executions(ctx, fmt.Sprintf("StartTime >= '%s'", r.began.Format(time.RFC3339Nano)))
	if err != nil {
		return nil, err
	}
	var found []publish
	for _, info := range all {
		read, err := h.publishesOf(ctx, r, info.GetExecution())
		if err != nil {
			return nil, err
		}
		found = append(found, read...)
	}
	return found, nil
}

// publishesOf reads those of one run.
func (h *harness) publishesOf(ctx context.Context, r *round, e *commonpb.WorkflowExecution) (found []publish, err error) {
	reset, wasReset := r.resets[e.GetRunId()]
	at := make(map[int64]*publish) // by the event that scheduled it
	attempts := make(map[int64]int)
	for history := h.temporal.GetWorkflowHistory(ctx, e.GetWorkflowId(), e.GetRunId(), false, enumspb.HISTORY_EVENT_FILTER_TYPE_ALL_EVENT); history.HasNext(); {
		event, err := history.Next()
		if err != nil {
			return nil, fmt.Errorf("reading a history: %w", err)
		}
		if scheduled := event.GetActivityTaskScheduledEventAttributes(); scheduled.GetActivityType().GetName() == publishActivity {
			keys, err := h.keysOf(scheduled.GetInput())
			if err != nil {
				return nil, err
			}
			at[event.GetEventId()] = &publish{keys: keys, attempts: 1, cut: true}
		}
		if started := event.GetActivityTaskStartedEventAttributes(); started != nil {
			attempts[started.GetScheduledEventId()] = int(started.GetAttempt())
		}
		completed := event.GetActivityTaskCompletedEventAttributes()
		p := at[completed.GetScheduledEventId()]
		if p == nil || wasReset && event.GetEventId() > reset {
			continue
		}
		p.cut, p.attempts = false, attempts[completed.GetScheduledEventId()]
		if err := h.nameResult(r, p, event); err != nil {
			return nil, err
		}
	}
	for _, p := range at {
		found = append(found, *p)
	}
	return found, nil
}

func (h *harness) nameResult(r *round, p *publish, event *historypb.HistoryEvent) error {
	var result cdc.PublishResult
	if err := h.data.FromPayloads(event.GetActivityTaskCompletedEventAttributes().GetResult(), &result); err != nil {
		return fmt.Errorf("reading what was published: %w", err)
	}
	r.note(func(r *round) {
		for i, id := range result.EventIDs {
			if id != "" && i < len(p.keys) {
				earliest(r.named, p.keys[i], event.GetEventTime().AsTime())
			}
		}
	})
	return nil
}

// manyPublishes is how many are taken to be running while Temporal cannot say it.
const manyPublishes = 4

// nameHeartbeats notes what the heartbeats of the running Publishes name, just after
// something happened to a worker, and returns how many Publishes are running.
func (h *harness) nameHeartbeats(ctx context.Context) (running int) {
	soon, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	open, err := h.executions(soon, "ExecutionStatus='Running'")
	if err != nil {
		return manyPublishes
	}
	for _, info := range open {
		n, err := h.nameHeartbeatsOf(soon, info.GetExecution())
		if running += n; err != nil {
			return running + manyPublishes
		}
	}
	return running
}

func (h *harness) nameHeartbeatsOf(ctx context.Context, e *commonpb.WorkflowExecution) (running int, err error) {
	described, err := h.temporal.DescribeWorkflow(ctx, e.GetWorkflowId(), e.GetRunId())
	if err != nil {
		return 0, err
	}
	now := time.Now()
	for _, pending := range described.RawResponse.GetPendingActivities() {
		if pending.GetActivityType().GetName() != publishActivity {
			continue
		}
		if running++; pending.GetHeartbeatDetails() == nil {
			continue
		}
		var ids []string
		if err := h.data.FromPayloads(pending.GetHeartbeatDetails(), &ids); err != nil {
			return running, err
		}
		keys, err := h.inputOf(ctx, e, pending.GetActivityId())
		if err != nil || len(keys) != len(ids) {
			return running, err
		}
		h.round().note(func(r *round) {
			for i, id := range ids {
				if id != "" {
					earliest(r.heartbeats, keys[i], now)
				}
			}
		})
	}
	return running, nil
}

func (h *harness) inputOf(ctx context.Context, e *commonpb.WorkflowExecution, activity string) ([]string, error) {
	for history := h.temporal.GetWorkflowHistory(ctx, e.GetWorkflowId(), e.GetRunId(), false, enumspb.HISTORY_EVENT_FILTER_TYPE_ALL_EVENT); history.HasNext(); {
		event, err := history.Next()
		if err != nil {
			return nil, err
		}
		if scheduled := event.GetActivityTaskScheduledEventAttributes(); scheduled.GetActivityId() == activity {
			return h.keysOf(scheduled.GetInput())
		}
	}
	return nil, errNothing
}

// scraper reads metrics on loopback.
var scraper = &http.Client{Timeout: 10 * time.Second}

func scrape(ctx context.Context, base string) (string, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, base+"/metrics", nil)
	if err != nil {
		return "", err
	}
	response, err := scraper.Do(request)
	if err != nil {
		return "", fmt.Errorf("reading metrics: %w", err)
	}
	defer func() { _ = response.Body.Close() }()
	text, err := io.ReadAll(response.Body)
	return string(text), err
}

// sample is what a worker uses.
type sample struct {
	Round      int     `json:"round"`
	MB         float64 `json:"mb"` // resident
	Goroutines float64 `json:"goroutines"`
	Files      float64 `json:"files"`
}

func (h *harness) sample(ctx context.Context, w *member) (sample, error) {
	text, err := scrape(ctx, w.MetricsURL)
	value := func(name string) float64 {
		_, rest, _ := strings.Cut(text, "\n"+name+" ")
		n, _ := strconv.ParseFloat(strings.TrimSpace(rest[:max(0, strings.IndexByte(rest, '\n'))]), 64)
		return n
	}
	return sample{
		Round: h.round().number, MB: value("process_resident_memory_bytes") / 1e6,
		Goroutines: value("go_goroutines"), Files: value("process_open_fds"),
	}, err
}

// leaks stops everything and looks for what is planted, and for some ids that the store
// chose, in what the workers and Temporal have written and shown.
func (h *harness) leaks(ctx context.Context, made []string) (found []string, err error) {
	shown := make(map[string][]byte)
	for _, w := range h.workers {
		text, err := scrape(ctx, w.MetricsURL)
		if err != nil {
			return nil, err
		}
		shown["the metrics of "+w.Name] = []byte(text)
	}
	for _, w := range h.workers {
		if err := w.Kill(); err != nil {
			return nil, err
		}
	}
	if _, err := h.Temporal.Stop(ctx); err != nil {
		return nil, err
	}
	files, err := filepath.Glob(filepath.Join(h.Dir, "*"))
	for _, file := range files {
		text, readErr := os.ReadFile(file) //nolint:gosec // files that this process has had written
		err = errors.Join(err, readErr)
		shown[filepath.Base(file)] = text
	}
	for place, text := range shown {
		if place == "temporal.db" && !bytes.Contains(text, []byte(h.datastore())) {
			found = append(found, "the look at the database does not even see what is no secret")
		}
		for _, secret := range append([]string{secretID, secretName}, made[:min(50, len(made))]...) {
			if bytes.Contains(text, []byte(secret)) {
				found = append(found, place+" holds "+secret)
			}
		}
	}
	return found, err
}
