package workflows

import (
	"slices"
	"time"

	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"

	"healthlake-cdc/internal/cdc"
)

const (
	// slicesAtOnce is how many slices of a range are open at once. Each has at most
	// one page and one Publish under way.
	slicesAtOnce = 4
	// largestOfRange is how many versions a range gives one slice: its progress is
	// seen, and what a pause or a cancel has to wait for is one page.
	largestOfRange = 5_000
	// rateOfOne is up to how many versions a second one slice alone brings a rate;
	// a larger rate is divided among several.
	rateOfOne = 100
	// partOfRate is for how long, about, a slice has work at the range's rate, and
	// smallestOfRange how many versions it has at least.
	partOfRate      = time.Minute
	smallestOfRange = 500
)

// CaptureRange publishes a long span: a replay publishes again what the stores
// hold of it, a backfill what was there before. It counts first, for each
// datastore and type, cuts the span into slices of bounded size, and runs a few of
// them at once. A range named twice runs once: the name is in its ID.
func CaptureRange(ctx workflow.Context, in cdc.CaptureRangeInput) (cdc.CaptureRangeResult, error) {
	r, err := newCaptureRange(ctx, in)
	if err != nil {
		return cdc.CaptureRangeResult{}, err
	}
	return r.run(ctx)
}

// captureRange is a running CaptureRange. Several coroutines, its hands, work off
// the parts of the plan.
type captureRange struct {
	in   cdc.CaptureRangeInput
	plan cdc.RangePlan
	id   string
	// held are the parts that are in a hand, open the children under way.
	held map[*cdc.RangePart]bool
	open []*openSlice
	// turn grows with whatever may give a hand something to do.
	turn int
	// timing is set while a hand waits for the first part that is due.
	timing bool
	// err ends the range; asOf is when the plan was last described.
	err      error
	asOf     time.Time
	operator operator
	// skips are those that came while a part was in a hand.
	skips map[*cdc.RangePart][]cdc.Skip
}

func newCaptureRange(ctx workflow.Context, in cdc.CaptureRangeInput) (*captureRange, error) {
	if err := checkRange(in); err != nil {
		return nil, err
	}
	r := &captureRange{in: in, id: workflow.GetInfo(ctx).WorkflowExecution.ID, held: make(map[*cdc.RangePart]bool), skips: make(map[*cdc.RangePart][]cdc.Skip)}
	r.operator = newOperator(ctx, in.Attributes)
	if in.Plan != nil {
		r.plan = *in.Plan
	} else {
		r.plan = cdc.RangePlan{Started: workflow.Now(ctx), Parts: wholeParts(in)}
	}
	r.describe(ctx)
	return r, workflow.SetQueryHandler(ctx, cdc.QueryProgress, func() (cdc.Progress, error) {
		return r.progress(ctx), nil
	})
}

func checkRange(in cdc.CaptureRangeInput) error {
	badStore := func(id string) bool { return !cdc.ValidDatastore(id) }
	badType := func(name string) bool { return !cdc.ValidType(name) }
	switch {
	case len(in.Datastores) == 0 || len(in.Types) == 0 || !in.Span.To.After(in.Span.From):
		return invalidInput("a range needs datastores, resource types and a span")
	case slices.ContainsFunc(in.Datastores, badStore) || slices.ContainsFunc(in.Types, badType):
		return invalidInput("a range's datastore or resource type is none")
	case in.Rate < 0:
		return invalidInput("a range's rate is negative")
	case hasRecent(in) && in.Versions != cdc.VersionsLatest && in.Versions != cdc.VersionsAll:
		return invalidInput("a backfill's versions are latest or all")
	case hasRecent(in) && cdc.WindowAt("", in.Border).Start != in.Border.UTC():
		return invalidInput("a backfill's border is not on a window's edge")
	}
	return nil
}

func (r *captureRange) run(ctx workflow.Context) (cdc.CaptureRangeResult, error) {
	workflow.Go(ctx, r.listen)
	workflow.Go(ctx, r.listenToOperator)
	workflow.Go(ctx, r.handBackSlices)
	r.work(ctx)
	r.drainPauses(ctx)
	r.handleSignals(ctx)
	if ctx.Err() != nil || r.err != nil {
		r.plan.Paused = false // it goes on no more
	}
	r.describe(ctx)
	switch {
	case ctx.Err() != nil:
		if err := r.markClosed(ctx); err != nil {
			return cdc.CaptureRangeResult{}, err
		}
		return cdc.CaptureRangeResult{}, temporal.NewCanceledError(r.result())
	case r.err != nil:
		if err := r.markClosed(ctx); err != nil {
			return cdc.CaptureRangeResult{}, err
		}
		return cdc.CaptureRangeResult{}, r.err
	case len(r.plan.Parts) > 0:
		next := r.in
		plan := r.plan
		next.Plan = &plan
		return cdc.CaptureRangeResult{}, workflow.NewContinueAsNewError(ctx, cdc.WorkflowCaptureRange, next)
	}
	return r.result(), r.markClosed(ctx)
}

// markClosed leaves the figures where operators see them.
func (r *captureRange) markClosed(ctx workflow.Context) error {
	if !r.in.Attributes {
		return nil
	}
	return workflow.UpsertTypedSearchAttributes(ctx,
		cdc.AttrState.ValueSet(cdc.StateClosed), cdc.AttrPublished.ValueSet(int64(r.plan.Counts.Published)))
}

func (r *captureRange) result() cdc.CaptureRangeResult {
	return cdc.CaptureRangeResult{
		Counts: r.plan.Counts, Slices: r.plan.Slices, Total: r.plan.Total, Done: r.plan.Done,
		Missing: r.plan.Missing, Unknown: r.plan.Unknown, Actions: r.plan.Actions,
	}
}

