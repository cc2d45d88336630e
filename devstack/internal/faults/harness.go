package faults

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	smithytime "github.com/aws/smithy-go/time"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/converter"

	"healthlake-cdc/devstack/internal/awslocal"
	"healthlake-cdc/devstack/internal/fhirclient"
	"healthlake-cdc/devstack/internal/proc"
	"healthlake-cdc/devstack/internal/simulator"
	"healthlake-cdc/devstack/internal/stack"
	"healthlake-cdc/internal/cdc"
	"healthlake-cdc/internal/payload"
	"healthlake-cdc/internal/telemetry"
)

// What the services are like without faults. A slow bus makes a Publish last for some
// seconds: then it can be killed between two heartbeats.
const usualPut = 250 * time.Millisecond

var (
	usualDelay = simulator.Between(0, time.Second)
	usualLag   = simulator.RandomLag(simulator.Between(0, time.Second))
)

// errNothing is what a fault ends with that found nothing to happen to.
var errNothing = errors.New("there was nothing that it could happen to")

// harness is a stack with workers, what the faults change, and what watches it.
type harness struct {
	*stack.Stack
	o        Options
	temporal client.Client
	data     converter.DataConverter
	queues   *sqs.Client
	workers  []*member
	// ahead is how far the store's clock is ahead, in nanoseconds.
	ahead atomic.Int64
	// malformed counts the messages that end in the dead-letter queue.
	malformed atomic.Int64
	current   atomic.Pointer[round]
	// restarting is locked while Temporal is away.
	restarting sync.Mutex

	mu    sync.Mutex
	trail simulator.Trail
}

// member is a worker. Who makes something happen to it locks busy.
type member struct {
	*stack.Worker
	busy sync.Mutex
	// starting is set while it is being started again.
	starting atomic.Bool
}

// open starts a stack with workers.
func open(ctx context.Context, o Options) (_ *harness, err error) {
	h := &harness{o: o}
	h.current.Store(newRound(0))
	dir := ""
	if o.Dir != "" {
		err = os.MkdirAll(o.Dir, 0o750)
		if err == nil {
			dir, err = os.MkdirTemp(o.Dir, fmt.Sprintf("seed-%d-", o.Seed))
		}
		if err != nil {
			return nil, fmt.Errorf("making the folder of a run: %w", err)
		}
	}
	h.Stack, err = stack.Start(ctx, stack.Options{
		Dir: dir, Progress: o.Progress,
		// An audit with versions "all" reads the history of every resource that was updated:
		// at the service's quota it would take longer than everything else.
		Simulator: simulator.Config{Seed: o.Seed, Now: h.now, SearchLag: usualLag, Limits: simulator.Limits{SearchGet: 1000}},
		Settings: []string{
			"CDC_RESOURCE_TYPES=" + strings.Join(types, ","), "CDC_PASSES=2s,6s", "CDC_VERSIONS=all", "CDC_AUDIT_EVERY=0",
			"CDC_SEARCH_RATE=500", "CDC_LOG_LEVEL=debug",
		},
	})
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, h.close())
		}
	}()
	h.trail = simulator.Trail{Sink: h.Sink(), Delay: usualDelay}
	if err := h.setTrail(func(*simulator.Trail) {}); err != nil {
		return nil, err
	}
	h.AWS.OnAccept(func(e awslocal.Accepted) { h.round().accept(e) })
	h.AWS.OnDeliver(func(queue string, body []byte, _ time.Time) {
		if queue == lastOf(h.Outputs["QueueUrl"]) {
			h.round().keep(body)
		}
	})
	h.AWS.UpdateFaults(func(f *awslocal.Faults) { f.Stall = map[string]awslocal.Latency{put: awslocal.Latency(usualPut)} })
	h.queues = h.SQS()
	if err := h.dial(ctx); err != nil {
		return nil, err
	}
	for range o.Workers {
		w, err := h.StartWorker(ctx)
		if err != nil {
			return nil, err
		}
		h.workers = append(h.workers, &member{Worker: w})
	}
	return h, nil
}

