package activities

import (
	"context"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"

	"healthlake-cdc/internal/cdc"
)

const (
	// searchesAtOnce is how many first pages a Hydrate reads side by side.
	searchesAtOnce = 4
	// hydrateBudget is how long a Hydrate begins further searches. With SearchTimeout it
	// stays below the activity's StartToClose timeout (workflows/policies.go).
	hydrateBudget = 30 * time.Second
	// SearchTimeout bounds one search with its quick retries.
	SearchTimeout = 45 * time.Second
	// furtherPages is how many pages beyond the first a Hydrate reads of a
	// type; a type with more goes to a slice (sliceFrom in workflows/window_passes.go).
	furtherPages = 10
)

// Hydrate reads the first page of each requested type, then further pages while
// the result has room. It holds at most cdc.MaxResultBytes of bodies, and at
// least one. It fails only when no type could be read.
func (a *Activities) Hydrate(ctx context.Context, in cdc.HydrateInput) (cdc.HydrateResult, error) {
	if err := in.Window.Validate(); err != nil {
		return cdc.HydrateResult{}, InvalidInput(ctx, err.Error())
	}
	h := &hydration{r: a.Reader, in: in, started: time.Now(), mayFail: in.FailIfAllUnavailable && Attempt(ctx) < cdc.MaxAttempts}
	for _, request := range in.Requests {
		h.result.Pages = append(h.result.Pages, notRead(request))
	}
	exit, err := a.Reader.Limits.enter(in.Window, in.Origin.Bulk)
	switch {
	case err != nil && h.mayFail:
		return cdc.HydrateResult{}, ApplicationError(ctx, err)
	case err != nil:
		for i := range h.result.Pages {
			markFailed(&h.result.Pages[i], err)
		}
		return h.result, nil
	}
	defer func() { exit(h.outcome()) }()

	h.readFirst(ctx)
	h.readFurther(ctx)
	if err := ctx.Err(); err != nil {
		return cdc.HydrateResult{}, ApplicationError(ctx, err)
	}
	if in.AllTypes && h.mayFail && !h.anyRead() && h.retryable != nil {
		return cdc.HydrateResult{}, ApplicationError(ctx, h.retryable)
	}
	return h.result, nil
}

// hydration is one attempt of Hydrate.
type hydration struct {
	r       *Reader
	in      cdc.HydrateInput
	started time.Time
	// result has a page for each request.
	result cdc.HydrateResult
	used   room
	full   bool
	// mayFail is set when the attempt may fail, for Temporal to retry it.
	mayFail bool
	// retryable is the first error that may pass by itself.
	retryable error
}

// reading is what the request of one page brought.
type reading struct {
	page cdc.PageResult
	// content is what the whole page held.
	content cdc.Hash
	counts  cdc.Counts
	date    time.Time
	err     error
}

// notRead is the result of a request that is left to the next Hydrate.
func notRead(request cdc.PageRequest) cdc.PageResult {
	return cdc.PageResult{Type: request.Type, State: cdc.PageIncomplete, Next: request.Next, Remaining: -1, Trail: request.Trail}
}

// markFailed notes in a page why it could not be read. After a page token that the store
// rejected the pages start again.
func markFailed(page *cdc.PageResult, err error) {
	page.State, page.Class = cdc.PageUnavailable, cdc.ClassOf(err)
	if page.Class == cdc.ClassPageTokenRejected && page.Next != "" {
		page.State, page.Next = cdc.PageIncomplete, ""
	} else {
		page.RetryAfter = retryAfter(err)
	}
}

// late reports whether the attempt begins no further search.
func (h *hydration) late() bool { return time.Since(h.started) > hydrateBudget }

// readFirst reads the first page of each request, some side by side, and adds what they
// hold in the order of the requests.
func (h *hydration) readFirst(ctx context.Context) {
	pages := h.result.Pages
	for requests := range slices.Chunk(h.in.Requests, searchesAtOnce) {
		if h.full || h.late() {
			return
		}
		readings := make([]reading, len(requests))
		var group errgroup.Group
		for i, request := range requests {
			group.Go(func() error {
				readings[i] = h.read(ctx, request)
				return nil
			})
		}
		_ = group.Wait() // readings carry their own errors
		for i, read := range readings {
			pages[i].Remaining, pages[i].RetryAfter = read.page.Remaining, read.page.RetryAfter
			h.count(read)
			h.add(ctx, &pages[i], read)
		}
		pages = pages[len(requests):]
	}
}

