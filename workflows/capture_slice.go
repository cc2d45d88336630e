package workflows

import (
	"fmt"
	"slices"
	"time"

	"go.temporal.io/sdk/workflow"

	"healthlake-cdc/internal/cdc"
)

// CaptureSlice captures one type's span page after page, page k being published
// while page k+1 is read. It is the only page loop in the house: windows use it
// for what overflows, ranges for everything. Its result is what it published.
func CaptureSlice(ctx workflow.Context, in cdc.CaptureSliceInput) (cdc.CaptureSliceResult, error) {
	s, err := newCaptureSlice(ctx, in)
	if err != nil {
		return cdc.CaptureSliceResult{}, err
	}
	return s.runAndHandBack(ctx)
}

type captureSlice struct {
	in    cdc.CaptureSliceInput
	state cdc.SliceState
	// known is what needs no publishing: what the parent knows, what was
	// published, what is being published and what the bus refused.
	known cdc.HashSet
	// publishing is the Publish under way, of the changes in batch.
	publishing *publishing
	batch      []cdc.Change
	refused    refusedChanges
	// bus is why the bus takes nothing.
	bus cdc.Class
	// unswept is set when the slice was closed before its last page.
	unswept  bool
	operator operator
	// holds is set while the slice waits because its range is paused.
	holds bool
}

func newCaptureSlice(ctx workflow.Context, in cdc.CaptureSliceInput) (*captureSlice, error) {
	if !cdc.ValidDatastore(in.Origin.Datastore) || !cdc.ValidType(in.Type) || !in.Span.To.After(in.Span.From) {
		return nil, invalidInput("a slice needs a datastore, a resource type and a span")
	}
	s := &captureSlice{in: in, known: in.Known.Clone(), operator: newOperator(ctx, in.Attributes)}
	s.refused.salt = in.Salt
	if in.Resume != nil {
		s.state = *in.Resume
		s.known.Merge(s.state.Published)
		s.known.Merge(s.state.Skipped)
		s.refused.resume(map[string]cdc.HashSet{in.Type: s.state.Rejected}, s.state.Bus)
		s.state.Rejected = cdc.HashSet{}
	}
	s.beginInRange(ctx)
	return s, workflow.SetQueryHandler(ctx, cdc.QueryProgress, func() (cdc.Progress, error) {
		return s.progress(ctx), nil
	})
}

// runAndHandBack ends cleanly when the slice is handed back, or cancelled with its
// range: what is being published is waited for, and the parent gets what was
// published.
func (s *captureSlice) runAndHandBack(ctx workflow.Context) (cdc.CaptureSliceResult, error) {
	result, err := s.run(ctx)
	if err == nil || ctx.Err() == nil {
		return result, err
	}
	if err := s.published(ctx); err != nil && ctx.Err() == nil {
		return cdc.CaptureSliceResult{}, err
	}
	result = s.result()
	result.Cancelled = true
	return result, nil
}

func (s *captureSlice) run(ctx workflow.Context) (cdc.CaptureSliceResult, error) {
	for last := false; !last; {
		if err := s.hold(ctx); err != nil {
			return cdc.CaptureSliceResult{}, err
		}
		if historyIsLarge(ctx) {
			return s.continueAsNew(ctx)
		}
		var err error
		if last, err = s.page(ctx); err == nil {
			err = s.handleSignals(ctx)
		} else if class, asked, ok := failed(ctx, err); ok {
			last, err = s.waitForStore(ctx, class, asked)
		}
		if err != nil {
			return cdc.CaptureSliceResult{}, err
		}
	}
	if err := s.published(ctx); err != nil {
		return cdc.CaptureSliceResult{}, err
	}
	s.refused.forget(s.in.Type)
	for !s.refused.empty() {
		if historyIsLarge(ctx) {
			return s.continueAsNew(ctx)
		}
		if err := s.publishRefused(ctx); err != nil {
			return cdc.CaptureSliceResult{}, err
		}
	}
	return s.result(), s.operator.close(ctx)
}

func (s *captureSlice) result() cdc.CaptureSliceResult {
	return cdc.CaptureSliceResult{
		Salt: s.in.Salt, Published: s.state.Published, Skipped: s.state.Skipped, Unswept: s.unswept, Counts: s.state.Counts,
	}
}

