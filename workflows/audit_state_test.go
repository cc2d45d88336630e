package workflows

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"healthlake-cdc/internal/cdc"
)

var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// at is the n-th window's edge after noon.
func at(n int) time.Time { return noon.Add(time.Duration(n) * cdc.WindowWidth) }

func span(from, to int) cdc.Span { return cdc.Span{From: at(from), To: at(to)} }

// Types that begin at any time, and fall behind the horizon at times, are audited in
// spans that lie end to end, each time once; types that are audited at the same time have
// the same span, but for where one begins.
func TestAuditedSpansLieEndToEnd(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var s cdc.AuditState
		var types []string
		audited := make(map[string][]cdc.Span)
		for end := 0; end < 1_500; {
			end += rapid.IntRange(-20, 200).Draw(t, "end")
			if rapid.Bool().Draw(t, "a type is added") {
				name := fmt.Sprintf("T%d", len(types))
				types = append(types, name)
				startAt(&s, at(rapid.IntRange(-100, max(0, end)).Draw(t, "begin")), name)
			}
			if rapid.IntRange(0, 3).Draw(t, "expires") == 0 {
				expireBefore(&s, types, at(end-rapid.IntRange(100, 300).Draw(t, "horizon")))
				for _, name := range types {
					audited[name] = slices.DeleteFunc(audited[name], func(one cdc.Span) bool { return one.From.Before(s.Audited[name].From) })
				}
			}
			for {
				width := time.Duration(rapid.IntRange(5, 360).Draw(t, "width")) * cdc.WindowWidth
				part, ok := nextNew(&s, types, at(end), width)
				if !ok {
					break
				}
				require.True(t, part.Span.To.After(part.Span.From))
				require.False(t, part.Span.To.After(at(end)))
				require.NotEmpty(t, part.Types)
				for _, name := range part.Types {
					audited[name] = append(audited[name], part.Span)
				}
				advance(&s, part)
			}
		}
		for _, name := range types {
			for i, one := range audited[name] {
				if i > 0 {
					require.Equal(t, audited[name][i-1].To, one.From)
				}
				found, ok := auditedSpan(&s, version(name, one.From))
				require.True(t, ok)
				require.Equal(t, one, found, "where a version is found later")
				for _, other := range types {
					for _, two := range audited[other] {
						if two.Contains(one.From) {
							require.Equal(t, two.To, one.To, "of %s and %s", name, other)
						}
					}
				}
			}
		}
	})
}

func version(resourceType string, at time.Time) cdc.Version {
	return cdc.Version{Type: resourceType, ID: fmt.Sprint("p", at.Unix()), VersionID: "1", LastUpdated: at.Format(time.RFC3339Nano)}
}

// What is older than the horizon is dropped; what of it was not audited or not resolved
// is returned, once.
func TestExpire(t *testing.T) {
	s := cdc.AuditState{
		Audited: map[string]cdc.Span{"Late": span(0, 10), "Patient": span(0, 40), "Young": span(30, 40)},
		Edges:   []time.Time{at(10), at(25), at(40)},
		Unresolved: []cdc.UnresolvedSpan{
			{Span: span(0, 10), Types: []cdc.UnresolvedType{{Type: "Patient"}}},
			{Span: span(25, 40), Types: []cdc.UnresolvedType{{Type: "Patient"}}},
		},
		Pending: []cdc.AuditPart{
			{Span: span(0, 10), Types: []string{"Patient"}}, {Span: span(10, 25), Types: []string{"Patient"}},
			{Span: span(25, 40), Types: []string{"Patient"}},
		},
		Found:  []cdc.Version{version("Patient", at(5)), version("Patient", at(30))},
		Healed: []cdc.HealedSpan{{Span: span(0, 10)}, {Span: span(25, 40)}},
	}
	types := []string{"Late", "Patient", "Young"}
	require.Equal(t, []cdc.AuditPart{
		{Span: span(10, 20), Types: []string{"Late"}},
		{Span: span(0, 10), Types: []string{"Patient"}},
		{Span: span(10, 25), Types: []string{"Patient"}},
	}, expireBefore(&s, types, at(20)))
	require.Equal(t, map[string]cdc.Span{"Late": span(20, 20), "Patient": span(25, 40), "Young": span(30, 40)}, s.Audited)
	require.Equal(t, []time.Time{at(25), at(40)}, s.Edges)
	require.Equal(t, span(25, 40), s.Unresolved[0].Span)
	require.Equal(t, []cdc.AuditPart{{Span: span(25, 40), Types: []string{"Patient"}}}, s.Pending)
	require.Equal(t, []cdc.Version{version("Patient", at(30))}, s.Found)
	require.Len(t, s.Healed, 1)
	require.Empty(t, expireBefore(&s, types, at(20)))

	part, ok := nextNew(&s, types, at(60), time.Hour)
	require.True(t, ok)
	require.Equal(t, cdc.AuditPart{Span: span(20, 25), Types: []string{"Late"}}, part)
	_, ok = auditedSpan(&s, version("Patient", at(22)))
	require.False(t, ok, "the beginning of its span is not known any more")
}

