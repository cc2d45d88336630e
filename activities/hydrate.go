package activities

import (
	"context"
	"time"

	"golang.org/x/sync/errgroup"

	"healthlake-cdc/internal/cdc"
)

const (
	// searchesAtOnce is how many first pages a Hydrate reads side by side. When
	// the result fills up, at most one less than this were read in vain.
	searchesAtOnce = 4
	// hydrateBudget is how long a Hydrate begins further searches; what is not
	// read by then is left to the next one. With callTimeout it stays below the
	// activity's StartToClose timeout (workflows/policies.go).
	hydrateBudget = 30 * time.Second
	// callTimeout bounds one search with its quick retries.
	callTimeout = 45 * time.Second
	// furtherInHydrate is how many pages beyond the first a Hydrate reads of a
	// type; a type with more goes to a slice (design: 1,000 versions).
	furtherInHydrate = 10
)

// Hydrate reads the first page of each asked type, then further pages while
// the result has room. It holds at most cdc.MaxResultBytes of bodies, and at
// least one. It fails only when no type could be read.
func (a *Activities) Hydrate(ctx context.Context, in cdc.HydrateInput) (cdc.HydrateResult, error) {
	if err := in.Window.Validate(); err != nil {
		return cdc.HydrateResult{}, invalidInput(ctx, err.Error())
	}
	leave, err := a.Limits.enter(in.Window, in.Origin.Bulk)
	h := &hydration{a: a, in: in, started: time.Now(), mayFail: in.FailIfAllUnavailable && attempt(ctx) < cdc.Patience}
	if err != nil && !h.mayFail {
		h.refuseAll(err)
		return h.result, nil
	}
	if err != nil {
		return cdc.HydrateResult{}, applicationError(ctx, err)
	}
	defer func() { leave(h.outcome()) }()

	for from := 0; from < len(in.Requests); from += searchesAtOnce {
		asks := in.Requests[from:min(from+searchesAtOnce, len(in.Requests))]
		if h.full || time.Since(h.started) > hydrateBudget {
			h.leave(asks)
			continue
		}
		h.readAll(ctx, asks)
	}
	h.readFurther(ctx)
	if err := ctx.Err(); err != nil {
		return cdc.HydrateResult{}, applicationError(ctx, err)
	}
	if in.AllTypes && h.mayFail && !h.anyRead() && h.retryable != nil {
		return cdc.HydrateResult{}, applicationError(ctx, h.retryable)
	}
	return h.result, nil
}

// hydration is one attempt of Hydrate.
type hydration struct {
	a       *Activities
	in      cdc.HydrateInput
	started time.Time
	result  cdc.HydrateResult
	bytes   int
	full    bool
	// mayFail is set when the attempt may fail, for Temporal to retry it.
	mayFail bool
	// retryable is the first error that may pass by itself.
	retryable error
}

// reading is what asking for one page brought.
type reading struct {
	answer cdc.PageResult
	// content is what the whole page held.
	content cdc.Hash
	counts  cdc.Counts
	date    time.Time
	err     error
}

func (h *hydration) leave(asks []cdc.PageRequest) {
	for _, ask := range asks {
		h.result.Pages = append(h.result.Pages, cdc.PageResult{
			Type: ask.Type, State: cdc.PageIncomplete, Next: ask.Next, Remaining: -1, Trail: ask.Trail,
		})
	}
}

// refuseAll answers for every ask that the store is not asked now.
func (h *hydration) refuseAll(err error) {
	for _, ask := range h.in.Requests {
		r := reading{answer: cdc.PageResult{Type: ask.Type, Remaining: -1}}
		r.refuse(ask, err)
		h.result.Pages = append(h.result.Pages, r.answer)
	}
}

// readAll reads one page of each ask side by side and takes in what they hold,
// in the order of the asks.
func (h *hydration) readAll(ctx context.Context, asks []cdc.PageRequest) {
	readings := make([]reading, len(asks))
	var group errgroup.Group
	for i, ask := range asks {
		group.Go(func() error {
			readings[i] = h.a.readPage(ctx, h.in, ask)
			return nil
		})
	}
	_ = group.Wait() // readings carry their own errors
	for i, r := range readings {
		h.takeIn(ctx, asks[i], r)
	}
}

func (h *hydration) takeIn(ctx context.Context, ask cdc.PageRequest, r reading) {
	h.count(r)
	answer := r.answer
	answer.Changes, answer.Trail = nil, ask.Trail
	if h.fit(&answer, r.answer.Changes) {
		h.follow(ctx, &answer, r.content)
	} else {
		answer.State, answer.Next = cdc.PageIncomplete, ask.Next
	}
	h.result.Pages = append(h.result.Pages, answer)
}

// follow notes a page that is in the answer, and ends pages that go round. The pages
// of a token that was refused start again, and so does their trail.
func (h *hydration) follow(ctx context.Context, answer *cdc.PageResult, content cdc.Hash) {
	switch {
	case answer.State == cdc.PageMore && answer.Trail.Add(h.in.Salt, content, answer.Next):
		h.a.noteRound(ctx, h.in.Origin.Datastore, answer.Type)
		answer.State, answer.Next = cdc.PageDone, ""
	case answer.Next == "":
		answer.Trail = cdc.PageTrail{}
	}
}

