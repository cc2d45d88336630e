package activities

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"go.temporal.io/sdk/activity"

	"healthlake-cdc/internal/cdc"
)

const (
	// readReserve is how long before its deadline an attempt begins no further read.
	readReserve = 20 * time.Second
	// changeBytes is what a change takes in a result beside its body and the texts of its
	// version, in JSON.
	changeBytes = 96
	// roomyOverhead is more than what an event has beside its body ever takes: an id has 512
	// characters at most, and is in it twice, with escapes. What is this much smaller than
	// the limit need not be measured.
	roomyOverhead = 32 << 10
	// maxFailedReads is how many resources readBodies passes over because their reads
	// fail, before it leaves the rest to the next attempt.
	maxFailedReads = 5
	// waitingHeartbeat is how often a search calls back that waits for its token.
	waitingHeartbeat = 10 * time.Second
)

// Store is what the activities ask of a datastore. Its errors are *cdc.Error.
type Store interface {
	Search(ctx context.Context, request cdc.SearchRequest) (cdc.Page, error)
	Count(ctx context.Context, datastore, resourceType string, span cdc.Span) (int, error)
	Read(ctx context.Context, datastore, resourceType, id string) (cdc.Resource, error)
	VRead(ctx context.Context, datastore, resourceType, id, version string) (cdc.Resource, error)
	History(ctx context.Context, datastore, resourceType, id, next string) (cdc.Page, error)
}

// Reader reads pages and versions of datastores, within the limits of the process, and
// makes changes of them.
type Reader struct {
	Store    Store
	Limits   *Limits
	Observer Observer
	Logger   *slog.Logger
	// Format names the events.
	Format cdc.EventFormat
	// MaxEventBytes is CDC_MAX_EVENT_BYTES: a change whose event would be larger
	// goes as a reference.
	MaxEventBytes int
	// References is CDC_EVENT_PAYLOAD=reference: no body is read at all.
	References bool
}

// Search reads a page and repeats at once what often passes, with a search token for each
// request. It calls waiting from time to time while it waits for a token, which may take
// longer than the heartbeat timeout. It returns how many requests it made.
func (r *Reader) Search(ctx context.Context, q cdc.SearchRequest, purpose Purpose, waiting func()) (page cdc.Page, searches int, err error) {
	if err := r.token(ctx, q.Datastore, purpose, waiting); err != nil {
		return cdc.Page{}, 0, err
	}
	return r.search(ctx, q, purpose, waiting)
}

// search is Search when the token of the first request has been taken.
func (r *Reader) search(ctx context.Context, q cdc.SearchRequest, purpose Purpose, waiting func()) (page cdc.Page, searches int, err error) {
	token := func() error { return r.token(ctx, q.Datastore, purpose, waiting) }
	page, err = quickly(ctx, token, func() (cdc.Page, error) {
		searches++
		return r.page(ctx, q)
	})
	return page, searches, err
}

// token waits for a search token, and calls waiting meanwhile. Every request that searches
// takes one.
func (r *Reader) token(ctx context.Context, datastore string, purpose Purpose, waiting func()) error {
	return WithTicks(waitingHeartbeat, waiting, func() error { return r.Limits.wait(ctx, datastore, purpose) })
}

// tokenInTime waits for a search token no longer than the attempt has time for the search
// after it. err is only of an attempt that has ended.
func (r *Reader) tokenInTime(ctx context.Context, datastore string, purpose Purpose) (taken bool, err error) {
	inTime := ctx
	if deadline, ok := ctx.Deadline(); ok {
		var cancel context.CancelFunc
		inTime, cancel = context.WithDeadline(ctx, deadline.Add(-readReserve))
		defer cancel()
	}
	err = r.Limits.wait(inTime, datastore, purpose)
	if err != nil && ctx.Err() == nil {
		return false, nil
	}
	return err == nil, err
}

// page makes the request for one page of a listing, and counts its unreadable entries.
func (r *Reader) page(ctx context.Context, q cdc.SearchRequest) (cdc.Page, error) {
	q.IDsOnly = q.IDsOnly || r.References
	page, err := r.Store.Search(ctx, q)
	r.CountUnreadable(q.Datastore, q.Type, q.Span, page.Unreadable)
	return page, err
}

// unknown is what a page holds of the span that is not known: pages have a margin.
func unknown(span cdc.Span, known func(cdc.Version) bool, page cdc.Page) []cdc.Resource {
	var unknown []cdc.Resource
	for _, resource := range page.Resources {
		if span.Contains(resource.Time()) && !known(resource.Version) {
			unknown = append(unknown, resource)
		}
	}
	return unknown
}

// knownIn reports whether a version is in a set of hashes.
func knownIn(set cdc.HashSet, salt cdc.Salt) func(cdc.Version) bool {
	return func(v cdc.Version) bool { return set.Len() > 0 && set.Has(salt.Hash(v)) }
}

func versionsOf(resources []cdc.Resource) []cdc.Version {
	versions := make([]cdc.Version, len(resources))
	for i, resource := range resources {
		versions[i] = resource.Version
	}
	return versions
}

