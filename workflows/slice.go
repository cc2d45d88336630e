package workflows

import (
	"fmt"
	"slices"

	"go.temporal.io/sdk/workflow"

	"healthlake-cdc/internal/cdc"
)

// CaptureSlice captures one type's span page after page, some pages being published while
// the next ones are read: windows use it for what overflows, ranges for everything.
// Its result is what it published.
func CaptureSlice(ctx workflow.Context, in cdc.CaptureSliceInput) (cdc.CaptureSliceResult, error) {
	s, err := newCaptureSlice(ctx, in)
	if err != nil {
		return cdc.CaptureSliceResult{}, err
	}
	err = s.run(ctx)
	cancelled := err != nil && ctx.Err() != nil
	if err != nil && !cancelled {
		return cdc.CaptureSliceResult{}, err
	}
	if cancelled {
		// It waits for what is being published, and its parent gets what was published.
		_ = s.awaitPublish(ctx)
	}
	return cdc.CaptureSliceResult{
		Salt: in.Salt, Published: s.state.Published, Skipped: s.state.Skipped, Counts: s.state.Counts,
		Unswept: s.unswept, Cancelled: cancelled,
	}, nil
}

type captureSlice struct {
	in    cdc.CaptureSliceInput
	state cdc.SliceState
	// known is what needs no publishing: what the parent knows, what was
	// published, what is being published and what EventBridge rejected.
	known cdc.HashSet
	// publishing is the Publish under way.
	publishing *publishing
	// rejected are changes that EventBridge rejected.
	rejected rejectedChanges
	// unswept is set when the slice was closed before its last page.
	unswept  bool
	operator *operator
}

func newCaptureSlice(ctx workflow.Context, in cdc.CaptureSliceInput) (*captureSlice, error) {
	if !cdc.ValidDatastore(in.Origin.Datastore) || !cdc.ValidType(in.Type) || !in.Span.To.After(in.Span.From) {
		return nil, invalidInput("a slice needs a datastore, a resource type and a span")
	}
	s := &captureSlice{in: in, known: in.Known.Clone()}
	if in.Resume != nil {
		s.state = *in.Resume
		s.known.Merge(s.state.Known())
	}
	s.rejected = newRejected(in.Salt, map[string]cdc.HashSet{in.Type: s.state.Rejected}, s.state.RejectedRetry)
	s.state.Rejected = cdc.HashSet{}
	if s.state.Began.IsZero() {
		s.state.Began = workflow.Now(ctx)
	}
	var err error
	s.operator, err = newOperator(ctx, in.Attributes, s.progress)
	return s, err
}

func (s *captureSlice) run(ctx workflow.Context) error {
	for last := false; !last; {
		if err := s.waitWhilePaused(ctx); err != nil {
			return err
		}
		if historyIsLarge(ctx) {
			return s.continueAsNew(ctx)
		}
		var err error
		if last, err = s.page(ctx); err == nil {
			err = s.handleSignals(ctx)
		} else if class, retryAfter, ok := failureOf(ctx, err); ok {
			last, err = s.waitForStore(ctx, class, retryAfter)
		}
		if err != nil {
			return err
		}
	}
	if err := s.awaitPublish(ctx); err != nil {
		return err
	}
	s.rejected.forget(ctx, s.in.Type)
	for !s.rejected.empty() {
		if historyIsLarge(ctx) {
			return s.continueAsNew(ctx)
		}
		if err := s.publishRejected(ctx); err != nil {
			return err
		}
	}
	return s.operator.close(ctx)
}

// page captures the next pages; last is set when none follows.
func (s *captureSlice) page(ctx workflow.Context) (last bool, err error) {
	page, err := s.hydrate(ctx, cdc.HydratePageInput{
		Salt: s.in.Salt, Next: s.in.Next, Known: s.state.PageKnown, Trail: s.state.Trail, Pages: s.maxPages(),
		List: s.in.Confirm, IDs: s.idsToRead(),
	}, fmt.Sprintf("pages of %s from number %d", s.in.Type, s.state.Counts.Searches+1))
	if err != nil {
		return false, err
	}
	if err := s.publish(ctx, s.dedup(page.Changes)); err != nil {
		return false, err
	}
	if err := s.publishListed(ctx, page.Listed); err != nil {
		return false, err
	}
	return s.nextPage(ctx, page)
}

func (s *captureSlice) hydrate(ctx workflow.Context, in cdc.HydratePageInput, summary string) (page cdc.HydratePageResult, err error) {
	in.Origin, in.Type, in.Span = s.in.Origin, s.in.Type, s.in.Span
	ctx = operatorPolicy(ctx, s.in.Origin.Datastore, s.in.Origin.Bulk, s.state.Retry, summary)
	err = workflow.ExecuteActivity(ctx, do.HydratePage, in).Get(ctx, &page)
	s.state.Counts.Add(page.Counts)
	return page, err
}

// dedup drops what is known and remembers the others.
func (s *captureSlice) dedup(changes []cdc.Change) []cdc.Change {
	var fresh []cdc.Change
	for _, change := range changes {
		if s.in.Span.Contains(change.Time()) && s.known.Add(s.in.Salt.Hash(change.Version)) {
			fresh = append(fresh, change)
		}
	}
	if s.state.Listings > 0 {
		s.state.Found += len(fresh)
	}
	return fresh
}

