package audit

import (
	"context"
	"slices"

	"golang.org/x/sync/errgroup"

	"healthlake-cdc/activities"
	"healthlake-cdc/internal/cdc"
)

// firstVersion is the meta.versionId of a resource's first version in HealthLake.
// Another store's histories are read all the same.
const firstVersion = "1"

// historiesToRead are the resources whose histories show what search does not
// (VersionsAll): those shown in the span in another version than their first, and those
// of the versions that were found before. That earlier versions are in the ledgers by
// now is no reason to leave one out: a span's figures would be others after healing
// than before.
func historiesToRead(shown []storedVersion, found []cdc.Version, resourceType string) []string {
	var ids []string
	for _, v := range shown {
		if v.VersionID != firstVersion {
			ids = append(ids, v.ID)
		}
	}
	for _, v := range found {
		if v.Type == resourceType {
			ids = append(ids, v.ID)
		}
	}
	slices.Sort(ids)
	return slices.Compact(ids)
}

// readHistories reads the histories of the resources, side by side. What they hold of
// the span goes into the listing.
func (l *listing) readHistories(ctx context.Context, ids []string) error {
	group, groupCtx := errgroup.WithContext(ctx)
	group.SetLimit(readsAtOnce)
	for _, id := range ids {
		group.Go(func() error {
			err := l.readHistory(groupCtx, id)
			l.heartbeat.record(ctx)
			return err
		})
	}
	return group.Wait()
}

// readHistory reads a resource's history as far back as is of interest. A token that
// the store refuses starts it again. What is this resource's alone makes its history
// unavailable, and holds up no other: it is not kept (the store refuses the route), was
// erased, has a version that is too large for an answer, pages that loop, or an id
// that is read differently on its way.
func (l *listing) readHistory(ctx context.Context, id string) error {
	next, try := "", 1
	var trail cdc.PageTrail
	for {
		page, err := l.historyPage(ctx, id, next)
		switch class := cdc.ClassOf(err); {
		case class == cdc.ClassNotFound, class == cdc.ClassRejected, class == cdc.ClassTooLarge, class == cdc.ClassInvalidInput,
			activities.OfUnusualID(id, class):
			l.lacksHistory()
			return nil
		case class == cdc.ClassPageToken && try < maxTries && activities.Pause(ctx, try, 0):
			next, try, trail = "", try+1, cdc.PageTrail{}
			continue
		case err != nil:
			return err
		}
		if l.addHistory(page) || page.Next == "" {
			return nil
		}
		if trail.Add(cdc.Salt{}, page.Content(cdc.Salt{}), page.Next) {
			l.Reader.CountPageLoop(ctx, l.in.Datastore, l.name)
			l.lacksHistory()
			return nil
		}
		next = page.Next
	}
}

// lacksHistory counts a resource whose history could not be read, or not to its end.
func (l *listing) lacksHistory() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.noHistory++
}

// historyPage reads one page. Reads are no searches: they take no tokens.
func (l *listing) historyPage(ctx context.Context, id, next string) (cdc.Page, error) {
	ctx, cancel := context.WithTimeout(ctx, activities.SearchTimeout)
	defer cancel()
	return activities.Quickly(ctx, func() (cdc.Page, error) {
		l.mu.Lock()
		l.reads++
		l.mu.Unlock()
		return l.Reader.Store.History(ctx, l.in.Datastore, l.name, id, next)
	})
}

// addHistory adds what a page holds, and reports whether the next one is too old to be
// of interest: the newest version comes first.
func (l *listing) addHistory(page cdc.Page) (older bool) {
	l.Reader.CountUnreadable(l.in.Datastore, l.name, l.in.Span, page.Unreadable)
	l.mu.Lock()
	defer l.mu.Unlock()
	l.addUnreadable(page.Unreadable)
	for _, entry := range page.Resources {
		at := entry.Time()
		older = !at.IsZero() && at.Before(l.since)
		switch {
		case entry.Deleted || at.IsZero():
		case l.in.Span.Contains(at):
			v := storedVersion{Version: entry.Version, hidden: true}
			if l.in.Measure {
				v.weigh(l.Reader.Change(l.origin(entry.Version), entry))
			}
			l.add(v)
		case at.Before(l.in.Span.From) && !at.Before(l.since):
			if !l.earlierSeen[entry.Key()] { // pages may start again
				l.earlierSeen[entry.Key()] = true
				l.earlier = append(l.earlier, entry.Version)
			}
		}
	}
	return older
}
