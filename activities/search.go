package activities

import (
	"context"
	"errors"
	"math/rand/v2"
	"time"

	"go.temporal.io/sdk/activity"

	"healthlake-cdc/internal/cdc"
)

const (
	// quickRetries is how often a search is repeated at once, within its
	// attempt, for an error that often passes; what lasts is Temporal's to retry.
	quickRetries = 2
	// quickAttempt is how long a request may have taken to be repeated at once: a
	// store that hangs is not asked again in the same attempt.
	quickAttempt = 5 * time.Second
	// quickDelay is the longest Retry-After for which an attempt waits.
	quickDelay = 2 * time.Second
	// readReserve is how long before its deadline an attempt begins no further
	// read: what it has read by then is its result, and the next goes on.
	readReserve = 20 * time.Second
	// changeBytes is what a change takes in a result beside its body and the
	// texts of its version: JSON names, quotes and the digits of base64's end.
	changeBytes = 96
)

// search reads one page, the first when the ask has no link, taking a token from
// the store's limiter for each request. It returns how many requests it made.
func (a *Activities) search(ctx context.Context, in cdc.HydrateInput, ask cdc.PageRequest) (cdc.Page, int, error) {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	datastore, token := in.Origin.Datastore, a.Limits.wait
	if in.Origin.Bulk {
		token = a.Limits.waitBulk
	}
	for try := 1; ; try++ {
		if err := token(ctx, datastore); err != nil {
			return cdc.Page{}, try - 1, err
		}
		began := time.Now()
		page, err := a.searchOnce(ctx, datastore, ask.Type, in.Window.Span(), ask.Next, ask.Confirm || in.List)
		if err == nil {
			return page, try, nil
		}
		slow := time.Since(began) > quickAttempt
		if try > quickRetries || slow || !quicklyRetryable(err) || !pause(ctx, try, retryAfter(err)) {
			return cdc.Page{}, try, err
		}
	}
}

// searchOnce reads one page. Every page of every search is read here.
func (a *Activities) searchOnce(ctx context.Context, datastore, resourceType string, span cdc.Span, next string, confirm bool) (page cdc.Page, err error) {
	if next != "" {
		page, err = a.Store.Next(ctx, datastore, resourceType, next)
	} else {
		page, err = a.Store.Search(ctx, cdc.SearchRequest{
			Datastore: datastore, Type: resourceType, Span: span,
			IDsOnly: confirm || a.References, Total: true,
		})
	}
	a.noteUnreadable(datastore, resourceType, span, page.Unreadable)
	return page, err
}

func quicklyRetryable(err error) bool {
	class := cdc.ClassOf(err)
	return class.Retryable() && class != cdc.ClassInterrupted && retryAfter(err) <= quickDelay
}

// quickly repeats at once, a few times, what fails for a reason that often passes.
func quickly[T any](ctx context.Context, once func() (T, error)) (T, error) {
	for try := 1; ; try++ {
		answer, err := once()
		if err == nil || try > quickRetries || !quicklyRetryable(err) || !pause(ctx, try, retryAfter(err)) {
			return answer, err
		}
	}
}

// pause waits before a quick retry: what the store asked for, or a jittered
// quarter second, doubled each time. It tells whether to go on.
func pause(ctx context.Context, try int, asked time.Duration) bool {
	delay := asked
	if delay == 0 {
		base := 250 * time.Millisecond << (try - 1)
		delay = base/2 + rand.N(base) //nolint:gosec // jitter
	}
	timer := time.NewTimer(delay)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return true
	}
}

func retryAfter(err error) time.Duration {
	var known *cdc.Error
	if errors.As(err, &known) {
		return known.RetryAfter
	}
	return 0
}

// wanted filters a page: what lies in the span and is not known. The store was
// asked for a margin, and may give more.
func wanted(span cdc.Span, known func(cdc.Version) bool, page cdc.Page) []cdc.Resource {
	var wanted []cdc.Resource
	for _, resource := range page.Resources {
		if span.Contains(resource.Time()) && !known(resource.Version) {
			wanted = append(wanted, resource)
		}
	}
	return wanted
}

