package activities

import (
	"context"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"healthlake-cdc/internal/cdc"
)

// histories reads what search does not show of a type's resources (VersionsAll).
type histories struct {
	l *listing
	// from is the beginning of what is of interest, outside the span.
	from time.Time

	mu sync.Mutex
	// before are versions that lie in [from, the span's beginning).
	before []cdc.Version
	seen   map[cdc.Key]bool
	// unavailable is of how many resources the store gave no history, reads how
	// many requests were made.
	unavailable, reads int
}

// read reads the histories of the resources, side by side. What they hold of the
// span goes into the listing.
func (h *histories) read(ctx context.Context, ids []string) error {
	h.seen = make(map[cdc.Key]bool)
	group, groupCtx := errgroup.WithContext(ctx)
	group.SetLimit(readsAtOnce)
	for _, id := range ids {
		group.Go(func() error {
			err := h.resource(groupCtx, id)
			h.l.beat()
			return err
		})
	}
	return group.Wait()
}

// resource reads a resource's history as far back as is of interest. A token that
// the store refuses starts it again. What is this resource's alone makes its history
// unavailable, and holds up no other: it is not kept (the store refuses the route), was
// erased, has a version that is too large for an answer, pages that go round, or an id
// that is read differently on its way.
func (h *histories) resource(ctx context.Context, id string) error {
	next, tries := "", 1
	var trail cdc.PageTrail
	for {
		page, err := h.page(ctx, id, next)
		class := cdc.ClassOf(err)
		strange := !cdc.ValidResourceID(id) && (class == cdc.ClassForbidden || class == cdc.ClassMalformed)
		switch {
		case class == cdc.ClassNotFound, class == cdc.ClassRejected, class == cdc.ClassTooLarge, class == cdc.ClassInvalidInput, strange:
			h.lacks()
			return nil
		case class == cdc.ClassPageToken && tries < mostListings && pause(ctx, tries, 0):
			next, tries, trail = "", tries+1, cdc.PageTrail{}
			continue
		case err != nil:
			return err
		}
		older, content := h.take(page)
		round := trail.Add(cdc.Salt{}, content, page.Next)
		switch {
		case older || page.Next == "":
			return nil
		case round:
			h.l.a.noteRound(ctx, h.l.in.Datastore, h.l.name)
			h.lacks()
			return nil
		}
		next = page.Next
	}
}

// lacks counts a resource whose history could not be read, or not to its end.
func (h *histories) lacks() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.unavailable++
}

// page reads one page, and repeats at once what often passes. Reads are no
// searches: they take no tokens.
func (h *histories) page(ctx context.Context, id, next string) (cdc.Page, error) {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	return quickly(ctx, func() (cdc.Page, error) {
		page, err := h.l.a.Store.History(ctx, h.l.in.Datastore, h.l.name, id, next)
		h.mu.Lock()
		defer h.mu.Unlock()
		h.reads++
		return page, err
	})
}

// take takes a page in, and tells whether the next one is too old to be of
// interest: the newest version comes first. content stands for what the page held.
func (h *histories) take(page cdc.Page) (older bool, content cdc.Hash) {
	h.l.a.noteUnreadable(h.l.in.Datastore, h.l.name, h.l.in.Span, page.Unreadable)
	h.mu.Lock()
	defer h.mu.Unlock()
	h.l.takeStrange(page.Unreadable)
	for _, entry := range page.Resources {
		at := entry.Time()
		older = !at.IsZero() && at.Before(h.from) && at.Before(h.l.in.Span.From)
		switch {
		case entry.Deleted || at.IsZero():
		case h.l.in.Span.Contains(at):
			v := storedVersion{Version: entry.Version, hidden: true}
			if h.l.in.Measure {
				v.weigh(h.l.a.change(h.l.originOf(entry.Version), entry))
			}
			h.l.take(v)
		case at.Before(h.l.in.Span.From) && !at.Before(h.from):
			if !h.seen[entry.Key()] { // pages may start again
				h.seen[entry.Key()] = true
				h.before = append(h.before, entry.Version)
			}
		}
	}
	return older, page.Content(cdc.Salt{})
}

// wantHistory are the resources whose histories are to be read: those shown in the
// span in another version than their first, and those of the versions that were
// found before. That earlier versions are in the ledgers by now is no reason to
// leave one out: a span's figures would be others after healing than before.
func wantHistory(list []storedVersion, found []cdc.Version, resourceType string) []string {
	var ids []string
	seen := make(map[string]bool)
	add := func(id string) {
		if !seen[id] {
			seen[id] = true
			ids = append(ids, id)
		}
	}
	for _, v := range list {
		if v.VersionID != firstVersion {
			add(v.ID)
		}
	}
	for _, v := range found {
		if v.Type == resourceType {
			add(v.ID)
		}
	}
	return ids
}

// firstVersion is the meta.versionId of a resource's first version in HealthLake.
// Another store's histories are read all the same.
const firstVersion = "1"
