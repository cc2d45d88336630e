package audit

import (
	"context"
	"slices"

	"healthlake-cdc/activities"
	"healthlake-cdc/internal/cdc"
)

// firstVersion is the meta.versionId of a resource's first version in HealthLake.
// Another store's histories are read all the same.
const firstVersion = "1"

// historiesToRead are the resources whose histories show what search does not
// (VersionsAll): those shown in the span in another version than their first, and those
// of the versions that were found before, so that figures stay the same after healing.
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

// readHistories adds what the histories of the resources hold of the span.
func (l *listing) readHistories(ctx context.Context, ids []string) error {
	return l.heartbeat.sideBySide(ctx, len(ids), func(ctx context.Context, i int) error { return l.readHistory(ctx, ids[i]) })
}

// readHistory reads a resource's history as far back as is of interest, from its beginning
// again when a page token is rejected. An error of this resource alone delays no other: the
// store keeps no history, has erased it, or has a version that is too large for a response.
func (l *listing) readHistory(ctx context.Context, id string) error {
	next, try := "", 1
	var trail cdc.PageTrail
	for {
		page, err := l.historyPage(ctx, id, next)
		switch class := cdc.ClassOf(err); {
		case class == cdc.ClassNotFound, class == cdc.ClassInvalidRequest, class == cdc.ClassTooLarge, class == cdc.ClassInvalidInput,
			activities.OfUnusualID(id, class):
			l.noHistory.Add(1)
			return nil
		case class == cdc.ClassPageTokenRejected && try < maxTries && activities.Pause(ctx, try, 0):
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
			l.noHistory.Add(1)
			return nil
		}
		next = page.Next
	}
}

// historyPage reads one page. Reads are no searches: they take no tokens.
func (l *listing) historyPage(ctx context.Context, id, next string) (cdc.Page, error) {
	ctx, cancel := context.WithTimeout(ctx, activities.SearchTimeout)
	defer cancel()
	return activities.Quickly(ctx, func() (cdc.Page, error) {
		l.reads.Add(1)
		return l.Reader.Store.History(ctx, l.in.Datastore, l.name, id, next)
	})
}

// addHistory adds what a page holds, and reports whether the next one is too old: the
// newest version comes first.
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
