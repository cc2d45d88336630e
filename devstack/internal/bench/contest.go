package bench

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"net/http"
	"path/filepath"
	"sync/atomic"
	"time"

	"go.temporal.io/sdk/client"
	"golang.org/x/sync/errgroup"

	"healthlake-cdc/devstack/internal/awslocal"
	"healthlake-cdc/devstack/internal/proc"
	"healthlake-cdc/devstack/internal/rivals"
	"healthlake-cdc/devstack/internal/simulator"
	"healthlake-cdc/devstack/internal/stack"
)

// The fate of a contest's records and versions.
const (
	contestSeed  = 6
	recordLoss   = 0.02
	recordRepeat = 0.1
	seldom       = 0.05 // of the records are late, and of the versions hidden for long
)

// searchLag is when versions become searchable: soon, or seldom later than the rivals
// wait.
var searchLag = mostly(simulator.Between(time.Second, 5*time.Second), simulator.Between(5*time.Second, 15*time.Second))

// trail brings records soon, or seldom as late as late. CloudTrail's own delays are
// minutes; here they are short, so that a run is.
func trail(late time.Duration) simulator.Trail {
	return simulator.Trail{
		Delay: mostly(simulator.Between(time.Second, 6*time.Second), simulator.Between(6*time.Second, late)),
		Loss:  recordLoss, Repeat: recordRepeat,
	}
}

// settings say what the services of the contest do.
func (c contest) settings() string {
	return fmt.Sprintf("records come after 1 to 6 s, one in twenty after up to %s, %.0f %% of them twice, and %.0f %% never; versions are searchable after 1 to 5 s, one in twenty after up to 15 s; "+
		"the store takes %d searches a second; a search takes %s, a call of AWS %s; CDC_PASSES=%s, CDC_SEARCH_RATE=%d, no audits",
		c.late, recordRepeat*100, recordLoss*100, simulator.DefaultSearchRate, searchLatency, awsLatency, c.passes, contestSearchRate)
}

// mostly draws from one, and seldom from the other.
func mostly(one, other simulator.Delay) simulator.Delay {
	return func(r *rand.Rand) time.Duration {
		if r.Float64() < seldom {
			return other(r)
		}
		return one(r)
	}
}

// contest is the same writes, with records of the same fate, for each contender, which
// has a stack of its own.
type contest struct {
	load  workload
	types []string
	// passes is CDC_PASSES, late the longest delay of a record.
	passes string
	late   time.Duration
	// atOnce is how many run side by side. It changes how long they take, and not what
	// is counted, as long as the machine keeps up.
	atOnce int
}

// contestSearchRate is CDC_SEARCH_RATE of the worker and of the workflow a change.
const contestSearchRate = 50

// env are the settings of all contenders.
func (c contest) env() []string {
	return settings(c.types, "CDC_PASSES="+c.passes, fmt.Sprintf("CDC_SEARCH_RATE=%d", contestSearchRate))
}

// contenders are the worker, and the rivals by their names.
var contenders = []struct{ name, rival string }{
	{"healthlake-cdc", ""},
	{"origin's chain", rivals.Origin},
	{"workflow a change", rivals.PerChange},
}

// outcome is what a contender has used and published.
type outcome struct {
	name string
	fates
	searches, rejected int64
	puts               int64
	bus                busTotals
	billed             int64 // events
	census             census
	hidden             actions // of no history
	chain              rivals.Counts
	trail              simulator.TrailStats
	// wrote is how long the writes took, took until everything was done.
	wrote, took time.Duration
}

// usage is what is billed.
func (o outcome) usage() usage {
	total := o.census.total()
	return usage{
		changes: o.versions, actions: total.total() + o.hidden.total(), history: total.history,
		events: int(o.billed), chain: o.chain,
	}
}

// compete lets all contenders do the contest.
func (r *runner) compete(ctx context.Context, c contest) ([]outcome, error) {
	outcomes := make([]outcome, len(contenders))
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(c.atOnce)
	for i, who := range contenders {
		group.Go(func() (err error) {
			if ctx.Err() != nil {
				return ctx.Err()
			}
			if outcomes[i], err = r.contend(ctx, c, who.rival); err != nil {
				return fmt.Errorf("%s: %w", who.name, err)
			}
			outcomes[i].name = who.name
			r.progress("%s: %d versions written in %s, everything done after %s", who.name, outcomes[i].versions,
				outcomes[i].wrote.Round(time.Second), outcomes[i].took.Round(time.Second))
			return nil
		})
	}
	return outcomes, group.Wait()
}

