package rivals

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"slices"
	"sync"
	"time"

	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/sdk/client"
	sdktemporal "go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/worker"
	"go.temporal.io/sdk/workflow"
	"golang.org/x/time/rate"

	"healthlake-cdc/internal/cdc"
	"healthlake-cdc/internal/config"
	"healthlake-cdc/internal/eventbus"
	"healthlake-cdc/internal/temporal"
	"healthlake-cdc/internal/trigger"
)

const (
	changeQueue = "rival-changes"
	searchQueue = "rival-searches"

	// searchesAtOnce wait for a token or for the store; others stay in the task queue.
	searchesAtOnce = 20
	// An attempt that a worker never hears of is given up after these. A bundle waits for
	// as many tokens as there are types.
	searchTimeout  = time.Minute
	publishTimeout = 30 * time.Second
	// taskPollers of each kind and worker.
	taskPollers = 8
	// maxRecent bounds the changes that are known to have been started.
	maxRecent = 200_000
)

// TriggerInput is the input of CaptureTrigger.
type TriggerInput struct {
	Origin cdc.Origin
	// Types are to be searched: the record's, or all if it names none.
	Types []string
	// Span is where the write may lie: from the lookback before the record's time to a
	// second after it.
	Span cdc.Span
}

// CaptureTrigger is the workflow of one record: it waits until search has settled, and
// starts a workflow for each change.
func CaptureTrigger(ctx workflow.Context, in TriggerInput) error {
	if err := workflow.Sleep(ctx, Settle); err != nil {
		return err
	}
	ctx = workflow.WithActivityOptions(ctx, workflow.ActivityOptions{TaskQueue: searchQueue, StartToCloseTimeout: searchTimeout})
	return workflow.ExecuteActivity(ctx, (*activities).StartChanges, in).Get(ctx, nil)
}

// PublishChange is the workflow of one change.
func PublishChange(ctx workflow.Context, in cdc.PublishInput) error {
	ctx = workflow.WithActivityOptions(ctx, workflow.ActivityOptions{StartToCloseTimeout: publishTimeout})
	return workflow.ExecuteActivity(ctx, (*activities).Publish, in).Get(ctx, nil)
}

// activities are those of both workflows.
type activities struct {
	*parts
	temporal client.Client
	bus      *eventbus.Publisher
	limiter  *rate.Limiter
	recent   recent
}

func runPerChange(ctx context.Context, p *parts) error {
	logger := slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: p.cfg.LogLevel}))
	connection, err := temporal.Dial(ctx, p.cfg, config.Worker, logger, temporal.Observers{})
	if err != nil {
		return err
	}
	defer connection.Client.Close()
	a := &activities{
		parts: p, temporal: connection.Client, limiter: rate.NewLimiter(rate.Limit(p.cfg.SearchRate), 1),
		bus: eventbus.New(eventbus.Config{
			Client: eventbus.NewClient(p.aws), Bus: p.cfg.EventBus, MaxBytes: p.cfg.MaxEventBytes,
			Observe: func(eventbus.Call) {}, Logger: logger,
		}),
	}
	changes := worker.New(connection.Client, changeQueue, worker.Options{
		MaxConcurrentWorkflowTaskPollers: taskPollers, MaxConcurrentActivityTaskPollers: taskPollers,
	})
	changes.RegisterWorkflow(CaptureTrigger)
	changes.RegisterWorkflow(PublishChange)
	changes.RegisterActivity(a)
	searches := worker.New(connection.Client, searchQueue, worker.Options{
		DisableWorkflowWorker: true, MaxConcurrentActivityExecutionSize: searchesAtOnce, MaxConcurrentActivityTaskPollers: taskPollers,
	})
	searches.RegisterActivity(a)
	for _, w := range []worker.Worker{changes, searches} {
		if err := w.Start(); err != nil {
			return fmt.Errorf("starting a worker: %w", err)
		}
		defer w.Stop()
	}
	return p.consume(ctx, a.handle)
}

