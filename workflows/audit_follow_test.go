package workflows_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/converter"

	"healthlake-cdc/internal/cdc"
)

// searchLag is how late the store of these tests shows what was written.
const searchLag = 90 * time.Second

// job is a job of the store's that writes one version of Patient every while.
type job struct {
	begins, ends time.Time
	every        time.Duration
}

// writes are what search shows of the job by now: versions that no record names.
func (j job) writes(a *auditor, now time.Time) (n int) {
	for at := j.begins; at.Before(j.ends); at = at.Add(j.every) {
		if at.Add(searchLag).Before(now) && a.window(at).types["Patient"] == nil {
			a.put(at, "Patient", 1, 0)
		}
		if a.window(at).types["Patient"] != nil {
			n++
		}
	}
	return n
}

// follow is the input of the audit that follows a job from start on.
func (a *auditor) follow() cdc.AuditInput {
	in := a.scheduled("Device", "Patient")
	in.Follow, in.CapturedBy = true, cdc.ByCloudTrail
	in.Span = &cdc.Span{From: start.Add(-5 * time.Second), To: start.Add(time.Second)}
	return in
}

// requireFollowed requires that all versions of the job were healed, and each hour was
// stated once, whatever the number of rounds.
func (a *auditor) requireFollowed(result cdc.AuditState, versions int) {
	a.t.Helper()
	require.Empty(a.t, result.Unresolved)
	require.Equal(a.t, []int{versions, versions, versions, 0}, []int{
		result.Totals.InStore, result.Totals.Published, result.Totals.Healed, result.Totals.Missing,
	})
	healed, seen := 0, make(map[time.Time]bool)
	for _, s := range a.statements {
		if s.ResourceType == "Patient" {
			require.False(a.t, seen[s.From], "each span is stated once")
			seen[s.From] = true
			healed += s.Healed
		}
	}
	require.Equal(a.t, versions, healed)
	require.Equal(a.t, versions, sumInStore(a.latest("Patient")))
}

func sumInStore(all []cdc.Statement) (n int) {
	for _, s := range all {
		n += s.InStore
	}
	return n
}

// A job is followed for as long as it writes, from two minutes to two minutes.
func TestAuditFollowsAJob(t *testing.T) {
	a := newAuditor(t)
	j := job{begins: start.Add(3 * time.Minute), ends: start.Add(40 * time.Minute), every: 20 * time.Second}
	var rounds []time.Time
	a.onCompare = func(in cdc.AuditSpanInput) {
		now := a.env.Now()
		j.writes(a, now)
		if len(rounds) == 0 || now.Sub(rounds[len(rounds)-1]) >= time.Minute {
			rounds = append(rounds, now)
		}
		require.False(t, in.Span.To.After(now), "what has not ended yet is for the next round")
	}
	result := a.run(start.Add(time.Minute), a.follow(), nil)
	a.requireFollowed(result, 111)
	for i, at := range rounds {
		require.WithinDuration(t, start.Add(time.Minute+time.Duration(i)*2*time.Minute), at, time.Second)
	}
	require.WithinDuration(t, j.ends.Add(searchLag), rounds[len(rounds)-1], 4*time.Minute, "and no longer")
	for i, heal := range a.heals {
		for _, gap := range heal.Windows {
			require.Less(t, a.healed[i].Sub(gap.Start), searchLag+2*time.Minute+2*cdc.WindowWidth,
				"what search showed late is found by the next round, not at the end")
		}
	}
	// What was listed twice lies in the overlap.
	for _, one := range a.compared[:len(a.compared)/2] {
		require.LessOrEqual(t, one.Span.To.Sub(one.Span.From), 7*time.Minute)
	}
}

// A job that writes nothing is followed for ten minutes; so is one of which the
// record came late.
func TestAuditFollowsAJobForTenMinutesAtLeast(t *testing.T) {
	for began, comparisons := range map[time.Duration]int{0: 7, 9 * time.Minute: 3, time.Hour: 4} {
		a := newAuditor(t)
		a.run(start.Add(began), a.follow(), nil)
		require.Len(t, a.compared, comparisons, "the rounds, and the hours that are stated")
		require.Len(t, a.statements, 2*(1+int(began/time.Hour)))
	}
}

// A job that begins to write late, in its tenth minute, is found.
func TestAuditFollowsAJobThatWaits(t *testing.T) {
	a := newAuditor(t)
	j := job{begins: start.Add(8 * time.Minute), ends: start.Add(20 * time.Minute), every: 10 * time.Second}
	a.onCompare = func(cdc.AuditSpanInput) { j.writes(a, a.env.Now()) }
	a.requireFollowed(a.run(start, a.follow(), nil), 72)
}

