package audit

import (
	"context"
	"errors"
	"maps"
	"slices"
	"sort"
	"time"

	"healthlake-cdc/internal/cdc"
	"healthlake-cdc/internal/temporal"
)

// maxInputs bounds the windows whose beginning is read. Beyond it a window
// counts as one that no trigger opened.
const maxInputs = 1000

// FirstWindows finds which window first swept each type, for audits that begin
// with a type. It lists the windows' IDs and reads the beginnings of few of them:
// a setting lasts, so from the first window on that swept a type they all do, and
// the first is found by halving. Windows that an operator opened had the settings
// of wherever the starter ran, and do not count. Nor do those whose beginning cannot
// be decoded, because their payload key is lost: without them a type begins where the
// schedule says, some moments later, and audits go on.
func (a *Activities) FirstWindows(ctx context.Context, in cdc.FirstWindowsInput) (cdc.FirstWindowsResult, error) {
	result := cdc.FirstWindowsResult{Starts: make(map[string]time.Time)}
	var until time.Time
	for _, before := range in.Types {
		if before.After(until) {
			until = before
		}
	}
	newest, err := a.newestRuns(ctx, in.Datastore, cdc.Span{From: in.From, To: until})
	if err != nil {
		return result, err
	}
	starts := slices.SortedFunc(maps.Keys(newest), time.Time.Compare)
	search := firstSearch{a: a, datastore: in.Datastore, starts: starts, swept: make(map[int][]string)}
	for _, name := range slices.Sorted(maps.Keys(in.Types)) {
		older := sort.Search(len(starts), func(i int) bool { return !starts[i].Before(in.Types[name]) })
		i, err := search.first(ctx, name, older)
		if err != nil {
			return result, err
		}
		if i < older {
			result.Starts[name] = starts[i]
		}
	}
	if search.undecodable > 0 {
		a.Logger.Warn("the beginnings of windows cannot be decoded: types begin without them; is their payload key in CDC_PAYLOAD_KEYS?",
			"datastore", in.Datastore, "windows", search.undecodable)
	}
	return result, nil
}

// firstSearch looks for the first windows of types in the same row of windows.
type firstSearch struct {
	a         *Activities
	datastore string
	starts    []time.Time
	// swept are the types of the windows that were read, by index; nil of one that
	// no trigger opened.
	swept map[int][]string
	// undecodable is of how many windows the beginning cannot be decoded.
	undecodable int
}

// first is the index of the first window before limit that swept the type, limit
// when there is none.
func (s *firstSearch) first(ctx context.Context, name string, limit int) (int, error) {
	var failed error
	i := sort.Search(limit, func(i int) bool {
		at, err := s.opened(ctx, i, limit)
		if err != nil {
			failed = errors.Join(failed, err)
		}
		return at == limit || slices.Contains(s.swept[at], name)
	})
	if failed != nil {
		return limit, failed
	}
	return s.opened(ctx, i, limit)
}

// opened is the first window from i on that a trigger opened, limit when none of
// the next ones was.
func (s *firstSearch) opened(ctx context.Context, i, limit int) (int, error) {
	for ; i < limit; i++ {
		types, known := s.swept[i]
		if !known && len(s.swept) < maxInputs {
			var in cdc.CaptureWindowInput
			err := s.a.Executions.Input(ctx, cdc.WindowAt(s.datastore, s.starts[i]).ID(), "", &in)
			switch {
			case errors.Is(err, temporal.ErrUndecodable):
				s.undecodable++
			case err != nil && !temporal.IsNotFound(err): // one that is gone was nobody's
				return limit, err
			case in.CapturedBy == cdc.ByCloudTrail || in.CapturedBy == cdc.BySubscription:
				types = in.Types
			}
			s.swept[i] = types
		}
		if types != nil {
			return i, nil
		}
	}
	return limit, nil
}