func (r *runner) contend(ctx context.Context, c contest, rival string) (o outcome, err error) {
	s, err := r.arena(ctx, c.late)
	if err != nil {
		return o, err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	run, err := s.enter(ctx, rival, c.env())
	if err != nil {
		return o, err
	}
	defer func() { err = errors.Join(err, run.stop(ctx)) }()
	before := s.Simulator.Stats().Datastores[s.datastore()].Total
	began := time.Now()
	if o.wrote, err = c.load.write(ctx, s.stage); err != nil {
		return o, err
	}
	if err := s.awaitQuiet(ctx, run); err != nil {
		return o, err
	}
	o.took = time.Since(began)
	stats := s.Simulator.Stats()
	after := stats.Datastores[s.datastore()].Total
	o.trail = stats.Trail
	o.fates = fatesOf(s.Simulator.WriteLog(s.datastore()), s.bus.deliveries())
	o.searches, o.rejected = after.Searches-before.Searches, after.Throttled-before.Throttled
	o.puts, o.bus, o.billed = s.AWS.Calls()["PutEvents"], s.bus.totals(), s.billed.Load()
	if o.hidden, o.chain, err = run.counted(ctx); err != nil {
		return o, err
	}
	o.census, err = countActions(ctx, s.temporal)
	return o, err
}

// arena is the stack of one contender.
type arena struct {
	*stage
	temporal client.Client
	billed   atomic.Int64 // events
}

// arena starts a stack without workers, with the quotas that HealthLake publishes.
func (r *runner) arena(ctx context.Context, late time.Duration) (*arena, error) {
	started, err := stack.Start(ctx, stack.Options{Progress: r.Progress, Simulator: simulator.Config{
		Seed: contestSeed, SearchLag: simulator.RandomLag(searchLag), Trail: trail(late),
	}})
	if err != nil {
		return nil, err
	}
	s := &arena{stage: &stage{Stack: started, bus: newBusLog()}}
	s.AWS.OnAccept(func(e awslocal.Accepted) {
		s.bus.accept(e)
		s.billed.Add(int64(billedEvents(len(e.Source) + len(e.DetailType) + len(e.Detail))))
	})
	s.slow()
	s.temporal, err = client.DialContext(ctx, client.Options{HostPort: s.TemporalAddress()})
	if err != nil {
		return nil, errors.Join(fmt.Errorf("connecting to Temporal: %w", err), s.Stack.Close())
	}
	return s, nil
}

// Close ends everything.
func (s *arena) Close() error {
	s.temporal.Close()
	return s.Stack.Close()
}

// contestant is a program that takes part.
type contestant struct {
	*proc.Process
	// metrics is a worker's URL, counts a rival's; the other one is empty.
	metrics, counts string
}

// enter starts the worker, or a rival.
func (s *arena) enter(ctx context.Context, rival string, env []string) (*contestant, error) {
	if rival == "" {
		worker, err := s.StartWorker(ctx, env...)
		if err != nil {
			return nil, err
		}
		return &contestant{Process: worker.Process, metrics: worker.MetricsURL}, nil
	}
	path, err := proc.Program(ctx, "healthlake-cdc/devstack")
	if err != nil {
		return nil, err
	}
	addr, err := proc.FreeAddress()
	if err != nil {
		return nil, err
	}
	process, err := proc.Start(ctx, proc.Spec{
		Name: rival, Path: path, Args: []string{"rival", rival, "--addr", addr}, Env: append(s.Env(), env...), CleanEnv: true,
		LogFile: filepath.Join(s.Dir, rival+".log"), Ready: proc.HTTPReady("http://" + addr),
	})
	if err != nil {
		return nil, err
	}
	return &contestant{Process: process, counts: "http://" + addr}, nil
}

// stop ends the program, unless the stack has.
func (c *contestant) stop(ctx context.Context) error {
	if !c.Running() {
		return nil
	}
	_, err := c.Stop(ctx)
	return err
}

// counted is what only the program itself knows.
func (c *contestant) counted(ctx context.Context) (hidden actions, chain rivals.Counts, err error) {
	if c.metrics != "" {
		hidden, err = workerActions(ctx, c.metrics)
		return hidden, chain, err
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, c.counts, nil)
	if err != nil {
		return hidden, chain, err
	}
	response, err := metricsClient.Do(request)
	if err != nil {
		return hidden, chain, fmt.Errorf("reading a rival's counts: %w", err)
	}
	defer func() { _ = response.Body.Close() }() // it has been read
	if err := json.NewDecoder(response.Body).Decode(&chain); err != nil {
		return hidden, chain, fmt.Errorf("reading a rival's counts: %w", err)
	}
	return hidden, chain, nil
}

const (
	quietEvery = time.Second
	// quietChecks is how often in a row nothing must be in progress: visibility lags.
	quietChecks = 4
	quietLimit  = 40 * time.Minute
)

// awaitQuiet waits until nothing is in progress.
func (s *arena) awaitQuiet(ctx context.Context, run *contestant) error {
	ctx, cancel := context.WithTimeout(ctx, quietLimit)
	defer cancel()
	ticker := time.NewTicker(quietEvery)
	defer ticker.Stop()
	for checks := 0; checks < quietChecks; {
		select {
		case <-run.Done():
			return fmt.Errorf("the program has ended; its log is in %s", s.Dir)
		case <-ctx.Done():
			return fmt.Errorf("waiting until nothing is in progress: %w", ctx.Err())
		case <-ticker.C:
		}
		quiet, err := s.Quiet(ctx, s.temporal)
		if err != nil {
			return err
		}
		_, chain, err := run.counted(ctx)
		if err != nil {
			return err
		}
		if quiet && chain.Running == 0 {
			checks++
		} else {
			checks = 0
		}
	}
	return nil
}

// deliveries is how often each version was accepted, by its idempotency key.
func (b *busLog) deliveries() map[string]int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return maps.Clone(b.versions)
}
