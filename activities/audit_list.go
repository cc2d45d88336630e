package activities

import (
	"context"
	"time"

	"healthlake-cdc/internal/cdc"
)

const (
	// longListing is how many versions one listing holds before it is cut in two by
	// time: short ones are soon over, and the store refuses few of their tokens.
	longListing = 5_000
	// largestListing is how many versions of a type an audit of several windows
	// takes in: beyond it the span is to be split.
	largestListing = 200_000
	// mostListings is how often a listing is repeated that came out shorter than
	// the store had counted, or whose page token was refused.
	mostListings = 3
)

// storedVersion is one version that the store has in an audited span.
type storedVersion struct {
	cdc.Version
	// hidden tells that history shows it and search does not.
	hidden bool
	// bytes of the body that a rerun would publish, or that it would go as a
	// reference; when the audit measures.
	bytes     int64
	reference bool
}

// listing lists a type's versions in a span.
//
// It does not ask the store to sort: older stores refuse to (_sort by a date).
// While pages are read, what somebody updates leaves the span, and on a store that
// pages by position the others move up, so that one is passed over unseen. The
// store's own count tells: a listing that came out shorter is made again, and what
// any of them showed was in the store when the audit looked.
type listing struct {
	a        *Activities
	in       cdc.AuditSpanInput
	name     string
	beat     func()
	most     int
	searches int
	// set holds what lies in the span; list has it in order of its coming.
	set  map[cdc.Key]bool
	list []storedVersion
	// split tells that there is more than one listing of several windows may hold.
	split bool
}

// read lists the span, in parts where it holds many versions.
func (l *listing) read(ctx context.Context, span cdc.Span) error {
	for try := 1; ; try++ {
		seen, total, err := l.pages(ctx, span)
		switch {
		case l.split || err == nil && (total < 0 || seen >= total || try == mostListings):
			return err
		case err == nil:
			// once more, for what was passed over
		case cdc.ClassOf(err) != cdc.ClassPageToken || try == mostListings || !pause(ctx, try, 0):
			return err
		}
	}
}

// pages reads a span's pages to the end. It tells how many versions they showed,
// the margin's included, and how many the store had counted, -1 where it did not.
func (l *listing) pages(ctx context.Context, span cdc.Span) (seen, total int, err error) {
	distinct := make(map[cdc.Key]struct{})
	invalid := 0
	total = -1
	for next := ""; ; {
		page, err := l.page(ctx, span, next)
		if err != nil {
			return 0, 0, err
		}
		if next == "" {
			total = page.Total
		}
		for _, resource := range page.Resources {
			distinct[resource.Key()] = struct{}{}
			l.take(resource, false)
		}
		invalid += page.Invalid
		if l.tooMany(max(total, len(l.list))) {
			l.split = true
			return 0, 0, nil
		}
		if next == "" && page.Next != "" && total > longListing {
			if early, late, ok := span.Halves(); ok {
				if err := l.read(ctx, early); err != nil || l.split {
					return 0, 0, err
				}
				return 0, -1, l.read(ctx, late)
			}
		}
		if next = page.Next; next == "" {
			return len(distinct) + invalid, total, nil
		}
	}
}

// page reads one page, and repeats at once what often passes. It waits for its
// tokens however long: bulk work stands in line.
func (l *listing) page(ctx context.Context, span cdc.Span, next string) (cdc.Page, error) {
	for try := 1; ; try++ {
		if err := l.token(ctx); err != nil {
			return cdc.Page{}, err
		}
		l.searches++
		// Ids and meta are enough, unless bodies are to be measured.
		page, err := l.a.searchOnce(ctx, l.in.Datastore, l.name, span, next, !l.in.Measure)
		l.beat()
		if page.Invalid > 0 {
			l.a.Observer.Invalid(l.in.Datastore, l.name, page.Invalid)
		}
		if err == nil || try > quickRetries || !quicklyRetryable(err) || !pause(ctx, try, retryAfter(err)) {
			return page, err
		}
	}
}

// token waits for one, which at a low rate and with others in line may be longer
// than the heartbeat timeout.
func (l *listing) token(ctx context.Context) error {
	taken := make(chan error, 1)
	go func() { taken <- l.a.Limits.waitBulk(ctx, l.in.Datastore) }()
	tick := time.NewTicker(auditBeat)
	defer tick.Stop()
	for {
		select {
		case err := <-taken: // also when ctx ends
			return err
		case <-tick.C:
			l.beat()
		}
	}
}

// tooMany tells whether so many versions are more than the span's listing may hold.
// A single window is listed whatever it holds.
func (l *listing) tooMany(versions int) bool {
	return versions > l.most && l.in.Span.To.Sub(l.in.Span.From) > cdc.WindowWidth
}

// take takes a version in that lies in the span.
func (l *listing) take(resource cdc.Resource, hidden bool) {
	key := resource.Key()
	if l.set[key] || !l.in.Span.Contains(resource.Time()) {
		return
	}
	v := storedVersion{Version: resource.Version, hidden: hidden}
	if l.in.Measure {
		v.bytes, v.reference = l.measure(resource)
	}
	l.set[key] = true
	l.list = append(l.list, v)
}

// measure is what the version would take on the bus, published by a backfill.
func (l *listing) measure(resource cdc.Resource) (bytes int64, reference bool) {
	window := cdc.WindowAt(l.in.Datastore, resource.Time())
	change := l.a.change(cdc.Origin{
		Datastore: l.in.Datastore, SourceTime: time.Now(), CapturedBy: cdc.ByBackfill, CorrelationID: window.RerunID(1),
	}, resource)
	return int64(len(change.Body)), change.Reason != ""
}
