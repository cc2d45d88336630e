package activities

import (
	"context"
	"errors"
	"math/rand/v2"
	"time"

	"healthlake-cdc/internal/cdc"
)

const (
	// pageSize is HealthLake's largest _count (HealthLake developer guide,
	// "FHIR search parameters").
	pageSize = 100
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
func (a *Activities) search(ctx context.Context, in cdc.HydrateInput, ask cdc.Ask) (cdc.Page, int, error) {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	datastore, token := in.Origin.Datastore, a.Limits.wait
	if in.Bulk {
		token = a.Limits.waitBulk
	}
	for try := 1; ; try++ {
		if err := token(ctx, datastore); err != nil {
			return cdc.Page{}, try - 1, err
		}
		began := time.Now()
		page, err := a.searchOnce(ctx, datastore, ask.Type, in.Window.Span(), ask.Next, ask.Confirm || in.List)
		if err == nil {
			if page.Invalid > 0 {
				a.Observer.Invalid(datastore, ask.Type, page.Invalid)
				a.Logger.Warn("search result holds entries that are no valid resource",
					"datastore", datastore, "type", ask.Type, "entries", page.Invalid)
			}
			return page, try, nil
		}
		slow := time.Since(began) > quickAttempt
		if try > quickRetries || slow || !quicklyRetryable(err) || !pause(ctx, try, retryAfter(err)) {
			return cdc.Page{}, try, err
		}
	}
}

func (a *Activities) searchOnce(ctx context.Context, datastore, resourceType string, span cdc.Span, next string, confirm bool) (cdc.Page, error) {
	if next != "" {
		return a.Store.Next(ctx, datastore, resourceType, next)
	}
	return a.Store.Search(ctx, cdc.SearchRequest{
		Datastore: datastore, Type: resourceType, Span: span,
		IDsOnly: confirm || a.References, Total: true,
	})
}

func quicklyRetryable(err error) bool {
	class := cdc.ClassOf(err)
	return class.Retryable() && class != cdc.ClassInterrupted && retryAfter(err) <= quickDelay
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

// readBodies reads the named versions until a result's worth of bodies is
// there, or the attempt's time is nearly over. unread are those that it did not
// come to. A version that is gone (replaced or deleted since it was listed, with
// its history not kept) is left out: it was superseded.
func (a *Activities) readBodies(ctx context.Context, origin cdc.Origin, span cdc.Span, versions []cdc.Version) (changes []cdc.Change, unread []cdc.Version, reads int, err error) {
	if a.References {
		for _, version := range versions {
			changes = append(changes, a.change(origin, cdc.Resource{Version: version}))
		}
		return changes, nil, 0, nil
	}
	size := 0
	for i, version := range versions {
		if len(changes) > 0 && nearDeadline(ctx) {
			return changes, versions[i:], reads, nil
		}
		resource, n, err := a.readVersion(ctx, origin.Datastore, version)
		reads += n
		if cdc.ClassOf(err) == cdc.ClassNotFound {
			continue
		}
		if err != nil {
			return changes, versions[i:], reads, err
		}
		if !span.Contains(resource.Time()) {
			continue
		}
		change := a.change(origin, resource)
		more := resultBytes(change)
		if size > 0 && size+more > cdc.MaxResultBytes {
			return changes, versions[i:], reads, nil
		}
		size += more
		changes = append(changes, change)
	}
	return changes, nil, reads, nil
}

func nearDeadline(ctx context.Context) bool {
	deadline, ok := ctx.Deadline()
	return ok && time.Until(deadline) < readReserve
}

// readVersion reads exactly this version: the current one by a read, an older
// one from history. Its number of requests is n.
func (a *Activities) readVersion(ctx context.Context, datastore string, version cdc.Version) (resource cdc.Resource, n int, err error) {
	resource, err = a.quickRead(ctx, func() (cdc.Resource, error) {
		return a.Store.Read(ctx, datastore, version.Type, version.ID)
	})
	if err == nil && resource.VersionID == version.VersionID {
		return resource, 1, nil
	}
	if err != nil && cdc.ClassOf(err) != cdc.ClassNotFound {
		return cdc.Resource{}, 1, err
	}
	resource, err = a.quickRead(ctx, func() (cdc.Resource, error) {
		return a.Store.VRead(ctx, datastore, version.Type, version.ID, version.VersionID)
	})
	if cdc.ClassOf(err) == cdc.ClassRejected {
		// A store without history refuses the route: the version is gone.
		err = &cdc.Error{Op: "GET {Type}/{id}/_history/{version}", Class: cdc.ClassNotFound}
	}
	return resource, 2, err
}

func (a *Activities) quickRead(ctx context.Context, read func() (cdc.Resource, error)) (cdc.Resource, error) {
	for try := 1; ; try++ {
		resource, err := read()
		if err == nil || try > quickRetries || !quicklyRetryable(err) || !pause(ctx, try, retryAfter(err)) {
			return resource, err
		}
	}
}
