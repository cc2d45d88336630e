package workflows

import (
	"slices"
	"time"

	"healthlake-cdc/internal/cdc"
)

const (
	// maxSlices is how many slices of a range are open at once, each with at most one
	// HydratePage and one Publish under way. A slice has nothing to do from its last page
	// until listingDelay after it began, if that is later: there are as many as, at the
	// default search rate, read for about that long, so that the rate is used meanwhile.
	maxSlices = 24
	// maxMeasured is the same for what a dry run measures, which never pauses.
	maxMeasured = 4
	// maxVersions is how many versions a range gives one slice, so that its progress is seen.
	maxVersions = 5_000
	// rateOfSlice is the rate, in versions a second, that one slice alone can keep.
	rateOfSlice = 100
	// timeOfSlice is about how long a slice takes at the range's rate; no part of fewer
	// than minVersions versions is cut.
	timeOfSlice = time.Minute
	minVersions = 500
	// maxUncounted is the longest part that one slice is given when the store does not
	// count. A slice's ledger holds some 150,000 versions, 40 a second for an hour.
	maxUncounted = time.Hour
	// maxAudited is how much of the recent part one audit is given: the range can be paused
	// between two audits.
	maxAudited = 6 * time.Hour
)

// hasRecent reports whether a range has a part whose ledgers are known.
func hasRecent(in cdc.CaptureRangeInput) bool {
	return !in.Border.IsZero() && in.Border.Before(in.Span.To)
}

// initialParts are the parts that a range begins with, the next one last: first the recent
// part of each datastore, while its ledgers are there, then the types in order.
func initialParts(in cdc.CaptureRangeInput) []*cdc.RangePart {
	var parts []*cdc.RangePart
	older := in.Span
	if hasRecent(in) {
		older.To = in.Border
		recent := cdc.Span{From: later(in.Border, in.Span.From), To: in.Span.To}
		for _, datastore := range in.Datastores {
			parts = append(parts, &cdc.RangePart{Datastore: datastore, Span: recent, Count: cdc.NotCounted})
		}
	}
	for _, datastore := range in.Datastores {
		for _, resourceType := range in.Types {
			part := &cdc.RangePart{Datastore: datastore, Type: resourceType, Span: older, Count: cdc.NotCounted}
			if len(in.IDs) > 0 {
				part.Count = len(cdc.IDsOf(in.IDs, resourceType))
			}
			named := len(in.IDs) == 0 || part.Count > 0
			if named && older.To.After(older.From) {
				parts = append(parts, part)
			}
		}
	}
	slices.Reverse(parts)
	return parts
}

// lines is how many parts are worked on side by side. The rate is divided among them.
func lines(rate float64, dryRun bool) int {
	most := maxSlices
	if dryRun {
		most = maxMeasured
	}
	if rate <= 0 {
		return most
	}
	return min(most, max(1, int(rate/rateOfSlice)))
}

// maxOfSlice is how many versions a part may have that is not cut.
func maxOfSlice(rate float64) int {
	if rate <= 0 {
		return maxVersions
	}
	return min(maxVersions, max(minVersions, int(rate*timeOfSlice.Seconds())))
}

// nextPart is the part to work on, nil while there is none: first those that were not
// counted yet, then, when everything is counted that can be, the last one. One audit of
// a range runs at a time.
func nextPart(plan *cdc.RangePlan, busy map[*cdc.RangePart]bool, now time.Time) *cdc.RangePart {
	if plan.Paused {
		return nil
	}
	// Parts that fail add to the total when they are counted.
	uncounted := func(p *cdc.RangePart) bool { return p.Count == cdc.NotCounted && !p.Retry.Failing() }
	if !slices.ContainsFunc(plan.Parts, uncounted) {
		plan.Planned = true
	}
	auditing := slices.ContainsFunc(plan.Parts, func(p *cdc.RangePart) bool { return p.Type == "" && busy[p] })
	for _, part := range slices.Backward(plan.Parts) {
		isAudit := part.Type == "" && part.Count != cdc.NotCounted
		ready := part.Count == cdc.NotCounted || plan.Planned && (!isAudit || !auditing)
		if ready && !busy[part] && !part.Retry.Due.After(now) {
			return part
		}
	}
	return nil
}

// untilNextTry is how long it takes until the first part that failed is tried again.
func untilNextTry(parts []*cdc.RangePart, now time.Time) (delay time.Duration, waits bool) {
	for _, part := range parts {
		if wait := part.Retry.Due.Sub(now); wait > 0 && (!waits || wait < delay) {
			delay, waits = wait, true
		}
	}
	return delay, waits
}

// halves are the two halves of a part, the early one, which is next, last. They are
// uncounted as it was.
func halves(part *cdc.RangePart) []*cdc.RangePart {
	early, late, _ := part.Span.Halves()
	half := func(span cdc.Span) *cdc.RangePart {
		return &cdc.RangePart{Datastore: part.Datastore, Type: part.Type, Span: span, Known: part.Known, Uncounted: part.Uncounted}
	}
	return []*cdc.RangePart{half(late), half(early)}
}

// countedHalves are the halves of a part of which the early one has n versions. The
// other has the rest, as far as nothing changes meanwhile.
func countedHalves(part *cdc.RangePart, n int) []*cdc.RangePart {
	both := halves(part)
	both[1].Count = min(n, part.Count)
	both[0].Count = part.Count - both[1].Count
	return both
}

func replacePart(plan *cdc.RangePlan, part *cdc.RangePart, others ...*cdc.RangePart) {
	i := slices.Index(plan.Parts, part)
	plan.Parts = slices.Concat(plan.Parts[:i], others, plan.Parts[i+1:])
}

// finishPart removes a part from the plan. For one that was not counted, the versions
// that were published are its count.
func finishPart(plan *cdc.RangePlan, part *cdc.RangePart, published int) {
	if part.Uncounted {
		part.Count = published + part.Known.Len()
		plan.Total += part.Count
	}
	plan.Done += part.Count
	replacePart(plan, part)
}

// recount corrects how many versions a part has.
func recount(plan *cdc.RangePlan, part *cdc.RangePart, n int) {
	plan.Total += n - max(0, part.Count)
	part.Count, part.Retry = n, cdc.Retry{}
}

// addAudit adds the figures of an audit of the first piece of a part. The rest of the
// part is still to be audited.
func addAudit(plan *cdc.RangePlan, part *cdc.RangePart, piece cdc.Span, totals cdc.AuditTotals, dryRun bool) {
	plan.Counts.Searches += totals.Counts.Searches
	plan.Counts.Reads += totals.Counts.Reads
	if dryRun {
		plan.Counts.Published += totals.Missing
		plan.Counts.References += totals.MissingReferences
		plan.Counts.Bytes += totals.MissingBytes
	} else {
		plan.Counts.Published += totals.Healed
		plan.Missing += totals.Missing
		plan.Unknown += totals.Unknown
	}
	if !part.Span.To.After(piece.To) {
		finishPart(plan, part, 0)
		return
	}
	rest := &cdc.RangePart{
		Datastore: part.Datastore, Span: cdc.Span{From: piece.To, To: part.Span.To}, Count: max(0, part.Count-totals.InStore),
	}
	plan.Done += part.Count - rest.Count
	replacePart(plan, part, rest)
}

// sliceActions is about how many billed actions a slice takes: its start, a Publish for
// each of its reads, and where nothing is named a timer and the listing.
func sliceActions(reads, versions int, listing bool) int {
	actions := 1 + 2*reads
	if listing {
		actions += 2 + versions/(cdc.MaxPages*cdc.PageSize)
	}
	return actions
}
