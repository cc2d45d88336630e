package faults

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"healthlake-cdc/devstack/internal/simulator"
	"healthlake-cdc/devstack/internal/truth"
	"healthlake-cdc/internal/cdc"
)

// play makes one round: it writes while the plan's faults happen, waits until the faults
// have ended and nothing is in progress, audits, and returns what is left behind.
func (h *harness) play(ctx context.Context, number int, plan []Fault) (*round, evidence, error) {
	r := newRound(number)
	r.writes, r.deliveries = len(h.Simulator.WriteLog(h.datastore())), h.Deliveries.Len()
	h.current.Store(r)
	if err := h.load(ctx, r, plan); err != nil {
		return r, evidence{}, err
	}
	h.Simulator.ClearFaults()
	h.o.progress("the faults have ended; waiting until nothing is in progress")
	open := h.drain(ctx)
	e := evidence{writes: h.Simulator.WritesSince(h.datastore(), r.writes)}
	h.o.progress("auditing")
	if err := h.audit(ctx, e.writes, &e); err != nil {
		return r, e, err
	}
	if e.open = open; len(open) == 0 {
		e.open = h.drain(ctx)
	}
	for _, w := range h.workers {
		if !w.Running() {
			e.open = append(e.open, w.Name+" has ended by itself")
		}
	}
	var err error
	if e.publishes, err = h.publishes(ctx, r); err != nil {
		return r, e, err
	}
	e.deliveries, e.events = h.Deliveries.All()[r.deliveries:], r.subscriber.Events()
	e.dead = max(0, h.depth("DlqUrl")-int(h.malformed.Load()))
	r.note(func(r *round) {
		e.accepted, e.named, e.heartbeats = r.accepted, r.named, r.heartbeats
		e.lostAnswers, e.latePublishes = r.lostAnswers, r.latePublishes
	})
	return r, e, ctx.Err()
}

// load writes while the faults happen, and ends when both are over.
func (h *harness) load(ctx context.Context, r *round, plan []Fault) error {
	group, ctx := errgroup.WithContext(ctx)
	started := time.Now()
	var whole sync.WaitGroup
	for _, f := range plan {
		if kindOf(f.Kind).whole {
			if r.number > 0 {
				continue // a clock does not jump between rounds
			}
			whole.Add(1)
		}
		group.Go(func() error {
			if err := sleep(ctx, time.Until(started.Add(seconds(f.At)))); err != nil {
				return err
			}
			return h.happen(ctx, r, f, whole.Done)
		})
	}
	w := &writer{
		client: h.client(), round: r,
		random: rand.New(rand.NewPCG(h.o.Seed, uint64(r.number)+1)), //nolint:gosec // a load that a seed repeats
	}
	group.Go(func() error {
		whole.Wait()
		err := w.run(ctx, h.o.Changes, h.o.Rate)
		r.made = w.made
		return err
	})
	return group.Wait()
}

// happen makes one fault happen, from its beginning to its end.
func (h *harness) happen(ctx context.Context, r *round, f Fault, begun func()) error {
	k := kindOf(f.Kind)
	end, err := k.begin(ctx, h, f)
	if k.whole {
		begun()
	}
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case errors.Is(err, errNothing) || err != nil && k.group == "operator": // Temporal may be away
		r.note(func(r *round) { r.idle[f.Kind]++ })
		return nil
	case err != nil:
		return fmt.Errorf("making %s happen: %w", f.Kind, err)
	}
	r.note(func(r *round) { r.happened[f.Kind]++ })
	if end == nil {
		return nil
	}
	_ = sleep(ctx, seconds(f.For)) // a worker that stands still could not be stopped
	if err := end(ctx); err != nil {
		return fmt.Errorf("ending %s: %w", f.Kind, err)
	}
	return nil
}

// quietLooks is the number of looks in a row that find nothing in progress: visibility is
// eventually consistent.
const quietLooks = 3