// While the store does not list a type, nobody knows whether the job has ended: for an
// hour. A type that is denied for good says nothing.
func TestAuditFollowsAJobThroughAnOutage(t *testing.T) {
	a := newAuditor(t)
	j := job{begins: start, ends: start.Add(50 * time.Minute), every: 30 * time.Second}
	a.onCompare = func(cdc.AuditSpanInput) {
		now := a.env.Now()
		j.writes(a, now)
		delete(a.unavailable, "Patient")
		if now.After(start.Add(20*time.Minute)) && now.Before(start.Add(35*time.Minute)) {
			a.unavailable["Patient"] = cdc.ClassUnavailable
		}
	}
	a.requireFollowed(a.run(start, a.follow(), nil), 100)

	for class, duration := range map[cdc.Class]time.Duration{cdc.ClassForbidden: 10 * time.Minute, cdc.ClassMalformed: time.Hour} {
		a := newAuditor(t)
		a.unavailable["Patient"] = class
		result := a.run(start, a.follow(), nil)
		require.Equal(t, cdc.UnresolvedUnavailable, result.Unresolved[0].Types[0].Reason)
		require.WithinDuration(t, start.Add(duration), a.env.Now(), 3*time.Minute, class)
	}
}

// What others' windows are about to publish is nothing new; what cannot be healed is
// nothing new a second time.
func TestAuditFollowsOnlyWhatNobodyElsePublishes(t *testing.T) {
	a := newAuditor(t)
	traffic := job{begins: start, ends: start.Add(time.Hour), every: 10 * time.Second}
	stubborn := start.Add(time.Minute)
	a.put(stubborn, "Device", 2, 0)
	a.window(stubborn).stubborn = true
	a.onCompare = func(cdc.AuditSpanInput) {
		now := a.env.Now()
		traffic.writes(a, now)
		for start, window := range a.windows {
			if window.types["Patient"] != nil {
				window.types["Patient"].published = 1
				window.open = now.Sub(start) < time.Minute
			}
		}
	}
	result := a.run(start, a.follow(), nil)
	require.WithinDuration(t, start.Add(10*time.Minute), a.env.Now(), 3*time.Minute)
	require.Equal(t, []cdc.UnresolvedType{{Type: "Device", Reason: cdc.UnresolvedMissing, Missing: 2}}, result.Unresolved[0].Types)
	require.Zero(t, result.Totals.Healed)
}

// A job of three days costs a bounded number of activities an hour, its history stays
// small, and it is followed no longer than that.
func TestAuditFollowsAJobOfThreeDays(t *testing.T) {
	a := newAuditor(t)
	a.horizon = 75 * time.Hour
	j := job{begins: start, ends: start.Add(80 * time.Hour), every: 2 * time.Minute}
	inAll, inRun, maxInRun := 0, 0, 0
	a.grown = func() {
		inRun = 0
		a.env.SetOnActivityCompletedListener(func(*activity.Info, converter.EncodedValue, error) {
			inAll++
			inRun++
			maxInRun = max(maxInRun, inRun)
			a.env.SetCurrentHistoryLength(8 * inRun) // 6 events an activity, and its timer
		})
	}
	a.onCompare = func(in cdc.AuditSpanInput) {
		// What lies in the compared span is enough, and is faster.
		k := max(0, int(in.Span.From.Sub(j.begins)/j.every))
		part := job{begins: j.begins.Add(time.Duration(k) * j.every), ends: earlier(j.ends, in.Span.To), every: j.every}
		part.writes(a, a.env.Now())
	}
	in := a.follow()
	result := a.run(start, in, nil)
	require.Equal(t, result.Totals.InStore, result.Totals.Healed)
	require.Empty(t, result.Unresolved)
	require.WithinDuration(t, start.Add(72*time.Hour), a.env.Now(), 10*time.Minute)
	require.Greater(t, a.executions, 3)
	require.LessOrEqual(t, maxInRun, 1_100)
	require.LessOrEqual(t, inAll, 72*100, "a comparison, a Heal and a comparison per round, and once more where an hour ends in one")
	require.Len(t, a.latest("Patient"), 73)
}

// The statements at the end read the ledgers of the beginning: no job is followed for
// longer than they are relied on.
func TestAuditFollowsAJobWithinTheHorizon(t *testing.T) {
	a := newAuditor(t)
	a.horizon = 3 * time.Hour
	j := job{begins: start, ends: start.Add(8 * time.Hour), every: time.Minute}
	a.onCompare = func(cdc.AuditSpanInput) { j.writes(a, a.env.Now()) }
	a.run(start, a.follow(), nil)
	require.WithinDuration(t, start.Add(2*time.Hour), a.env.Now(), 3*time.Minute)
}

func earlier(a, b time.Time) time.Time {
	if b.Before(a) {
		return b
	}
	return a
}

func TestAuditThatCannotFollow(t *testing.T) {
	for name, change := range map[string]func(*cdc.AuditInput){
		"no span": func(in *cdc.AuditInput) { in.Span = nil },
		"a dry":   func(in *cdc.AuditInput) { in.DryRun = true },
		"skips":   func(in *cdc.AuditInput) { in.Skip = true },
	} {
		a := newAuditor(t)
		in := a.follow()
		change(&in)
		a.renew(start)
		a.env.ExecuteWorkflow(cdc.WorkflowAudit, in)
		require.ErrorContains(t, a.env.GetWorkflowError(), string(cdc.ClassInvalidInput), name)
	}
}
