package activities

import (
	"context"

	"healthlake-cdc/internal/cdc"
)

const (
	// billedEvent is the size of an entry that EventBridge bills as one event.
	billedEvent = 64 << 10
	// measureRestarts is how often an attempt starts its pages again because the store
	// refused a page token.
	measureRestarts = 3
)

// weight is what a change costs on the bus, in its body's bytes and in events as
// EventBridge bills them. It counts the upper bound of what surrounds the body, so that
// a dry run gives the same as the run.
func (r *Reader) weight(origin cdc.Origin, change cdc.Change) (bytes int64, events int) {
	overhead, err := r.Format.Overhead(change.Version, origin)
	if err != nil {
		return 0, 0 // nothing that could be published
	}
	return int64(change.Body.Len()), (overhead + change.Body.Len() + billedEvent - 1) / billedEvent
}

// weigh adds up what was accepted of a Publish.
func (a *Activities) weigh(in cdc.PublishInput, result *cdc.PublishResult) {
	for i, change := range in.Changes {
		if result.EventIDs[i] != "" {
			bytes, events := a.Reader.weight(in.Origin, change)
			result.Bytes += bytes
			result.Events += events
		}
	}
}

// MeasureSpan reads every page of a slice, or its named resources, within one attempt,
// and returns what the slice would publish, in figures only.
func (a *Activities) MeasureSpan(ctx context.Context, in cdc.MeasureInput) (cdc.MeasureResult, error) {
	if !cdc.ValidDatastore(in.Origin.Datastore) || !cdc.ValidType(in.Type) || !in.Span.To.After(in.Span.From) {
		return cdc.MeasureResult{}, InvalidInput(ctx, "measuring needs a datastore, a resource type and a span")
	}
	m := &measurement{r: a.Reader, in: in, seen: make(map[cdc.Key]bool)}
	m.beginActivity()
	var err error
	if len(in.IDs) > 0 {
		err = m.ids(ctx)
	} else {
		err = m.pages(ctx)
	}
	if err != nil {
		return cdc.MeasureResult{}, ApplicationError(ctx, err)
	}
	return m.result, nil
}

// measurement is one attempt of MeasureSpan.
type measurement struct {
	r  *Reader
	in cdc.MeasureInput
	// seen are the versions that were measured: a position may be read twice.
	seen map[cdc.Key]bool
	// read and used are how many pages, and what of a result, the last of the slice's
	// activities has that are counted.
	read   int
	used   room
	result cdc.MeasureResult
}

// pages measures every page, from the first again when the store rejects a page token.
func (m *measurement) pages(ctx context.Context) error {
	next, restarts := "", 0
	var trail cdc.PageTrail
	for {
		page, searches, err := m.r.Search(ctx, cdc.SearchRequest{
			Datastore: m.in.Origin.Datastore, Type: m.in.Type, Span: m.in.Span, Next: next,
		}, Ranges, func() { Heartbeat(ctx) })
		m.result.Counts.Searches += searches
		if cdc.ClassOf(err) == cdc.ClassPageTokenRejected && next != "" && restarts < measureRestarts {
			next, restarts, trail = "", restarts+1, cdc.PageTrail{}
			continue
		}
		if err != nil {
			return err
		}
		if err := m.page(ctx, page); err != nil {
			return err
		}
		Heartbeat(ctx)
		if trail.Add(cdc.Salt{}, page.Content(cdc.Salt{}), page.Next) {
			m.r.CountPageLoop(ctx, m.in.Origin.Datastore, m.in.Type)
			return nil
		}
		if next = page.Next; next == "" {
			return nil
		}
	}
}

// page measures one page; where it has no bodies they are read one by one.
func (m *measurement) page(ctx context.Context, page cdc.Page) error {
	if m.read == cdc.MaxPages || m.used.holdsMore(m.read, 1) == 0 {
		m.beginActivity()
	}
	m.read++
	fresh := unknown(m.in.Span, func(v cdc.Version) bool { return m.seen[v.Key()] }, page)
	if !page.IDsOnly || m.r.References {
		m.add(m.r.changes(m.in.Origin, fresh))
		return nil
	}
	for unread := versionsOf(fresh); len(unread) > 0; {
		changes, rest, reads, err := m.r.readBodies(ctx, m.in.Origin, m.in.Span, unread)
		m.result.Counts.Reads += reads
		if err != nil && len(changes) == 0 {
			return err
		}
		m.add(changes)
		Heartbeat(ctx)
		unread = rest
	}
	return nil
}

// ids measures the named resources.
func (m *measurement) ids(ctx context.Context) error {
	for _, id := range m.in.IDs {
		change, found, searches, err := m.r.current(ctx, m.in.Origin, m.in.Type, m.in.Span, id, func() { Heartbeat(ctx) })
		m.result.Counts.Reads++
		m.result.Counts.Searches += searches
		switch {
		case err != nil:
			return err
		case found:
			m.add([]cdc.Change{change})
		default:
			m.result.Counts.NotFound++
		}
		Heartbeat(ctx)
	}
	return nil
}

// beginActivity counts an activity of the slice that reads pages.
func (m *measurement) beginActivity() {
	m.result.Pages++
	m.read, m.used = 0, room{}
}

// add counts changes, and the activities that their bodies would need.
func (m *measurement) add(changes []cdc.Change) {
	for _, change := range changes {
		if m.seen[change.Key()] {
			continue // a page may hold it twice
		}
		m.seen[change.Key()] = true
		bytes, events := m.r.weight(m.in.Origin, change)
		m.result.Counts.Published++
		m.result.Counts.Bytes += bytes
		m.result.Counts.Events += events
		if change.Reason != "" {
			m.result.Counts.References++
		}
		if !m.used.add(change) {
			m.beginActivity()
			m.read = 1 // the rest of its page
			m.used.add(change)
		}
	}
}
