package e2e

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/eventbridge"
	eventtypes "github.com/aws/aws-sdk-go-v2/service/eventbridge/types"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	sqstypes "github.com/aws/aws-sdk-go-v2/service/sqs/types"
	"github.com/stretchr/testify/require"
	enumspb "go.temporal.io/api/enums/v1"

	"healthlake-cdc/devstack/internal/fhirdata"
	"healthlake-cdc/devstack/internal/simulator"
	"healthlake-cdc/devstack/internal/stack"
	"healthlake-cdc/internal/cdc"
)

// long before anything that the tests' ledgers know.
var longAgo = time.Date(2025, 3, 1, 12, 0, 0, 0, time.UTC)

// yearOf is the year of longAgo as flags of the starter.
var yearOf = []string{"--since", "2025-01-01T00:00:00Z", "--until", "2026-01-01T00:00:00Z"}

// writePast writes n small resources of a type at a moment of the past.
func (r *rig) writePast(t testing.TB, c *clock, at time.Time, resourceType, prefix string, n int) {
	t.Helper()
	r.writeAt(t, c, cdc.WindowAt(r.datastore(), at), resourceType, prefix, n)
}

// progress queries the progress of an execution.
func (r *rig) progress(ctx context.Context, id string) (p cdc.Progress, err error) {
	value, err := r.temporal.QueryWorkflow(ctx, id, "", cdc.QueryProgress)
	if err != nil {
		return p, err
	}
	return p, value.Get(&p)
}

// rangeProgress queries the progress of a range or a slice.
func (r *rig) rangeProgress(ctx context.Context, id string) (cdc.RangeProgress, error) {
	p, err := r.progress(ctx, id)
	if err != nil || p.Range == nil {
		return cdc.RangeProgress{}, errors.Join(errNotYet, err)
	}
	return *p.Range, nil
}

// paused waits until a range is paused and its slice waits.
func (r *rig) paused(t *testing.T, id, slice string) {
	t.Helper()
	until(t, id+" is paused", func(ctx context.Context) bool {
		p, err := r.rangeProgress(ctx, id)
		return err == nil && p.Paused
	})
	until(t, slice+" is paused", func(ctx context.Context) bool {
		p, err := r.progress(ctx, slice)
		return err == nil && strings.Contains(p.Note, "Paused")
	})
}

// refuses runs a starter command that must fail, and returns its output.
func (r *rig) refuses(t *testing.T, args ...string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	got := runProgram(t, ctx, "starter", r.environment(), nil, args...)
	require.NotZero(t, got.code, "starter %v: %s", args, got.all())
	return got.all()
}

// A replay at a rate is paused, stays paused while its worker is killed and another
// starts, is resumed, and publishes everything once. Another is cancelled and reports its
// progress. Pausing twice changes nothing; a range that does not exist or has closed is
// an error.
func TestRangeIsPausedResumedAndCancelled(t *testing.T) {
	t.Parallel()
	r, c := newClockedRig(t, stack.Options{Simulator: simulator.Config{Limits: noLimits}}, fewTypes, "CDC_SEARCH_RATE=200")
	r.silenced(t)
	first := r.worker(t)
	const versions = 1_500
	r.writePast(t, c, longAgo, "Patient", "held", versions)

	require.Contains(t, r.refuses(t, "pause", "held"), "backfill/held")
	r.operate(t, append([]string{"replay", "--name", "held", "--rate", "50"}, yearOf...)...)
	id := cdc.ReplayID("held")
	slice := cdc.SliceID(id, "Patient", yearStart, 1)
	r.received(t, 200)
	r.operate(t, "pause", "held")
	r.operate(t, "pause", "replay/held")
	r.paused(t, id, slice)
	r.subscribed(t)
	held, _ := r.subscriber.Len()
	require.Less(t, held, versions)
	require.NoError(t, first.Kill())
	r.worker(t)
	r.paused(t, id, slice)
	r.subscribed(t)
	again, _ := r.subscriber.Len()
	require.Equal(t, held, again, "nothing is published meanwhile")
	r.operate(t, "resume", "held")
	r.closed(t, id)
	r.subscribed(t)
	require.Len(t, r.keysOf("held"), versions)
	all, _ := r.subscriber.Len()
	require.Equal(t, versions, all, "each once")
	if *record {
		books := newRecorder(t, r)
		books.record(t, "range-paused", id)
		books.record(t, "slice-paused", slice)
	}
	require.Contains(t, r.refuses(t, "resume", "held"), "replay/held (Completed)")

	r.operate(t, append([]string{"replay", "--name", "ended", "--rate", "50"}, yearOf...)...)
	r.received(t, versions+200)
	ended := readReplayed(t, r.operate(t, "cancel", "ended", "--wait", "--json"))
	r.reaches(t, cdc.ReplayID("ended"), enumspb.WORKFLOW_EXECUTION_STATUS_CANCELED)
	r.subscribed(t)
	came := len(r.keysOf("ended"))
	require.Positive(t, came)
	require.Less(t, came, versions)
	require.Equal(t, came, ended.Result.Counts.Published, "it says how far it came")
	require.Equal(t, versions, ended.Result.Total)
	require.Contains(t, r.refuses(t, "cancel", "ended"), "replay/ended (Canceled)")

	if *record {
		books := newRecorder(t, r)
		books.record(t, "range-cancelled", cdc.ReplayID("ended"))
		books.record(t, "slice-cancelled", cdc.SliceID(cdc.ReplayID("ended"), "Patient", yearStart, 1))
	}

	// A name that two ranges have.
	r.operate(t, append([]string{"replay", "--name", "both", "--rate", "10"}, yearOf...)...)
	r.operate(t, append([]string{"backfill", "--name", "both"}, yearOf...)...)
	r.operate(t, "pause", "backfill/both")
	require.Contains(t, r.refuses(t, "pause", "both"), "replay/both or backfill/both")
	r.operate(t, "cancel", "replay/both", "--wait")
	r.operate(t, "cancel", "both", "--wait")
	r.reaches(t, cdc.BackfillID("both"), enumspb.WORKFLOW_EXECUTION_STATUS_CANCELED)
}

