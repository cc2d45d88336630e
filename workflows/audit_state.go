package workflows

import (
	"slices"
	"sort"
	"time"

	"healthlake-cdc/internal/cdc"
)

// forNextRun is a run's state as the next one begins with it.
func forNextRun(s cdc.AuditState) cdc.AuditState {
	s.Totals, s.Restate, s.Expired = cdc.AuditTotals{}, nil, nil
	s.Unresolved = slices.Clone(s.Unresolved)
	for i := range s.Unresolved {
		s.Unresolved[i].Tried = false
	}
	return s
}

// withoutOthers leaves the types out of the tracks that are not configured any
// more. One that comes back later begins anew, from the time at which it was
// first in the schedule.
func withoutOthers(tracks []cdc.AuditTrack, types []string) []cdc.AuditTrack {
	var kept []cdc.AuditTrack
	for _, track := range tracks {
		names := slices.DeleteFunc(slices.Clone(track.Types), func(name string) bool { return !slices.Contains(types, name) })
		if len(names) > 0 {
			kept = append(kept, cdc.AuditTrack{Types: names, Edges: track.Edges})
		}
	}
	return kept
}

// unresolvedOf leaves the same types out of the unresolved spans.
func unresolvedOf(spans []cdc.UnresolvedSpan, types []string) []cdc.UnresolvedSpan {
	var kept []cdc.UnresolvedSpan
	for _, u := range spans {
		u.Types = slices.DeleteFunc(slices.Clone(u.Types), func(t cdc.UnresolvedType) bool { return !slices.Contains(types, t.Type) })
		if len(u.Types) > 0 {
			kept = append(kept, u)
		}
	}
	return kept
}

// withoutTrack are the types that have none.
func withoutTrack(tracks []cdc.AuditTrack, types []string) []string {
	var fresh []string
	for _, name := range types {
		if trackOf(tracks, name) < 0 {
			fresh = append(fresh, name)
		}
	}
	return fresh
}

// trackOf is the index of the type's track, -1 without one.
func trackOf(tracks []cdc.AuditTrack, name string) int {
	return slices.IndexFunc(tracks, func(t cdc.AuditTrack) bool { return slices.Contains(t.Types, name) })
}

// begun gives a type a track that begins there.
func begun(tracks []cdc.AuditTrack, name string, begin time.Time) []cdc.AuditTrack {
	for i := range tracks {
		if len(tracks[i].Edges) == 1 && tracks[i].Edges[0].Equal(begin) {
			tracks[i].Types = append(slices.Clone(tracks[i].Types), name)
			return tracks
		}
	}
	return append(tracks, cdc.AuditTrack{Types: []string{name}, Edges: cdc.Edges{begin}})
}

// nextPart is the oldest span that nobody has audited: of all types that have
// come as far, up to the longest width, and no further than where others stand.
func nextPart(tracks []cdc.AuditTrack, until time.Time, width time.Duration) (cdc.AuditPart, bool) {
	var from time.Time
	for i, track := range tracks {
		if i == 0 || track.Through().Before(from) {
			from = track.Through()
		}
	}
	if len(tracks) == 0 || !from.Before(until) {
		return cdc.AuditPart{}, false
	}
	part := cdc.AuditPart{Span: cdc.Span{From: from, To: earlier(from.Add(width), until)}}
	for _, track := range tracks {
		if track.Through().Equal(from) {
			part.Types = append(part.Types, track.Types...)
		} else {
			part.Span.To = earlier(part.Span.To, track.Through())
		}
	}
	slices.Sort(part.Types)
	return part, true
}

// audited moves the tracks of the part's types to its end.
func audited(tracks []cdc.AuditTrack, part cdc.AuditPart) {
	for i := range tracks {
		if tracks[i].Through().Equal(part.Span.From) && slices.Contains(part.Types, tracks[i].Types[0]) {
			tracks[i].Edges = append(slices.Clone(tracks[i].Edges), part.Span.To)
		}
	}
}

