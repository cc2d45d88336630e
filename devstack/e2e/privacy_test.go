package e2e

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	commonpb "go.temporal.io/api/common/v1"
	"google.golang.org/protobuf/encoding/prototext"
	"google.golang.org/protobuf/proto"

	"healthlake-cdc/devstack/internal/awslocal"
	"healthlake-cdc/devstack/internal/fhirdata"
	"healthlake-cdc/devstack/internal/simulator"
	"healthlake-cdc/devstack/internal/stack"
	"healthlake-cdc/devstack/internal/truth"
	"healthlake-cdc/internal/cdc"
)

// After a run in which everything fails at least once, no id and no name of a
// resource is readable in what the workers log and measure, in what Temporal
// shows in plain text, or in the files that Temporal and the workers leave.
func TestNoPatientDataIsReadable(t *testing.T) {
	t.Parallel()
	r, c := newClockedRig(t, stack.Options{Simulator: simulator.Config{Limits: noLimits}}, fewTypes, "CDC_LOG_LEVEL=debug")
	workers := []*stack.Worker{r.worker(t), r.worker(t)}
	r.failEachOnce(t)
	window := r.earlyInWindow(t)
	r.writeSecrets(t)
	r.writeMany(t, window, "Observation", "secretmany", 1_300) // enough for a slice
	r.Simulator.SetSearchLag(simulator.FixedLag(2 * time.Minute))
	r.writeMany(t, window, "Patient", "secretlate", 3)
	r.Simulator.SetSearchLag(nil)
	r.drained(t)
	r.terminatedAndRerun(t)
	r.operate(t, "replay", "--name", "plain-sight", "--since", window.Start.Format(time.RFC3339), "--until", "0s", "--wait")
	c.release(3 * time.Minute) // what search did not show is left to a rerun, which reads each body
	require.Equal(t, window.RerunID(1), r.capture(t, window.Start, "--wait").WorkflowID)
	complete(t, r.withoutReplays(t))
	require.Empty(t, r.Simulator.Faults(), "every failure has happened")

	secrets := r.secrets(t)
	shown := make(map[string][]byte)
	for _, worker := range workers {
		shown[worker.Name+"'s metrics"] = scrape(t, worker)
	}
	require.NoError(t, r.StopWorkers(t.Context()))
	for _, worker := range workers {
		shown[worker.Name+"'s log"] = read(t, worker.Log)
		require.Contains(t, string(shown[worker.Name+"'s log"]), `"level":"DEBUG"`)
	}
	shown["what Temporal shows"] = r.plainText(t)
	for place, text := range shown {
		require.Contains(t, string(text), r.datastore(), "the look at %s sees what is no secret", place)
	}
	_, err := r.Temporal.Stop(t.Context())
	require.NoError(t, err)
	files, err := filepath.Glob(filepath.Join(r.Dir, "*"))
	require.NoError(t, err)
	for _, file := range files {
		shown[filepath.Base(file)] = read(t, file)
	}
	require.Contains(t, string(shown["temporal.db"]), r.datastore(), "the look at the database sees what is no secret")
	for place, text := range shown {
		for _, secret := range secrets {
			require.False(t, bytes.Contains(text, []byte(secret)), "%s holds %s", place, secret)
		}
	}
}

// familyName is on no list of names, nor in any program.
const familyName = "Quillfeather-Zabrinskov"

// failEachOnce makes searches, reads and calls of SQS and EventBridge fail in every way for a
// while.
func (r *rig) failEachOnce(t *testing.T) {
	t.Helper()
	for _, kind := range []simulator.FaultKind{
		simulator.ServerError, simulator.Forbid, simulator.Reject, simulator.Throttle, simulator.Truncate, simulator.HalfPage,
		simulator.ExpireToken,
	} {
		require.NoError(t, r.Simulator.InjectFault(simulator.Fault{Kind: kind, Count: 4}))
	}
	for _, kind := range []simulator.FaultKind{simulator.ServerError, simulator.Forbid, simulator.Truncate} {
		require.NoError(t, r.Simulator.InjectFault(simulator.Fault{Kind: kind, Of: simulator.KindRead, Count: 1}))
	}
	r.AWS.SetFaults(awslocal.Faults{
		FailEntries: 25, FailEntryCode: "InternalFailure",
		Throttle: map[string]int{"PutEvents": 3, "ReceiveMessage": 2, "DeleteMessageBatch": 2},
	})
}