func (h *harness) close() error {
	if h.temporal != nil {
		h.temporal.Close()
	}
	return h.Close()
}

// now is the store's clock.
func (h *harness) now() time.Time { return time.Now().Add(time.Duration(h.ahead.Load())) }

func (h *harness) round() *round { return h.current.Load() }

func (h *harness) datastore() string { return h.Simulator.Datastores()[0] }

func (h *harness) client() *fhirclient.Client {
	identity := simulator.DefaultCredentials
	return &fhirclient.Client{
		Endpoint: h.Simulator.URL(), Datastore: h.datastore(), Region: stack.Region, Now: h.now,
		Credentials: credentials.NewStaticCredentialsProvider(identity.AccessKeyID, identity.SecretAccessKey, ""),
	}
}

// dial connects to Temporal with the stack's payload keys.
func (h *harness) dial(ctx context.Context) error {
	ring, err := payload.ParseKeys(h.Keys)
	if err != nil {
		return err
	}
	codec, err := payload.NewCodec(ring, client.DefaultNamespace, payload.Migration{})
	if err != nil {
		return err
	}
	h.data = payload.NewDataConverter(codec)
	h.temporal, err = client.DialContext(ctx, client.Options{
		HostPort: h.TemporalAddress(), DataConverter: h.data, FailureConverter: payload.NewFailureConverter(h.data),
		Logger: telemetry.TemporalLogger(slog.New(slog.DiscardHandler)),
	})
	if err != nil {
		return fmt.Errorf("connecting to Temporal: %w", err)
	}
	return nil
}

func (h *harness) setTrail(change func(*simulator.Trail)) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	change(&h.trail)
	return h.Simulator.SetTrail(h.trail)
}

// mortal are the workers that may be killed: in a soak all but the first, whose memory,
// goroutines and files are watched.
func (h *harness) mortal() []*member {
	if h.o.For > 0 && len(h.workers) > 1 {
		return h.workers[1:]
	}
	return h.workers
}

// free locks one of the workers when nothing is happening to it, soon.
func (h *harness) free(ctx context.Context, f Fault, from []*member) (free *member, err error) {
	soon, cancel := context.WithTimeout(ctx, cdc.WindowWidth)
	defer cancel()
	err = proc.Poll(soon, func(context.Context) error {
		for i := range from {
			if free = from[(f.Pick+uint64(i))%uint64(len(from))]; free.busy.TryLock() {
				return nil
			}
		}
		return errNothing
	})
	return free, err
}

// restart starts a worker again until it is ready, as a supervisor would: one may end
// before, while the services fail or because it is killed again.
func (m *member) restart(ctx context.Context, patience time.Duration) error {
	m.starting.Store(true)
	defer m.starting.Store(false)
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	return proc.Poll(ctx, m.Restart)
}

// whilePublishing waits a little for a moment at which the bus has been accepting events
// for a while: what happens to a worker then is the hardest on it.
func (h *harness) whilePublishing(ctx context.Context, f Fault) {
	soon, cancel := context.WithTimeout(ctx, cdc.WindowWidth)
	defer cancel()
	long := time.Duration(f.Pick%3000) * time.Millisecond // of a Publish that heartbeats each second
	_ = proc.Poll(soon, func(context.Context) error {     // it happens anyway
		var first, last time.Time
		h.round().note(func(r *round) { first, last = r.first, r.last })
		if time.Since(last) > pause || last.Sub(first) < long {
			return errNothing
		}
		return nil
	})
}

// depth counts the messages of a queue, by the template's output that names it.
func (h *harness) depth(output string) int {
	depth, _ := h.AWS.Messages(lastOf(h.Outputs[output]))
	return depth.Visible + depth.InFlight + depth.Delayed
}

func lastOf(url string) string { return url[strings.LastIndexByte(url, '/')+1:] }

// sleep waits for so long, or until ctx ends.
func sleep(ctx context.Context, d time.Duration) error { return smithytime.SleepWithContext(ctx, d) }