// among reports whether a version is in a set of hashes.
func among(set cdc.HashSet, salt cdc.Salt) func(cdc.Version) bool {
	return func(v cdc.Version) bool { return set.Len() > 0 && set.Has(salt.Hash(v)) }
}

// changes turns resources into changes, references where the body is not
// wanted or does not fit on the bus.
func (a *Activities) changes(origin cdc.Origin, resources []cdc.Resource) []cdc.Change {
	changes := make([]cdc.Change, 0, len(resources))
	for _, resource := range resources {
		changes = append(changes, a.change(origin, resource))
	}
	return changes
}

func (a *Activities) change(origin cdc.Origin, resource cdc.Resource) cdc.Change {
	if a.References {
		return cdc.Change{Version: resource.Version, Reason: cdc.ReasonConfigured}
	}
	overhead, err := a.Format.Overhead(resource.Version, origin)
	if err != nil || overhead+len(resource.Body) > a.MaxEventBytes {
		return cdc.Change{Version: resource.Version, Reason: cdc.ReasonOversize}
	}
	return cdc.Change{Version: resource.Version, Body: resource.Body}
}

// resultBytes is what a change counts towards cdc.MaxResultBytes: its body, and
// what names its version, so that many small resources, or references, stay
// under Temporal's payload limit as well.
func resultBytes(change cdc.Change) int {
	v := change.Version
	return len(change.Body) + len(v.Type) + len(v.ID) + len(v.VersionID) + len(v.LastUpdated) + len(change.Reason) + changeBytes
}

// mostFailedReads is how many resources a readBodies passes over because their reads
// fail, before it leaves the rest to the next attempt: one that a store cannot give
// holds up no other.
const mostFailedReads = 5

// readBodies reads the named versions until a result's worth of bodies is
// there, or the attempt's time is nearly over. unread are those that it did not
// come to, or whose read failed: then err is the first such error. A version that is
// gone (replaced or deleted since it was listed, with its history not kept) is left
// out: it was superseded. So is one that the store has and does not give; that is
// counted. One that is too large for an answer goes as a reference.
func (a *Activities) readBodies(ctx context.Context, origin cdc.Origin, span cdc.Span, versions []cdc.Version) (changes []cdc.Change, unread []cdc.Version, reads int, err error) {
	if a.References {
		for _, version := range versions {
			changes = append(changes, a.change(origin, cdc.Resource{Version: version}))
		}
		return changes, nil, 0, nil
	}
	size := 0
	for i, version := range versions {
		if len(changes)+len(unread) > 0 && nearDeadline(ctx) {
			return changes, append(unread, versions[i:]...), reads, err
		}
		change, found, n, failed := a.bodyOf(ctx, origin, span, version)
		reads += n
		if failed != nil {
			if err == nil {
				err = failed
			}
			if unread = append(unread, version); len(unread) == mostFailedReads || !ofOneRead(failed) {
				return changes, append(unread, versions[i+1:]...), reads, err
			}
			continue
		}
		if !found {
			continue
		}
		more := resultBytes(change)
		if size > 0 && size+more > cdc.MaxResultBytes {
			return changes, append(unread, versions[i:]...), reads, err
		}
		size += more
		changes = append(changes, change)
	}
	return changes, unread, reads, err
}

// ofOneRead reports whether another read may succeed at once after one that failed
// so: what concerns all of them fails all.
func ofOneRead(err error) bool {
	class := cdc.ClassOf(err)
	return class == cdc.ClassMalformed || class == cdc.ClassUnavailable && statusOf(err) >= 500
}

func statusOf(err error) int {
	var known *cdc.Error
	if errors.As(err, &known) {
		return known.Status
	}
	return 0
}

