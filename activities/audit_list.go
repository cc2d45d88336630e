package activities

import (
	"context"
	"crypto/sha256"
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
	// unreadable is how many entries are no readable version and lie, or may lie, in the
	// span; strange are their digests.
	unreadable int
	strange    map[[sha256.Size]byte]bool
	// incomplete is set when the store counted more than was listed, the last time it
	// was tried, or when its pages went round.
	incomplete bool
	// reads is how many bodies were read one by one, to be measured.
	reads int
	// split tells that there is more than one listing of several windows may hold.
	split bool
}

// read lists the span, in parts where it holds many versions.
func (l *listing) read(ctx context.Context, span cdc.Span) error {
	for try := 1; ; try++ {
		whole, err := l.pages(ctx, span)
		switch {
		case l.split || err == nil && whole:
			return err
		case err == nil && try == mostListings:
			l.incomplete = true
			l.a.Logger.Warn("an audit's listing stays shorter than what the store counts, or its pages go round",
				"datastore", l.in.Datastore, "type", l.name, "from", span.From, "to", span.To)
			return nil
		case err == nil:
			// once more, for what was passed over
		case cdc.ClassOf(err) != cdc.ClassPageToken || try == mostListings || !pause(ctx, try, 0):
			return err
		}
	}
}

// pages reads a span's pages to the end. whole is whether they showed, the margin's
// included, as much as the store had counted; where it did not count, whether they
// came to an end.
func (l *listing) pages(ctx context.Context, span cdc.Span) (whole bool, err error) {
	shown := make(map[cdc.Key]struct{})
	strange := make(map[[sha256.Size]byte]struct{})
	total := -1
	var trail cdc.PageTrail
	for next := ""; ; {
		page, err := l.page(ctx, span, next)
		if err != nil {
			return false, err
		}
		total = max(total, page.Total)
		for _, resource := range page.Resources {
			shown[resource.Key()] = struct{}{}
		}
		for _, entry := range page.Unreadable {
			strange[entry.Digest] = struct{}{}
		}
		if err := l.takePage(ctx, page); err != nil {
			return false, err
		}
		if l.tooMany(max(total, len(l.list))) {
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
		round := trail.Add(cdc.Salt{}, page.Content(cdc.Salt{}), page.Next)
		if next = page.Next; next != "" && !round {
			continue
		}
		if round {
			l.a.noteRound(ctx, l.in.Datastore, l.name)
		}
		if total < 0 {
			return !round, nil
		}
		return len(shown)+len(strange) >= total, nil
	}
}

// takePage takes in what a page holds of the span.
func (l *listing) takePage(ctx context.Context, page cdc.Page) error {
	l.takeStrange(page.Unreadable)
	measured, err := l.measured(ctx, page)
	if err != nil {
		return err
	}
	for i, resource := range page.Resources {
		v := storedVersion{Version: resource.Version}
		if l.in.Measure {
			v = measured[i]
		}
		l.take(v)
	}
	return nil
}

func (l *listing) takeStrange(entries []cdc.Unreadable) {
	for _, entry := range entries {
		if entry.In(l.in.Span) {
			if l.strange == nil {
				l.strange = make(map[[sha256.Size]byte]bool)
			}
			l.strange[entry.Digest] = true
		}
	}
	l.unreadable = len(l.strange)
}

// page reads one page, and repeats at once what often passes. It waits for its
// tokens however long: bulk work stands in line.
func (l *listing) page(ctx context.Context, span cdc.Span, next string) (cdc.Page, error) {
	return quickly(ctx, func() (cdc.Page, error) {
		if err := l.token(ctx); err != nil {
			return cdc.Page{}, err
		}
		l.searches++
		// Ids and meta are enough, unless bodies are to be measured.
		page, err := l.a.searchOnce(ctx, l.in.Datastore, l.name, span, next, !l.in.Measure)
		l.beat()
		return page, err
	})
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
func (l *listing) take(v storedVersion) {
	key := v.Key()
	if l.set[key] || !l.in.Span.Contains(v.Time()) {
		return
	}
	l.set[key] = true
	l.list = append(l.list, v)
}

// measured is what each version of a page would take on the bus, published by a
// backfill. A page that has no bodies, because it was too large, has them read one by
// one.
func (l *listing) measured(ctx context.Context, page cdc.Page) ([]storedVersion, error) {
	if !l.in.Measure {
		return nil, nil
	}
	versions := make([]storedVersion, len(page.Resources))
	for i, resource := range page.Resources {
		versions[i].Version = resource.Version
		if l.set[resource.Key()] || !l.in.Span.Contains(resource.Time()) {
			continue
		}
		origin := l.originOf(resource.Version)
		change := l.a.change(origin, resource)
		if page.IDsOnly && !l.a.References {
			var found bool
			var reads int
			var err error
			change, found, reads, err = l.a.bodyOf(ctx, origin, l.in.Span, resource.Version)
			l.reads += reads
			l.beat()
			if err != nil {
				return nil, err
			}
			if !found {
				continue // nothing would be published
			}
		}
		versions[i].weigh(change)
	}
	return versions, nil
}

// originOf is what a backfill that published the version would say of it.
func (l *listing) originOf(v cdc.Version) cdc.Origin {
	return cdc.Origin{
		Datastore: l.in.Datastore, Cause: cdc.Cause{SourceTime: time.Now(), CapturedBy: cdc.ByBackfill},
		CorrelationID: cdc.WindowAt(l.in.Datastore, v.Time()).RerunID(1),
	}
}

func (v *storedVersion) weigh(change cdc.Change) {
	v.bytes, v.reference = int64(len(change.Body)), change.Reason != ""
}