// publishListed reads the bodies of the listed versions that are not known, and
// publishes them.
func (s *captureSlice) publishListed(ctx workflow.Context, listed []cdc.Version) error {
	want := slices.DeleteFunc(listed, func(v cdc.Version) bool { return s.known.Has(s.in.Salt.Hash(v)) })
	for len(want) > 0 {
		page, err := s.hydrate(ctx, cdc.HydratePageInput{Want: want}, fmt.Sprintf("%d bodies of %s", len(want), s.in.Type))
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

// publish starts to publish the changes, in batches: each once the batch before is
// published. With a rate, a batch holds what a second allows.
func (s *captureSlice) publish(ctx workflow.Context, changes []cdc.Change) error {
	for batch := range slices.Chunk(changes, s.batchSize(len(changes))) {
		if err := s.awaitPublish(ctx); err != nil {
			return err
		}
		if err := s.waitForRate(ctx, len(batch)); err != nil {
			return err
		}
		s.publishing = startPublishing(ctx, cdc.PublishInput{
			Origin: s.in.Origin, Changes: batch, Bus: s.in.Range.Bus, Weigh: s.in.Range.Weigh,
		})
	}
	return nil
}

// awaitPublish waits for the batch under way and puts it into the ledger: when the
// slice is cancelled, what EventBridge had accepted of it.
func (s *captureSlice) awaitPublish(ctx workflow.Context) error {
	if s.publishing == nil {
		return nil
	}
	published, counts, err := s.publishing.finish(ctx, s.operator, &s.rejected)
	s.publishing = nil
	s.state.Counts.Add(counts)
	for _, change := range published {
		s.state.Published.Add(s.in.Salt.Hash(change.Version))
	}
	return err
}

// nextPage goes on to the page that follows what was read, and reports whether there is
// none.
func (s *captureSlice) nextPage(ctx workflow.Context, page cdc.HydratePageResult) (last bool, err error) {
	if page.Restart {
		s.restartPages()
		return s.waitForStore(ctx, cdc.ClassPageTokenRejected, 0)
	}
	if page.Counts.Searches+page.Counts.Reads > 0 { // else no search token came in time
		s.state.Retry = cdc.Retry{} // the store gives it, or a part of it
	}
	if s.idsToRead() != nil {
		s.state.NextID = len(s.in.Range.IDs) - len(page.UnreadIDs)
		return len(page.UnreadIDs) == 0, nil
	}
	if page.State == cdc.PageDone {
		s.restartPages()
		return s.pagesDone(ctx)
	}
	if page.State == cdc.PageMore || page.Next != s.in.Next {
		s.state.PageKnown = cdc.HashSet{}
	}
	if page.State == cdc.PageIncomplete {
		s.addToPageKnown(page)
	}
	s.in.Next, s.state.Trail = page.Next, page.Trail
	return false, nil
}

// addToPageKnown has what was read left out when the rest of the last page is requested.
func (s *captureSlice) addToPageKnown(page cdc.HydratePageResult) {
	for _, change := range page.Changes {
		s.state.PageKnown.Add(s.in.Salt.Hash(change.Version))
	}
	for _, version := range page.Listed {
		s.state.PageKnown.Add(s.in.Salt.Hash(version))
	}
}

func (s *captureSlice) restartPages() {
	s.in.Next, s.state.PageKnown, s.state.Trail = "", cdc.HashSet{}, cdc.PageTrail{}
}

func (s *captureSlice) publishRejected(ctx workflow.Context) error {
	if s.rejected.retryingNow == 0 {
		summary := fmt.Sprintf("%d rejected by EventBridge wait", len(s.rejected.changes))
		if err := s.operator.sleep(ctx, s.rejected.retry.Due, summary); err != nil {
			return err
		}
	}
	if err := s.handleSignals(ctx); err != nil {
		return err
	}
	if err := s.publish(ctx, s.rejected.due(workflow.Now(ctx))); err != nil {
		return err
	}
	return s.awaitPublish(ctx)
}

// continueAsNew goes on in a new run, which lists the pages from the start to read the
// bodies of what EventBridge rejected again. An operator may have ended the slice while
// its last Publish was waited for.
func (s *captureSlice) continueAsNew(ctx workflow.Context) error {
	if err := s.awaitPublish(ctx); err != nil {
		return err
	}
	if err := s.handleSignals(ctx); err != nil {
		return err
	}
	if s.unswept {
		if n := len(s.rejected.changes); n > 0 {
			workflow.GetLogger(ctx).Error("a slice closes without versions that EventBridge rejects: its type cannot be read, so they cannot be read again; an audit finds them",
				"type", s.in.Type, "versions", n)
		}
		return s.operator.close(ctx)
	}
	if !s.rejected.empty() {
		s.in.Confirm = true
		s.restartPages()
		s.state.NextID, s.state.Counts.NotFound = 0, 0
	}
	s.state.Rejected, s.state.RejectedRetry = s.rejected.all()[s.in.Type], s.rejected.retry
	s.drainPauses(ctx)
	s.in.Resume = &s.state
	return workflow.NewContinueAsNewError(ctx, cdc.WorkflowCaptureSlice, s.in)
}
