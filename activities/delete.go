package activities

import (
	"context"
	"slices"
	"time"

	"healthlake-cdc/internal/cdc"
)

const (
	// tombstoneBefore and tombstoneAfter are how far from a record's time the
	// tombstone of its delete may lie: a call is recorded as it completes, which is
	// a little after the write, in whole seconds.
	tombstoneBefore = time.Minute
	tombstoneAfter  = 5 * time.Second
	// historyPages bounds what is read of one resource's history: a tombstone that
	// lies deeper was written long before.
	historyPages = 20
)

// ReadDelete reads a resource that a record or a notification calls deleted, and its
// history for the tombstone and for the body that the resource had last.
//
// A store may keep no history of the type, or have erased it ($erase is logged as a
// delete): then there is nothing more to wait for once the resource is gone. One that
// keeps it shows it late. Where the store does not let us look at the history of a
// resource that is gone, the delete is published without.
func (a *Activities) ReadDelete(ctx context.Context, in cdc.ReadDeleteInput) (cdc.ReadDeleteResult, error) {
	d := in.Delete
	if !d.Exact() || !cdc.ValidType(d.Type) || !cdc.ValidDatastore(in.Origin.Datastore) {
		return cdc.ReadDeleteResult{}, InvalidInput(ctx, "a delete to read needs a datastore, a type and a resource")
	}
	var result cdc.ReadDeleteResult
	_, err := Quickly(ctx, func() (cdc.Resource, error) {
		result.Counts.Reads++
		return a.Reader.Store.Read(ctx, in.Origin.Datastore, d.Type, d.ResourceID)
	})
	switch class := cdc.ClassOf(err); class {
	case "", cdc.ClassTooLarge: // larger than an answer may be, and there
	case cdc.ClassNotFound:
		result.Gone = true
	default:
		return cdc.ReadDeleteResult{}, ApplicationError(ctx, err)
	}
	entries, pages, err := a.lastHistory(ctx, in)
	result.Counts.Reads += pages
	switch class := cdc.ClassOf(err); {
	case class == "":
	case class == cdc.ClassNotFound || class == cdc.ClassInvalidRequest || class == cdc.ClassTooLarge && !result.Gone:
		// None is kept, or none can be read. A resource that can be read may have been
		// deleted before, and a read may lag.
		result.Final = result.Gone
		return result, nil
	case (class == cdc.ClassForbidden || class == cdc.ClassTooLarge) && result.Gone:
		result.NoHistory = class
		return result, nil
	default:
		return cdc.ReadDeleteResult{}, ApplicationError(ctx, err)
	}
	var at int
	at, result.Final = tombstoneOf(entries, d.EventTime, result.Gone)
	switch {
	case at >= 0:
		result.Tombstone = a.tombstone(in, entries, at)
	case result.Gone && len(entries) > 0:
		// History does not show the tombstone, but what was there before it.
		result.Tombstone = &cdc.Tombstone{}
		a.addBody(in, result.Tombstone, entries)
	}
	return result, nil
}

// lastHistory is a resource's history, newest first, from before the delete on.
func (a *Activities) lastHistory(ctx context.Context, in cdc.ReadDeleteInput) (entries []cdc.Resource, pages int, err error) {
	next := ""
	for pages < historyPages {
		page, err := a.Reader.Store.History(ctx, in.Origin.Datastore, in.Delete.Type, in.Delete.ResourceID, next)
		pages++
		if cdc.ClassOf(err) == cdc.ClassPageTokenRejected {
			// The pages start again with the attempt.
			err = &cdc.Error{Op: "GET {Type}/{id}/_history?page", Class: cdc.ClassUnavailable}
		}
		if err != nil {
			return nil, pages, err
		}
		entries = append(entries, page.Resources...)
		// The body before the tombstone is the first that is older than any tombstone
		// of this delete could be.
		enough := slices.ContainsFunc(entries, func(e cdc.Resource) bool {
			return !e.Deleted && e.Time().Before(in.Delete.EventTime.Add(-tombstoneBefore))
		})
		if next = page.Next; next == "" || enough {
			break
		}
	}
	return entries, pages, nil
}

// tombstoneOf is the index of the tombstone that a delete of that time has left, -1
// without one. final is set when it was written about then, or is the newest entry of a
// resource that is gone and has no time. Otherwise it may be of an earlier delete, or
// history may not show the delete yet.
func tombstoneOf(entries []cdc.Resource, deleted time.Time, gone bool) (index int, final bool) {
	index = -1
	var nearest time.Duration
	for i, entry := range entries {
		if !entry.Deleted || entry.Time().IsZero() {
			continue
		}
		after := entry.Time().Sub(deleted)
		if after > tombstoneAfter || -after > tombstoneBefore {
			continue
		}
		if index < 0 || after.Abs() < nearest {
			index, nearest = i, after.Abs()
		}
	}
	switch {
	case index >= 0:
		return index, true
	case gone && len(entries) > 0 && entries[0].Deleted:
		return 0, entries[0].Time().IsZero()
	default:
		return -1, false
	}
}

// tombstone is the entry at an index, with the body of the version before it.
func (a *Activities) tombstone(in cdc.ReadDeleteInput, entries []cdc.Resource, at int) *cdc.Tombstone {
	t := &cdc.Tombstone{VersionID: entries[at].VersionID}
	if !entries[at].Time().IsZero() {
		t.LastUpdated = entries[at].LastUpdated
	}
	a.addBody(in, t, entries[at+1:])
	return t
}

// addBody adds the newest body of the entries, or why it does not travel.
func (a *Activities) addBody(in cdc.ReadDeleteInput, t *cdc.Tombstone, entries []cdc.Resource) {
	last := slices.IndexFunc(entries, func(e cdc.Resource) bool { return !e.Deleted })
	if last < 0 {
		return
	}
	overhead, err := a.Reader.Format.DeleteOverhead(in.Delete, *t, in.Origin)
	switch {
	case a.Reader.References:
		t.Reason = cdc.ReasonConfigured
	case err != nil || overhead+len(entries[last].Body) > a.Reader.MaxEventBytes:
		t.Reason = cdc.ReasonOversize
	default:
		t.Body = entries[last].Body
	}
}