func (r *Reader) changes(origin cdc.Origin, resources []cdc.Resource) []cdc.Change {
	changes := make([]cdc.Change, len(resources))
	for i, resource := range resources {
		changes[i] = r.Change(origin, resource)
	}
	return changes
}

// Change turns a resource into a change: a reference where the body is not wanted or
// does not fit on the bus.
func (r *Reader) Change(origin cdc.Origin, resource cdc.Resource) cdc.Change {
	if r.References {
		return cdc.Change{Version: resource.Version, Reason: cdc.ReasonConfigured}
	}
	if len(resource.Body)+roomyOverhead > r.MaxEventBytes {
		overhead, err := r.Format.Overhead(resource.Version, origin)
		if err != nil || overhead+len(resource.Body) > r.MaxEventBytes {
			return cdc.Change{Version: resource.Version, Reason: cdc.ReasonOversize}
		}
	}
	return cdc.Change{Version: resource.Version, Body: cdc.NewBody(resource.Body)}
}

// room is what a result has used of cdc.MaxResultBytes, with its bodies packed, and of
// cdc.MaxResultBodies. What names a version counts too: many references must stay under Temporal's
// payload limit as well.
type room struct {
	packer          cdc.Packer
	names, unpacked int
}

// add counts a change and reports whether there was room for it; for the first one there
// always is.
func (r *room) add(change cdc.Change) bool {
	v, body := change.Version, change.Body.Len()
	names := len(v.Type) + len(v.ID) + len(v.VersionID) + len(v.LastUpdated) + len(change.Reason) + changeBytes
	full := r.packer.Size()+body+r.names+names > cdc.MaxResultBytes || r.unpacked+body > cdc.MaxResultBodies
	if full && r.names > 0 {
		return false
	}
	r.names += names
	r.unpacked += body
	return true
}

// pack packs the changes for which there is room, from the first on, and returns how many
// those are.
func (r *room) pack(changes []cdc.Change) int {
	for i := range changes {
		if !r.add(changes[i]) {
			return i
		}
		changes[i].Body = r.packer.Move(changes[i].Body)
	}
	return len(changes)
}

// holdsMore is for how many more pages there is room, at most so many, if they are like the
// n that were added: few pages are then requested again because a part of them did not fit.
func (r *room) holdsMore(n, most int) int {
	for _, of := range []struct{ used, limit int }{
		{r.unpacked, cdc.MaxResultBodies}, {r.packer.Size() + r.names, cdc.MaxResultBytes},
	} {
		if of.used > 0 {
			most = min(most, (of.limit-of.used)*n/of.used)
		}
	}
	return max(0, most)
}

// readBodies reads the named versions until a result's worth of bodies is there, or the
// attempt's time is nearly over. unread are those that it did not come to, or whose read
// failed: then err is the first such error. A version that is gone is left out: it was
// superseded.
func (r *Reader) readBodies(ctx context.Context, origin cdc.Origin, span cdc.Span, versions []cdc.Version) (changes []cdc.Change, unread []cdc.Version, reads int, err error) {
	var used room
	for i, version := range versions {
		if len(changes)+len(unread) > 0 && nearDeadline(ctx) {
			return changes, append(unread, versions[i:]...), reads, err
		}
		change, found, n, failed := r.Body(ctx, origin, span, version)
		reads += n
		switch {
		case failed != nil:
			if err == nil {
				err = failed
			}
			if unread = append(unread, version); len(unread) == maxFailedReads || !othersMaySucceed(failed) {
				return changes, append(unread, versions[i+1:]...), reads, err
			}
		case !found:
		case !used.add(change):
			return changes, append(unread, versions[i:]...), reads, err
		default:
			changes = append(changes, change)
		}
	}
	return changes, unread, reads, err
}

// othersMaySucceed reports whether another read may succeed at once after this error.
func othersMaySucceed(err error) bool {
	known, ok := errors.AsType[*cdc.Error](err)
	return ok &&
		(known.Class == cdc.ClassMalformed || known.Class == cdc.ClassUnavailable && known.Status >= 500)
}

// nearDeadline reports whether the attempt begins no further read.
func nearDeadline(ctx context.Context) bool {
	deadline, ok := ctx.Deadline()
	return ok && time.Until(deadline) < readReserve
}

// Body reads one version. found is false when it is not to be published. One that is too
// large for an answer goes as a reference.
func (r *Reader) Body(ctx context.Context, origin cdc.Origin, span cdc.Span, version cdc.Version) (change cdc.Change, found bool, reads int, err error) {
	if r.References {
		return r.Change(origin, cdc.Resource{Version: version}), true, 0, nil
	}
	resource, reads, err := r.version(ctx, origin.Datastore, version)
	switch {
	case cdc.ClassOf(err) == cdc.ClassTooLarge:
		return cdc.Change{Version: version, Reason: cdc.ReasonOversize}, true, reads, nil
	case err != nil && r.concernsOne(origin.Datastore, version.Type, version.ID, err):
		return cdc.Change{}, false, reads, nil
	case err != nil:
		return cdc.Change{}, false, reads, err
	}
	return r.Change(origin, resource), span.Contains(resource.Time()), reads, nil
}

