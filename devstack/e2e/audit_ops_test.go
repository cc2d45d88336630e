package e2e

import (
	"context"
	"fmt"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	namespacepb "go.temporal.io/api/namespace/v1"
	"go.temporal.io/api/workflowservice/v1"
	"google.golang.org/protobuf/types/known/durationpb"

	"healthlake-cdc/devstack/internal/simulator"
	"healthlake-cdc/devstack/internal/stack"
	"healthlake-cdc/devstack/internal/temporalserver"
	"healthlake-cdc/devstack/internal/truth"
	"healthlake-cdc/internal/cdc"
)

// auditedThrough is how status shows the end of the audited time.
var auditedThrough = regexp.MustCompile(`audited +through 20\S+, 0 missing`)

// starter audit names what it could not find out and fails; once the store responds
// again it heals, prints a table and succeeds. status shows how far the schedule is.
func TestAuditFailsWhenSomethingIsNotKnown(t *testing.T) {
	t.Parallel()
	r, c := newAuditRig(t)
	r.worker(t)
	window := windowAgo(r.datastore(), 10*time.Minute)
	r.anchor(t, c, window)
	r.fill(t, c, window, "unheard", 3)
	require.NoError(t, r.Simulator.InjectFault(simulator.Fault{Kind: simulator.Forbid, Type: "Condition", Count: -1}))

	asked := []string{"audit", "--wait", "--since", window.Start.Format(time.RFC3339), "--until", window.End().Format(time.RFC3339)}
	got := runProgram(t, t.Context(), "starter", r.environment(), nil, asked...)
	require.Positive(t, got.code, got.all())
	require.Regexp(t, "8 in the store, 8 published.*6 healed.*0 missing", got.stdout)
	require.Regexp(t, "Condition.*Forbidden", got.stdout)
	require.Contains(t, got.stderr, "1 time range")

	r.Simulator.ClearFaults()
	got = r.operate(t, asked...)
	require.Regexp(t, "12 in the store, 12 published.*3 healed.*0 missing", got.stdout)
	require.Regexp(t, `Patient +\S+ +\S+ +4 +4 +0 +0 +0 +0 +0 +0 +0 +0`, got.stdout)
	require.NotContains(t, got.all(), "unheard", "no FHIR id")
	r.exactlyOnce(t, current)
	if *record {
		newRecorder(t, r).record(t, "audit-asked", cdc.AuditID(r.datastore(), window.Span()))
	}

	old := runProgram(t, t.Context(), "starter", r.environment(), nil, "audit", "--since", "100h", "--until", "99h")
	require.Positive(t, old.code)
	require.Contains(t, old.stderr, "horizon")

	r.worker(t, audits(auditAfter)...)
	r.reached(t, time.Now().Add(-time.Minute), func([]cdc.Statement) error { return nil })
	eventually(t, "status shows how far the store is audited", func(context.Context) error {
		if text := r.operate(t, "status").stdout; !auditedThrough.MatchString(text) {
			return fmt.Errorf("%w: %s", errNotYet, text)
		}
		return nil
	})
}

// The horizon follows the namespace's retention; one that does not fit is an error, and a
// retention that is shorter than that of the queues is a warning with the command that
// changes it. A trigger older than the horizon still opens its window.
func TestHorizonFollowsRetention(t *testing.T) {
	t.Parallel()
	r, c := newClockedRig(t, stack.Options{
		Temporal:  temporalserver.Options{Retention: 24 * time.Hour},
		Simulator: simulator.Config{Limits: noLimits},
	}, fewTypes, shortPasses)
	r.silenced(t)
	const command = "temporal operator namespace update --namespace default --retention 14d"

	short := runProgram(t, t.Context(), "worker", append(r.environment("CDC_AUDIT_EVERY"), "CDC_AUDIT_EVERY=15m"), nil, "--check")
	require.Zero(t, short.code, short.all())
	require.Contains(t, short.stdout, "22h0m0s")
	require.Contains(t, short.stdout, "WARNING  retention")
	require.Contains(t, short.stdout, command)
	require.Contains(t, r.operate(t, "status").stdout, command)

	far := append(r.environment(), "CDC_AUDIT_HORIZON=23h")
	tooFar := runProgram(t, t.Context(), "worker", far, nil, "--check")
	require.Positive(t, tooFar.code)
	require.Contains(t, missingLine(tooFar.stdout, "Temporal"), "22h0m0s")
	tooFar = runProgram(t, t.Context(), "worker", append(far, "CDC_METRICS_ADDR="), nil)
	require.Positive(t, tooFar.code)
	require.Contains(t, tooFar.stderr, "CDC_AUDIT_HORIZON=23h0m0s")

	r.worker(t, "CDC_AUDIT_EVERY=15m", "CDC_AUDIT_HORIZON=1h")
	window := windowAgo(r.datastore(), 2*time.Hour)
	r.fill(t, c, window, "late", 2)
	r.trigger(window)
	r.closed(t, window.ID())
	require.Equal(t, 6, r.exactlyOnce(t, current))

	_, err := r.temporal.WorkflowService().UpdateNamespace(t.Context(), &workflowservice.UpdateNamespaceRequest{
		Namespace: "default", Config: &namespacepb.NamespaceConfig{WorkflowExecutionRetentionTtl: durationpb.New(14 * 24 * time.Hour)},
	})
	require.NoError(t, err)
	eventually(t, "the retention holds", func(context.Context) error {
		checked := runProgram(t, t.Context(), "worker", append(r.environment("CDC_AUDIT_EVERY"), "CDC_AUDIT_EVERY=15m"), nil, "--check")
		if strings.Contains(checked.stdout, "WARNING") || !strings.Contains(checked.stdout, "72h0m0s") {
			return errNotYet
		}
		return nil
	})
}

// A worker is killed while its audit heals: another continues, no window is run twice, and
// the statements match the write log.
func TestAuditOutlivesItsWorker(t *testing.T) {
	t.Parallel()
	r, c := newAuditRig(t)
	first := r.worker(t)
	begin := windowAgo(r.datastore(), 10*time.Minute)
	r.anchor(t, c, begin)
	require.NoError(t, first.Kill())
	window := r.fillSilently(t, c, begin, 40, 2)

	second := r.worker(t, audits(auditAfter)...)
	eventually(t, "some windows of the audit have run, and others have not", func(ctx context.Context) error {
		ran, err := r.executions(ctx, "WorkflowType='CaptureWindow'")
		if err != nil || len(ran) < 10 {
			return errNotYet
		}
		return nil
	})
	require.NoError(t, second.Kill())
	r.worker(t, audits(auditAfter)...)
	latest := r.auditedThrough(t, window.End())
	r.pauseAudits(t)
	unbroken(t, latest, begin.Start)
	sum := truth.SumStatements(latest)
	require.Equal(t, []int{243, 243, 0}, []int{sum.InStore, sum.Published, sum.Missing})
	require.Empty(t, r.ids(t, "WorkflowType='CaptureWindow' AND WorkflowId STARTS_WITH 'window/' AND ExecutionStatus='Running'"))
	for _, id := range r.windows(t) {
		_, rerun, err := cdc.ParseWindowID(id)
		require.NoError(t, err)
		require.Zero(t, rerun, "the retry of the Heal started %s", id)
	}
	r.valid(t)
}