// work lets the hands work until the parts are done, the history is large, the
// range is cancelled or something failed. They have put everything down then.
func (r *captureRange) work(ctx workflow.Context) {
	hands := workflow.NewWaitGroup(ctx)
	for range r.hands() {
		hands.Add(1)
		workflow.Go(ctx, func(ctx workflow.Context) {
			defer hands.Done()
			r.hand(ctx)
		})
	}
	detached, _ := workflow.NewDisconnectedContext(ctx)
	hands.Wait(detached)
}

// hands is how many parts are worked on at once: with a rate no more than it
// takes, for the rate is divided among them.
func (r *captureRange) hands() int {
	if r.in.Rate <= 0 {
		return slicesAtOnce
	}
	return min(slicesAtOnce, max(1, int(r.in.Rate/rateOfOne)))
}

// hand takes part after part.
func (r *captureRange) hand(ctx workflow.Context) {
	for !r.ending(ctx) {
		part := r.next(workflow.Now(ctx))
		if part == nil && len(r.plan.Parts) == 0 {
			return
		}
		if part == nil {
			r.idle(ctx)
			continue
		}
		r.held[part] = true
		err := r.do(ctx, part)
		delete(r.held, part)
		r.skip(ctx, part, r.skips[part])
		delete(r.skips, part)
		r.turn++
		if err == nil {
			err = r.operator.show(ctx, r.waiting(ctx))
		}
		if err != nil && r.err == nil && ctx.Err() == nil {
			r.err = err
		}
		r.describe(ctx)
	}
}

func (r *captureRange) ending(ctx workflow.Context) bool {
	return r.err != nil || ctx.Err() != nil || historyIsLarge(ctx)
}

// idle waits until there may be something to do: another hand has put a part
// down, the range goes on after a pause, or a refused part is due.
func (r *captureRange) idle(ctx workflow.Context) {
	seen := r.turn
	changed := func() bool { return r.turn != seen || r.err != nil }
	due, waits := r.nextDue(workflow.Now(ctx))
	if !waits || r.timing || r.plan.Paused {
		_ = workflow.Await(ctx, changed) // fails only when the range is cancelled
		return
	}
	r.timing = true // one timer for all of them
	_, _ = workflow.AwaitWithTimeout(ctx, due, changed)
	r.timing = false
	r.turn++
}

// nextDue is how long it takes until the first refused part is asked again.
func (r *captureRange) nextDue(now time.Time) (delay time.Duration, waits bool) {
	for _, part := range r.plan.Parts {
		if wait := part.Retry.Due.Sub(now); wait > 0 && (!waits || wait < delay) {
			delay, waits = wait, true
		}
	}
	return delay, waits
}

// next is the part to work on, nil while there is none: first those that were not
// counted yet, then, when everything is counted that can be, the last one.
func (r *captureRange) next(now time.Time) *cdc.RangePart {
	if r.plan.Paused {
		return nil
	}
	r.planned()
	auditing := slices.ContainsFunc(r.plan.Parts, func(p *cdc.RangePart) bool { return p.Type == "" && r.held[p] })
	for _, part := range slices.Backward(r.plan.Parts) {
		free := !r.held[part] && !part.Retry.Due.After(now)
		isAudit := part.Type == "" && part.Count != cdc.NotCounted
		due := part.Count == cdc.NotCounted || r.plan.Planned && (!isAudit || !auditing)
		if free && due {
			return part
		}
	}
	return nil
}

// planned notes that every part was counted, or that the store refused to. The
// refused ones add to the total when they are counted.
func (r *captureRange) planned() {
	uncounted := func(p *cdc.RangePart) bool { return p.Count == cdc.NotCounted && !p.Retry.Failing() }
	if !r.plan.Planned && !slices.ContainsFunc(r.plan.Parts, uncounted) {
		r.plan.Planned = true
	}
}

// do works on a part: counts it, cuts it, or captures it.
func (r *captureRange) do(ctx workflow.Context, part *cdc.RangePart) error {
	switch {
	case part.Lost != "":
		return r.readLost(ctx, part)
	case part.Count == cdc.NotCounted:
		return r.count(ctx, part)
	case part.Type == "":
		return r.audit(ctx, part)
	case part.Uncounted && part.Span.To.Sub(part.Span.From) > uncountedSpan && r.cuttable(part):
		r.cutByTime(part)
		return nil
	case part.Uncounted && r.in.DryRun:
		return r.measure(ctx, part)
	case part.Uncounted:
		return r.capture(ctx, part)
	case part.Count <= 0 && len(r.in.IDs) == 0:
		return r.empty(ctx, part)
	case part.Count > r.largest() && r.cuttable(part):
		return r.cut(ctx, part)
	case r.in.DryRun:
		return r.measure(ctx, part)
	default:
		return r.capture(ctx, part)
	}
}

// largest is how many versions one slice is given.
func (r *captureRange) largest() int {
	if r.in.Rate <= 0 {
		return largestOfRange
	}
	return min(largestOfRange, max(smallestOfRange, int(r.in.Rate*partOfRate.Seconds())))
}

func (r *captureRange) cuttable(part *cdc.RangePart) bool {
	_, _, ok := part.Span.Halves()
	return ok && len(r.in.IDs) == 0
}

// finish takes a part out of the plan, done versions of it being done.
func (r *captureRange) finish(part *cdc.RangePart, done int) {
	r.plan.Done += done
	r.replace(part)
}

// replace puts others into a part's place.
func (r *captureRange) replace(part *cdc.RangePart, others ...*cdc.RangePart) {
	i := slices.Index(r.plan.Parts, part)
	r.plan.Parts = slices.Concat(r.plan.Parts[:i], others, r.plan.Parts[i+1:])
}
