package activities

import (
	"context"
	"time"

	"healthlake-cdc/internal/cdc"
)

// maxHold is how long an attempt that holds changes reads on: they are to be published.
const maxHold = 10 * time.Second

// HydratePage reads pages of a slice, each with one search, as many as the result holds and
// are read within some seconds; or, with Want or IDs, the bodies of named versions or
// resources with no search. A page that is too large for an answer is followed by one of
// ids, whose versions are listed as with List.
//
// It leaves every retry to Temporal. What it read before a page failed is its result. When
// no search token comes in time for the first page, that is PageIncomplete without a search:
// it is no failure.
func (a *Activities) HydratePage(ctx context.Context, in cdc.HydratePageInput) (cdc.HydratePageResult, error) {
	switch {
	case len(in.Want) > 0:
		return a.Reader.wantedVersions(ctx, in)
	case len(in.IDs) > 0:
		return a.Reader.namedResources(ctx, in)
	}
	p := &paging{r: a.Reader, in: in, known: knownIn(in.Known, in.Salt)}
	p.result.State, p.result.Next, p.result.Trail = cdc.PageMore, in.Next, in.Trail
	if err := p.readFirst(ctx); err != nil {
		return cdc.HydratePageResult{}, ApplicationError(ctx, err)
	}
	p.readFurther(ctx)
	return p.result, nil
}

// paging is one attempt of HydratePage to read pages.
type paging struct {
	r     *Reader
	in    cdc.HydratePageInput
	known func(cdc.Version) bool
	// pages is how many were read, used what their versions take of the result.
	pages  int
	used   room
	result cdc.HydratePageResult
}

func (p *paging) purpose() Purpose {
	if p.in.Origin.Bulk {
		return Ranges
	}
	return FurtherPages
}

// readFirst reads the page that is requested.
func (p *paging) readFirst(ctx context.Context) error {
	taken, err := p.r.tokenInTime(ctx, p.in.Origin.Datastore, p.purpose())
	if err != nil {
		return err
	}
	if !taken {
		p.result.State = cdc.PageIncomplete
		return nil
	}
	err = p.read(ctx)
	if cdc.ClassOf(err) == cdc.ClassPageTokenRejected && p.in.Next != "" {
		p.result.State, p.result.Restart, p.result.Next = cdc.PageIncomplete, true, ""
		return nil
	}
	return err
}

// readFurther reads the pages after it. Where one fails the result is what is there, with
// the link to it: the next attempt meets the error again.
func (p *paging) readFurther(ctx context.Context) {
	most := cdc.MaxPages
	if p.in.Pages > 0 {
		most = min(most, p.in.Pages)
	}
	until, cancel := context.WithTimeout(ctx, maxHold)
	defer cancel()
	for p.result.State == cdc.PageMore && p.pages < most && p.used.holdsMore(p.pages, 1) > 0 {
		if nearDeadline(ctx) || p.r.Limits.wait(until, p.in.Origin.Datastore, p.purpose()) != nil {
			return
		}
		if p.read(ctx) != nil {
			return
		}
	}
}

// read reads the page that Next names, with a token that was taken, and adds it.
func (p *paging) read(ctx context.Context) error {
	p.result.Counts.Searches++
	page, err := p.r.page(ctx, cdc.SearchRequest{
		Datastore: p.in.Origin.Datastore, Type: p.in.Type, Span: p.in.Span, Next: p.result.Next, IDsOnly: p.in.List,
	})
	if err != nil {
		return err
	}
	p.pages++
	if !p.add(page) {
		p.result.State = cdc.PageIncomplete // the rest of it is requested by the same link
		return nil
	}
	content := page.Content(p.in.Salt)
	switch p.result.Next = page.Next; {
	case page.Next == "":
		p.result.State = cdc.PageDone
	case p.result.Trail.Add(p.in.Salt, content, page.Next):
		p.r.CountPageLoop(ctx, p.in.Origin.Datastore, p.in.Type)
		p.result.State, p.result.Next = cdc.PageDone, ""
	}
	return nil
}

// add adds what is new of a page, and reports whether there was room for all of it.
func (p *paging) add(page cdc.Page) (whole bool) {
	fresh := unknown(p.in.Span, p.known, page)
	if (p.in.List || page.IDsOnly) && !p.r.References {
		for _, version := range versionsOf(fresh) {
			if !p.used.add(cdc.Change{Version: version}) {
				return false
			}
			p.result.Listed = append(p.result.Listed, version)
		}
		return true
	}
	changes := p.r.changes(p.in.Origin, fresh)
	n := p.used.pack(changes)
	p.result.Changes = append(p.result.Changes, changes[:n]...)
	return n == len(changes)
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