// A run begins with what the last one left unresolved, of the types that are configured.
func TestNewRun(t *testing.T) {
	s := cdc.AuditState{
		Audited: map[string]cdc.Span{"Gone": span(0, 10), "Patient": span(0, 10)},
		Unresolved: []cdc.UnresolvedSpan{
			{Span: span(0, 5), Types: []cdc.UnresolvedType{{Type: "Gone"}}},
			{Span: span(5, 10), Types: []cdc.UnresolvedType{{Type: "Gone"}, {Type: "Patient"}}, Runs: 3},
		},
		Expired: []cdc.AuditPart{{Span: span(-5, 0)}},
		Totals:  cdc.AuditTotals{Spans: 7},
	}
	newRun(&s, []string{"Patient"})
	require.Equal(t, cdc.AuditState{
		Audited:    map[string]cdc.Span{"Patient": span(0, 10)},
		Unresolved: []cdc.UnresolvedSpan{{Span: span(5, 10), Types: []cdc.UnresolvedType{{Type: "Patient"}}, Runs: 3}},
		Pending:    []cdc.AuditPart{{Span: span(5, 10), Types: []string{"Patient"}}},
	}, s)
}

// What is unresolved of a span goes by types: those that were not audited this time
// stay as they are.
func TestSetUnresolved(t *testing.T) {
	var s cdc.AuditState
	one := func(name string, missing int) cdc.UnresolvedType {
		return cdc.UnresolvedType{Type: name, Missing: missing}
	}
	setUnresolved(&s, cdc.AuditPart{Span: span(10, 20), Types: []string{"Claim", "Patient"}}, []cdc.UnresolvedType{one("Claim", 1), one("Patient", 2)}, 2)
	setUnresolved(&s, cdc.AuditPart{Span: span(0, 10), Types: []string{"Patient"}}, []cdc.UnresolvedType{one("Patient", 3)}, 0)
	setUnresolved(&s, cdc.AuditPart{Span: span(10, 20), Types: []string{"Patient"}}, []cdc.UnresolvedType{one("Patient", 1)}, 0)
	setUnresolved(&s, cdc.AuditPart{Span: span(20, 30), Types: []string{"Patient"}}, nil, 0)
	require.Equal(t, []cdc.UnresolvedSpan{
		{Span: span(0, 10), Types: []cdc.UnresolvedType{one("Patient", 3)}, Runs: 1},
		{Span: span(10, 20), Types: []cdc.UnresolvedType{one("Claim", 1), one("Patient", 1)}, Runs: 2, Stuck: 2},
	}, s.Unresolved)
	setUnresolved(&s, cdc.AuditPart{Span: span(10, 20), Types: []string{"Claim", "Patient"}}, nil, 0)
	require.Equal(t, span(0, 10), s.Unresolved[0].Span)
	require.Len(t, s.Unresolved, 1)
	require.Equal(t, 1, unresolvedSpan(&s, span(0, 10)).Runs)
	require.Zero(t, unresolvedSpan(&s, span(10, 20)))
}

// A version that was found later has its span audited again, once for all that were
// found in it; one outside of what was audited, or known already, does not.
func TestAddFound(t *testing.T) {
	s := cdc.AuditState{
		Audited: map[string]cdc.Span{"Claim": span(0, 20), "Patient": span(5, 20)}, Edges: []time.Time{at(10), at(20)},
	}
	versions := []cdc.Version{
		version("Patient", at(6)), version("Claim", at(7)), version("Claim", at(15)), version("Patient", at(2)), version("Claim", at(20)),
	}
	addFound(&s, versions)
	addFound(&s, versions)
	require.Equal(t, []cdc.AuditPart{
		{Span: span(5, 10), Types: []string{"Patient"}}, {Span: span(0, 10), Types: []string{"Claim"}}, {Span: span(10, 20), Types: []string{"Claim"}},
	}, s.Pending)
	require.Equal(t, versions[:3], s.Found)
	require.Equal(t, versions[:1], foundIn(s.Found, s.Pending[0]))

	many := slices.Repeat([]cdc.Version{{}}, maxFound)
	for i := range many {
		many[i] = version("Claim", at(12))
		many[i].ID = fmt.Sprint(i)
	}
	addFound(&s, many)
	require.Len(t, s.Found, maxFound)
	require.Equal(t, 3, s.FoundDropped)
	require.Len(t, s.Pending, 3)
}

// What was healed adds up by span; an audit that followed a job also counts the rounds
// of the span.
func TestHealedBefore(t *testing.T) {
	var s cdc.AuditState
	addHealed(&s, span(0, 10), "Patient", 2)
	addHealed(&s, span(0, 10), "Patient", 3)
	addHealed(&s, span(10, 20), "Patient", 4)
	addHealed(&s, span(10, 20), "Claim", 0)
	require.Len(t, s.Healed, 2)
	require.Equal(t, 5, healedBefore(&s, span(0, 10), "Patient"))
	require.Zero(t, healedBefore(&s, span(0, 20), "Patient"))
	s.Follow = &cdc.FollowState{}
	require.Equal(t, 9, healedBefore(&s, span(0, 20), "Patient"))
}
