package workflows

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"healthlake-cdc/internal/cdc"
)

var (
	windowStart = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	windowEnd   = windowStart.Add(cdc.WindowWidth)
)

func plannedWindow() cdc.CaptureWindowInput {
	return cdc.CaptureWindowInput{
		Window: cdc.WindowAt("store", windowStart), Types: []string{"Patient"},
		Passes: []time.Duration{10 * time.Second, time.Minute},
	}
}

func TestFirstPass(t *testing.T) {
	for _, c := range []struct {
		name   string
		opened time.Duration // after the window's end
		rerun  int
		pass   int
		due    time.Duration
	}{
		{"a prompt trigger waits for the first pass", -7 * time.Second, 0, 0, 10 * time.Second},
		{"one between the passes is served at once", 20 * time.Second, 0, 0, 20 * time.Second},
		{"passes that are due run as one", 10 * time.Minute, 0, 1, 10 * time.Minute},
		{"a rerun makes the last pass", 20 * time.Second, 1, 1, time.Minute},
		{"a late rerun makes it at once", time.Hour, 1, 1, time.Hour},
	} {
		in := plannedWindow()
		in.Rerun = c.rerun
		first := firstPasses(in, windowEnd.Add(c.opened))
		require.Len(t, first, 1, c.name)
		require.Equal(t, c.pass, first[0].Pass, c.name)
		require.Equal(t, windowEnd.Add(c.due), first[0].Due, c.name)
	}
}

func TestNextPass(t *testing.T) {
	for _, c := range []struct {
		name  string
		in    func(*cdc.CaptureWindowInput)
		pass  int
		delay time.Duration
		found int
		now   time.Duration
		due   time.Duration // 0 is closed
	}{
		{"the configured one", nil, 0, 10 * time.Second, 0, 10 * time.Second, time.Minute},
		{"the configured one, late", nil, 0, 10 * time.Second, 1, time.Hour, time.Hour},
		{"none after an empty last one", nil, 1, time.Minute, 0, time.Minute, 0},
		{"another after twice the delay", nil, 1, time.Minute, 3, time.Minute, 3 * time.Minute},
		{"the delay is bounded", nil, 5, 10 * time.Minute, 3, time.Hour, time.Hour + 15*time.Minute},
		{"none in a rerun", func(in *cdc.CaptureWindowInput) { in.Rerun = 1 }, 1, time.Minute, 3, time.Minute, 0},
		{"another when an audit runs it soon", func(in *cdc.CaptureWindowInput) { in.Bulk = true }, 1, time.Minute, 3, 14 * time.Minute, 16 * time.Minute},
		{"none when an audit runs it late", func(in *cdc.CaptureWindowInput) { in.Bulk = true }, 1, time.Minute, 3, 20 * time.Minute, 0},
	} {
		in := plannedWindow()
		if c.in != nil {
			c.in(&in)
		}
		before := cdc.TypeState{Type: "Patient", Pass: c.pass, Delay: c.delay, Found: c.found, Pages: 2, Retry: cdc.Retry{Tries: 1}}
		next := nextPass(in, before, windowEnd.Add(c.now))
		require.Equal(t, c.due == 0, next.Closed, c.name)
		require.Zero(t, next.Found+next.Pages+next.Retry.Tries, c.name)
		if c.due != 0 {
			require.Equal(t, windowEnd.Add(c.due), next.Due, c.name)
		}
	}
}

// A type that could not be read until the last pass was due makes one pass for all; in
// the middle of a pass it goes on with that.
func TestPassesThatAreDueCollapse(t *testing.T) {
	fresh := &windowType{TypeState: cdc.TypeState{Type: "Patient", Due: windowEnd}}
	begun := &windowType{TypeState: cdc.TypeState{Type: "Claim", Due: windowEnd, Next: "page 2"}}
	w := &captureWindow{in: plannedWindow(), types: []*windowType{fresh, begun}}
	w.collapsePasses(windowEnd.Add(time.Hour))
	require.Equal(t, 1, fresh.Pass)
	require.Equal(t, 0, begun.Pass)
}

func TestRequestsAreForWhatIsDue(t *testing.T) {
	at := func(name string, due time.Time) *windowType {
		return &windowType{TypeState: cdc.TypeState{Type: name, Due: due}}
	}
	later := windowEnd.Add(time.Minute)
	closed, lost, read := at("Closed", windowEnd), at("Lost", windowEnd), at("Read", windowEnd)
	closed.Closed, lost.Lost, read.slices = true, []string{"slice"}, []*childSlice{{}}
	w := &captureWindow{in: plannedWindow(), types: []*windowType{at("Due", windowEnd), at("Later", later), closed, lost, read, at("Also", windowEnd)}}
	names := func() (all []string) {
		for _, request := range w.requests(windowEnd) {
			all = append(all, request.Type)
		}
		return all
	}
	require.Equal(t, []string{"Due", "Also"}, names())
	due, found := w.nextDue()
	require.True(t, found)
	require.Equal(t, windowEnd, due)

	// What they know stays within the bound of an activity's input.
	for i := range maxKnown {
		w.ledger.Type("Also").Published.Add(cdc.Hash(i + 1))
	}
	w.ledger.Type("Due").Published.Add(1)
	require.Equal(t, []string{"Due"}, names())

	w.types = []*windowType{closed}
	_, found = w.nextDue()
	require.False(t, found)
	w.wanted = []*windowType{at("Patient", later)}
	_, found = w.nextDue()
	require.False(t, found, "nothing of it is wanted any more")
	w.wanted[0].versions = make([]cdc.Version, 1)
	due, _ = w.nextDue()
	require.Equal(t, later, due)
}
