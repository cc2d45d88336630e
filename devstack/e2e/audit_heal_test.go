package e2e

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"healthlake-cdc/devstack/internal/fhirdata"
	"healthlake-cdc/devstack/internal/simulator"
	"healthlake-cdc/devstack/internal/stack"
	"healthlake-cdc/devstack/internal/truth"
	"healthlake-cdc/internal/cdc"
)

var threeTypes = []string{"Patient", "Observation", "Condition"}

// Of ten minutes no record comes at all: the audit finds every window that never
// ran, opens it, and states that all is there.
func TestAllTriggersOfTenMinutesLost(t *testing.T) {
	t.Parallel()
	r, c := newAuditRig(t)
	first := r.worker(t)
	begin := windowAgo(r.datastore(), 15*time.Minute)
	r.anchor(t, c, begin)
	require.NoError(t, first.Kill())

	window := r.fillSilently(t, c, begin, 60, 5)
	// What was written before and is replaced before any search is in no statement: with the
	// versions "latest" it is unknown.
	r.fill(t, c, window, "lost0", 5)

	r.worker(t, audits(auditAfter)...)
	latest := r.auditedThrough(t, window.End())
	r.pauseAudits(t)
	unbroken(t, latest, begin.Start)
	require.Equal(t, 3+60*15, r.exactlyOnce(t, current))
	sum := truth.SumStatements(latest)
	require.Equal(t, []int{903, 903, 900, 0, 0}, []int{sum.InStore, sum.Published, sum.Healed, sum.Missing, sum.Superseded})
	require.Len(t, r.ids(t, "WorkflowType='CaptureWindow'"), 60, "the anchor, and the windows in which anything is left")
	_, results := r.scheduledAudits(t)
	require.Empty(t, results[len(results)-1].Unresolved)
	r.valid(t)
	r.recordAudit(t, "audit-heals")
}

// Triggers lost, repeated, shuffled and late, a search that lags and hides, and
// windows of which no record comes: after the audit everything that search shows
// was published, once, and the statements say what the write log does.
func TestAuditHealsLossyTrail(t *testing.T) {
	t.Parallel()
	r := newRig(t, stack.Options{Simulator: simulator.Config{Limits: noLimits, Seed: 7}},
		fewTypes, "CDC_PASSES=1s,3s", "CDC_SEARCH_RATE=1000")
	lossy := simulator.Trail{Sink: r.Sink(), Loss: 0.1, Repeat: 0.2, Delay: simulator.Between(0, 8*time.Second)}
	require.NoError(t, r.Simulator.SetTrail(lossy))
	r.Simulator.SetSearchLag(simulator.RandomLag(simulator.Between(0, 6*time.Second)))
	// Since this start each type is promised; nothing is old enough to be audited.
	r.worker(t, audits(time.Hour)...)
	began := cdc.WindowAt(r.datastore(), time.Now())

	writeLossy(t, r, 7_000, 45*time.Second)
	r.silenced(t) // a window and more of which no record comes
	writeLossy(t, r, 200, 2*time.Second)
	quiet := cdc.WindowAt("", time.Now())
	until(t, "the window has ended", func(context.Context) bool {
		return !time.Now().Before(quiet.End())
	})
	writeLossy(t, r, 200, 2*time.Second)
	last := cdc.WindowAt(r.datastore(), time.Now())

	r.worker(t, audits(auditAfter)...)
	latest := r.auditedThrough(t, last.End())
	r.pauseAudits(t)
	unbroken(t, latest, latest[0].From)
	require.False(t, latest[0].From.After(began.Start))
	current := r.exactlyOnce(t, current)
	require.Greater(t, current, 5_000)
	sum := truth.SumStatements(latest)
	require.Equal(t, []int{current, current, 0, 0}, []int{sum.InStore, sum.Published, sum.Missing, sum.Open})
	require.Positive(t, sum.Healed)
	require.Positive(t, sum.Superseded, "published, and replaced later")
	t.Logf("%d current versions, %d healed by the audit, %d superseded", current, sum.Healed, sum.Superseded)
	require.Empty(t, truth.Compare(r.Simulator.WriteLog(r.datastore()), r.Deliveries.All(), r.subscriber.Events(), r.settings).Wrong)
	r.valid(t)
}