// drain waits until nothing is in progress. It returns what still is when its patience is
// over.
func (h *harness) drain(ctx context.Context) []string {
	patient, cancel := context.WithTimeout(ctx, h.o.Patience)
	defer cancel()
	var busy []string
	for quiet, looks := 0, 1; quiet < quietLooks; looks++ {
		if looks%30 == 0 {
			h.o.progress("still in progress: %s", strings.Join(busy[:min(3, len(busy))], ", "))
		}
		now, err := h.busy(patient)
		switch {
		case err == nil && len(now) == 0:
			quiet++
		case err == nil:
			busy, quiet = now, 0
		}
		if sleep(patient, time.Second) != nil {
			return append([]string{"after " + h.o.Patience.String()}, busy...)
		}
	}
	return nil
}

// busy lists what is in progress. As an operator would, it has retried what waits.
func (h *harness) busy(ctx context.Context) (busy []string, err error) {
	if n := h.Simulator.Stats().Trail.Pending; n > 0 {
		busy = append(busy, fmt.Sprintf("%d records are on their way", n))
	}
	// Garbage takes minutes to the dead-letter queue: it may stay in the queue.
	if n := h.depth("QueueUrl"); n > max(0, int(h.malformed.Load())-h.depth("DlqUrl")) {
		busy = append(busy, fmt.Sprintf("%d messages are in the trigger queue", n))
	}
	open, err := h.executions(ctx, "ExecutionStatus='Running'")
	if err != nil {
		return nil, err
	}
	for _, info := range open {
		busy = append(busy, info.GetExecution().GetWorkflowId())
	}
	waiting, err := h.executions(ctx, fmt.Sprintf("ExecutionStatus='Running' AND %s='%s'", cdc.AttrState.GetName(), cdc.StateWaiting))
	for _, info := range waiting {
		err = errors.Join(err, h.temporal.SignalWorkflow(ctx, info.GetExecution().GetWorkflowId(), "", cdc.SignalRetry, nil))
	}
	return busy, err
}

// audit audits the time of all writes, as an operator would, when search shows them.
func (h *harness) audit(ctx context.Context, writes []simulator.Write, e *evidence) error {
	from, to, shown := writes[0].LastUpdated, writes[0].LastUpdated, time.Time{}
	for _, w := range writes {
		if w.LastUpdated.Before(from) {
			from = w.LastUpdated
		}
		if w.LastUpdated.After(to) {
			to = w.LastUpdated
		}
		if w.Searchable.After(shown) {
			shown = w.Searchable
		}
	}
	span := cdc.Span{From: cdc.WindowAt(h.datastore(), from).Start, To: cdc.WindowAt(h.datastore(), to).End()}
	wait := max(time.Until(span.To)+time.Second, shown.Sub(h.now())) // the command refuses the future
	if err := sleep(ctx, max(0, wait)); err != nil {
		return err
	}
	patient, cancel := context.WithTimeout(ctx, h.o.Patience)
	defer cancel()
	stdout, stderr, err := h.Starter(patient, "audit", "--since", span.From.UTC().Format(time.RFC3339),
		"--until", span.To.UTC().Format(time.RFC3339), "--wait", "--json")
	if err != nil {
		e.auditError = fmt.Sprintf("%v: %s", err, lastLine(stderr))
	}
	var reports []struct {
		Result *cdc.AuditState `json:"result"`
	}
	if json.Unmarshal([]byte(stdout), &reports) == nil && len(reports) == 1 && reports[0].Result != nil {
		h.o.progress("the audit has healed %d versions", reports[0].Result.Totals.Healed)
	}
	// The statements of the bus, not of the command, are what consumers go by. It accepted
	// them before the command ended.
	e.statements = truth.LatestStatements(h.round().subscriber.Statements())
	return ctx.Err()
}

func lastLine(text string) string {
	lines := strings.Split(strings.TrimSpace(text), "\n")
	return lines[len(lines)-1]
}

// explain shows the way of some lost versions.
func (h *harness) explain(ctx context.Context, e evidence) []string {
	var ways []string
	for _, w := range e.lost() {
		if len(ways) == 3 {
			break
		}
		stdout, stderr, err := h.Starter(ctx, "explain", fmt.Sprintf("%s/%s/_history/%d", w.Type, w.ID, w.Version))
		if err != nil {
			stdout += stderr
		}
		ways = append(ways, stdout)
	}
	return ways
}
