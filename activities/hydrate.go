package activities

import (
	"context"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"

	"healthlake-cdc/internal/cdc"
)

const (
	// searchesAtOnce is how many pages a Hydrate reads side by side.
	searchesAtOnce = 8
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
	pages  int // that were added
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

// heldLong reports whether the attempt is to end with the changes that it holds.
func (h *hydration) heldLong() bool {
	return h.used.names > 0 && time.Since(h.started) > maxHold
}

// sideBySide is how many pages are read next, by what the pages so far held: none when the
// result has no room for another, or the attempt's time is over.
func (h *hydration) sideBySide() int {
	if h.full || h.late() {
		return 0
	}
	return h.used.holdsMore(h.pages, searchesAtOnce)
}

// readFirst reads the first page of each request.
func (h *hydration) readFirst(ctx context.Context) {
	rest := make([]int, len(h.in.Requests))
	for i := range rest {
		rest[i] = i
	}
	for len(rest) > 0 {
		n := min(len(rest), h.sideBySide())
		if n == 0 {
			return
		}
		for k, read := range h.readPages(ctx, rest[:n]) {
			page := &h.result.Pages[rest[k]]
			page.Remaining, page.RetryAfter = read.page.Remaining, read.page.RetryAfter
			h.add(ctx, page, read)
		}
		rest = rest[n:]
	}
}

// readFurther follows the types that have a moderate number of further pages, some side by
// side, while there is room and time.
func (h *hydration) readFurther(ctx context.Context) {
	left := make([]int, len(h.in.Requests))
	for i, page := range h.result.Pages {
		if page.Remaining <= furtherPages*cdc.PageSize { // else it is a slice's work
			left[i] = furtherPages
		}
	}
	for ctx.Err() == nil && !h.heldLong() {
		var next []int
		for i, page := range h.result.Pages {
			if page.State == cdc.PageMore && left[i] > 0 && len(next) < h.sideBySide() {
				next = append(next, i)
			}
		}
		if len(next) == 0 {
			return
		}
		for k, read := range h.readPages(ctx, next) {
			i := next[k]
			page := &h.result.Pages[i]
			if left[i]--; read.page.State == cdc.PageUnavailable || noToken(read.err) {
				left[i] = 0 // the page so far stands; the next attempt meets the error again
				continue
			}
			if page.Remaining > 0 {
				page.Remaining = max(0, page.Remaining-cdc.PageSize)
			}
			h.add(ctx, page, read)
		}
	}
}

// readPages reads a page of each of the named requests side by side, from where its result
// stands, and counts what that took.
func (h *hydration) readPages(ctx context.Context, of []int) []reading {
	readings := make([]reading, len(of))
	var group errgroup.Group
	for k, i := range of {
		request := h.in.Requests[i]
		request.Next = h.result.Pages[i].Next
		group.Go(func() error {
			readings[k] = h.read(ctx, request)
			return nil
		})
	}
	_ = group.Wait() // readings carry their own errors
	for _, read := range readings {
		h.count(read)
	}
	return readings
}

// add adds a reading to the page of its type, and ends pages that loop. Where the result
// has no room for all of it, the same page is requested again.
func (h *hydration) add(ctx context.Context, page *cdc.PageResult, read reading) {
	h.pages++
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
	found, searches, err := h.search(ctx, cdc.SearchRequest{
		Datastore: origin.Datastore, Type: request.Type, Span: span, Next: request.Next,
		IDsOnly: request.Confirm || h.in.List,
	})
	read := reading{page: notRead(request), counts: cdc.Counts{Searches: searches}, err: err}
	if noToken(err) {
		return read
	}
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

// search waits for a token while the attempt may begin a search, and searches.
func (h *hydration) search(ctx context.Context, q cdc.SearchRequest) (page cdc.Page, searches int, err error) {
	purpose := FirstPages
	switch {
	case h.in.Origin.Bulk:
		purpose = Audits
	case q.Next != "":
		purpose = FurtherPages
	}
	budget := hydrateBudget
	if q.Next != "" && h.used.names > 0 {
		budget = maxHold
	}
	waiting, cancelWaiting := context.WithDeadline(ctx, h.started.Add(budget))
	defer cancelWaiting()
	if err := h.r.token(waiting, q.Datastore, purpose, func() {}); err != nil {
		return cdc.Page{}, 0, err
	}
	searching, cancel := context.WithTimeout(ctx, SearchTimeout)
	defer cancel()
	return h.r.search(searching, q, purpose, func() {})
}

// noToken reports whether a search was not made: its token did not come in time, or the
// attempt has ended.
func noToken(err error) bool { return cdc.ClassOf(err) == cdc.ClassInterrupted }
