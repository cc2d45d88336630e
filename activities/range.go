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
// deleted, or whose current version lies outside the span, is only counted.
func (a *Activities) idsPage(ctx context.Context, in cdc.HydratePageInput) (cdc.HydratePageResult, error) {
	result := cdc.HydratePageResult{State: cdc.AnswerDone}
	size := 0
	for i, id := range in.IDs {
		if i > 0 && nearDeadline(ctx) {
			result.UnreadIDs = in.IDs[i:]
			return result, nil
		}
		resource, err := a.readCurrent(ctx, in.Origin.Datastore, in.Type, id)
		result.Counts.Reads++
		if cdc.ClassOf(err) == cdc.ClassNotFound || err == nil && !in.Span.Contains(resource.Time()) {
			result.Counts.NotFound++
			continue
		}
		if err != nil && i > 0 {
			result.UnreadIDs = in.IDs[i:] // the next attempt meets the error again
			return result, nil
		}
		if err != nil {
			return cdc.HydratePageResult{}, applicationError(ctx, err)
		}
		change := a.change(in.Origin, resource)
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

func (a *Activities) readCurrent(ctx context.Context, datastore, resourceType, id string) (cdc.Resource, error) {
	return a.quickRead(ctx, func() (cdc.Resource, error) {
		return a.Store.Read(ctx, datastore, resourceType, id)
	})
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
	for {
		page, searches, err := m.a.bulkSearch(ctx, m.in.Origin.Datastore, m.in.Type, m.in.Span, next)
		m.result.Counts.Searches += searches
		if cdc.ClassOf(err) == cdc.ClassPageToken && next != "" && restarts < measureRestarts {
			next, restarts = "", restarts+1
			continue
		}
		if err != nil {
			return err
		}
		m.take(m.a.changes(m.in.Origin, wanted(m.in.Span, func(v cdc.Version) bool { return m.seen[v.Key()] }, page)))
		heartbeatOf(ctx)
		if next = page.Next; next == "" {
			return nil
		}
	}
}

func (m *measuring) ids(ctx context.Context) error {
	for _, id := range m.in.IDs {
		resource, err := m.a.readCurrent(ctx, m.in.Origin.Datastore, m.in.Type, id)
		m.result.Counts.Reads++
		if cdc.ClassOf(err) == cdc.ClassNotFound || err == nil && !m.in.Span.Contains(resource.Time()) {
			m.result.Counts.NotFound++
			continue
		}
		if err != nil {
			return err
		}
		m.take([]cdc.Change{m.a.change(m.in.Origin, resource)})
		heartbeatOf(ctx)
	}
	return nil
}

// bulkSearch reads one page with tokens of the bulk share, and repeats at once what
// often passes.
func (a *Activities) bulkSearch(ctx context.Context, datastore, resourceType string, span cdc.Span, next string) (cdc.Page, int, error) {
	for try := 1; ; try++ {
		if err := a.Limits.waitBulk(ctx, datastore); err != nil {
			return cdc.Page{}, try - 1, err
		}
		page, err := a.searchOnce(ctx, datastore, resourceType, span, next, false)
		if err == nil || try > quickRetries || !quicklyRetryable(err) || !pause(ctx, try, retryAfter(err)) {
			return page, try, err
		}
	}
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
