package audit

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"healthlake-cdc/internal/cdc"
	"healthlake-cdc/internal/temporal/temporaltest"
)

// kind is how a window of the property test stands.
type kind int

const (
	neverRan kind = iota
	hasClosed
	isOpenNow
	cannotBeRead
	kinds
)

// drawnWindow is a window as it was drawn, with what its newest run published and
// skipped, and which types that run sweeps.
type drawnWindow struct {
	start              time.Time
	kind               kind
	run                int
	sweeps             []string
	published, skipped []cdc.Version
	unpublished        []cdc.Version // offered by now, without an answer
}

// history is that of an open run which has published what the window has, in any of
// the ways in which it can: the ledger it began with or read, its own batches, and
// slices that have closed, were terminated or are open.
func (w *drawnWindow) history(t *rapid.T, e *engine) *temporaltest.History {
	window := cdc.WindowAt(testStore, w.start)
	in := cdc.CaptureWindowInput{Window: window, Salt: salt, Types: w.sweeps, Rerun: w.run}
	parts := make([]cdc.Ledger, 6)
	for i := range parts {
		parts[i] = cdc.Ledger{Salt: salt}
	}
	for _, v := range w.skipped {
		parts[0].Type(v.Type).Skipped.Add(salt.Hash(v))
	}
	var batches []cdc.Change
	sliced := map[string][]cdc.Version{}
	for _, v := range w.published {
		switch way := rapid.IntRange(0, 5).Draw(t, "way"); way {
		case 0:
			parts[0].Type(v.Type).Published.Add(salt.Hash(v))
		case 1, 2:
			batches = append(batches, cdc.Change{Version: v})
		default:
			kind := fmt.Sprint(way)
			sliced[kind+v.Type] = append(sliced[kind+v.Type], v)
		}
	}
	h := temporaltest.Started(in)
	switch {
	case w.run == 0:
		in.Resume = &cdc.WindowState{Ledger: parts[0]}
		h = temporaltest.Started(in)
	case rapid.Bool().Draw(t, "has read the ledger before"):
		h.Activity("Ledger", cdc.LedgerInput{WorkflowID: window.RerunID(w.run - 1)}, parts[0])
	}
	if w.run > 0 {
		e.closedWith(w.start, w.run-1, parts[0])
	}
	k := 0
	for key, versions := range sliced {
		k++
		way, name := key[:1], key[1:]
		id := cdc.SliceID(window.RerunID(w.run), name, w.start, k)
		h.SliceStarted(id)
		var set cdc.HashSet
		slice := temporaltest.Started(cdc.CaptureSliceInput{Salt: salt, Type: name})
		var batch cdc.PublishInput
		for _, v := range versions {
			set.Add(salt.Hash(v))
			batch.Changes = append(batch.Changes, cdc.Change{Version: v})
		}
		slice.Activity("Publish", batch, allAccepted(batch))
		switch way {
		case "3":
			h.SliceCompleted(id, cdc.CaptureSliceResult{Salt: salt, Published: set})
		case "4":
			e.Executions[id] = temporaltest.Execution{Status: temporaltest.Terminated, Events: slice.Events}
		default:
			e.Executions[id] = temporaltest.Execution{Status: temporaltest.Running, Events: slice.Events}
		}
	}
	offered := cdc.PublishInput{Changes: batches}
	accepted := allAccepted(offered)
	for _, v := range w.unpublished { // offered, and not accepted yet
		offered.Changes = append(offered.Changes, cdc.Change{Version: v})
	}
	how := rapid.SampledFrom([]string{"completed", "failed", "timed out", "canceled"}).Draw(t, "how the Publish ended")
	ids := append(accepted.EventIDs, make([]string, len(w.unpublished))...)
	switch {
	case len(offered.Changes) == 0:
	case how == "completed":
		h.Activity("Publish", offered, cdc.PublishResult{EventIDs: ids})
	default:
		h.EndedPublish(how, offered, ids)
		offered.Accepted = ids
		h.Schedule("Publish", offered) // again, under way
	}
	return h
}

func allAccepted(in cdc.PublishInput) cdc.PublishResult {
	out := cdc.PublishResult{EventIDs: make([]string, len(in.Changes))}
	for i := range out.EventIDs {
		out.EventIDs[i] = "event"
	}
	return out
}

// put puts the window's executions into the engine.
func (w *drawnWindow) put(t *rapid.T, e *engine) {
	window := cdc.WindowAt(testStore, w.start)
	switch w.kind {
	case hasClosed:
		ledger := publishedLedger(w.published...)
		for _, v := range w.skipped {
			ledger.Type(v.Type).Skipped.Add(salt.Hash(v))
		}
		for run := range w.run { // the newest holds what those before it held
			e.closedWith(w.start, run, cdc.Ledger{})
		}
		e.closedWith(w.start, w.run, ledger)
	case isOpenNow:
		e.Executions[window.RerunID(w.run)] = temporaltest.Execution{Status: temporaltest.Running, Events: w.history(t, e).Events}
		for run := range w.run - 1 {
			e.closedWith(w.start, run, cdc.Ledger{})
		}
	case cannotBeRead:
		for run := range w.run + 1 {
			e.Executions[window.RerunID(run)] = temporaltest.Execution{Status: temporaltest.Completed, Result: "not a ledger"}
		}
	}
}