// add adds a reading to the page of its type, and ends pages that loop. Where the result
// has no room for all of it, the same page is requested again.
func (h *hydration) add(ctx context.Context, page *cdc.PageResult, read reading) {
	n := h.used.pack(read.page.Changes)
	page.Changes = append(page.Changes, read.page.Changes[:n]...)
	if n < len(read.page.Changes) {
		h.full, page.State = true, cdc.PageIncomplete
		return
	}
	page.State, page.Next, page.Class = read.page.State, read.page.Next, read.page.Class
	switch {
	case page.State == cdc.PageMore && page.Trail.Add(h.in.Salt, read.content, page.Next):
		h.r.CountPageLoop(ctx, h.in.Origin.Datastore, page.Type)
		page.State, page.Next = cdc.PageDone, ""
	case page.Next == "":
		page.Trail = cdc.PageTrail{} // the pages are at an end, or start again
	}
}

// count counts what a request took, and notes how the store answered it.
func (h *hydration) count(read reading) {
	h.result.Counts.Add(read.counts)
	if !read.date.IsZero() && (h.result.StoreTime.IsZero() || read.date.Before(h.result.StoreTime)) {
		h.result.StoreTime = read.date
	}
	if read.err != nil && h.retryable == nil && cdc.ClassOf(read.err).Retryable() {
		h.retryable = read.err
	}
}

// readFurther follows the types that have a moderate number of further pages
// while there is room and time.
func (h *hydration) readFurther(ctx context.Context) {
	for i := range h.result.Pages {
		page, request := &h.result.Pages[i], h.in.Requests[i]
		if page.Remaining > furtherPages*cdc.PageSize {
			continue // a slice's work
		}
		for pages := 0; page.State == cdc.PageMore && pages < furtherPages; pages++ {
			if h.full || h.late() || ctx.Err() != nil {
				return
			}
			request.Next = page.Next
			read := h.read(ctx, request)
			h.count(read)
			if read.page.State == cdc.PageUnavailable {
				break // the page so far stands; the next attempt meets the error again
			}
			if page.Remaining > 0 {
				page.Remaining = max(0, page.Remaining-cdc.PageSize)
			}
			h.add(ctx, page, read)
		}
	}
}

// anyRead reports whether the store gave a page of any type.
func (h *hydration) anyRead() bool {
	return slices.ContainsFunc(h.result.Pages, func(page cdc.PageResult) bool {
		return page.State == cdc.PageDone || page.State == cdc.PageMore || len(page.Changes) > 0
	})
}

// outcome is what the attempt shows of the store. Only an attempt for all types can show
// that it fails: some types say nothing of the others.
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

// read reads one page of one type and the bodies that it needs.
func (h *hydration) read(ctx context.Context, request cdc.PageRequest) reading {
	origin, span := h.in.Origin, h.in.Window.Span()
	searching, cancel := context.WithTimeout(ctx, SearchTimeout)
	defer cancel()
	found, searches, err := h.r.Search(searching, cdc.SearchRequest{
		Datastore: origin.Datastore, Type: request.Type, Span: span, Next: request.Next,
		IDsOnly: request.Confirm || h.in.List,
	}, origin.Bulk, func() {})
	read := reading{page: notRead(request), counts: cdc.Counts{Searches: searches}, err: err}
	if err != nil {
		markFailed(&read.page, err)
		return read
	}
	read.date, read.content = found.Date, found.Content(h.in.Salt)
	if found.Total >= 0 && request.Next == "" {
		read.page.Remaining = max(0, found.Total-len(found.Resources))
	}
	fresh := unknown(span, knownIn(request.Known, h.in.Salt), found)
	switch {
	case h.in.List:
		for _, version := range versionsOf(fresh) {
			read.page.Changes = append(read.page.Changes, cdc.Change{Version: version})
		}
	case !request.Confirm && !found.IDsOnly:
		read.page.Changes = h.r.changes(origin, fresh)
	default:
		changes, unread, reads, err := h.r.readBodies(ctx, origin, span, versionsOf(fresh))
		read.page.Changes, read.counts.Reads = changes, reads
		if err != nil && len(changes) == 0 {
			markFailed(&read.page, err)
			read.err = err
		}
		if err != nil || len(unread) > 0 {
			return read
		}
	}
	read.page.State, read.page.Next = cdc.PageDone, found.Next
	if found.Next != "" {
		read.page.State = cdc.PageMore
	}
	return read
}
