package workflows

import (
	"slices"

	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"

	"healthlake-cdc/internal/cdc"
)

// CaptureRange publishes a long time range: a replay publishes again what the stores
// hold of it, a backfill what was there before. It counts first, for each datastore and
// type, cuts the time range into slices of bounded size, and runs a few of them at once.
func CaptureRange(ctx workflow.Context, in cdc.CaptureRangeInput) (cdc.CaptureRangeResult, error) {
	r, err := newCaptureRange(ctx, in)
	if err != nil {
		return cdc.CaptureRangeResult{}, err
	}
	return r.run(ctx)
}

// captureRange is a running CaptureRange. Several lines, each a coroutine, work on the
// parts of its plan, each on one at a time.
type captureRange struct {
	in   cdc.CaptureRangeInput
	plan cdc.RangePlan
	id   string
	// busy are the parts on which a line works, open the slices under way.
	busy map[*cdc.RangePart]bool
	open []*childSlice
	// changes counts what may give an idle line something to do.
	changes int
	// timing is set while a line waits for the first part that is due.
	timing bool
	// err ends the range.
	err      error
	operator *operator
	// skips are those that came while a line worked on the part.
	skips map[*cdc.RangePart][]cdc.Skip
}

func newCaptureRange(ctx workflow.Context, in cdc.CaptureRangeInput) (*captureRange, error) {
	if err := checkRange(in); err != nil {
		return nil, err
	}
	r := &captureRange{
		in: in, id: workflow.GetInfo(ctx).WorkflowExecution.ID,
		busy: make(map[*cdc.RangePart]bool), skips: make(map[*cdc.RangePart][]cdc.Skip),
	}
	if in.Plan != nil {
		r.plan = *in.Plan
	} else {
		r.plan = cdc.RangePlan{Started: workflow.Now(ctx), Parts: initialParts(in)}
	}
	var err error
	if r.operator, err = newOperator(ctx, in.Attributes, r.progress); err != nil {
		return nil, err
	}
	return r, r.operator.show(ctx)
}

func checkRange(in cdc.CaptureRangeInput) error {
	badStore := func(id string) bool { return !cdc.ValidDatastore(id) }
	badType := func(name string) bool { return !cdc.ValidType(name) }
	switch {
	case len(in.Datastores) == 0 || len(in.Types) == 0 || !in.Span.To.After(in.Span.From):
		return invalidInput("a range needs datastores, resource types and a span")
	case slices.ContainsFunc(in.Datastores, badStore) || slices.ContainsFunc(in.Types, badType):
		return invalidInput("a range has an invalid datastore or resource type")
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
	r.work(ctx)
	r.handleSignals(ctx)
	ended := ctx.Err() != nil || r.err != nil
	if ended {
		r.plan.Paused = false // there is nothing to resume
	}
	if !ended && len(r.plan.Parts) > 0 {
		r.in.Plan = &r.plan
		return cdc.CaptureRangeResult{}, workflow.NewContinueAsNewError(ctx, cdc.WorkflowCaptureRange, r.in)
	}
	if err := r.operator.close(ctx, cdc.AttrPublished.ValueSet(int64(r.plan.Counts.Published))); err != nil {
		return cdc.CaptureRangeResult{}, err
	}
	switch {
	case ctx.Err() != nil:
		return cdc.CaptureRangeResult{}, temporal.NewCanceledError(r.plan.CaptureRangeResult)
	case r.err != nil:
		return cdc.CaptureRangeResult{}, r.err
	default:
		return r.plan.CaptureRangeResult, nil
	}
}

// work runs the lines until all of them have ended.
func (r *captureRange) work(ctx workflow.Context) {
	group := workflow.NewWaitGroup(ctx)
	for range lines(r.in.Rate, r.in.DryRun) {
		group.Add(1)
		workflow.Go(ctx, func(ctx workflow.Context) {
			defer group.Done()
			r.line(ctx)
		})
	}
	detached, _ := workflow.NewDisconnectedContext(ctx)
	group.Wait(detached)
}

// line works on one part after the other, until the parts are done or the run ends.
func (r *captureRange) line(ctx workflow.Context) {
	for !r.mustStop(ctx) {
		part := nextPart(&r.plan, r.busy, workflow.Now(ctx))
		if part == nil && len(r.plan.Parts) == 0 {
			return
		}
		if part == nil {
			r.idle(ctx)
			continue
		}
		r.busy[part] = true
		err := r.step(ctx, part)
		delete(r.busy, part)
		r.skip(ctx, part, r.skips[part])
		delete(r.skips, part)
		r.changes++
		if err == nil {
			err = r.operator.show(ctx)
		}
		if err != nil && r.err == nil && ctx.Err() == nil {
			r.err = err
		}
	}
}

// mustStop reports whether lines begin no further part: an error, a cancellation, or a
// history so large that the range continues as new.
func (r *captureRange) mustStop(ctx workflow.Context) bool {
	return r.err != nil || ctx.Err() != nil || historyIsLarge(ctx)
}

// idle waits until there may be something to do: another line is done with a part,
// the range is resumed, or a part that failed is due again.
func (r *captureRange) idle(ctx workflow.Context) {
	seen := r.changes
	changed := func() bool { return r.changes != seen || r.err != nil }
	due, waits := untilNextTry(r.plan.Parts, workflow.Now(ctx))
	if !waits || r.timing || r.plan.Paused {
		_ = workflow.Await(ctx, changed) // fails only when the range is cancelled
		return
	}
	r.timing = true // one timer for all of them
	_, _ = workflow.AwaitWithTimeout(ctx, due, changed)
	r.timing = false
	r.changes++
}

// step does what is next for a part: count it, cut it, capture it, or only measure it.
func (r *captureRange) step(ctx workflow.Context, part *cdc.RangePart) error {
	_, _, cuttable := part.Span.Halves()
	cuttable = cuttable && len(r.in.IDs) == 0
	switch {
	case part.Lost != "":
		return r.readLost(ctx, part)
	case part.Count == cdc.NotCounted:
		return r.count(ctx, part)
	case part.Type == "":
		return r.audit(ctx, part)
	case part.Uncounted && cuttable && part.Span.To.Sub(part.Span.From) > maxUncounted:
		replacePart(&r.plan, part, halves(part)...)
		return nil
	case !part.Uncounted && part.Count <= 0 && len(r.in.IDs) == 0:
		return r.confirmEmpty(ctx, part)
	case !part.Uncounted && cuttable && part.Count > maxOfSlice(r.in.Rate):
		return r.cut(ctx, part)
	case r.in.DryRun:
		return r.measure(ctx, part)
	default:
		return r.capture(ctx, part)
	}
}