// For any store and any windows, closed, open, unreadable or older than the horizon:
// each version is published, skipped, about to be published, missing or not known, by
// its own window's newest run; the digest is of all of them; and the windows are
// exactly those that miss something, are open or cannot be read.
func TestAuditSpanComparesAnyStoreWithAnyWindows(t *testing.T) {
	types := []string{"Patient", "Observation"}
	rapid.Check(t, func(t *rapid.T) {
		const windows = 5
		store, e := newStore(t), newEngine()
		expired := rapid.IntRange(0, 2).Draw(t, "older than the horizon")
		drawn := make(map[time.Time]*drawnWindow)
		for n := range windows {
			w := &drawnWindow{
				start: auditStart.Add(time.Duration(n) * cdc.WindowWidth), kind: kind(rapid.IntRange(0, int(kinds)-1).Draw(t, "kind")),
				run: rapid.IntRange(0, 2).Draw(t, "run"), sweeps: types[:rapid.IntRange(1, 2).Draw(t, "sweeps")],
			}
			if w.kind == neverRan {
				w.run = neverRun
			}
			drawn[w.start] = w
		}
		known := func(start time.Time) bool {
			return !start.Before(auditStart.Add(time.Duration(expired) * cdc.WindowWidth))
		}
		want := map[string]*cdc.TypeAudit{}
		inStore := map[string][]cdc.Version{}
		missing := map[time.Time]int{}
		for _, name := range types {
			want[name] = &cdc.TypeAudit{Type: name}
		}
		for i := range rapid.IntRange(0, 250).Draw(t, "versions") {
			name := rapid.SampledFrom(types).Draw(t, "type")
			// From before the span to after it, and on windows' very edges.
			offset := rapid.OneOf(
				rapid.Int64Range(-3_000_000_000, 53_000_000_000),
				rapid.Map(rapid.Int64Range(0, windows), func(n int64) int64 { return n * int64(cdc.WindowWidth) }),
			).Draw(t, "offset")
			v := store.write(name, fmt.Sprintf("id-%d", i), auditStart.Add(time.Duration(offset)))
			w := drawn[cdc.WindowAt(testStore, v.Time()).Start]
			if w == nil {
				continue
			}
			inStore[name] = append(inStore[name], v)
			expect := want[name]
			expect.InStore++
			switch fate := rapid.IntRange(0, 2).Draw(t, "fate"); {
			case !known(w.start) || w.kind == cannotBeRead:
				expect.Unknown++
			case fate == 0 && w.kind != neverRan:
				w.published = append(w.published, v)
				expect.Published++
			case fate == 1 && w.kind != neverRan:
				w.skipped = append(w.skipped, v)
				expect.Skipped++
			case w.kind == isOpenNow && (name == types[0] || len(w.sweeps) == 2):
				w.unpublished = append(w.unpublished, v)
				expect.Open++
			default:
				expect.Missing++
				missing[w.start]++
			}
		}
		for _, w := range drawn {
			for gone := range rapid.IntRange(0, 2).Draw(t, "gone") {
				v := cdc.Version{Type: "Patient", ID: fmt.Sprintf("gone-%d", gone), VersionID: "1"}
				switch {
				case w.kind != hasClosed && w.kind != isOpenNow:
				case rapid.Bool().Draw(t, "skipped"):
					w.skipped = append(w.skipped, v) // which is nothing that was published
				default:
					w.published = append(w.published, v)
					if known(w.start) {
						want["Patient"].Superseded++
					}
				}
			}
			if w.kind == isOpenNow && known(w.start) {
				for _, name := range w.sweeps {
					want[name].OpenWindows++
				}
			}
			w.put(t, e)
			// One that visibility does not show is looked for when it seems to miss
			// something.
			hide := w.kind == hasClosed && missing[w.start] > 0 && rapid.Bool().Draw(t, "unseen")
			for run := range w.run + 1 {
				e.unseen[cdc.WindowAt(testStore, w.start).RerunID(run)] = hide
			}
		}
		// The horizon moves on while the test runs, by far less than half a window.
		horizon := time.Since(auditStart) - time.Duration(expired)*cdc.WindowWidth + cdc.WindowWidth/2 - cdc.ExpiryGrace
		result := audited(t, auditor(t, store, e), cdc.AuditSpanInput{Span: spanOf(windows), Types: types, Horizon: horizon})
		require.Len(t, result.Types, len(types))
		for _, got := range result.Types {
			expect := want[got.Type]
			expect.Digest = naiveDigest(inStore[got.Type])
			require.Equal(t, *expect, got)
			require.Equal(t, got.InStore, got.Published+got.Missing+got.Skipped+got.Open+got.Unknown)
		}
		found := map[time.Time]cdc.WindowGap{}
		for i, gap := range result.Windows {
			found[gap.Start] = gap
			require.Equal(t, drawn[gap.Start].run, gap.Run)
			require.Empty(t, gap.Wanted)
			if i > 0 {
				require.True(t, result.Windows[i-1].Start.Before(gap.Start))
			}
		}
		for start, w := range drawn {
			gap, named := found[start]
			open, unreadable := known(start) && w.kind == isOpenNow, known(start) && w.kind == cannotBeRead
			require.Equal(t, missing[start] > 0 || open || unreadable, named)
			require.Equal(t, []any{missing[start], open, unreadable}, []any{gap.Missing, gap.Open, gap.NoLedger})
		}
	})
}
