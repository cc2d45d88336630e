package activities

import (
	"context"

	"healthlake-cdc/internal/cdc"
)

// HydratePage reads one page of a slice with one search, or, with Want or IDs, the
// bodies of named versions or resources with none. When the page does not fit wholly,
// the state is PageIncomplete with the same link, to be requested again with what the
// result holds in Known. A page that is too large for an answer is followed by one of
// ids, whose versions are listed as with List.
//
// It leaves every retry to Temporal. When no search token comes in time, the page is
// PageIncomplete without a search: to be read is not to fail.
func (a *Activities) HydratePage(ctx context.Context, in cdc.HydratePageInput) (cdc.HydratePageResult, error) {
	r := a.Reader
	switch {
	case len(in.Want) > 0:
		return r.wantedVersions(ctx, in)
	case len(in.IDs) > 0:
		return r.namedResources(ctx, in)
	}
	purpose := FurtherPages
	if in.Origin.Bulk {
		purpose = Ranges
	}
	taken, err := r.tokenInTime(ctx, in.Origin.Datastore, purpose)
	switch {
	case err != nil:
		return cdc.HydratePageResult{}, ApplicationError(ctx, err)
	case !taken:
		return cdc.HydratePageResult{State: cdc.PageIncomplete, Next: in.Next}, nil
	}
	result := cdc.HydratePageResult{State: cdc.PageDone, Counts: cdc.Counts{Searches: 1}}
	page, err := r.page(ctx, cdc.SearchRequest{Datastore: in.Origin.Datastore, Type: in.Type, Span: in.Span, Next: in.Next, IDsOnly: in.List})
	if cdc.ClassOf(err) == cdc.ClassPageTokenRejected && in.Next != "" {
		result.State, result.Restart = cdc.PageIncomplete, true
		return result, nil
	}
	if err != nil {
		return cdc.HydratePageResult{}, ApplicationError(ctx, err)
	}
	fresh := unknown(in.Span, knownIn(in.Known, in.Salt), page)
	result.Next, result.Content = page.Next, page.Content(in.Salt)
	if page.Next != "" {
		result.State = cdc.PageMore
	}
	if (in.List || page.IDsOnly) && !r.References {
		result.Listed = versionsOf(fresh)
		return result, nil
	}
	changes := r.changes(in.Origin, fresh)
	n := new(room).pack(changes)
	result.Changes = changes[:n]
	if n < len(changes) {
		result.State, result.Next = cdc.PageIncomplete, in.Next
	}
	return result, nil
}

// wantedVersions reads the bodies of the versions in Want.
func (r *Reader) wantedVersions(ctx context.Context, in cdc.HydratePageInput) (cdc.HydratePageResult, error) {
	changes, unread, reads, err := r.readBodies(ctx, in.Origin, in.Span, in.Want)
	if err != nil && len(changes) == 0 {
		return cdc.HydratePageResult{}, ApplicationError(ctx, err)
	}
	n := new(room).pack(changes)
	for _, change := range changes[n:] {
		unread = append(unread, change.Version)
	}
	return cdc.HydratePageResult{
		State: cdc.PageDone, Changes: changes[:n], Unread: unread, Counts: cdc.Counts{Reads: reads},
	}, nil
}

// namedResources reads the current versions of the named resources, until a result's
// worth is there or the attempt's time is nearly over. One that is not to be published is
// only counted.
func (r *Reader) namedResources(ctx context.Context, in cdc.HydratePageInput) (cdc.HydratePageResult, error) {
	result := cdc.HydratePageResult{State: cdc.PageDone}
	var used room
	for i, id := range in.IDs {
		if i > 0 && nearDeadline(ctx) {
			result.UnreadIDs = in.IDs[i:]
			break
		}
		change, found, searches, err := r.current(ctx, in.Origin, in.Type, in.Span, id, func() {})
		result.Counts.Reads++
		result.Counts.Searches += searches
		if err != nil && i == 0 {
			return cdc.HydratePageResult{}, ApplicationError(ctx, err)
		}
		if err != nil || found && !used.add(change) {
			result.UnreadIDs = in.IDs[i:] // the next attempt meets an error again
			break
		}
		if found {
			change.Body = used.packer.Move(change.Body)
			result.Changes = append(result.Changes, change)
		} else {
			result.Counts.NotFound++
		}
	}
	return result, nil
}