// page captures the next page and goes on to the one that follows; last tells
// that there is none.
func (s *captureSlice) page(ctx workflow.Context) (last bool, err error) {
	page, err := s.hydrate(ctx)
	if err != nil {
		return false, err
	}
	if err := s.publish(ctx, s.dedup(page.Changes)); err != nil {
		return false, err
	}
	if err := s.publishListed(ctx, page.Listed); err != nil {
		return false, err
	}
	return s.advance(ctx, page)
}

// hydrate reads the next page, or lists its ids.
func (s *captureSlice) hydrate(ctx workflow.Context) (cdc.HydratePageResult, error) {
	in := cdc.HydratePageInput{
		Origin: s.in.Origin, Type: s.in.Type, Span: s.in.Span,
		Salt: s.in.Salt, Next: s.in.Next, Known: s.state.PageKnown, List: s.in.Confirm, IDs: s.asked(),
	}
	return s.hydratePage(ctx, in, fmt.Sprintf("page %d of %s", s.state.Counts.Searches+1, s.in.Type))
}

func (s *captureSlice) hydratePage(ctx workflow.Context, in cdc.HydratePageInput, summary string) (cdc.HydratePageResult, error) {
	var page cdc.HydratePageResult
	ctx = operatorPolicy(ctx, s.in.Origin.Datastore, s.in.Origin.Bulk, s.state.Retry, summary)
	err := workflow.ExecuteActivity(ctx, do.HydratePage, in).Get(ctx, &page)
	s.state.Counts.Add(page.Counts)
	return page, err
}

// dedup drops what is known and remembers the rest.
func (s *captureSlice) dedup(changes []cdc.Change) []cdc.Change {
	var fresh []cdc.Change
	for _, change := range changes {
		if s.in.Span.Contains(change.Time()) && s.known.Add(s.in.Salt.Hash(change.Version)) {
			fresh = append(fresh, change)
		}
	}
	s.note(fresh)
	return fresh
}

// publish starts to publish the changes once the batch before is published, so
// that one batch is under way at a time. With a rate, a batch holds no more than a
// second's worth.
func (s *captureSlice) publish(ctx workflow.Context, changes []cdc.Change) error {
	for batch := range slices.Chunk(changes, s.mostAtOnce(len(changes))) {
		if err := s.published(ctx); err != nil {
			return err
		}
		if err := s.pace(ctx, len(batch)); err != nil {
			return err
		}
		s.batch, s.publishing = batch, s.startPublishing(ctx, batch)
	}
	return nil
}

// publishListed reads the bodies of the listed versions that are not known, and
// publishes them.
func (s *captureSlice) publishListed(ctx workflow.Context, listed []cdc.Version) error {
	var want []cdc.Version
	for _, version := range listed {
		if !s.known.Has(s.in.Salt.Hash(version)) {
			want = append(want, version)
		}
	}
	for len(want) > 0 {
		in := cdc.HydratePageInput{Origin: s.in.Origin, Type: s.in.Type, Span: s.in.Span, Want: want}
		page, err := s.hydratePage(ctx, in, fmt.Sprintf("%d bodies of %s", len(want), s.in.Type))
		if err != nil {
			return err
		}
		if err := s.publish(ctx, s.dedup(page.Changes)); err != nil {
			return err
		}
		want = page.Unread
	}
	return nil
}

// published waits for the batch under way and takes it into the ledger: when the
// slice is cancelled, what EventBridge had accepted of it.
func (s *captureSlice) published(ctx workflow.Context) error {
	if s.publishing == nil {
		return nil
	}
	result, err := s.publishing.result(ctx, func(class cdc.Class) error {
		s.bus = class
		s.describe(ctx)
		return s.operator.show(ctx, s.waits(ctx))
	})
	batch := s.batch
	s.publishing, s.batch = nil, nil
	for i, change := range batch {
		if i >= len(result.EventIDs) || result.EventIDs[i] == "" {
			continue
		}
		s.state.Published.Add(s.in.Salt.Hash(change.Version))
		s.state.Counts.Published++
		if change.Reason != "" {
			s.state.Counts.References++
		}
	}
	s.state.Counts.Bytes += result.Bytes
	s.state.Counts.Events += result.Events
	if err != nil {
		return err
	}
	s.refused.add(ctx, batch, result.Rejected)
	s.describe(ctx)
	return nil
}