// yearStart is where yearOf begins.
var yearStart = time.Date(2025, 1, 1, 0, 0, 0, 0, time.UTC)

// figures are what a range or its dry run says that it publishes.
type figures struct {
	versions, references, events int
	bytes                        int64
}

func figuresOf(r replayed) figures {
	c := r.Result.Counts
	return figures{versions: c.Published, references: c.References, events: c.Events, bytes: c.Bytes}
}

// The figures of a dry run are those of the run, for a replay of a time range, a replay of
// named resources, a replay to another bus, and a backfill. The dry run publishes nothing and
// does not use the name up.
func TestDryRunSaysWhatTheRunDoes(t *testing.T) {
	t.Parallel()
	r, c := newClockedRig(t, stack.Options{Simulator: simulator.Config{Limits: noLimits}}, fewTypes, "CDC_SEARCH_RATE=400")
	r.silenced(t)
	r.worker(t)
	want := r.writeSizes(t, c)
	warehouse := r.anotherBus(t, "warehouse")
	nothing := func() {
		r.subscribed(t)
		n, _ := r.subscriber.Len()
		require.Zero(t, n, "a dry run publishes nothing")
	}

	replay := append([]string{"replay", "--name", "sizes", "--json"}, yearOf...)
	dry := readReplayed(t, r.operate(t, append(replay, "--dry-run")...))
	require.Equal(t, "dry-run/replay/sizes", dry.WorkflowID)
	require.Equal(t, want, figuresOf(dry))
	require.Positive(t, dry.Result.Actions)
	again := readReplayed(t, r.operate(t, append(replay, "--dry-run")...))
	require.True(t, again.Started, "it may be made again")
	require.Equal(t, want, figuresOf(again))
	backfill := append([]string{"backfill", "--name", "sizes", "--json"}, yearOf...)
	require.Equal(t, want, figuresOf(readReplayed(t, r.operate(t, append(backfill, "--dry-run")...))))
	nothing()

	// To another bus: this one has nothing of it.
	elsewhere := append([]string{"replay", "--name", "elsewhere", "--json", "--wait", "--to-bus", "warehouse"}, yearOf...)
	require.Equal(t, want, figuresOf(readReplayed(t, r.operate(t, elsewhere...))))
	require.Equal(t, want.versions, warehouse())
	nothing()

	named := append([]string{"replay", "--name", "named", "--json", "--id", "Patient/size-0,Observation/size-1", "--id", "Patient/is-not-there"}, yearOf...)
	dryNamed := readReplayed(t, r.operate(t, append(named, "--dry-run")...))
	require.Equal(t, 2, figuresOf(dryNamed).versions)
	require.Equal(t, 1, dryNamed.Result.Counts.NotFound)
	ranNamed := readReplayed(t, r.operate(t, append(named, "--wait")...))
	require.Equal(t, figuresOf(dryNamed), figuresOf(ranNamed))
	require.Equal(t, 1, ranNamed.Result.Counts.NotFound)
	// The same resources on standard input join it.
	joined := r.fed(t, "Observation/size-1\nPatient/size-0, Patient/is-not-there\n",
		append([]string{"replay", "--name", "named", "--wait", "--id", "-"}, yearOf...)...)
	require.Contains(t, joined.stdout, "replay/named")
	require.Contains(t, joined.stdout, "1 of 3")
	require.NotContains(t, joined.all(), "size-0")
	r.subscribed(t)
	require.Len(t, r.keysOf("named"), 2)

	ran := readReplayed(t, r.operate(t, append(replay, "--wait")...))
	require.True(t, ran.Started, "the name was free")
	require.Equal(t, want, figuresOf(ran))
	r.subscribed(t)
	require.Len(t, r.keysOf("sizes"), want.versions)
	require.Equal(t, want, figuresOf(readReplayed(t, r.operate(t, append(backfill, "--wait")...))))
	r.subscribed(t)
	backfilled := 0
	for _, event := range r.subscriber.Events() {
		if event.Meta.CapturedBy == cdc.ByBackfill {
			backfilled++
			require.Equal(t, cdc.BackfillID("sizes"), event.Meta.CorrelationID)
		}
	}
	require.Equal(t, want.versions, backfilled, "each once")
	require.NotContains(t, r.refuses(t, append([]string{"replay", "--name", "bad", "--id", "size-0"}, yearOf...)...), "size-0")
	for _, id := range r.ids(t, "") {
		require.NotContains(t, id, "size-")
	}
}

