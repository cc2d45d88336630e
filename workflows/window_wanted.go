package workflows

import (
	"fmt"
	"slices"
	"time"

	"go.temporal.io/sdk/workflow"

	"healthlake-cdc/internal/cdc"
)

// wantedAtOnce is how many versions one HydratePage is asked to read: the input
// stays small, and an attempt's time is about enough for them.
const wantedAtOnce = 500

// wantedVersions are versions that search does not show, to be read from history.
// They come ahead of the first pass; a type of which they cannot be read is tried
// again later and holds up no other.
type wantedVersions struct {
	left []cdc.Version
	// retries is when those of a type are read, and where they stand.
	retries map[string]cdc.Retry
}

func newWantedVersions(in cdc.CaptureWindowInput, now time.Time) wantedVersions {
	wanted := wantedVersions{retries: make(map[string]cdc.Retry)}
	for _, version := range in.Wanted {
		if in.Window.Contains(version.Time()) {
			wanted.left = append(wanted.left, version)
			wanted.retries[version.Type] = cdc.Retry{Due: now}
		}
	}
	for _, name := range wanted.types() {
		if in.Resume != nil && in.Resume.Wanted[name].Failing() {
			wanted.retries[name] = in.Resume.Wanted[name]
		}
	}
	return wanted
}

// types are those of which something is left, in alphabetical order.
func (v *wantedVersions) types() []string {
	var names []string
	for _, version := range v.left {
		names = append(names, version.Type)
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// of are the versions left of a type.
func (v *wantedVersions) of(resourceType string) []cdc.Version {
	var versions []cdc.Version
	for _, version := range v.left {
		if version.Type == resourceType {
			versions = append(versions, version)
		}
	}
	return versions
}

// keep leaves these versions of a type and no others.
func (v *wantedVersions) keep(resourceType string, versions []cdc.Version) {
	others := slices.DeleteFunc(slices.Clone(v.left), func(version cdc.Version) bool { return version.Type == resourceType })
	v.left = append(others, versions...)
	if len(versions) == 0 {
		delete(v.retries, resourceType)
	}
}

// retryNow makes what failed due at once.
func (v *wantedVersions) retryNow(now time.Time) {
	for _, name := range v.types() {
		if retry := v.retries[name]; retry.Failing() {
			retry.Due = now
			v.retries[name] = retry
		}
	}
}

// progress adds the types that could not be read, with the next try.
func (v *wantedVersions) progress(p *cdc.Progress) {
	for _, name := range v.types() {
		retry := v.retries[name]
		if retry.Failing() && p.Unavailable[name] == "" {
			p.Unavailable[name] = retry.Class
		}
		if due, ok := p.Due[name]; !ok || retry.Due.Before(due) {
			p.Due[name] = retry.Due
		}
	}
}

// captureWanted reads the wanted versions that the ledger lacks and publishes
// them, where they are due.
func (w *captureWindow) captureWanted(ctx workflow.Context) error {
	for _, name := range w.wanted.types() {
		retry := w.wanted.retries[name]
		if retry.Due.After(workflow.Now(ctx)) {
			continue
		}
		if err := w.captureWantedOf(ctx, name); err != nil {
			class, asked, ok := failed(ctx, err)
			if !ok {
				return err
			}
			retry.Failed(workflow.Now(ctx), class, asked)
			w.wanted.retries[name] = retry
		}
		w.describe(ctx)
		if w.mayContinueAsNew(ctx) {
			return nil // the next run goes on with what is left
		}
	}
	return nil
}

// captureWantedOf reads and publishes those of one type.
func (w *captureWindow) captureWantedOf(ctx workflow.Context, resourceType string) error {
	w.wanted.keep(resourceType, w.fresh(w.wanted.of(resourceType)))
	if w.in.Skip {
		w.skipVersions(resourceType, w.wanted.of(resourceType))
		w.wanted.keep(resourceType, nil)
		return nil
	}
	for left := w.wanted.of(resourceType); len(left) > 0 && !w.mayContinueAsNew(ctx); {
		asked := left[:min(len(left), wantedAtOnce)]
		in := cdc.HydratePageInput{Origin: w.origin, Type: resourceType, Span: w.in.Window.Span(), Want: asked}
		var page cdc.HydratePageResult
		policy := wantedPolicy(ctx, w.origin.Datastore, w.in.Bulk, fmt.Sprintf("%d wanted versions of %s", len(asked), resourceType))
		if err := workflow.ExecuteActivity(policy, do.HydratePage, in).Get(ctx, &page); err != nil {
			return err
		}
		w.counts.Add(page.Counts)
		left = append(slices.Clone(page.Unread), left[len(asked):]...)
		w.wanted.keep(resourceType, left)
		fresh := w.dedup([]cdc.PageResult{{Type: resourceType, Changes: page.Changes}})
		if len(fresh) == 0 {
			continue
		}
		if err := w.publishBatch(ctx, fresh); err != nil {
			return err
		}
	}
	return nil
}

// fresh are the versions that neither the ledger has nor EventBridge refused.
func (w *captureWindow) fresh(versions []cdc.Version) []cdc.Version {
	return slices.DeleteFunc(versions, func(v cdc.Version) bool { return w.ledger.Has(v) || w.refused.has(v) })
}

// skipWanted skips the wanted versions of types that cannot be read, as an operator
// asked. They are known one by one: the ledger has them as skipped.
func (w *captureWindow) skipWanted(ctx workflow.Context, types []string) {
	for _, name := range w.wanted.types() {
		retry := w.wanted.retries[name]
		if !slices.Contains(types, name) || !retry.Failing() {
			continue
		}
		versions := w.wanted.of(name)
		workflow.GetLogger(ctx).Warn("an operator skipped wanted versions that cannot be read",
			"type", name, "class", retry.Class, "versions", len(versions))
		w.skipVersions(name, versions)
		w.wanted.keep(name, nil)
	}
}

// skipFound puts what a pass has found into the ledger as skipped.
func (w *captureWindow) skipFound(ctx workflow.Context, found []cdc.Change) {
	for _, change := range found {
		w.skipVersions(change.Type, []cdc.Version{change.Version})
	}
	w.describe(ctx)
}

func (w *captureWindow) skipVersions(resourceType string, versions []cdc.Version) {
	var skipped cdc.HashSet
	for _, version := range versions {
		if !w.ledger.Has(version) {
			skipped.Add(w.ledger.Salt.Hash(version))
		}
	}
	w.counts.Skipped += skipped.Len()
	w.add(resourceType, cdc.TypeLedger{Skipped: skipped})
}

// wantedLater are the wanted versions with which the next run begins: those that
// are left, and those that EventBridge refused, whose bodies are not carried over
// and which no search would bring again.
func (w *captureWindow) wantedLater() []cdc.Version {
	refused := w.refused.all()
	next := slices.Clone(w.wanted.left)
	for _, version := range w.in.Wanted {
		if refused[version.Type].Has(w.ledger.Salt.Hash(version)) {
			next = append(next, version)
		}
	}
	return next
}