// bodyOf reads one version. found is false when it is not to be published.
func (a *Activities) bodyOf(ctx context.Context, origin cdc.Origin, span cdc.Span, version cdc.Version) (change cdc.Change, found bool, reads int, err error) {
	resource, reads, err := a.readVersion(ctx, origin.Datastore, version)
	switch {
	case cdc.ClassOf(err) == cdc.ClassTooLarge:
		return cdc.Change{Version: version, Reason: cdc.ReasonOversize}, true, reads, nil
	case err != nil && a.concernsOne(origin.Datastore, version.Type, version.ID, err):
		return cdc.Change{}, false, reads, nil
	case err != nil:
		return cdc.Change{}, false, reads, err
	}
	return a.change(origin, resource), span.Contains(resource.Time()), reads, nil
}

// concernsOne reports whether an error of a read is that one resource's own: it is
// gone, or the store has it and does not give it. The latter is counted and logged.
// An id that FHIR does not have may be read differently by everything on the way, so
// that any answer is an answer to that id.
func (a *Activities) concernsOne(datastore, resourceType, id string, err error) bool {
	switch class := cdc.ClassOf(err); class {
	case cdc.ClassNotFound:
		return true
	case cdc.ClassRejected, cdc.ClassInvalidInput:
	case cdc.ClassForbidden, cdc.ClassMalformed:
		if cdc.ValidResourceID(id) {
			return false
		}
	default:
		return false
	}
	a.Observer.Invalid(datastore, resourceType, 1)
	a.Logger.Warn("the store lists a resource and does not give it when it is read: it is passed over",
		"datastore", datastore, "type", resourceType, "error", err)
	return true
}

// noteUnreadable counts the entries of a page that are no readable version, as far as
// they lie, or may lie, in the span.
func (a *Activities) noteUnreadable(datastore, resourceType string, span cdc.Span, entries []cdc.Unreadable) {
	n := 0
	for _, entry := range entries {
		if entry.In(span) {
			n++
		}
	}
	if n == 0 {
		return
	}
	a.Observer.Invalid(datastore, resourceType, n)
	a.Logger.Warn("the store lists entries that are no readable version: no id, version or time, or no JSON",
		"datastore", datastore, "type", resourceType, "entries", n)
}

// pageLoops counts, in the metrics of Temporal's SDK, the lists of pages that were
// ended because they go round. Workflows count the same (workflows/capture_slice.go).
const pageLoops = "healthlake_cdc_page_loops"

// noteRound says that a list of pages was ended because it goes round.
func (a *Activities) noteRound(ctx context.Context, datastore, resourceType string) {
	if activity.IsActivity(ctx) {
		activity.GetMetricsHandler(ctx).
			WithTags(map[string]string{"datastore": datastore, "resource_type": resourceType}).
			Counter(pageLoops).Inc(1)
	}
	a.Logger.Warn("the store's pages go round, or on without anything new: what they held is kept, and no more are read",
		"datastore", datastore, "type", resourceType)
}

func nearDeadline(ctx context.Context) bool {
	deadline, ok := ctx.Deadline()
	return ok && time.Until(deadline) < readReserve
}

// readVersion reads exactly this version: the current one by a read, an older
// one from history. Its number of requests is n.
func (a *Activities) readVersion(ctx context.Context, datastore string, version cdc.Version) (resource cdc.Resource, n int, err error) {
	resource, err = quickly(ctx, func() (cdc.Resource, error) {
		return a.Store.Read(ctx, datastore, version.Type, version.ID)
	})
	if err == nil && resource.VersionID == version.VersionID {
		return resource, 1, nil
	}
	if err != nil && cdc.ClassOf(err) != cdc.ClassNotFound {
		return cdc.Resource{}, 1, err
	}
	resource, err = quickly(ctx, func() (cdc.Resource, error) {
		return a.Store.VRead(ctx, datastore, version.Type, version.ID, version.VersionID)
	})
	if cdc.ClassOf(err) == cdc.ClassRejected {
		// A store without history refuses the route: the version is gone.
		err = &cdc.Error{Op: "GET {Type}/{id}/_history/{version}", Class: cdc.ClassNotFound}
	}
	return resource, 2, err
}
