package workflows

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"go.temporal.io/sdk/workflow"

	"healthlake-cdc/internal/cdc"
)

// wantedAtOnce is how many versions one HydratePage reads, within an attempt's time.
const wantedAtOnce = 500

// wantedVersions are versions of one type that search does not show, to be read from
// history. A type of which they cannot be read holds up no other.
type wantedVersions struct {
	name     string
	versions []cdc.Version
	// retry is when they are read, and since when they cannot be.
	retry cdc.Retry
}

// newWanted groups a window's wanted versions by type, in alphabetical order.
func newWanted(in cdc.CaptureWindowInput, now time.Time) []*wantedVersions {
	var all []*wantedVersions
	for _, version := range in.Wanted {
		if !in.Window.Contains(version.Time()) {
			continue
		}
		i := slices.IndexFunc(all, func(w *wantedVersions) bool { return w.name == version.Type })
		if i < 0 {
			i = len(all)
			all = append(all, &wantedVersions{name: version.Type, retry: cdc.Retry{Due: now}})
		}
		all[i].versions = append(all[i].versions, version)
	}
	slices.SortFunc(all, func(a, b *wantedVersions) int { return strings.Compare(a.name, b.name) })
	for _, wanted := range all {
		if in.Resume != nil && in.Resume.Wanted[wanted.name].Failing() {
			wanted.retry = in.Resume.Wanted[wanted.name]
		}
	}
	return all
}

// captureWanted reads and publishes the wanted versions that are due.
func (w *captureWindow) captureWanted(ctx workflow.Context) error {
	for _, wanted := range w.wanted {
		if wanted.retry.Due.After(workflow.Now(ctx)) {
			continue
		}
		if err := w.captureWantedOf(ctx, wanted); err != nil {
			class, retryAfter, ok := failed(ctx, err)
			if !ok {
				return err
			}
			wanted.retry.Failed(workflow.Now(ctx), class, retryAfter)
		}
		if w.mayContinueAsNew(ctx) {
			break // the next run goes on with the others
		}
	}
	w.dropCapturedWanted()
	return nil
}

func (w *captureWindow) captureWantedOf(ctx workflow.Context, wanted *wantedVersions) error {
	wanted.versions = slices.DeleteFunc(wanted.versions, w.knows)
	if w.in.Skip {
		w.skipVersions(wanted.name, wanted.versions)
		wanted.versions = nil
	}
	for len(wanted.versions) > 0 && !w.mayContinueAsNew(ctx) {
		want := wanted.versions[:min(len(wanted.versions), wantedAtOnce)]
		in := cdc.HydratePageInput{Origin: w.origin, Type: wanted.name, Span: w.in.Window.Span(), Want: want}
		var page cdc.HydratePageResult
		policy := wantedPolicy(ctx, w.origin.Datastore, w.origin.Bulk, fmt.Sprintf("%d wanted versions of %s", len(want), wanted.name))
		if err := workflow.ExecuteActivity(policy, do.HydratePage, in).Get(ctx, &page); err != nil {
			return err
		}
		w.counts.Add(page.Counts)
		wanted.versions = slices.Concat(page.Unread, wanted.versions[len(want):])
		if err := w.publishBatch(ctx, w.dedup([]cdc.PageResult{{Changes: page.Changes}})); err != nil {
			return err
		}
	}
	return nil
}

func (w *captureWindow) dropCapturedWanted() {
	w.wanted = slices.DeleteFunc(w.wanted, func(wanted *wantedVersions) bool { return len(wanted.versions) == 0 })
}

// skipWanted skips the wanted versions of types that cannot be read, as an operator asked.
func (w *captureWindow) skipWanted(ctx workflow.Context, types []string) {
	for _, wanted := range w.wanted {
		if !slices.Contains(types, wanted.name) || !wanted.retry.Failing() {
			continue
		}
		workflow.GetLogger(ctx).Warn("an operator skipped wanted versions that cannot be read",
			"type", wanted.name, "class", wanted.retry.Class, "versions", len(wanted.versions))
		w.skipVersions(wanted.name, wanted.versions)
		wanted.versions = nil
	}
	w.dropCapturedWanted()
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

// carryWanted are the wanted versions with which the next run begins: those that are
// still to be read, and those that EventBridge rejected, whose bodies are not carried
// over and which no search would bring again.
func (w *captureWindow) carryWanted() (versions []cdc.Version, retries map[string]cdc.Retry) {
	retries = make(map[string]cdc.Retry)
	for _, wanted := range w.wanted {
		versions = append(versions, wanted.versions...)
		retries[wanted.name] = wanted.retry
	}
	rejected := w.rejected.all()
	for _, version := range w.in.Wanted {
		if rejected[version.Type].Has(w.ledger.Salt.Hash(version)) {
			versions = append(versions, version)
		}
	}
	return versions, retries
}
