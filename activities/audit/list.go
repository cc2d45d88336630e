package audit

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"healthlake-cdc/activities"
	"healthlake-cdc/internal/cdc"
)

const (
	// longListing is how many versions one listing holds before it is cut in two by
	// time: in a short one the store rejects few page tokens.
	longListing = 5_000
	// maxListing is how many versions of a type an audit of several windows holds:
	// beyond it the span is to be split.
	maxListing = 200_000
	// maxTries is how often something is listed that came out shorter than counted, or
	// whose page token was rejected.
	maxTries = 3
)

// storedVersion is one version that the store has in an audited span.
type storedVersion struct {
	cdc.Version
	// hidden is set when history shows it and search does not.
	hidden bool
	// bytes of the body that a rerun would publish, or that it would go as a
	// reference; when the audit measures.
	bytes     int64
	reference bool
}

// listing lists a type's versions in a span.
//
// It has nothing sorted: for older stores _sort by a date is an error. While
// pages are read, what somebody updates leaves the span, and on a store that pages by
// position the others move up, so that one is passed over. The store's own count shows
// that: a listing that came out shorter is made again.
type listing struct {
	*spanAudit
	name     string
	searches int
	reads    atomic.Int64

	// versions lie in the span; seen has their keys.
	versions []storedVersion
	seen     map[cdc.Key]bool
	// unreadable entries lie, or may lie, in the span.
	unreadable map[cdc.Digest]bool
	// incomplete is set when the store counted more than was listed, the last time it
	// was tried, or when its pages looped.
	incomplete bool

	// mu guards what histories, which are read side by side, add to.
	mu sync.Mutex
	// since is the beginning of what is of interest, and earlier are versions that
	// histories show in [since, the span's beginning).
	since       time.Time
	earlier     []cdc.Version
	earlierSeen map[cdc.Key]bool
	// noHistory is of how many resources the history could not be read to its end.
	noHistory atomic.Int64
}

func (s *spanAudit) newListing(name string) *listing {
	l := &listing{
		spanAudit: s, name: name, seen: make(map[cdc.Key]bool), since: s.in.Span.From,
		unreadable: make(map[cdc.Digest]bool), earlierSeen: make(map[cdc.Key]bool),
	}
	if since, ok := s.in.Since[name]; ok && since.Before(l.since) {
		l.since = since
	}
	return l
}

// read lists the span, in parts where it holds many versions.
func (l *listing) read(ctx context.Context, span cdc.Span) error {
	for try := 1; ; try++ {
		whole, err := l.readPages(ctx, span)
		switch {
		case l.split || err == nil && whole:
			return err
		case err == nil && try == maxTries:
			l.incomplete = true
			l.Logger.Warn("an audit's listing stays shorter than what the store counts, or its pages go round",
				"datastore", l.in.Datastore, "type", l.name, "from", span.From, "to", span.To)
			return nil
		case err == nil:
			// once more, for what was passed over
		case cdc.ClassOf(err) != cdc.ClassPageTokenRejected || try == maxTries || !activities.Pause(ctx, try, 0):
			return err
		}
	}
}

// readPages reads a span's pages to the end. whole is set when they showed as much as the
// store had counted, or, where it did not count, came to an end.
func (l *listing) readPages(ctx context.Context, span cdc.Span) (whole bool, err error) {
	shown, unreadable := make(map[cdc.Key]bool), make(map[cdc.Digest]bool)
	total := -1
	var trail cdc.PageTrail
	for next := ""; ; {
		page, err := l.page(ctx, span, next)
		if err != nil {
			return false, err
		}
		total = max(total, page.Total)
		for _, resource := range page.Resources {
			shown[resource.Key()] = true
		}
		for _, entry := range page.Unreadable {
			unreadable[entry.Digest] = true
		}
		if err := l.addPage(ctx, page); err != nil {
			return false, err
		}
		// A single window is listed whatever it holds.
		if max(total, len(l.versions)) > maxListing && l.severalWindows() {
			l.split = true
			return false, nil
		}
		if next == "" && page.Next != "" && total > longListing {
			if early, late, ok := span.Halves(); ok {
				if err := l.read(ctx, early); err != nil || l.split {
					return false, err
				}
				return true, l.read(ctx, late)
			}
		}
		loops := trail.Add(cdc.Salt{}, page.Content(cdc.Salt{}), page.Next)
		if next = page.Next; next != "" && !loops {
			continue
		}
		if loops {
			l.Reader.CountPageLoop(ctx, l.in.Datastore, l.name)
		}
		if total < 0 {
			return !loops, nil
		}
		return len(shown)+len(unreadable) >= total, nil
	}
}

func (l *listing) page(ctx context.Context, span cdc.Span, next string) (cdc.Page, error) {
	page, searches, err := l.Reader.Search(ctx, cdc.SearchRequest{
		Datastore: l.in.Datastore, Type: l.name, Span: span, Next: next, IDsOnly: !l.in.Measure,
	}, activities.Audits, func() { l.heartbeat.record(ctx) })
	l.searches += searches
	l.heartbeat.record(ctx)
	return page, err
}

// addPage adds what a page shows of the span.
func (l *listing) addPage(ctx context.Context, page cdc.Page) error {
	l.addUnreadable(page.Unreadable)
	for _, resource := range page.Resources {
		if l.seen[resource.Key()] || !l.in.Span.Contains(resource.Time()) {
			continue
		}
		v := storedVersion{Version: resource.Version}
		if l.in.Measure {
			if err := l.measure(ctx, &v, resource, page.IDsOnly); err != nil {
				return err
			}
		}
		l.add(v)
	}
	return nil
}

func (l *listing) addUnreadable(entries []cdc.Unreadable) {
	for _, entry := range entries {
		if entry.In(l.in.Span) {
			l.unreadable[entry.Digest] = true
		}
	}
}

func (l *listing) add(v storedVersion) {
	if key := v.Key(); !l.seen[key] {
		l.seen[key] = true
		l.versions = append(l.versions, v)
	}
}

// measure weighs a version. On a page without bodies, because it was too large, they are
// read.
func (l *listing) measure(ctx context.Context, v *storedVersion, resource cdc.Resource, noBody bool) error {
	if !noBody {
		v.weigh(l.Reader.Change(l.origin(resource.Version), resource))
		return nil
	}
	change, found, reads, err := l.Reader.Body(ctx, l.origin(resource.Version), l.in.Span, resource.Version)
	l.reads.Add(int64(reads))
	l.heartbeat.record(ctx)
	if err == nil && found { // else nothing would be published
		v.weigh(change)
	}
	return err
}

// origin is what a backfill that published the version would say of it.
func (l *listing) origin(v cdc.Version) cdc.Origin {
	return cdc.Origin{
		Datastore: l.in.Datastore, Cause: cdc.Cause{SourceTime: time.Now(), CapturedBy: cdc.ByBackfill},
		CorrelationID: cdc.WindowAt(l.in.Datastore, v.Time()).RerunID(1),
	}
}

// weigh sets what a version would take on the bus.
func (v *storedVersion) weigh(change cdc.Change) {
	v.bytes, v.reference = int64(change.Body.Len()), change.Reason != ""
}