// writeSecrets creates, updates and deletes patients, and writes one that is too
// large for the bus.
func (r *rig) writeSecrets(t *testing.T) {
	t.Helper()
	for i := range 5 {
		body := fmt.Sprintf(`{"resourceType":"Patient","name":[{"family":%q,"given":["Ottoline%d"]}]}`, familyName, i)
		_, err := r.writer.Create(t.Context(), "Patient", []byte(body))
		require.NoError(t, err)
		id := fmt.Sprintf("secretpatient-%d", i)
		put(t, r.writer, "Patient", id)
		put(t, r.writer, "Patient", id)
		put(t, r.writer, "Condition", "secretcondition-"+id)
		require.NoError(t, r.writer.Delete(t.Context(), "Condition", "secretcondition-"+id))
	}
	large, err := fhirdata.WithID(fhirdata.Resource{
		Type: "Patient", Body: []byte(`{"resourceType":"Patient","id":"x","name":[{"family":"` + familyName + `","text":"` +
			strings.Repeat(familyName, 60_000) + `"}]}`),
	}, "secretlarge")
	require.NoError(t, err)
	_, err = r.writer.Update(t.Context(), large.Type, large.ID, large.Body)
	require.NoError(t, err)
}

// secrets are every FHIR logical id that was written, and the names.
func (r *rig) secrets(t *testing.T) []string {
	t.Helper()
	secrets := []string{familyName, "Ottoline"}
	for _, write := range r.Simulator.WriteLog(r.datastore()) {
		secrets = append(secrets, write.ID)
	}
	slices.Sort(secrets)
	secrets = slices.Compact(secrets)
	require.Greater(t, len(secrets), 1_300)
	return secrets
}

// withoutReplays compares what came with what was written, a replay's events
// left out: they repeat versions on purpose.
func (r *rig) withoutReplays(t *testing.T) truth.Report {
	t.Helper()
	r.drained(t)
	var writes []simulator.Write
	for _, datastore := range r.Simulator.Datastores() {
		writes = append(writes, r.Simulator.WriteLog(datastore)...)
	}
	events := slices.DeleteFunc(r.subscriber.Events(), func(event truth.Event) bool { return event.Meta.Replay != "" })
	return truth.Compare(writes, r.Deliveries.All(), events, r.settings)
}

// plainText is what Temporal shows of executions of every kind.
func (r *rig) plainText(t *testing.T) []byte {
	t.Helper()
	text := r.shownText(t)
	for _, name := range []string{cdc.WorkflowCaptureWindow, cdc.WorkflowCaptureSlice, cdc.WorkflowCaptureRange, cdc.WorkflowPublishDelete} {
		require.Contains(t, string(text), name)
	}
	return text
}

// shownText is everything that Temporal shows of every execution, in the list, by
// describing it and in its history, without what payloads hold: that is
// encrypted, which is another test's subject.
func (r *rig) shownText(t *testing.T) []byte {
	t.Helper()
	all, err := r.executions(t.Context(), "")
	require.NoError(t, err)
	require.NotEmpty(t, all)
	var text bytes.Buffer
	show := func(message proto.Message) {
		visit(message, func(p *commonpb.Payload) { p.Data = nil })
		text.WriteString(prototext.Format(message))
	}
	for _, info := range all {
		show(r.describe(t, info.GetExecution()))
		show(r.history(t, info.GetExecution()).GetHistory())
		show(info)
	}
	return text.Bytes()
}

func read(t *testing.T, file string) []byte {
	t.Helper()
	content, err := os.ReadFile(file)
	require.NoError(t, err)
	return content
}

// scrape reads a worker's metrics.
func scrape(t *testing.T, w *stack.Worker) []byte {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, w.MetricsURL+"/metrics", nil)
	require.NoError(t, err)
	answer, err := http.DefaultClient.Do(request)
	require.NoError(t, err)
	defer func() { _ = answer.Body.Close() }()
	require.Equal(t, http.StatusOK, answer.StatusCode)
	text, err := io.ReadAll(answer.Body)
	require.NoError(t, err)
	return text
}
