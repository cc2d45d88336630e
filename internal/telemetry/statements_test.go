package telemetry

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"healthlake-cdc/internal/cdc"
)

func stated(resourceType string, from time.Time, missing int) cdc.Statement {
	return cdc.Statement{
		DatastoreID: "store", ResourceType: resourceType, From: from, To: from.Add(15 * time.Minute),
		AuditFigures: cdc.AuditFigures{InStore: 10 + missing, Published: 9, Healed: 2, Skipped: 1, Missing: missing, Superseded: 3},
	}
}

func TestStatementsAreCounted(t *testing.T) {
	tel := newTelemetry(t)
	m := tel.Metrics
	now := time.Now()
	early, late := now.Add(-2*time.Hour).Truncate(time.Hour), now.Truncate(time.Hour)
	m.Audited(stated("Patient", early, 4))
	m.Audited(stated("Patient", late, 5))
	m.Audited(stated("Patient", late.In(time.FixedZone("CET", 3600)), 1))
	m.Audited(stated("Goal", early, 0))

	url := start(t, tel.Handler(), NewReadiness(discard())) + "/metrics"
	_, body := get(t, url)
	const patient = `{datastore="store",resource_type="Patient"}`
	const versions = `healthlake_cdc_stated_versions_total{datastore="store",outcome=`
	for _, line := range []string{
		versions + `"published",resource_type="Patient"} 21`,
		versions + `"healed",resource_type="Patient"} 6`,
		versions + `"missing",resource_type="Patient"} 10`,
		versions + `"skipped",resource_type="Patient"} 3`,
		versions + `"superseded",resource_type="Goal"} 3`,
		`healthlake_cdc_missing_versions` + patient + ` 5`,
		`healthlake_cdc_missing_versions{datastore="store",resource_type="Goal"} 0`,
		`healthlake_cdc_last_statement_timestamp_seconds{datastore="store"} `,
	} {
		require.Contains(t, body, "\n"+line)
	}
	require.NotContains(t, body, `outcome="missing",resource_type="Goal"`)

	m.Audited(stated("Patient", early, 0))
	m.Audited(stated("Patient", late, 0))
	_, body = get(t, url)
	require.Contains(t, body, "\nhealthlake_cdc_missing_versions"+patient+" 0")
}

// What another worker has healed and stated is not missing here indefinitely.
func TestMissingIsForgottenWhenItIsStatedNoMore(t *testing.T) {
	m := missing{types: make(map[statedType]map[cdc.Span]missingSpan)}
	begin := time.Now()
	sum := func(now time.Time) (sum int64) { return m.sums(now)[statedType{"store", "Patient"}] }
	m.add(stated("Patient", begin.Add(-time.Hour), 3), begin)
	m.add(stated("Patient", begin, 4), begin.Add(time.Minute))
	require.EqualValues(t, 7, sum(begin.Add(missingAge)))
	require.EqualValues(t, 4, sum(begin.Add(missingAge+time.Second)))
	require.Zero(t, sum(begin.Add(2*missingAge)))
}