func (h *hydration) count(r reading) {
	h.result.Counts.Add(r.counts)
	if !r.date.IsZero() && (h.result.StoreTime.IsZero() || r.date.Before(h.result.StoreTime)) {
		h.result.StoreTime = r.date
	}
	if r.err != nil && h.retryable == nil && cdc.ClassOf(r.err).Retryable() {
		h.retryable = r.err
	}
}

// fit appends the changes for which the result has room and tells whether all
// of them fitted.
func (h *hydration) fit(answer *cdc.PageResult, changes []cdc.Change) bool {
	for _, change := range changes {
		size := resultBytes(change)
		if h.bytes > 0 && h.bytes+size > cdc.MaxResultBytes {
			h.full = true
			return false
		}
		h.bytes += size
		answer.Changes = append(answer.Changes, change)
	}
	return true
}

// readFurther follows the types that have a moderate number of further pages
// while there is room and time.
func (h *hydration) readFurther(ctx context.Context) {
	for i := range h.result.Pages {
		answer := &h.result.Pages[i]
		if answer.Remaining > furtherInHydrate*cdc.PageSize {
			continue // a slice's work
		}
		known := h.in.Requests[i].Known
		for pages := 0; answer.State == cdc.PageMore && pages < furtherInHydrate; pages++ {
			if h.full || time.Since(h.started) > hydrateBudget || ctx.Err() != nil {
				return
			}
			r := h.a.readPage(ctx, h.in, cdc.PageRequest{
				Type: answer.Type, Next: answer.Next, Known: known, Confirm: h.in.Requests[i].Confirm,
			})
			h.count(r)
			if r.answer.State == cdc.PageUnavailable {
				break // the answer so far stands; the next attempt meets the error again
			}
			if answer.Remaining > 0 {
				answer.Remaining = max(0, answer.Remaining-cdc.PageSize)
			}
			if !h.fit(answer, r.answer.Changes) {
				answer.State = cdc.PageIncomplete // the same page again, for the rest
				break
			}
			// The class tells of a page token that the store refused.
			answer.State, answer.Next, answer.Class = r.answer.State, r.answer.Next, r.answer.Class
			h.follow(ctx, answer, r.content)
		}
	}
}

// anyRead tells whether the store answered for any type. A type that the store
// refuses does not count, nor does one that was not asked.
func (h *hydration) anyRead() bool {
	for _, answer := range h.result.Pages {
		if answer.State == cdc.PageDone || answer.State == cdc.PageMore || len(answer.Changes) > 0 {
			return true
		}
	}
	return false
}

// outcome is what the attempt tells of the store: that it answers, that it does
// not, or nothing. That some types could not be read says nothing of the others,
// which is why only an attempt for all types can tell that the store is failing.
func (h *hydration) outcome() outcome {
	switch {
	case h.anyRead() || h.retryable == nil:
		return storeAnswered
	case h.in.AllTypes && cdc.ClassOf(h.retryable) != cdc.ClassInterrupted:
		return storeFailed
	default:
		return storeUnknown
	}
}

// readPage reads one page of one type and the bodies that it needs.
func (a *Activities) readPage(ctx context.Context, in cdc.HydrateInput, ask cdc.PageRequest) reading {
	r := reading{answer: cdc.PageResult{Type: ask.Type, Remaining: -1}}
	page, searches, err := a.search(ctx, in, ask)
	r.counts.Searches = searches
	if err != nil {
		r.refuse(ask, err)
		return r
	}
	r.date, r.content = page.Date, page.Content(in.Salt)
	fresh := wanted(in.Window.Span(), among(ask.Known, in.Salt), page)
	r.answer.State, r.answer.Next = cdc.PageDone, page.Next
	if page.Next != "" {
		r.answer.State = cdc.PageMore
	}
	if page.Total >= 0 && ask.Next == "" {
		r.answer.Remaining = max(0, page.Total-len(page.Resources))
	}
	if in.List {
		for _, resource := range fresh {
			r.answer.Changes = append(r.answer.Changes, cdc.Change{Version: resource.Version})
		}
		return r
	}
	if a.References || !ask.Confirm && !page.IDsOnly {
		r.answer.Changes = a.changes(in.Origin, fresh)
		return r
	}
	changes, unread, reads, err := a.readBodies(ctx, in.Origin, in.Window.Span(), versionsOf(fresh))
	r.counts.Reads = reads
	r.answer.Changes = changes
	switch {
	case err != nil && len(changes) == 0:
		r.refuse(ask, err)
	case err != nil || len(unread) > 0:
		r.answer.State, r.answer.Next = cdc.PageIncomplete, ask.Next
	}
	return r
}

// refuse notes that the store did not give the page. A refused page token asks
// for the pages from the start; the caller knows what it has.
func (r *reading) refuse(ask cdc.PageRequest, err error) {
	r.err = err
	class := cdc.ClassOf(err)
	if class == cdc.ClassPageToken && ask.Next != "" {
		r.answer.State, r.answer.Next, r.answer.Class = cdc.PageIncomplete, "", class
		return
	}
	r.answer.State, r.answer.Next, r.answer.Class = cdc.PageUnavailable, ask.Next, class
	r.answer.RetryAfter = retryAfter(err)
}

func versionsOf(resources []cdc.Resource) []cdc.Version {
	versions := make([]cdc.Version, len(resources))
	for i, resource := range resources {
		versions[i] = resource.Version
	}
	return versions
}
