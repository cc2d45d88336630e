package workflows

import (
	"cmp"
	"slices"
	"time"

	"healthlake-cdc/internal/cdc"
)

// maxFound is how many versions that other spans' audits found are kept, far under
// Temporal's payload limit.
const maxFound = 4_000

// newRun makes the last run's state the beginning of this one's, without types that are
// not configured any more.
func newRun(s *cdc.AuditState, types []string) {
	s.Totals, s.Expired, s.Pending = cdc.AuditTotals{}, nil, nil
	for _, name := range sortedKeys(s.Audited) {
		if !slices.Contains(types, name) {
			delete(s.Audited, name)
		}
	}
	var unresolved []cdc.UnresolvedSpan
	for _, u := range s.Unresolved {
		u.Types = slices.DeleteFunc(u.Types, func(t cdc.UnresolvedType) bool { return !slices.Contains(types, t.Type) })
		if len(u.Types) > 0 {
			unresolved = append(unresolved, u)
			s.Pending = append(s.Pending, u.Part())
		}
	}
	s.Unresolved = unresolved
}

// startAt has the audit of types begin at a time.
func startAt(s *cdc.AuditState, begin time.Time, types ...string) {
	if s.Audited == nil {
		s.Audited = make(map[string]cdc.Span)
	}
	for _, name := range types {
		s.Audited[name] = cdc.Span{From: begin, To: begin}
	}
}

// nextNew is the oldest span that is not audited of some type, for all types that were
// audited that far: the same span as of a type that was audited further, if there is one,
// else as wide a one as it may be, up to where another type begins.
func nextNew(s *cdc.AuditState, types []string, end time.Time, width time.Duration) (part cdc.AuditPart, ok bool) {
	from := auditedThrough(s, types)
	if from.IsZero() || !from.Before(end) {
		return part, false
	}
	to := earlier(from.Add(width), end)
	for _, name := range types {
		audited := s.Audited[name]
		if audited.To.Equal(from) {
			part.Types = append(part.Types, name)
		}
		if audited.From.After(from) {
			to = earlier(to, audited.From)
		}
	}
	if isAudited(s, types, from) {
		next, _ := searchEdge(s, from.Add(1))
		to = s.Edges[next]
	}
	slices.Sort(part.Types)
	part.Span = cdc.Span{From: from, To: to}
	return part, !to.After(end) // it is, when CDC_AUDIT_AFTER has grown
}

// auditedThrough is how far the type is audited that is furthest behind: zero before any
// type begins.
func auditedThrough(s *cdc.AuditState, types []string) (through time.Time) {
	for _, name := range types {
		if span, known := s.Audited[name]; known && (through.IsZero() || span.To.Before(through)) {
			through = span.To
		}
	}
	return through
}

// isAudited reports whether some type is audited at a time.
func isAudited(s *cdc.AuditState, types []string, at time.Time) bool {
	return slices.ContainsFunc(types, func(name string) bool { return s.Audited[name].Contains(at) })
}

// searchEdge is the index of the first edge at or after t, and whether it is t.
func searchEdge(s *cdc.AuditState, t time.Time) (i int, found bool) {
	return slices.BinarySearchFunc(s.Edges, t, time.Time.Compare)
}

// advance marks a part as audited for the types of which it is the next one.
func advance(s *cdc.AuditState, part cdc.AuditPart) {
	for _, name := range part.Types {
		if span := s.Audited[name]; span.To.Equal(part.Span.From) {
			s.Audited[name] = cdc.Span{From: span.From, To: part.Span.To}
			if i, found := searchEdge(s, part.Span.To); !found {
				s.Edges = slices.Insert(s.Edges, i, part.Span.To)
			}
		}
	}
}

// expireBefore drops what is older than the edge, and returns what of it was not audited or
// resolved.
func expireBefore(s *cdc.AuditState, types []string, edge time.Time) []cdc.AuditPart {
	var expired []cdc.AuditPart
	first, _ := searchEdge(s, edge)
	s.Edges = s.Edges[first:]
	for _, name := range types {
		switch span := s.Audited[name]; {
		case span.To.Before(edge):
			expired = addPart(expired, cdc.AuditPart{Span: cdc.Span{From: span.To, To: edge}, Types: []string{name}})
			startAt(s, edge, name)
		case span.From.Before(edge): // then it ends with an edge
			s.Audited[name] = cdc.Span{From: s.Edges[0], To: span.To}
		}
	}
	s.Unresolved = slices.DeleteFunc(slices.Clone(s.Unresolved), func(u cdc.UnresolvedSpan) bool {
		old := u.Span.From.Before(edge)
		if old {
			expired = addPart(expired, u.Part())
		}
		return old
	})
	s.Pending = slices.DeleteFunc(slices.Clone(s.Pending), func(p cdc.AuditPart) bool {
		old := p.Span.From.Before(edge)
		if old {
			expired = addPart(expired, p)
		}
		return old
	})
	s.Found = slices.DeleteFunc(slices.Clone(s.Found), func(v cdc.Version) bool { return v.Time().Before(edge) })
	s.Healed = slices.DeleteFunc(slices.Clone(s.Healed), func(h cdc.HealedSpan) bool { return h.Span.From.Before(edge) })
	return expired
}