// forget drops what is older than the edge, and joins tracks that have become the
// same. It returns what nobody has audited, or what did not settle.
func forget(s *cdc.AuditState, edge time.Time) []cdc.AuditPart {
	var passed []cdc.AuditPart
	var tracks []cdc.AuditTrack
	for _, track := range s.Tracks {
		if through := track.Through(); through.Before(edge) {
			passed = append(passed, cdc.AuditPart{Span: cdc.Span{From: through, To: edge}, Types: track.Types})
			track.Edges = cdc.Edges{edge}
		}
		first := sort.Search(len(track.Edges), func(i int) bool { return !track.Edges[i].Before(edge) })
		track.Edges = track.Edges[min(first, len(track.Edges)-1):]
		if i := slices.IndexFunc(tracks, func(t cdc.AuditTrack) bool { return slices.EqualFunc(t.Edges, track.Edges, time.Time.Equal) }); i >= 0 {
			tracks[i].Types = append(slices.Clone(tracks[i].Types), track.Types...)
			slices.Sort(tracks[i].Types)
			continue
		}
		tracks = append(tracks, track)
	}
	s.Tracks = tracks
	s.Unresolved = slices.DeleteFunc(slices.Clone(s.Unresolved), func(u cdc.UnresolvedSpan) bool {
		if !u.Span.From.Before(edge) {
			return false
		}
		part := cdc.AuditPart{Span: u.Span}
		for _, t := range u.Types {
			part.Types = append(part.Types, t.Type)
		}
		passed = append(passed, part)
		return true
	})
	s.Restate = slices.DeleteFunc(slices.Clone(s.Restate), func(p cdc.AuditPart) bool { return p.Span.From.Before(edge) })
	s.Found = slices.DeleteFunc(slices.Clone(s.Found), func(v cdc.Version) bool { return v.Time().Before(edge) })
	s.Healed = slices.DeleteFunc(slices.Clone(s.Healed), func(h cdc.HealedSpan) bool { return h.Span.From.Before(edge) })
	return passed
}

// since is from when each type is promised, as far as ledgers reach: the first
// edge of its track.
func since(tracks []cdc.AuditTrack, types []string) map[string]time.Time {
	all := make(map[string]time.Time, len(types))
	for _, name := range types {
		if i := trackOf(tracks, name); i >= 0 {
			all[name] = tracks[i].Edges[0]
		}
	}
	return all
}

// statedSpan is the span in which a version was stated.
func statedSpan(tracks []cdc.AuditTrack, v cdc.Version) (cdc.Span, bool) {
	i := trackOf(tracks, v.Type)
	if i < 0 {
		return cdc.Span{}, false
	}
	edges := tracks[i].Edges
	next := sort.Search(len(edges), func(i int) bool { return edges[i].After(v.Time()) })
	if next == 0 || next == len(edges) {
		return cdc.Span{}, false
	}
	return cdc.Span{From: edges[next-1], To: edges[next]}, true
}

// foundOf are the found versions of a part.
func foundOf(found []cdc.Version, part cdc.AuditPart) []cdc.Version {
	var own []cdc.Version
	for _, v := range found {
		if part.Span.Contains(v.Time()) && slices.Contains(part.Types, v.Type) {
			own = append(own, v)
		}
	}
	return own
}

// elsewhere keeps versions of other spans that are in no ledger, and has their
// spans stated anew. Those that are kept already have been through that.
func elsewhere(s *cdc.AuditState, versions []cdc.Version) {
	known := make(map[string]bool, len(s.Found))
	for _, v := range s.Found {
		known[foundKey(v)] = true
	}
	for _, v := range versions {
		span, ok := statedSpan(s.Tracks, v)
		if !ok || known[foundKey(v)] {
			continue
		}
		if len(s.Found) >= mostFound {
			s.FoundDropped++
			continue
		}
		known[foundKey(v)] = true
		s.Found = append(s.Found, v)
		restate(s, span, v.Type)
	}
}

func foundKey(v cdc.Version) string { return v.Type + "/" + v.ID + "/" + v.VersionID }

// restate has a span of a type stated anew.
func restate(s *cdc.AuditState, span cdc.Span, name string) {
	i := slices.IndexFunc(s.Restate, func(p cdc.AuditPart) bool { return p.Span == span })
	if i < 0 {
		s.Restate = append(s.Restate, cdc.AuditPart{Span: span, Types: []string{name}})
		return
	}
	if !slices.Contains(s.Restate[i].Types, name) {
		s.Restate[i].Types = append(slices.Clone(s.Restate[i].Types), name)
		slices.Sort(s.Restate[i].Types)
	}
}

// healedBefore is how many versions of a type earlier audits of the span healed, or
// the rounds that followed a job.
func healedBefore(s *cdc.AuditState, span cdc.Span, name string) int {
	for _, u := range s.Unresolved {
		for _, t := range u.Types {
			if u.Span == span && t.Type == name {
				return t.Healed
			}
		}
	}
	healed := 0
	for _, h := range s.Healed {
		if h.Span == span || s.Follow != nil && span.Contains(h.Span.From) {
			healed += h.Types[name]
		}
	}
	return healed
}

// keepHealed notes how many versions of a type were healed in a span.
func keepHealed(s *cdc.AuditState, span cdc.Span, name string, healed int) {
	if healed == 0 {
		return
	}
	for _, h := range s.Healed {
		if h.Span == span {
			h.Types[name] = healed
			return
		}
	}
	s.Healed = append(s.Healed, cdc.HealedSpan{Span: span, Types: map[string]int{name: healed}})
}

func earlier(a, b time.Time) time.Time {
	if b.Before(a) {
		return b
	}
	return a
}
