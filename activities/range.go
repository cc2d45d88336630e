package activities

import (
	"context"

	"go.temporal.io/sdk/activity"

	"healthlake-cdc/internal/cdc"
)

const (
	// billedEvent is what EventBridge bills as one event: 64 KB of an entry
	// (EventBridge pricing).
	billedEvent = 64 << 10
	// measureRestarts is how often a measuring starts its pages again because the
	// store refused a page token, before the attempt fails.
	measureRestarts = 3
)

// idsPage reads the current versions of the named resources, until a result's
// worth is there or the attempt's time is nearly over. One that does not exist, is
// deleted, or whose current version lies outside the span, is only counted; so is one
// that the store does not give.
func (a *Activities) idsPage(ctx context.Context, in cdc.HydratePageInput) (cdc.HydratePageResult, error) {
	result := cdc.HydratePageResult{State: cdc.PageDone}
	size := 0
	for i, id := range in.IDs {
		if i > 0 && nearDeadline(ctx) {
			result.UnreadIDs = in.IDs[i:]
			return result, nil
		}
		change, found, searches, err := a.currentOf(ctx, in.Origin, in.Type, in.Span, id)
		result.Counts.Reads++
		result.Counts.Searches += searches
		if err != nil && i > 0 {
			result.UnreadIDs = in.IDs[i:] // the next attempt meets the error again
			return result, nil
		}
		if err != nil {
			return cdc.HydratePageResult{}, applicationError(ctx, err)
		}
		if !found {
			result.Counts.NotFound++
			continue
		}
		more := resultBytes(change)
		if size > 0 && size+more > cdc.MaxResultBytes {
			result.UnreadIDs = in.IDs[i:]
			return result, nil
		}
		size += more
		result.Changes = append(result.Changes, change)
	}
	return result, nil
}

// currentOf reads the current version of a resource. found is false when it is not to
// be published. One that is too large for an answer goes as a reference: a search for
// its id tells which version that is.
func (a *Activities) currentOf(ctx context.Context, origin cdc.Origin, resourceType string, span cdc.Span, id string) (change cdc.Change, found bool, searches int, err error) {
	resource, err := quickly(ctx, func() (cdc.Resource, error) {
		return a.Store.Read(ctx, origin.Datastore, resourceType, id)
	})
	switch {
	case err == nil:
		return a.change(origin, resource), span.Contains(resource.Time()), 0, nil
	case cdc.ClassOf(err) != cdc.ClassTooLarge:
		if a.concernsOne(origin.Datastore, resourceType, id, err) {
			err = nil
		}
		return cdc.Change{}, false, 0, err
	}
	page, err := a.Store.Search(ctx, cdc.SearchRequest{Datastore: origin.Datastore, Type: resourceType, Span: span, ID: id, IDsOnly: true})
	for _, resource := range page.Resources {
		if err == nil && resource.ID == id && span.Contains(resource.Time()) {
			return cdc.Change{Version: resource.Version, Reason: cdc.ReasonOversize}, true, 1, nil
		}
	}
	return cdc.Change{}, false, 1, err
}

// weight is what a change costs on the bus, in its body's bytes and in events as
// EventBridge bills them. It goes by the upper bound of what surrounds the body,
// so that it is the same for a dry run as for the run, whatever the time.
func (a *Activities) weight(origin cdc.Origin, change cdc.Change) (bytes int64, events int) {
	overhead, err := a.Format.Overhead(change.Version, origin)
	if err != nil {
		return 0, 0 // nothing that could be published
	}
	size := overhead
	if change.Reason == "" {
		bytes = int64(len(change.Body))
		size += len(change.Body)
	}
	return bytes, (size + billedEvent - 1) / billedEvent
}

// weigh adds up what was accepted of a Publish.
func (a *Activities) weigh(in cdc.PublishInput, result *cdc.PublishResult) {
	for i, change := range in.Changes {
		if i < len(result.EventIDs) && result.EventIDs[i] != "" {
			bytes, events := a.weight(in.Origin, change)
			result.Bytes += bytes
			result.Events += events
		}
	}
}

