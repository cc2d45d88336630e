package activities

import (
	"context"

	"healthlake-cdc/internal/cdc"
)

// HydratePage reads one page of a slice with one search, or, with Want, the
// bodies of listed versions with none. When the page does not fit wholly, the
// state is AnswerLeft with the same link, to be asked again with what was
// taken. A page token that the store refuses gives AnswerLeft and Restart. A page that
// is too large for an answer is followed by one of ids, whose versions are listed as
// with List.
//
// The task queue's rate is the limit of its searches, so it makes one search an
// attempt and leaves every retry to Temporal.
func (a *Activities) HydratePage(ctx context.Context, in cdc.HydratePageInput) (cdc.HydratePageResult, error) {
	if len(in.Want) > 0 {
		return a.wantedBodies(ctx, in)
	}
	if len(in.IDs) > 0 {
		return a.idsPage(ctx, in)
	}
	var result cdc.HydratePageResult
	page, err := a.searchOnce(ctx, in.Origin.Datastore, in.Type, in.Span, in.Next, in.List)
	result.Counts.Searches = 1
	if cdc.ClassOf(err) == cdc.ClassPageToken && in.Next != "" {
		result.State, result.Restart = cdc.PageIncomplete, true
		return result, nil
	}
	if err != nil {
		return cdc.HydratePageResult{}, applicationError(ctx, err)
	}
	fresh := wanted(in.Span, among(in.Known, in.Salt), page)
	result.State, result.Next, result.Content = cdc.PageDone, page.Next, page.Content(in.Salt)
	if page.Next != "" {
		result.State = cdc.PageMore
	}
	if (in.List || page.IDsOnly) && !a.References {
		result.Listed = versionsOf(fresh)
		return result, nil
	}
	size := 0
	for _, change := range a.changes(in.Origin, fresh) {
		more := resultBytes(change)
		if size > 0 && size+more > cdc.MaxResultBytes {
			result.State, result.Next = cdc.PageIncomplete, in.Next
			return result, nil
		}
		size += more
		result.Changes = append(result.Changes, change)
	}
	return result, nil
}

func (a *Activities) wantedBodies(ctx context.Context, in cdc.HydratePageInput) (cdc.HydratePageResult, error) {
	changes, unread, reads, err := a.readBodies(ctx, in.Origin, in.Span, in.Want)
	if err != nil && len(changes) == 0 {
		return cdc.HydratePageResult{}, applicationError(ctx, err)
	}
	return cdc.HydratePageResult{
		State: cdc.PageDone, Changes: changes, Unread: unread, Counts: cdc.Counts{Reads: reads},
	}, nil
}

// Count asks how many versions of one type search shows in a span; cdc.NotCounted where
// the store does not say.
func (a *Activities) Count(ctx context.Context, in cdc.CountInput) (int, error) {
	n, err := a.Store.Count(ctx, in.Datastore, in.Type, in.Span)
	return n, applicationError(ctx, err)
}