// writeLossy writes n versions over a time, of which some replace others, as many
// callers do: singly and in transactions, of three types.
func writeLossy(t *testing.T, r *rig, n int, over time.Duration) {
	t.Helper()
	const callers, inTransaction = 4, 20
	var group sync.WaitGroup
	failed := make([]error, callers)
	for caller := range callers {
		group.Go(func() {
			random := rand.New(rand.NewPCG(uint64(n), uint64(caller)))
			resource := func(i int) fhirdata.Resource {
				name := threeTypes[random.IntN(3)]
				id := fmt.Sprintf("%d-%d-%d", n, caller, i)
				if random.IntN(5) == 0 {
					id = fmt.Sprintf("often-%d", random.IntN(50))
				}
				return fhirdata.Resource{Type: name, ID: id, Body: smallBody(name, id)}
			}
			began := time.Now()
			for i := 0; i < n/callers && failed[caller] == nil; {
				<-time.After(time.Until(began.Add(over * time.Duration(i) / time.Duration(n/callers)))) // the writes' pace
				if random.IntN(4) > 0 {
					one := resource(i)
					_, failed[caller] = r.writer.Update(t.Context(), one.Type, one.ID, one.Body)
					i++
					continue
				}
				several := make(map[string]fhirdata.Resource) // a transaction takes each once
				for range inTransaction {
					one := resource(i)
					several[one.Type+one.ID] = one
					i++
				}
				var resources []fhirdata.Resource
				for _, one := range several {
					resources = append(resources, one)
				}
				for _, transaction := range fhirdata.Transactions(resources, inTransaction) {
					if _, err := r.writer.Transaction(t.Context(), transaction); err != nil {
						failed[caller] = err
					}
				}
			}
		})
	}
	group.Wait()
	for _, err := range failed {
		require.NoError(t, err)
	}
}

// With CDC_VERSIONS=all, versions that were replaced before any search come from history,
// each once: in the current time range, and in one that was stated before they were found.
func TestVersionReplacedBeforeItsSearchWithAll(t *testing.T) {
	t.Parallel()
	r, c := newAuditRig(t, "CDC_VERSIONS=all")
	begin := windowAgo(r.datastore(), 90*time.Minute)
	first := r.worker(t)
	r.anchor(t, c, begin)
	require.NoError(t, first.Kill())

	// Three versions of each in windows minutes apart, without any record.
	windows := []cdc.Window{
		cdc.WindowAt(r.datastore(), begin.Start.Add(10*time.Minute)),
		cdc.WindowAt(r.datastore(), begin.Start.Add(11*time.Minute)),
		cdc.WindowAt(r.datastore(), begin.Start.Add(20*time.Minute)),
	}
	for _, window := range windows {
		r.fill(t, c, window, "again", 10)
	}
	// A fourth is so late that the first audit does not see it, and hides the others from
	// search.
	late := cdc.WindowAt(r.datastore(), begin.Start.Add(70*time.Minute))
	r.fill(t, c, late, "again", 10)
	second := r.worker(t, audits(30*time.Minute)...)
	r.reached(t, begin.Start.Add(55*time.Minute), func([]cdc.Statement) error { return nil })
	r.pauseAudits(t)
	require.Equal(t, 3, truth.SumStatements(r.subscriber.Statements()).InStore, "nothing of the others can be seen yet")
	require.NoError(t, second.Kill())

	r.unpauseAudits(t)
	r.worker(t, audits(auditAfter)...)
	latest := r.auditedThrough(t, late.End())
	r.pauseAudits(t)
	every := func(simulator.Write) bool { return true }
	require.Equal(t, 3+4*30, r.exactlyOnce(t, every))
	sum := truth.SumStatements(latest)
	require.Equal(t, []int{123, 123, 120, 0}, []int{sum.InStore, sum.Published, sum.Healed, sum.Missing})
	unbroken(t, latest, begin.Start)
	r.recordAudit(t, "audit-restates")
}

// A day without workers and without half of its records: the audit continues from the last
// statement, hour by hour.
func TestDayWithoutWorkers(t *testing.T) {
	t.Parallel()
	r, c := newAuditRig(t, "CDC_PASSES=200ms,500ms") // a window that found something has one more pass
	begin := windowAgo(r.datastore(), 25*time.Hour)
	first := r.worker(t)
	r.anchor(t, c, begin)
	require.NoError(t, first.Kill())
	second := r.worker(t, audits(24*time.Hour)...)
	r.auditedThrough(t, begin.Start.Add(59*time.Minute))
	r.pauseAudits(t)
	stated := len(r.subscriber.Statements())
	require.NoError(t, second.Kill())

	const windows = 96
	var window cdc.Window
	for i := range windows {
		window = cdc.WindowAt(r.datastore(), begin.Start.Add(65*time.Minute+time.Duration(i)*15*time.Minute-time.Duration(i)*time.Second))
		if time.Since(window.End()) < auditAfter {
			break
		}
		r.fill(t, c, window, fmt.Sprintf("day%d", i), 2)
		if i%2 == 0 {
			r.trigger(window)
		}
	}
	r.unpauseAudits(t)
	r.worker(t, audits(auditAfter)...)
	latest := r.auditedThrough(t, window.End())
	r.pauseAudits(t)
	unbroken(t, latest, begin.Start)
	versions := r.exactlyOnce(t, current)
	sum := truth.SumStatements(latest)
	require.Equal(t, []int{versions, versions, 0}, []int{sum.InStore, sum.Published, sum.Missing})
	require.GreaterOrEqual(t, sum.Healed, versions/3, "half of the records were lost")
	for _, s := range r.subscriber.Statements()[stated:] {
		require.LessOrEqual(t, s.To.Sub(s.From), time.Hour)
		require.True(t, s.From.After(begin.Start), "it went on from the last statement")
	}
}
