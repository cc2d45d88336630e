package workflows

import (
	"fmt"
	"time"

	"go.temporal.io/sdk/workflow"

	"healthlake-cdc/internal/cdc"
)

// largestSlice is how many versions a range gives one slice. Its ledger stays
// far under Temporal's payload limit, and its progress is seen.
const largestSlice = 10_000

// firstRange is the course of ranges that were started before cdc.RangeCourse:
// for each datastore and type it cuts the span into slices of bounded size, by
// asking for counts, and runs them one after the other.
type firstRange struct {
	in    cdc.CaptureRangeInput
	state cdc.RangeState
	id    string
}

func newFirstRange(ctx workflow.Context, in cdc.CaptureRangeInput) (*firstRange, error) {
	if len(in.Datastores) == 0 || len(in.Types) == 0 || !in.Span.To.After(in.Span.From) {
		return nil, invalidInput("a range needs datastores, resource types and a span")
	}
	r := &firstRange{in: in, id: workflow.GetInfo(ctx).WorkflowExecution.ID}
	r.state.Stack = []cdc.Span{in.Span}
	if in.Resume != nil {
		r.state = *in.Resume
	}
	return r, workflow.SetQueryHandler(ctx, cdc.QueryProgress, func() (cdc.Progress, error) {
		return cdc.Progress{Counts: r.state.Counts, Done: r.state.Part, Total: r.parts()}, nil
	})
}

func (r *firstRange) parts() int { return len(r.in.Datastores) * len(r.in.Types) }

func (r *firstRange) run(ctx workflow.Context) (cdc.CaptureRangeResult, error) {
	for r.state.Part < r.parts() {
		if historyIsLarge(ctx) {
			next := r.in
			state := r.state
			next.Resume = &state
			return cdc.CaptureRangeResult{}, workflow.NewContinueAsNewError(ctx, cdc.WorkflowCaptureRange, next)
		}
		if err := r.step(ctx); err != nil {
			return cdc.CaptureRangeResult{}, err
		}
		r.describe(ctx)
	}
	if r.in.Attributes {
		err := workflow.UpsertTypedSearchAttributes(ctx,
			cdc.AttrState.ValueSet(cdc.StateClosed), cdc.AttrPublished.ValueSet(int64(r.state.Counts.Published)))
		if err != nil {
			return cdc.CaptureRangeResult{}, err
		}
	}
	return cdc.CaptureRangeResult{Counts: r.state.Counts, Slices: r.state.Slices}, nil
}

// step takes the next span of the part at work: halves it while it holds too
// many versions, else captures it.
func (r *firstRange) step(ctx workflow.Context) error {
	datastore := r.in.Datastores[r.state.Part/len(r.in.Types)]
	resourceType := r.in.Types[r.state.Part%len(r.in.Types)]
	top := len(r.state.Stack) - 1
	span := r.state.Stack[top]
	r.state.Stack = r.state.Stack[:top]

	count, err := r.count(ctx, cdc.CountInput{Datastore: datastore, Type: resourceType, Span: span})
	if err != nil {
		return err
	}
	if early, late, ok := span.Halves(); ok && count > largestSlice {
		r.state.Stack = append(r.state.Stack, late, early)
		return nil
	}
	if count > 0 {
		if err := r.capture(ctx, datastore, resourceType, span); err != nil {
			return err
		}
	}
	if len(r.state.Stack) == 0 {
		r.state.Part++
		r.state.Stack = []cdc.Span{r.in.Span}
	}
	return nil
}

func (r *firstRange) count(ctx workflow.Context, in cdc.CountInput) (int, error) {
	var n int
	ctx = pagePolicy(ctx, in.Datastore, true, fmt.Sprintf("count %s from %s", in.Type, in.Span.From.UTC().Format(time.DateTime)))
	err := workflow.ExecuteActivity(ctx, do.Count, in).Get(ctx, &n)
	r.state.Counts.Searches++
	return n, err
}

func (r *firstRange) capture(ctx workflow.Context, datastore, resourceType string, span cdc.Span) error {
	in := cdc.CaptureSliceInput{
		Origin: cdc.Origin{
			Datastore: datastore, SourceTime: r.in.SourceTime, CapturedBy: cdc.ByOperator,
			CorrelationID: r.id, Replay: r.in.Name,
		},
		Type: resourceType, Span: span, Bulk: true,
	}
	for tries := 1; ; tries++ {
		r.state.Slices++
		slice := startSlice(ctx, r.state.Slices, in)
		var result cdc.CaptureSliceResult
		err := slice.future.Get(ctx, &result)
		if err == nil {
			r.state.Counts.Add(result.Counts)
			return nil
		}
		if ctx.Err() != nil || classOf(err) == cdc.ClassInvalidInput {
			return err
		}
		if err := r.recoverSlice(ctx, slice.id, &in); err != nil {
			return err
		}
		if err := workflow.Sleep(ctx, backoff(tries)); err != nil {
			return err
		}
	}
}

// recoverSlice lets the next slice of the same span leave out what one that an
// operator terminated had published.
func (r *firstRange) recoverSlice(ctx workflow.Context, id string, in *cdc.CaptureSliceInput) error {
	published, err := terminatedSlice(ctx, id, in.Type)
	if err != nil {
		return err
	}
	r.state.Counts.Published += in.Known.Merge(published)
	return nil
}

func (r *firstRange) describe(ctx workflow.Context) {
	workflow.SetCurrentDetails(ctx, fmt.Sprintf("**%d published** · %d of %d types done · %d slices · %d searches",
		r.state.Counts.Published, r.state.Part, r.parts(), r.state.Slices, r.state.Counts.Searches))
}