// handle starts a trigger's workflow. The record's id makes a repeated one free.
func (a *activities) handle(ctx context.Context, r record) error {
	types, lookback := []string{r.Type}, a.cfg.Lookback
	if r.Type == "" {
		types, lookback = a.cfg.ResourceTypes, max(lookback, trigger.BundleLookback)
	} else if !slices.Contains(a.cfg.ResourceTypes, r.Type) {
		a.tally.add(func(c *Counts) { c.Ignored++ })
		return nil
	}
	id := "trigger/" + r.EventID
	return a.start(ctx, id, CaptureTrigger, TriggerInput{
		Origin: r.origin(id), Types: types, Span: cdc.Span{From: r.Time.Add(-lookback), To: r.Time.Add(time.Second)},
	})
}

// start starts a workflow unless there is or was one of the ID.
func (a *activities) start(ctx context.Context, id string, run, input any) error {
	_, err := a.temporal.ExecuteWorkflow(ctx, client.StartWorkflowOptions{
		ID: id, TaskQueue: changeQueue, WorkflowExecutionErrorWhenAlreadyStarted: true,
		WorkflowIDReusePolicy:    enumspb.WORKFLOW_ID_REUSE_POLICY_REJECT_DUPLICATE,
		WorkflowIDConflictPolicy: enumspb.WORKFLOW_ID_CONFLICT_POLICY_FAIL,
	}, run, input)
	if err != nil && !sdktemporal.IsWorkflowExecutionAlreadyStartedError(err) {
		return fmt.Errorf("starting a workflow: %w", err)
	}
	return nil
}

// StartChanges searches the types, page after page, and starts a workflow for each
// version in the span.
func (a *activities) StartChanges(ctx context.Context, in TriggerInput) error {
	for _, resourceType := range in.Types {
		next := ""
		for {
			if err := a.limiter.Wait(ctx); err != nil {
				return fmt.Errorf("waiting to search: %w", err)
			}
			page, err := a.store.Search(ctx, cdc.SearchRequest{Datastore: in.Origin.Datastore, Type: resourceType, Span: in.Span, Next: next})
			a.tally.add(func(c *Counts) { c.Searches++ })
			if err != nil {
				a.tally.add(func(c *Counts) { c.FailedSearches++ })
				return err
			}
			if err := a.startAll(ctx, in, page.Resources); err != nil {
				return err
			}
			if next = page.Next; next == "" {
				break
			}
		}
	}
	return nil
}

func (a *activities) startAll(ctx context.Context, in TriggerInput, resources []cdc.Resource) error {
	for _, resource := range resources {
		if !in.Span.Contains(resource.Time()) {
			continue
		}
		id := changeID(resource.Version)
		if !a.recent.add(id) {
			continue
		}
		origin := in.Origin
		origin.CorrelationID = id
		err := a.start(ctx, id, PublishChange, cdc.PublishInput{
			Origin: origin, Changes: []cdc.Change{{Version: resource.Version, Body: cdc.NewBody(resource.Body)}},
		})
		if err != nil {
			a.recent.remove(id)
			return err
		}
	}
	return nil
}

// changeID is the workflow ID that removes duplicates. It shows the FHIR id in plain text,
// which the product's IDs never do.
func changeID(v cdc.Version) string { return "change/" + v.Type + "/" + v.ID + "/" + v.VersionID }

// Publish publishes the change.
func (a *activities) Publish(ctx context.Context, in cdc.PublishInput) error {
	var events []cdc.Event
	for _, change := range in.Changes {
		event, err := a.format.ChangeEvent(change, in.Origin, time.Now())
		if err != nil {
			return err
		}
		events = append(events, event)
	}
	result, err := a.bus.Publish(ctx, cdc.Events(events), nil, func([]string) {})
	if err != nil {
		return err
	}
	a.tally.add(func(c *Counts) { c.FailedPuts += len(result.Rejected) })
	return nil
}

// recent are IDs that were started a moment ago, so that they are not started again.
type recent struct {
	mu  sync.Mutex
	ids map[string]bool
}

// add reports whether the ID is not there yet.
func (r *recent) add(id string) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.ids[id] {
		return false
	}
	if r.ids == nil || len(r.ids) >= maxRecent {
		r.ids = make(map[string]bool)
	}
	r.ids[id] = true
	return true
}

func (r *recent) remove(id string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.ids, id)
}