// fed runs the starter with a standard input and requires that it succeeds.
func (r *rig) fed(t *testing.T, stdin string, args ...string) printed {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	got := runFed(t, ctx, "starter", r.environment(), strings.NewReader(stdin), nil, args...)
	require.Zero(t, got.code, "starter %v: %s", args, got.all())
	return got
}

// writeSizes writes resources from small to over the bus's limit and returns what
// publishing them comes to, by the events' documented size.
func (r *rig) writeSizes(t *testing.T, c *clock) (want figures) {
	t.Helper()
	random := rand.New(rand.NewPCG(3, 4))
	sizes := []int{1_200_000, 900_000, 100_000, 63_000, 66_000}
	for range 700 {
		sizes = append(sizes, 500+random.IntN(1_000))
	}
	var resources []fhirdata.Resource
	for i, size := range sizes {
		resources = append(resources, sized([]string{"Patient", "Observation"}[i%2], fmt.Sprintf("size-%d", i), size, random))
	}
	c.pin(longAgo)
	for _, batch := range fhirdata.Transactions(resources, 400) {
		_, err := r.writer.Transaction(t.Context(), batch)
		require.NoError(t, err)
	}
	c.release(0)
	for _, write := range r.Simulator.WriteLog(r.datastore()) {
		want.versions++
		size := write.Size + 600 // about what surrounds a body
		switch {
		case write.Size > 1_000_000:
			want.references++
			size = 600
		default:
			want.bytes += int64(write.Size)
		}
		want.events += (size + 64<<10 - 1) / (64 << 10)
	}
	return want
}

// anotherBus makes a bus with a queue on it, and returns how many events came.
func (r *rig) anotherBus(t *testing.T, name string) (came func() int) {
	t.Helper()
	ctx := t.Context()
	buses, queues := r.EventBridge(), r.SQS()
	_, err := buses.CreateEventBus(ctx, &eventbridge.CreateEventBusInput{Name: aws.String(name)})
	require.NoError(t, err)
	created, err := queues.CreateQueue(ctx, &sqs.CreateQueueInput{QueueName: aws.String(name)})
	require.NoError(t, err)
	described, err := queues.GetQueueAttributes(ctx, &sqs.GetQueueAttributesInput{
		QueueUrl: created.QueueUrl, AttributeNames: []sqstypes.QueueAttributeName{sqstypes.QueueAttributeNameQueueArn},
	})
	require.NoError(t, err)
	_, err = buses.PutRule(ctx, &eventbridge.PutRuleInput{
		Name: aws.String(name), EventBusName: aws.String(name), EventPattern: aws.String(`{"source":[{"prefix":"com.fhir-"}]}`),
	})
	require.NoError(t, err)
	_, err = buses.PutTargets(ctx, &eventbridge.PutTargetsInput{
		Rule: aws.String(name), EventBusName: aws.String(name),
		Targets: []eventtypes.Target{{Id: aws.String("queue"), Arn: aws.String(described.Attributes["QueueArn"])}},
	})
	require.NoError(t, err)
	return func() int {
		depth, ok := r.AWS.Messages(name)
		require.True(t, ok)
		return depth.Visible
	}
}
