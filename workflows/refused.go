package workflows

import (
	"maps"
	"slices"
	"time"

	"go.temporal.io/sdk/workflow"

	"healthlake-cdc/internal/cdc"
)

// refusedChanges are changes that EventBridge refused for good. They are
// offered again from time to time, and keep their window open meanwhile.
type refusedChanges struct {
	// salt is that of the ledger.
	salt    cdc.Salt
	changes []cdc.Change
	known   map[string]*cdc.HashSet
	// retry is when they are offered next.
	retry cdc.Retry
	// offered are those that are being offered again.
	offered []cdc.Change
	// carried are those of the run before, whose bodies are to be read again.
	carried map[string]cdc.HashSet
	// hurried is how many are still to be offered at once, as an operator asked.
	hurried int
}

func (r *refusedChanges) empty() bool { return len(r.changes) == 0 }

// waiting is what waits for an operator, read again or not.
func (r *refusedChanges) waiting() []cdc.Wait {
	counts := r.byType()
	var all []cdc.Wait
	for _, name := range slices.Sorted(maps.Keys(counts)) {
		if counts[name] > 0 {
			all = append(all, cdc.Wait{Type: name, Versions: counts[name]})
		}
	}
	return all
}

func (r *refusedChanges) has(v cdc.Version) bool {
	set := r.known[v.Type]
	return set != nil && set.Has(r.salt.Hash(v))
}

// all are the refused versions of each type.
func (r *refusedChanges) all() map[string]cdc.HashSet {
	all := make(map[string]cdc.HashSet)
	add := func(resourceType string, set cdc.HashSet) {
		sum := all[resourceType]
		sum.Merge(set)
		if sum.Len() > 0 {
			all[resourceType] = sum
		}
	}
	for _, changes := range [][]cdc.Change{r.changes, r.offered} {
		for _, change := range changes {
			add(change.Type, cdc.NewHashSet(r.salt.Hash(change.Version)))
		}
	}
	for resourceType, set := range r.carried {
		add(resourceType, set)
	}
	return all
}

// byType is how many changes of each type are kept.
func (r *refusedChanges) byType() map[string]int {
	counts := make(map[string]int)
	for resourceType, set := range r.all() {
		counts[resourceType] = set.Len()
	}
	return counts
}

func (r *refusedChanges) hashes(resourceType string) cdc.HashSet {
	if set := r.known[resourceType]; set != nil {
		return *set
	}
	return cdc.HashSet{}
}

// add keeps the refused ones of a batch.
func (r *refusedChanges) add(ctx workflow.Context, batch []cdc.Change, refusals []cdc.Rejection) {
	r.offered = nil
	for _, change := range batch {
		set := r.carried[change.Type]
		set.Remove(r.salt.Hash(change.Version))
	}
	if len(refusals) == 0 {
		return
	}
	for _, refusal := range refusals {
		change := batch[refusal.Index]
		r.changes = append(r.changes, change)
		r.remember(change)
		workflow.GetLogger(ctx).Error("an event was refused for good and is kept", "type", change.Type, "code", refusal.Code)
	}
	due := r.retry.Due
	r.retry.Failed(workflow.Now(ctx), cdc.ClassEvent, 0)
	if r.hurried > 0 {
		r.retry.Due = due
	}
}

// takeDue takes kept changes out when they are due, as many as one Publish may
// hold. The others come with the next.
func (r *refusedChanges) takeDue(now time.Time) []cdc.Change {
	if r.empty() || r.retry.Due.After(now) {
		return nil
	}
	most := len(r.changes)
	if r.hurried > 0 {
		most = r.hurried
	}
	n, size := 0, 0
	for n < most && (n == 0 || size+len(r.changes[n].Body) <= cdc.MaxResultBytes) {
		size += len(r.changes[n].Body)
		n++
	}
	r.offered = r.changes[:n]
	r.hurried = max(0, r.hurried-n)
	r.keep(r.changes[n:])
	return r.offered
}

// keep keeps these changes and no others.
func (r *refusedChanges) keep(changes []cdc.Change) {
	r.changes = append([]cdc.Change(nil), changes...)
	r.known = nil
	for _, change := range r.changes {
		r.remember(change)
	}
}

func (r *refusedChanges) remember(change cdc.Change) {
	if r.known == nil {
		r.known = make(map[string]*cdc.HashSet)
	}
	if r.known[change.Type] == nil {
		r.known[change.Type] = &cdc.HashSet{}
	}
	r.known[change.Type].Add(r.salt.Hash(change.Version))
}

// retryNow makes everything that is kept now due at once.
func (r *refusedChanges) retryNow(now time.Time) {
	if !r.empty() {
		r.retry.Due, r.hurried = now, len(r.changes)
	}
}

// drop drops what is kept of a type, and returns what that was.
func (r *refusedChanges) drop(resourceType string) cdc.HashSet {
	given := r.all()[resourceType]
	var others []cdc.Change
	for _, change := range r.changes {
		if change.Type != resourceType {
			others = append(others, change)
		}
	}
	r.keep(others)
	r.hurried = min(r.hurried, len(others))
	r.forget(resourceType)
	return given
}

// carry is what the next run is to know of, nil when there is nothing.
func (r *refusedChanges) carry() map[string]cdc.HashSet {
	if all := r.all(); len(all) > 0 {
		return all
	}
	return nil
}

// resume takes over what the run before had been refused.
func (r *refusedChanges) resume(carried map[string]cdc.HashSet, retry cdc.Retry) {
	r.retry = retry
	for resourceType, set := range carried {
		if r.carried == nil {
			r.carried = make(map[string]cdc.HashSet)
		}
		r.carried[resourceType] = set.Clone()
	}
}

// forget drops what the run before had been refused of a type and a whole pass did
// not show again: it was superseded.
func (r *refusedChanges) forget(resourceType string) { delete(r.carried, resourceType) }
