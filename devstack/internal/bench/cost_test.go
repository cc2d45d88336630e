package bench

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"healthlake-cdc/devstack/internal/rivals"
)

func TestEventsAreBilledInUnits(t *testing.T) {
	require.Equal(t, 1, billedEvents(0))
	require.Equal(t, 1, billedEvents(64<<10))
	require.Equal(t, 2, billedEvents(64<<10+1))
	require.Equal(t, 16, billedEvents(1_000_000))
}

// A workflow a change: three actions of its trigger and two of its own.
func TestBillOfActions(t *testing.T) {
	u := usage{changes: 1000, actions: 5000, history: 5_000_000, events: 1100}
	b := u.perMillion()
	require.InDelta(t, 250, b.actions, 1e-9)
	require.InDelta(t, 5*72*0.00105, b.history, 1e-9) // 5 GB for 72 hours
	require.InDelta(t, 1.1, b.events, 1e-9)
	require.InDelta(t, 250+0.378+1.1, b.total(), 1e-9)
	require.Contains(t, u.arithmetic("x"), "5.0000 actions a change × $50 a million = $250.00")
}

// The chain at its cheapest: one resource found for each record, four functions.
func TestBillOfTheChain(t *testing.T) {
	u := usage{changes: 1000, events: 1000, chain: rivals.Counts{Runs: 1000, Found: 1000, WriteUnits: 4000}}
	b := u.perMillion()
	require.Equal(t, 4000, u.calls())
	require.InDelta(t, 1+(10.15+0.0125)*0.0625*16.6667, b.runs, 1e-3)
	require.InDelta(t, 4*0.2+(3*0.05+0.15)*0.125*16.6667, b.calls, 1e-3)
	require.InDelta(t, 2.5, b.rows, 1e-9)
	require.InDelta(t, 1, b.events, 1e-9)
	require.Zero(t, b.actions)
	require.InDelta(t, 16.55, b.total(), 0.1)
	require.Contains(t, u.arithmetic("x"), "4.00 function calls a change")
}

func TestWindowsBecomeCheaperWithTheRate(t *testing.T) {
	m := windowModel{full: 7, empty: 5, perChange: 5, touched: 16 * time.Second, width: 10 * time.Second}
	even := m.evenRate()
	require.InDelta(t, m.changes(even), m.windows(even), 1e-9)
	require.InDelta(t, 0.11, even, 0.02) // a write every nine seconds
	require.Less(t, m.changes(even/2), m.windows(even/2))
	require.Greater(t, m.changes(even*2), m.windows(even*2))
	require.InDelta(t, audits, m.windows(0), 1e-9)
	require.InDelta(t, audits+0.7, m.windows(100), 1e-6)
	require.Zero(t, windowModel{full: 7, empty: 5, width: time.Second}.evenRate())

	require.InDelta(t, 50*2.628, monthly(1), 1e-9) // 2,628,000 seconds
}