// version reads exactly this version, with n requests: the current one by a read, an older
// one from history.
func (r *Reader) version(ctx context.Context, datastore string, version cdc.Version) (resource cdc.Resource, n int, err error) {
	resource, err = r.read(ctx, datastore, version.Type, version.ID)
	if err == nil && resource.VersionID == version.VersionID {
		return resource, 1, nil
	}
	if err != nil && cdc.ClassOf(err) != cdc.ClassNotFound {
		return cdc.Resource{}, 1, err
	}
	resource, err = Quickly(ctx, func() (cdc.Resource, error) {
		return r.Store.VRead(ctx, datastore, version.Type, version.ID, version.VersionID)
	})
	if cdc.ClassOf(err) == cdc.ClassInvalidRequest {
		// A store without history refuses the route: the version is gone.
		err = &cdc.Error{Op: "GET {Type}/{id}/_history/{version}", Class: cdc.ClassNotFound}
	}
	return resource, 2, err
}

func (r *Reader) read(ctx context.Context, datastore, resourceType, id string) (cdc.Resource, error) {
	return Quickly(ctx, func() (cdc.Resource, error) { return r.Store.Read(ctx, datastore, resourceType, id) })
}

// current reads the current version of a resource. found is false when it is not to
// be published. One that is too large for an answer goes as a reference: a search for
// its id shows which version that is.
func (r *Reader) current(ctx context.Context, origin cdc.Origin, resourceType string, span cdc.Span, id string, waiting func()) (change cdc.Change, found bool, searches int, err error) {
	resource, err := r.read(ctx, origin.Datastore, resourceType, id)
	switch {
	case err == nil:
		return r.Change(origin, resource), span.Contains(resource.Time()), 0, nil
	case cdc.ClassOf(err) != cdc.ClassTooLarge:
		if r.concernsOne(origin.Datastore, resourceType, id, err) {
			err = nil
		}
		return cdc.Change{}, false, 0, err
	}
	if err := r.token(ctx, origin.Datastore, Ranges, waiting); err != nil {
		return cdc.Change{}, false, 0, err
	}
	page, err := r.Store.Search(ctx, cdc.SearchRequest{Datastore: origin.Datastore, Type: resourceType, Span: span, ID: id, IDsOnly: true})
	for _, resource := range page.Resources {
		if err == nil && resource.ID == id && span.Contains(resource.Time()) {
			return cdc.Change{Version: resource.Version, Reason: cdc.ReasonOversize}, true, 1, nil
		}
	}
	return cdc.Change{}, false, 1, err
}

// concernsOne reports whether an error of a read is that one resource's own: it is
// gone, or the store has it and does not give it. The latter is counted and logged.
func (r *Reader) concernsOne(datastore, resourceType, id string, err error) bool {
	class := cdc.ClassOf(err)
	if class == cdc.ClassNotFound {
		return true
	}
	if class != cdc.ClassInvalidRequest && class != cdc.ClassInvalidInput && !OfUnusualID(id, class) {
		return false
	}
	r.Observer.Invalid(datastore, resourceType, 1)
	r.Logger.Warn("the store lists a resource and does not give it when it is read: it is passed over",
		"datastore", datastore, "type", resourceType, "error", err)
	return true
}

// OfUnusualID reports whether an error may be about the id alone: an id that FHIR does not
// have may be read differently on the way to the store.
func OfUnusualID(id string, class cdc.Class) bool {
	return !cdc.ValidResourceID(id) && (class == cdc.ClassForbidden || class == cdc.ClassMalformed)
}

// CountUnreadable counts and logs the entries of a page that are no readable version and
// may lie in the span.
func (r *Reader) CountUnreadable(datastore, resourceType string, span cdc.Span, entries []cdc.Unreadable) {
	n := 0
	for _, entry := range entries {
		if entry.In(span) {
			n++
		}
	}
	if n == 0 {
		return
	}
	r.Observer.Invalid(datastore, resourceType, n)
	r.Logger.Warn("the store lists entries that are no readable version: no id, version or time, or no JSON",
		"datastore", datastore, "type", resourceType, "entries", n)
}

// pageLoops counts, in the metrics of Temporal's SDK, the lists of pages that were
// ended because they loop.
const pageLoops = "healthlake_cdc_page_loops"

// CountPageLoop counts and logs a list of pages that was ended because it loops.
func (r *Reader) CountPageLoop(ctx context.Context, datastore, resourceType string) {
	if activity.IsActivity(ctx) {
		activity.GetMetricsHandler(ctx).
			WithTags(map[string]string{"datastore": datastore, "resource_type": resourceType}).
			Counter(pageLoops).Inc(1)
	}
	r.Logger.Warn("the store's pages go round, or on without anything new: what they held is kept, and no more are read",
		"datastore", datastore, "type", resourceType)
}
