package bench

import (
	"bytes"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"healthlake-cdc/devstack/internal/rivals"
	"healthlake-cdc/devstack/internal/simulator"
)

// sampleOutcomes are of 500 changes in 250 s.
func sampleOutcomes() []outcome {
	written := fates{versions: 500, searchable: 490}
	return []outcome{
		{
			name: "windows", fates: written, searches: 1250, puts: 60, billed: 500, wrote: 250 * time.Second,
			bus:    busTotals{versions: 500, events: 500, bytes: 2_000_000},
			hidden: actions{heartbeats: 5},
			census: census{"CaptureWindow": {runs: 25, actions: actions{starts: 25, timers: 50, attempts: 75, upserts: 25}, publishes: 25}},
		},
		{
			name: "chain", fates: fates{versions: 500, searchable: 490, lost: 5, passedOver: 10}, searches: 500, rejected: 20, puts: 900,
			bus: busTotals{versions: 475, events: 900}, billed: 900, wrote: 250 * time.Second,
			chain: rivals.Counts{Runs: 500, Searches: 500, FailedSearches: 20, Found: 1000, Duplicates: 100, WriteUnits: 4000},
		},
		{
			name: "changes", fates: written, wrote: 250 * time.Second, billed: 500,
			census: census{
				"CaptureTrigger": {runs: 500, actions: actions{starts: 500, timers: 500, attempts: 500}},
				"PublishChange":  {runs: 500, actions: actions{starts: 500, attempts: 500}},
			},
		},
	}
}

// row is a table's figures by their columns.
func (t Table) row(name string) map[string]float64 {
	for _, row := range t.Rows {
		if row.Name != name {
			continue
		}
		all := make(map[string]float64)
		for i, figure := range row.Figures {
			if figure != nil {
				all[t.Columns[i].Name] = *figure
			}
		}
		return all
	}
	return nil
}

func TestFiguresAreForAThousandChanges(t *testing.T) {
	tables := contestTables("Test", "x", sampleOutcomes())
	for _, table := range tables {
		table.print(&bytes.Buffer{}) // each row has a column for each figure
	}
	windows := tables[0].row("windows")
	require.InDelta(t, 2500, windows["searches"], 1e-9)
	require.InDelta(t, 360, windows["actions"], 1e-9) // 175 and 5 heartbeats
	require.InDelta(t, 4, windows["published"], 1e-9)
	require.Zero(t, windows["repeats"])
	chain := tables[0].row("chain")
	require.InDelta(t, 850, chain["repeats"], 1e-9)
	require.InDelta(t, 10, chain["lost"], 1e-9)
	require.NotContains(t, chain, "actions")

	kinds := tables[1].row("windows")
	require.InDelta(t, 10, kinds["heartbeats"], 1e-9)
	require.InDelta(t, 360, kinds["all"], 1e-9)
	require.Nil(t, tables[1].row("chain"))

	cost := tables[2].row("changes")
	require.InDelta(t, 250, cost["actions"], 1e-9)
}

func TestEvenTable(t *testing.T) {
	outcomes := sampleOutcomes()
	m := modelOf(outcomes)
	require.InDelta(t, 7, m.full, 1e-9)
	require.InDelta(t, 5, m.empty, 1e-9)
	require.InDelta(t, 5, m.perChange, 1e-9)
	require.Equal(t, 16*time.Second, m.touched)

	table := evenTable(outcomes)
	require.Len(t, table.Rows, 5)
	even := table.Rows[1].Figures
	require.InDelta(t, *even[1], *even[2], 1e-3, "both cost the same there")
	measured := table.row("as measured, with bundles")
	require.InDelta(t, 2*month.Seconds(), measured["changes a month"], 1)
	require.InDelta(t, 2*month.Seconds()*251e-6, measured["workflow a change"], 1) // 5 actions and an event
}

func TestSeldomIsOneInTwenty(t *testing.T) {
	one := mostly(simulator.Fixed(time.Second), simulator.Fixed(time.Minute))
	late := 0
	random := rand.New(rand.NewPCG(1, 2))
	for range 10_000 {
		if one(random) == time.Minute {
			late++
		}
	}
	require.InDelta(t, 500, late, 100)
}
