package queue

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"healthlake-cdc/internal/cdc"
	"healthlake-cdc/internal/trigger"
)

const store = "a1b2c3d4e5f60718293a4b5c6d7e8f90"

// body is a CloudTrail record in its envelope.
func body(name string, at time.Time) string {
	return fmt.Sprintf(`{"source":"aws.healthlake","detail-type":"AWS API Call via CloudTrail","detail":{`+
		`"eventSource":"healthlake.amazonaws.com","eventName":%q,"eventTime":%q,"eventID":"id-%d","readOnly":false,`+
		`"requestParameters":{"datastoreId":%q,"resourceType":"Patient","resourceId":"pat-7"},"responseElements":{"statusCode":200}}}`,
		name, at.UTC().Format(time.RFC3339), at.Unix(), store)
}

// update is a record of a moment that lies in the middle of a window.
func update(window cdc.Window) string { return body("UpdateResource", window.Start.Add(6*time.Second)) }

// windowsBefore are n windows, the last of which ended by now.
func windowsBefore(n int) []cdc.Window {
	windows := make([]cdc.Window, n)
	for i := range windows {
		windows[i] = cdc.WindowAt(store, time.Now().Add(-time.Duration(n-i)*cdc.WindowWidth))
	}
	return windows
}

// fakeOpener is the other side of the consumer.
type fakeOpener struct {
	mu      sync.Mutex
	opened  map[cdc.Window]int
	deletes map[string]int
	imports map[string]int
	jobs    map[string]int
	bulk    map[cdc.Window]bool
	calls   int
	running int
	most    int // of calls at a time
	// answer decides each call; nil opens.
	answer func(ctx context.Context, w cdc.Window) error
}

func (o *fakeOpener) OpenWindow(ctx context.Context, w cdc.Window, cause cdc.Cause) (bool, error) {
	o.mu.Lock()
	o.calls++
	o.running++
	o.most = max(o.most, o.running)
	answer := o.answer
	o.mu.Unlock()
	var err error
	if answer != nil {
		err = answer(ctx, w)
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	o.running--
	if err != nil {
		return false, err
	}
	if !w.Contains(cause.SourceTime) {
		return false, fmt.Errorf("window %s opened by a trigger that is not its own", w.ID())
	}
	o.opened[w]++
	o.bulk[w] = cause.Bulk
	return o.opened[w] == 1, nil
}

func (o *fakeOpener) PublishDelete(ctx context.Context, datastore string, d cdc.Delete, source string) (bool, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.deletes[fmt.Sprint(datastore, d.Type, d.EventID, d.Scope, source)]++
	return true, nil
}

func (o *fakeOpener) Import(ctx context.Context, datastore string, i cdc.Import, _ cdc.Cause) (bool, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.imports[datastore+"/"+i.ID]++
	return o.imports[datastore+"/"+i.ID] == 1, nil
}

func (o *fakeOpener) Follow(ctx context.Context, datastore string, j cdc.Job, _ cdc.Cause) (bool, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.jobs[datastore+"/"+j.ID]++
	return o.jobs[datastore+"/"+j.ID] == 1, nil
}

func (o *fakeOpener) set(answer func(ctx context.Context, w cdc.Window) error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.answer = answer
}

func (o *fakeOpener) get(read func()) {
	o.mu.Lock()
	defer o.mu.Unlock()
	read()
}

type counts struct {
	mu     sync.Mutex
	events map[Event]int
	// windowsOpened and windowsCoalesced are by source.
	windowsOpened, windowsCoalesced map[string]int
	outcomes                        map[trigger.Outcome]int
	delays                          []time.Duration
	pauses                          []bool
}

func (c *counts) Outcome(o trigger.Outcome) { c.do(func() { c.outcomes[o]++ }) }
func (c *counts) Count(e Event, n int)      { c.do(func() { c.events[e] += n }) }
func (c *counts) Window(source string, opened bool) {
	c.do(func() {
		if opened {
			c.windowsOpened[source]++
		} else {
			c.windowsCoalesced[source]++
		}
	})
}
func (c *counts) Delay(_ string, d time.Duration) {
	c.do(func() { c.delays = append(c.delays, d) })
}
func (c *counts) Paused(paused bool) { c.do(func() { c.pauses = append(c.pauses, paused) }) }

func (c *counts) do(change func()) {
	c.mu.Lock()
	defer c.mu.Unlock()
	change()
}

func (c *counts) of(e Event) (n int) {
	c.do(func() { n = c.events[e] })
	return n
}

// syncLog is a log that may be read while it is written.
type syncLog struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *syncLog) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *syncLog) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

// fixture is a consumer between a fake queue and a fake opener.
type fixture struct {
	t        testing.TB
	queue    *fakeSQS
	opener   *fakeOpener
	counts   *counts
	log      *syncLog
	consumer *Consumer
	cancel   context.CancelFunc
	done     chan struct{}
}

const grace = 5 * time.Second

func newFixture(t testing.TB, changes ...func(*limits)) *fixture {
	f := &fixture{
		t: t, queue: newFakeSQS(), log: &syncLog{}, done: make(chan struct{}),
		opener: &fakeOpener{
			opened: make(map[cdc.Window]int), deletes: make(map[string]int), imports: make(map[string]int),
			jobs: make(map[string]int), bulk: make(map[cdc.Window]bool),
		},
		counts: &counts{events: make(map[Event]int), windowsOpened: make(map[string]int), windowsCoalesced: make(map[string]int), outcomes: make(map[trigger.Outcome]int)},
	}
	cfg := Config{
		Receive: f.queue.client(), Delete: f.queue.client(), QueueURL: queueURL, Opener: f.opener, Metrics: f.counts,
		Logger: slog.New(slog.NewTextHandler(f.log, &slog.HandlerOptions{Level: slog.LevelDebug})),
		Scope:  trigger.Scope{Datastores: map[string]bool{store: true}, Types: map[string]bool{"Patient": true}, Lookback: 5 * time.Second},
		Grace:  grace,
	}
	l := defaultLimits
	for _, change := range changes {
		change(&l)
	}
	f.consumer = newConsumer(cfg, l)
	return f
}

func (f *fixture) start() *fixture {
	var ctx context.Context
	ctx, f.cancel = context.WithCancel(context.Background())
	go func() {
		f.consumer.Run(ctx)
		close(f.done)
	}()
	return f
}

// stop ends the consumer and checks what holds after every run.
func (f *fixture) stop() {
	f.cancel()
	f.stopped()
}

func (f *fixture) stopped() {
	<-f.done
	require.Zero(f.t, f.queue.cancelled, "a poll was cancelled: its messages are stranded")
	require.Zero(f.t, f.queue.polling)
	require.NotContains(f.t, f.log.String(), "pat-7", "a FHIR id in the log")
	require.NotContains(f.t, f.log.String(), "secret-queue", "a URL in the log")
	require.True(f.t, f.consumer.slots.TryAcquire(int64(f.consumer.inHand)), "a slot was not given back")
	require.Empty(f.t, f.consumer.extender.tracked, "a message is still kept")
}
