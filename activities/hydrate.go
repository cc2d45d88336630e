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
	// type; a type with more goes to a slice (design: 1,000 versions).
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
	exit, err := a.Reader.Limits.enter(in.Window, in.Origin.Bulk)
	if err != nil && h.mayFail {
		return cdc.HydrateResult{}, ApplicationError(ctx, err)
	}
	if err != nil {
		for _, request := range in.Requests {
			h.result.Pages = append(h.result.Pages, notGiven(request, err))
		}
		return h.result, nil
	}
	defer func() { exit(h.outcome()) }()

	for requests := range slices.Chunk(in.Requests, searchesAtOnce) {
		if h.full || h.late() {
			h.postpone(requests)
		} else {
			h.readFirst(ctx, requests)
		}
	}
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
	result  cdc.HydrateResult
	used    room
	full    bool
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

func (h *hydration) late() bool { return time.Since(h.started) > hydrateBudget }

// postpone leaves the requests to the next Hydrate.
func (h *hydration) postpone(requests []cdc.PageRequest) {
	for _, request := range requests {
		h.result.Pages = append(h.result.Pages, cdc.PageResult{
			Type: request.Type, State: cdc.PageIncomplete, Next: request.Next, Remaining: -1, Trail: request.Trail,
		})
	}
}

// readFirst reads one page of each request side by side and adds what they hold, in the
// order of the requests.
func (h *hydration) readFirst(ctx context.Context, requests []cdc.PageRequest) {
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
		h.count(read)
		page := read.page
		page.Changes, page.Trail = nil, requests[i].Trail
		if h.add(&page, read.page.Changes) {
			h.follow(ctx, &page, read.content)
		} else {
			page.State, page.Next = cdc.PageIncomplete, requests[i].Next
		}
		h.result.Pages = append(h.result.Pages, page)
	}
}

// follow notes a page that is in the result, and ends pages that loop. The pages
// of a token that was refused start again, and so does their trail.
func (h *hydration) follow(ctx context.Context, page *cdc.PageResult, content cdc.Hash) {
	switch {
	case page.State == cdc.PageMore && page.Trail.Add(h.in.Salt, content, page.Next):
		h.r.CountPageLoop(ctx, h.in.Origin.Datastore, page.Type)
		page.State, page.Next = cdc.PageDone, ""
	case page.Next == "":
		page.Trail = cdc.PageTrail{}
	}
}

func (h *hydration) count(read reading) {
	h.result.Counts.Add(read.counts)
	if !read.date.IsZero() && (h.result.StoreTime.IsZero() || read.date.Before(h.result.StoreTime)) {
		h.result.StoreTime = read.date
	}
	if read.err != nil && h.retryable == nil && cdc.ClassOf(read.err).Retryable() {
		h.retryable = read.err
	}
}

// add appends the changes for which the result has room and reports whether all
// of them fitted.
func (h *hydration) add(page *cdc.PageResult, changes []cdc.Change) bool {
	for _, change := range changes {
		if !h.used.fits(change) {
			h.full = true
			return false
		}
		page.Changes = append(page.Changes, change)
	}
	return true
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
			if !h.add(page, read.page.Changes) {
				page.State = cdc.PageIncomplete // the same page again, for the rest
				break
			}
			// The class is of a page token that the store refused.
			page.State, page.Next, page.Class = read.page.State, read.page.Next, read.page.Class
			h.follow(ctx, page, read.content)
		}
	}
}

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
	found, searches, err := h.r.Search(searching, PageQuery{
		Datastore: origin.Datastore, Type: request.Type, Span: span, Next: request.Next,
		IDsOnly: request.Confirm || h.in.List, Bulk: origin.Bulk,
	}, func() {})
	read := reading{counts: cdc.Counts{Searches: searches}}
	if err != nil {
		read.page, read.err = notGiven(request, err), err
		return read
	}
	read.date, read.content = found.Date, found.Content(h.in.Salt)
	read.page = cdc.PageResult{Type: request.Type, State: cdc.PageDone, Next: found.Next, Remaining: -1}
	if found.Next != "" {
		read.page.State = cdc.PageMore
	}
	if found.Total >= 0 && request.Next == "" {
		read.page.Remaining = max(0, found.Total-len(found.Resources))
	}
	fresh := unknown(span, among(request.Known, h.in.Salt), found)
	if h.in.List {
		for _, version := range versionsOf(fresh) {
			read.page.Changes = append(read.page.Changes, cdc.Change{Version: version})
		}
		return read
	}
	if !request.Confirm && !found.IDsOnly {
		read.page.Changes = h.r.changes(origin, fresh)
		return read
	}
	changes, unread, reads, err := h.r.readBodies(ctx, origin, span, versionsOf(fresh))
	read.counts.Reads = reads
	switch {
	case err != nil && len(changes) == 0:
		remaining := read.page.Remaining
		read.page, read.err = notGiven(request, err), err
		read.page.Remaining = remaining
	case err != nil || len(unread) > 0:
		read.page.State, read.page.Next = cdc.PageIncomplete, request.Next
	}
	read.page.Changes = changes
	return read
}

// notGiven is the result of a page that the store did not give. A page token that it
// refused starts the pages again.
func notGiven(request cdc.PageRequest, err error) cdc.PageResult {
	page := cdc.PageResult{Type: request.Type, State: cdc.PageUnavailable, Next: request.Next, Remaining: -1, Class: cdc.ClassOf(err)}
	if page.Class == cdc.ClassPageTokenRejected && request.Next != "" {
		page.State, page.Next = cdc.PageIncomplete, ""
		return page
	}
	page.RetryAfter = retryAfter(err)
	return page
}