// MeasureSpan reads every page of a slice, or its named resources, within one
// attempt, and returns what the slice would publish, in figures only. It takes the
// tokens of its searches from the bulk share.
func (a *Activities) MeasureSpan(ctx context.Context, in cdc.MeasureInput) (cdc.MeasureResult, error) {
	if !cdc.ValidDatastore(in.Origin.Datastore) || !cdc.ValidType(in.Type) || !in.Span.To.After(in.Span.From) {
		return cdc.MeasureResult{}, invalidInput(ctx, "measuring needs a datastore, a resource type and a span")
	}
	m := &measuring{a: a, in: in, seen: make(map[cdc.Key]bool)}
	var err error
	if len(in.IDs) > 0 {
		err = m.ids(ctx)
	} else {
		err = m.pages(ctx)
	}
	if err != nil {
		return cdc.MeasureResult{}, applicationError(ctx, err)
	}
	return m.result, nil
}

// measuring is one attempt of MeasureSpan.
type measuring struct {
	a  *Activities
	in cdc.MeasureInput
	// seen are the versions that were measured: a position may be read twice.
	seen   map[cdc.Key]bool
	result cdc.MeasureResult
}

func (m *measuring) pages(ctx context.Context) error {
	next, restarts := "", 0
	var trail cdc.PageTrail
	for {
		page, searches, err := m.a.bulkSearch(ctx, m.in.Origin.Datastore, m.in.Type, m.in.Span, next)
		m.result.Counts.Searches += searches
		if cdc.ClassOf(err) == cdc.ClassPageToken && next != "" && restarts < measureRestarts {
			next, restarts, trail = "", restarts+1, cdc.PageTrail{}
			continue
		}
		if err != nil {
			return err
		}
		if err := m.page(ctx, page); err != nil {
			return err
		}
		heartbeatOf(ctx)
		if trail.Add(cdc.Salt{}, page.Content(cdc.Salt{}), page.Next) {
			m.a.noteRound(ctx, m.in.Origin.Datastore, m.in.Type)
			return nil
		}
		if next = page.Next; next == "" {
			return nil
		}
	}
}

// page measures one page, whose bodies are to be read one by one where it has none.
func (m *measuring) page(ctx context.Context, page cdc.Page) error {
	fresh := wanted(m.in.Span, func(v cdc.Version) bool { return m.seen[v.Key()] }, page)
	if !page.IDsOnly || m.a.References {
		m.take(m.a.changes(m.in.Origin, fresh))
		return nil
	}
	for unread := versionsOf(fresh); len(unread) > 0; {
		changes, left, reads, err := m.a.readBodies(ctx, m.in.Origin, m.in.Span, unread)
		m.result.Counts.Reads += reads
		if err != nil && len(changes) == 0 {
			return err
		}
		m.take(changes)
		heartbeatOf(ctx)
		unread = left
	}
	return nil
}

func (m *measuring) ids(ctx context.Context) error {
	for _, id := range m.in.IDs {
		change, found, searches, err := m.a.currentOf(ctx, m.in.Origin, m.in.Type, m.in.Span, id)
		m.result.Counts.Reads++
		m.result.Counts.Searches += searches
		if err != nil {
			return err
		}
		if !found {
			m.result.Counts.NotFound++
		} else {
			m.take([]cdc.Change{change})
		}
		heartbeatOf(ctx)
	}
	return nil
}

// bulkSearch reads one page with tokens of the bulk share, and repeats at once what
// often passes.
func (a *Activities) bulkSearch(ctx context.Context, datastore, resourceType string, span cdc.Span, next string) (page cdc.Page, searches int, err error) {
	page, err = quickly(ctx, func() (cdc.Page, error) {
		if err := a.Limits.waitBulk(ctx, datastore); err != nil {
			return cdc.Page{}, err
		}
		searches++
		return a.searchOnce(ctx, datastore, resourceType, span, next, false)
	})
	return page, searches, err
}

// take counts a page's changes, and the activities that its bodies would need.
func (m *measuring) take(changes []cdc.Change) {
	m.result.Pages++
	size := 0
	for _, change := range changes {
		if m.seen[change.Key()] {
			continue // a page may hold it twice
		}
		m.seen[change.Key()] = true
		bytes, events := m.a.weight(m.in.Origin, change)
		m.result.Counts.Published++
		m.result.Counts.Bytes += bytes
		m.result.Counts.Events += events
		if change.Reason != "" {
			m.result.Counts.References++
		}
		if size += resultBytes(change); size > cdc.MaxResultBytes {
			m.result.Pages++
			size = resultBytes(change)
		}
	}
}

// heartbeatOf says that the attempt goes on, and holds nothing: a retry begins
// again.
func heartbeatOf(ctx context.Context) {
	if activity.IsActivity(ctx) {
		activity.RecordHeartbeat(ctx)
	}
}