// addPart adds a part, or its types to the part of the same span.
func addPart(parts []cdc.AuditPart, part cdc.AuditPart) []cdc.AuditPart {
	i := slices.IndexFunc(parts, func(p cdc.AuditPart) bool { return p.Span == part.Span })
	if i < 0 {
		return append(parts, part)
	}
	parts[i].Types = slices.Compact(slices.Sorted(slices.Values(slices.Concat(parts[i].Types, part.Types))))
	return parts
}

// unresolvedSpan is what is unresolved of a span since earlier runs.
func unresolvedSpan(s *cdc.AuditState, span cdc.Span) cdc.UnresolvedSpan {
	for _, u := range s.Unresolved {
		if u.Span == span {
			return u
		}
	}
	return cdc.UnresolvedSpan{}
}

// setUnresolved sets which types of a part are unresolved. Other types of its span stay
// as they are.
func setUnresolved(s *cdc.AuditState, part cdc.AuditPart, types []cdc.UnresolvedType, stuck int) {
	i, found := slices.BinarySearchFunc(s.Unresolved, part.Span, func(u cdc.UnresolvedSpan, span cdc.Span) int {
		return cmp.Or(u.Span.From.Compare(span.From), u.Span.To.Compare(span.To))
	})
	if !found {
		s.Unresolved = slices.Insert(s.Unresolved, i, cdc.UnresolvedSpan{Span: part.Span})
	}
	u := &s.Unresolved[i]
	u.Types = slices.DeleteFunc(slices.Clone(u.Types), func(t cdc.UnresolvedType) bool { return slices.Contains(part.Types, t.Type) })
	if len(u.Types) > 0 {
		stuck = max(stuck, u.Stuck)
	}
	u.Types, u.Runs, u.Stuck = append(u.Types, types...), u.Runs+1, stuck
	if len(u.Types) == 0 {
		s.Unresolved = slices.Delete(s.Unresolved, i, i+1)
	}
}

// auditedSpan is the span in which a version was audited.
func auditedSpan(s *cdc.AuditState, v cdc.Version) (cdc.Span, bool) {
	audited := s.Audited[v.Type]
	if !audited.Contains(v.Time()) {
		return cdc.Span{}, false
	}
	next, _ := searchEdge(s, v.Time().Add(1))
	span := cdc.Span{From: audited.From, To: s.Edges[next]} // a type's audited time range ends with an edge
	if next > 0 {
		span.From = later(span.From, s.Edges[next-1])
	}
	return span, true
}

// foundIn are the versions that lie in a part.
func foundIn(found []cdc.Version, part cdc.AuditPart) []cdc.Version {
	var own []cdc.Version
	for _, v := range found {
		if part.Span.Contains(v.Time()) && slices.Contains(part.Types, v.Type) {
			own = append(own, v)
		}
	}
	return own
}

// addFound keeps versions of audited spans that are in no ledger, and has their spans
// audited and stated again, once.
func addFound(s *cdc.AuditState, versions []cdc.Version) {
	known := make(map[string]bool, len(s.Found))
	for _, v := range s.Found {
		known[v.IdempotencyKey("")] = true
	}
	for _, v := range versions {
		key := v.IdempotencyKey("")
		span, ok := auditedSpan(s, v)
		if !ok || known[key] {
			continue
		}
		if len(s.Found) >= maxFound {
			s.FoundDropped++
			continue
		}
		known[key] = true
		s.Found = append(s.Found, v)
		s.Pending = addPart(s.Pending, cdc.AuditPart{Span: span, Types: []string{v.Type}})
	}
}

// healedBefore is how many versions of a type were healed in the span before, by earlier
// audits or by the rounds that followed a job.
func healedBefore(s *cdc.AuditState, span cdc.Span, name string) int {
	healed := 0
	for _, h := range s.Healed {
		if h.Span == span || s.Follow != nil && span.Contains(h.Span.From) {
			healed += h.Types[name]
		}
	}
	return healed
}

// addHealed counts versions that were healed in a span.
func addHealed(s *cdc.AuditState, span cdc.Span, name string, n int) {
	if n == 0 {
		return
	}
	i := slices.IndexFunc(s.Healed, func(h cdc.HealedSpan) bool { return h.Span == span })
	if i < 0 {
		i = len(s.Healed)
		s.Healed = append(s.Healed, cdc.HealedSpan{Span: span, Types: make(map[string]int)})
	}
	s.Healed[i].Types[name] += n
}

func earlier(a, b time.Time) time.Time {
	if b.Before(a) {
		return b
	}
	return a
}
