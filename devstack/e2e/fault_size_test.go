package e2e

import (
	"bufio"
	"encoding/base64"
	"fmt"
	"math/rand/v2"
	"os"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	commonpb "go.temporal.io/api/common/v1"
	"google.golang.org/protobuf/proto"

	"healthlake-cdc/devstack/internal/fhirdata"
	"healthlake-cdc/devstack/internal/simulator"
	"healthlake-cdc/devstack/internal/stack"
	"healthlake-cdc/internal/cdc"
)

const (
	// Temporal's limits, by default: of a payload, of a history's size and of its
	// events (Temporal service configuration, limit.blobSize.error,
	// limit.historySize.error and limit.historyCount.error).
	largestPayload = 2 << 20
	largestHistory = 50 << 20
	mostEvents     = 51_200
	// mostMemory bounds the worker's resident memory. The figure that was measured
	// is in docs/performance.md.
	mostMemory = 512 << 20
)

// One window of 50,000 versions, from 1 KB to over the bus's limit, which hardly
// compress: everything comes once, no payload or history comes near Temporal's
// limits, and the one worker's memory is bounded.
func TestWindowOfFiftyThousandVersions(t *testing.T) {
	t.Parallel()
	r, c := newClockedRig(t, stack.Options{Simulator: simulator.Config{Limits: noLimits}},
		"CDC_RESOURCE_TYPES=Patient,Condition,DocumentReference", shortPasses, "CDC_SEARCH_RATE=1000")
	r.silenced(t)
	worker := r.worker(t)
	window := windowAgo(r.datastore(), 3*time.Minute)
	sizes := mixedSizes()
	c.pin(window.Start.Add(alone))
	began := time.Now()
	bytes := writeMixed(t, r, sizes)
	c.release(0)
	t.Logf("written: %d versions, %d MB, in %s", len(sizes), bytes/1e6, time.Since(began).Round(time.Second))

	began = time.Now()
	r.trigger(window)
	r.received(t, len(sizes))
	t.Logf("published after %s", time.Since(began).Round(time.Second))
	r.closed(t, window.ID())
	t.Logf("closed after %s", time.Since(began).Round(time.Second))
	report := r.drained(t)
	complete(t, report)
	require.Equal(t, len(sizes), report.Total.Published)
	require.Equal(t, len(sizes), r.result(t, window.ID()).Ledger.Published())
	references := 0
	for _, event := range r.subscriber.Events() {
		if event.Meta.Payload == cdc.PayloadReference {
			references++
		}
	}
	require.Equal(t, overLimit, references, "what does not fit on the bus went as a reference")

	w := r.weigh(t)
	t.Logf("largest payload %d KiB, largest history %d KiB and %d events, of %d runs",
		w.payload>>10, w.history>>10, w.events, w.runs)
	require.Greater(t, w.runs, 1+3, "slices continued as new: there is one of each type")
	require.Less(t, w.payload, largestPayload)
	require.Less(t, w.history, largestHistory)
	require.Less(t, w.events, mostEvents)
	if runtime.GOOS == "linux" {
		peak := peakMemory(t, worker.Pid())
		t.Logf("the worker's peak resident memory is %d MiB", peak>>20)
		require.Less(t, peak, mostMemory)
	}
}

// overLimit is how many of mixedSizes are over the bus's limit of 1,000,000 bytes.
const overLimit = 10

// mixedSizes are the sizes of the resources' contents in bytes: most of them 1
// KB, some up to 8 KB, and large ones from 300 KB on, so close together that some
// pages hold many of them.
func mixedSizes() []int {
	sizes := make([]int, 50_000)
	for i := range sizes {
		sizes[i] = 1_000
		if i%10 == 0 {
			sizes[i] = 1_000 + i%7_000
		}
	}
	for i := range 30 {
		size := 1_050_000 + i*50_000 // up to 1,500,000
		if i >= overLimit {
			size = 300_000 + (i-overLimit)*30_000 // up to 870,000
		}
		sizes[9_000+i*15] = size // every fifth of its type
	}
	return sizes
}

// writeMixed writes a resource of each size, over three types, and returns the
// sum of their sizes.
func writeMixed(t *testing.T, r *rig, sizes []int) (sum int) {
	t.Helper()
	random := rand.New(rand.NewPCG(1, 2))
	types := []string{"Patient", "DocumentReference", "Condition"}
	var batch []fhirdata.Resource
	inBatch := 0
	flush := func() {
		if len(batch) == 0 {
			return
		}
		_, err := r.writer.Transaction(t.Context(), fhirdata.Transactions(batch, 500)[0])
		require.NoError(t, err)
		batch, inBatch = batch[:0], 0
	}
	for i, size := range sizes {
		resource := sized(types[i%len(types)], fmt.Sprintf("mixed-%d", i), size, random)
		if len(batch) == 500 || inBatch+len(resource.Body) > 8<<20 {
			flush()
		}
		batch = append(batch, resource)
		inBatch += len(resource.Body)
		sum += len(resource.Body)
	}
	flush()
	return sum
}

// sized is a resource of about size bytes that hardly compresses.
func sized(resourceType, id string, size int, random *rand.Rand) fhirdata.Resource {
	content := make([]byte, size*3/4)
	for i := range content {
		content[i] = byte(random.Uint32())
	}
	body := fmt.Appendf(nil, `{"resourceType":%q,"id":%q,"text":{"status":"generated","div":"<div>`, resourceType, id)
	body = base64.StdEncoding.AppendEncode(body, content)
	return fhirdata.Resource{Type: resourceType, ID: id, Body: append(body, `</div>"}}`...)}
}

// weight is what the largest things in Temporal are, in bytes and in events.
type weight struct{ payload, history, events, runs int }

// weigh goes through every run of every execution.
func (r *rig) weigh(t *testing.T) (w weight) {
	t.Helper()
	all, err := r.executions(t.Context(), "")
	require.NoError(t, err)
	for _, info := range all {
		w.runs++
		size := 0
		events := r.history(t, info.GetExecution()).GetHistory().GetEvents()
		for _, event := range events {
			size += proto.Size(event)
			visit(event, func(p *commonpb.Payload) { w.payload = max(w.payload, proto.Size(p)) })
		}
		w.history, w.events = max(w.history, size), max(w.events, len(events))
	}
	return w
}

// peakMemory is the largest resident set of a process so far, in bytes.
func peakMemory(t *testing.T, pid int) int {
	t.Helper()
	file, err := os.Open(fmt.Sprintf("/proc/%d/status", pid))
	require.NoError(t, err)
	defer func() { _ = file.Close() }() // read only
	lines := bufio.NewScanner(file)
	for lines.Scan() {
		if text, found := strings.CutPrefix(lines.Text(), "VmHWM:"); found {
			kib, err := strconv.Atoi(strings.TrimSuffix(strings.TrimSpace(text), " kB"))
			require.NoError(t, err)
			return kib << 10
		}
	}
	require.NoError(t, lines.Err())
	require.Fail(t, "the process has no VmHWM")
	return 0
}