// advance goes on to the page that follows, and tells whether there is none.
func (s *captureSlice) advance(ctx workflow.Context, page cdc.HydratePageResult) (last bool, err error) {
	if page.Restart {
		s.in.Next, s.state.PageKnown, s.state.Trail = "", cdc.HashSet{}, cdc.PageTrail{}
		return s.waitForStore(ctx, cdc.ClassPageToken, 0)
	}
	s.state.Retry = cdc.Retry{} // the store gives it, or a piece of it
	if page.State == cdc.PageIncomplete {
		for _, change := range page.Changes {
			s.state.PageKnown.Add(s.in.Salt.Hash(change.Version))
		}
		return false, nil
	}
	s.in.Next, s.state.PageKnown = page.Next, cdc.HashSet{}
	if s.asked() != nil {
		return s.idsRead(page), nil
	}
	round := s.state.Trail.Add(s.in.Salt, page.Content, page.Next)
	if round {
		s.noteRound(ctx)
	}
	if round || page.State == cdc.PageDone {
		s.in.Next, s.state.Trail = "", cdc.PageTrail{}
		return s.pagesDone(ctx)
	}
	return false, nil
}

// noteRound says that the pages were ended because they go round. What they held is
// kept; whatever else there is, audits find missing. The metric is the activities'.
func (s *captureSlice) noteRound(ctx workflow.Context) {
	workflow.GetMetricsHandler(ctx).
		WithTags(map[string]string{"datastore": s.in.Origin.Datastore, "resource_type": s.in.Type}).
		Counter("healthlake_cdc_page_loops").Inc(1)
	workflow.GetLogger(ctx).Warn("the store's pages go round, or on without anything new: what they held is kept, and no more are read",
		"datastore", s.in.Origin.Datastore, "type", s.in.Type)
}

// publishRefused offers what the bus refused again, when that is due.
func (s *captureSlice) publishRefused(ctx workflow.Context) error {
	if s.refused.hurried == 0 {
		due := later(s.refused.retry.Due, workflow.Now(ctx).Add(time.Second))
		summary := fmt.Sprintf("%d refused by EventBridge wait", len(s.refused.changes))
		if err := s.operator.sleep(ctx, due, summary); err != nil {
			return err
		}
	}
	if err := s.handleSignals(ctx); err != nil {
		return err
	}
	if err := s.publish(ctx, s.refused.takeDue(workflow.Now(ctx))); err != nil {
		return err
	}
	return s.published(ctx)
}

// continueAsNew goes on in a new run. The bodies of what the bus refused are not
// carried over: the new run lists the pages from the start and reads them again. An
// operator may have ended the slice while its last Publish was waited for.
func (s *captureSlice) continueAsNew(ctx workflow.Context) (cdc.CaptureSliceResult, error) {
	if err := s.published(ctx); err != nil {
		return cdc.CaptureSliceResult{}, err
	}
	if err := s.handleSignals(ctx); err != nil {
		return cdc.CaptureSliceResult{}, err
	}
	if s.unswept {
		if n := len(s.refused.changes); n > 0 {
			workflow.GetLogger(ctx).Error("a slice closes without versions that EventBridge refuses: its type cannot be read, so they cannot be read again; an audit finds them",
				"type", s.in.Type, "versions", n)
		}
		return s.result(), s.operator.close(ctx)
	}
	if !s.refused.empty() {
		s.in.Next, s.in.Confirm, s.state.PageKnown, s.state.Trail = "", true, cdc.HashSet{}, cdc.PageTrail{}
		s.askAgain()
	}
	s.state.Rejected, s.state.Bus = s.refused.all()[s.in.Type], s.refused.retry
	s.takeHold(ctx)
	next := s.in
	state := s.state
	next.Resume = &state
	return cdc.CaptureSliceResult{}, workflow.NewContinueAsNewError(ctx, cdc.WorkflowCaptureSlice, next)
}
