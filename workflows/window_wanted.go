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

// newWanted groups a window's wanted versions by type, in alphabetical order. A type of which they cannot be read
// from history holds up no other.
func newWanted(in cdc.CaptureWindowInput, now time.Time) []*windowType {
	var all []*windowType
	for _, version := range in.Wanted {
		if !in.Window.Contains(version.Time()) {
			continue
		}
		i := slices.IndexFunc(all, func(t *windowType) bool { return t.Type == version.Type })
		if i < 0 {
			i = len(all)
			t := &windowType{TypeState: cdc.TypeState{Type: version.Type, Due: now}}
			if in.Resume != nil && in.Resume.Wanted[t.Type].Failing() {
				t.Retry = in.Resume.Wanted[t.Type]
				t.Due = t.Retry.Due
			}
			all = append(all, t)
		}
		all[i].versions = append(all[i].versions, version)
	}
	slices.SortFunc(all, func(a, b *windowType) int { return strings.Compare(a.Type, b.Type) })
	return all
}

// captureWanted reads and publishes the wanted versions that are due.
func (w *captureWindow) captureWanted(ctx workflow.Context) error {
	for _, t := range w.wanted {
		if len(t.versions) == 0 || t.Due.After(workflow.Now(ctx)) {
			continue
		}
		if err := w.captureWantedOf(ctx, t); err != nil {
			if err := retryLater(ctx, &t.Retry, err); err != nil {
				return err
			}
			t.Due = t.Retry.Due
		}
		if w.mayContinueAsNew(ctx) {
			break // the next run goes on with the others
		}
	}
	return nil
}

func (w *captureWindow) captureWantedOf(ctx workflow.Context, t *windowType) error {
	t.versions = slices.DeleteFunc(t.versions, w.knows)
	if w.in.Skip {
		w.skipVersions(t.Type, t.versions)
		t.versions = nil
	}
	for len(t.versions) > 0 && !w.mayContinueAsNew(ctx) {
		want := t.versions[:min(len(t.versions), wantedAtOnce)]
		in := cdc.HydratePageInput{Origin: w.origin, Type: t.Type, Span: w.in.Window.Span(), Want: want}
		var page cdc.HydratePageResult
		policy := wantedPolicy(ctx, w.origin.Datastore, w.origin.Bulk, fmt.Sprintf("%d wanted versions of %s", len(want), t.Type))
		if err := workflow.ExecuteActivity(policy, do.HydratePage, in).Get(ctx, &page); err != nil {
			return err
		}
		w.counts.Add(page.Counts)
		t.versions = slices.Concat(page.Unread, t.versions[len(want):])
		if err := w.publishBatch(ctx, w.dedup([]cdc.PageResult{{Changes: page.Changes}})); err != nil {
			return err
		}
		if err := w.awaitPublish(ctx); err != nil {
			return err
		}
	}
	return nil
}

// skipVersions puts versions into the ledger as skipped, unless it has them.
func (w *captureWindow) skipVersions(resourceType string, versions []cdc.Version) {
	var skipped cdc.HashSet
	for _, version := range versions {
		if !w.ledger.Has(version) {
			skipped.Add(w.ledger.Salt.Hash(version))
		}
	}
	w.counts.Skipped += skipped.Len()
	w.addToLedger(resourceType, cdc.TypeLedger{Skipped: skipped})
}

// carryWanted are the wanted versions with which the next run begins: those that are
// still to be read, and those that EventBridge rejected, whose bodies are not carried
// over and which no search would bring again.
func (w *captureWindow) carryWanted() (versions []cdc.Version, retries map[string]cdc.Retry) {
	retries = make(map[string]cdc.Retry)
	for _, t := range w.wanted {
		if len(t.versions) > 0 {
			versions = append(versions, t.versions...)
			retries[t.Type] = t.Retry
		}
	}
	rejected := w.rejected.all()
	for _, version := range w.in.Wanted {
		if rejected[version.Type].Has(w.ledger.Salt.Hash(version)) {
			versions = append(versions, version)
		}
	}
	return versions, retries
}
