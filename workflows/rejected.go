package workflows

import (
	"maps"
	"slices"
	"time"

	"go.temporal.io/sdk/workflow"

	"healthlake-cdc/internal/cdc"
)

// rejectedChanges are changes that EventBridge rejected. They are published again from
// time to time, and keep their window or slice open.
type rejectedChanges struct {
	// salt is that of the ledger.
	salt    cdc.Salt
	changes []cdc.Change
	// hashes are those of changes, by type.
	hashes map[string]cdc.HashSet
	// carried are those of the run before, whose bodies are to be read again.
	carried map[string]cdc.HashSet
	// retry is when they are published next, all of them together.
	retry cdc.Retry
	// retryingNow is how many are still to be published at once, as an operator asked.
	retryingNow int
}

func newRejected(salt cdc.Salt, carried map[string]cdc.HashSet, retry cdc.Retry) rejectedChanges {
	return rejectedChanges{salt: salt, hashes: make(map[string]cdc.HashSet), carried: carried, retry: retry}
}

func (r *rejectedChanges) empty() bool { return len(r.changes) == 0 }

func (r *rejectedChanges) has(v cdc.Version) bool { return r.hashes[v.Type].Has(r.salt.Hash(v)) }

// all are the hashes of the rejected versions, carried over or not, by type.
func (r *rejectedChanges) all() map[string]cdc.HashSet {
	all := make(map[string]cdc.HashSet)
	for _, sets := range []map[string]cdc.HashSet{r.hashes, r.carried} {
		for name, set := range sets {
			sum := all[name]
			sum.Merge(set)
			if sum.Len() > 0 {
				all[name] = sum
			}
		}
	}
	return all
}

func (r *rejectedChanges) addTo(p *cdc.Progress, now time.Time) {
	all := r.all()
	for _, name := range sortedKeys(all) {
		p.Add(cdc.Wait{Type: name, Versions: all[name].Len()}, r.retry, now)
	}
}

// update applies the result of a batch, which may hold changes rejected before.
func (r *rejectedChanges) update(ctx workflow.Context, batch []cdc.Change, rejections []cdc.Rejection) {
	tried := make(map[string]cdc.HashSet)
	for _, change := range batch {
		hash, carried := r.salt.Hash(change.Version), r.carried[change.Type]
		carried.Remove(hash)
		addHash(tried, change.Type, hash)
	}
	r.keepOnly(func(c cdc.Change) bool { return !tried[c.Type].Has(r.salt.Hash(c.Version)) })
	for _, rejection := range rejections {
		change := batch[rejection.Index]
		r.changes = append(r.changes, change)
		addHash(r.hashes, change.Type, r.salt.Hash(change.Version))
		workflow.GetLogger(ctx).Error("EventBridge rejected an event, which is published again later", "type", change.Type, "code", rejection.Code)
	}
	if r.empty() {
		r.retry = cdc.Retry{}
	}
	if len(rejections) == 0 {
		return
	}
	due := r.retry.Due
	r.retry.Failed(workflow.Now(ctx), cdc.ClassEventRejected, 0)
	if r.retryingNow > 0 {
		r.retry.Due = due
	}
}

// due are the changes to publish again now, as many as one Publish may hold.
func (r *rejectedChanges) due(now time.Time) []cdc.Change {
	if r.empty() || r.retry.Due.After(now) {
		return nil
	}
	limit := len(r.changes)
	if r.retryingNow > 0 {
		limit = r.retryingNow
	}
	n := 0
	for load := new(cdc.Load); n < limit && (load.Add(r.changes[n].Body) || n == 0); {
		n++
	}
	r.retryingNow = max(0, r.retryingNow-n)
	return r.changes[:n:n]
}

func (r *rejectedChanges) keepOnly(kept func(cdc.Change) bool) {
	all := r.changes
	r.changes, r.hashes = nil, make(map[string]cdc.HashSet)
	for _, change := range all {
		if kept(change) {
			r.changes = append(r.changes, change)
			addHash(r.hashes, change.Type, r.salt.Hash(change.Version))
		}
	}
}

func addHash(sets map[string]cdc.HashSet, name string, hash cdc.Hash) {
	set := sets[name]
	set.Add(hash)
	sets[name] = set
}

// retryNow makes everything that is rejected now due at once.
func (r *rejectedChanges) retryNow(now time.Time) {
	if !r.empty() {
		r.retry.Due, r.retryingNow = now, len(r.changes)
	}
}

// skip drops the changes of a type, as an operator asked, and returns their hashes.
func (r *rejectedChanges) skip(ctx workflow.Context, resourceType string) cdc.HashSet {
	skipped := r.all()[resourceType]
	r.keepOnly(func(c cdc.Change) bool { return c.Type != resourceType })
	r.retryingNow = min(r.retryingNow, len(r.changes))
	delete(r.carried, resourceType)
	workflow.GetLogger(ctx).Warn("an operator skipped what EventBridge rejects", "type", resourceType, "versions", skipped.Len())
	return skipped
}

// forget drops what was carried over of a type and a whole pass did not show again: it
// was replaced or deleted meanwhile.
func (r *rejectedChanges) forget(ctx workflow.Context, resourceType string) {
	if carried := r.carried[resourceType]; carried.Len() > 0 {
		workflow.GetLogger(ctx).Warn("versions that EventBridge rejected were replaced or deleted before it accepted them; they are not published",
			"type", resourceType, "versions", carried.Len())
	}
	delete(r.carried, resourceType)
}

// sortedKeys are a map's keys in a fixed order: workflow code must be deterministic.
func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }
