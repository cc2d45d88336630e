package e2e

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"healthlake-cdc/devstack/internal/awslocal"
	"healthlake-cdc/devstack/internal/truth"
	"healthlake-cdc/internal/cdc"
)

// A window and its slice are open, because EventBridge rejects two versions of thousands:
// what their histories show as published is stated as published, the two are open and
// nothing is missing. The exit code of starter audit shows it; when they are published,
// everything is complete and nothing was healed.
func TestAuditOfAWindowThatIsOpen(t *testing.T) {
	t.Parallel()
	const many, few, poisoned = 1_300, 5, 2
	r, c := newWaitingRig(t)
	r.AWS.SetFaults(awslocal.Faults{RejectDetailContaining: `"resourceId":"poisoned-`})
	window := windowAgo(r.datastore(), 10*time.Minute)
	r.writeAt(t, c, window, "Patient", "good", many)
	r.writeAt(t, c, window, "Patient", "poisoned", poisoned)
	r.writeAt(t, c, window, "Observation", "good", few)
	r.trigger(window)
	r.received(t, many+few)

	asked := []string{"audit", "--wait", "--json", "--since", window.Start.Format(time.RFC3339), "--until", window.End().Format(time.RFC3339)}
	got := runProgram(t, t.Context(), "starter", r.environment(), nil, asked...)
	require.Positive(t, got.code)
	require.Contains(t, got.stderr, "1 time range")
	var reports []struct {
		Result cdc.AuditState `json:"result"`
	}
	require.NoError(t, json.Unmarshal([]byte(got.stdout), &reports))
	result := reports[0].Result
	require.Equal(t, []cdc.UnresolvedType{{Type: "Patient", Reason: cdc.UnresolvedOpen, Open: poisoned}}, result.Unresolved[0].Types)
	require.Equal(t, []int{many + few + poisoned, many + few, poisoned, 0, 0}, []int{
		result.Totals.InStore, result.Totals.Published, result.Totals.Open, result.Totals.Missing, result.Totals.Healed,
	})
	require.Empty(t, truth.CheckStatements(r.Simulator.WriteLog(r.datastore()), result.Statements))
	require.Equal(t, []string{window.ID()}, r.windows(t), "an open window is not run again")

	r.AWS.SetFaults(awslocal.Faults{})
	r.closed(t, window.ID())
	stated := r.auditedByHand(t, window.Span())
	patients := stated["Patient"]
	require.Equal(t, []int{many + poisoned, 0, 0, 0, 0}, []int{
		patients.Published, patients.Open, patients.Missing, patients.Healed, patients.Superseded,
	})
	require.Equal(t, many+few+poisoned, r.exactlyOnce(t, current))
}
