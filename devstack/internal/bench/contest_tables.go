package bench

import (
	"fmt"
	"slices"
)

// contestTables are what a contest shows: figures and actions for 1,000 changes, and the
// cost of a million.
func contestTables(title, settings string, outcomes []outcome) []Table {
	return []Table{figuresTable(title, settings, outcomes), actionsTable(title, outcomes), costTable(title, outcomes)}
}

func figuresTable(title, settings string, outcomes []outcome) Table {
	t := Table{
		Title: title + ": figures for 1,000 changes", Settings: settings,
		Columns: []Column{
			{Name: "searches", Digits: 1}, {Name: "rejected", Digits: 1}, {Name: "PutEvents", Digits: 1}, {Name: "actions", Digits: 1},
			{Name: "events", Digits: 1}, {Name: "repeats", Digits: 1}, {Name: "lost", Digits: 2}, {Name: "passed over", Digits: 1},
			{Name: "published", Unit: "MB", Digits: 2}, {Name: "a million changes", Unit: "$", Digits: 2},
		},
		Notes: []string{
			"A change is a version written. Lost: the newest version of its resource, searchable, and never published. Passed over: searchable for a time, and replaced by a newer version before a search of this one.",
			"Rejected searches are of those that the store answered with 429. The worker and a workflow a change repeat them; the chain does not.",
			"The chain is better here than as published: it takes all types in place of Patient, and a page has 100 resources in place of the store's default.",
		},
	}
	for _, o := range outcomes {
		each := func(n float64) *float64 { return some(n * 1000 / float64(max(1, o.versions))) }
		u := o.usage()
		actions := each(float64(u.actions))
		if len(o.census) == 0 {
			actions = nil // it has no engine
		}
		t.Rows = append(t.Rows, figures(o.name,
			each(float64(o.searches)), each(float64(o.rejected)), each(float64(o.puts)), actions,
			each(float64(o.bus.events)), each(float64(o.bus.events-o.bus.versions)), each(float64(o.lost)), each(float64(o.passedOver)),
			each(float64(o.bus.bytes)/1e6), some(u.perMillion().total())))
		t.Notes = append(t.Notes, o.text())
	}
	return t
}

// text says what the figures do not.
func (o outcome) text() string {
	text := fmt.Sprintf("%s: %d changes, written in %.0f s; everything was done after %.0f s; %d versions were searchable at some time, %d lost, %d passed over; of %d records %d came twice and %d never.",
		o.name, o.versions, o.wrote.Seconds(), o.took.Seconds(), o.searchable, o.lost, o.passedOver, o.trail.Recorded, o.trail.Repeated, o.trail.Lost)
	if c := o.chain; c.Runs > 0 {
		text += fmt.Sprintf(" %d state machines; %d of their %d searches failed; they showed %d resources, of which the table dropped %d; %d records, of bundles, started none.",
			c.Runs, c.FailedSearches, c.Searches, c.Found, c.Duplicates, c.Ignored)
	}
	return text
}

func actionsTable(title string, outcomes []outcome) Table {
	t := Table{
		Title: title + ": engine actions for 1,000 changes", Settings: "counted from the histories of all executions; heartbeats and queries from the worker's metrics",
		Columns: []Column{
			{Name: "starts", Digits: 1}, {Name: "continued", Digits: 1}, {Name: "timers", Digits: 1}, {Name: "activity attempts", Digits: 1},
			{Name: "heartbeats", Digits: 1}, {Name: "signals", Digits: 1}, {Name: "queries", Digits: 1}, {Name: "upserts", Digits: 1},
			{Name: "all", Digits: 1}, {Name: "executions", Digits: 1},
		},
	}
	for _, o := range outcomes {
		total := o.census.total()
		if total.runs == 0 {
			continue // it has no engine
		}
		a := total.actions
		a.add(o.hidden)
		row := Row{Name: o.name}
		for _, n := range []int{a.starts, a.continued, a.timers, a.attempts, a.heartbeats, a.signals, a.queries, a.upserts, a.total(), total.runs} {
			row.Figures = append(row.Figures, some(float64(n)*1000/float64(max(1, o.versions))))
		}
		t.Rows = append(t.Rows, row)
		t.Notes = append(t.Notes, o.name+": "+o.census.text())
	}
	return t
}

// text lists the kinds of executions.
func (c census) text() string {
	var text string
	for _, kind := range sorted(c) {
		g := c[kind]
		if text != "" {
			text += "; "
		}
		text += fmt.Sprintf("%d %s of %.2f actions", g.runs, kind, g.mean())
	}
	return text
}

func sorted(c census) []string {
	kinds := make([]string, 0, len(c))
	for kind := range c {
		kinds = append(kinds, kind)
	}
	slices.Sort(kinds)
	return kinds
}

func costTable(title string, outcomes []outcome) Table {
	t := Table{
		Title: title + ": cost of a million changes", Settings: "list prices in dollars, us-east-1; a hosted Temporal",
		Columns: []Column{
			{Name: "actions", Digits: 2}, {Name: "histories", Digits: 2}, {Name: "state machines", Digits: 2}, {Name: "functions", Digits: 2},
			{Name: "table", Digits: 2}, {Name: "events", Digits: 2}, {Name: "all", Digits: 2},
		},
		Notes: []string{
			"Not in it: what runs the worker, in either form; the fee of a Temporal plan; SQS; logs; and searches, of which a store includes 3,500 an hour.",
			fmt.Sprintf("The worker's audits are off here. They take %d actions each %s: $%.2f a month.", auditActions, auditEvery, monthly(audits)),
		},
	}
	for _, o := range outcomes {
		u := o.usage()
		b := u.perMillion()
		t.Rows = append(t.Rows, figures(o.name, some(b.actions), some(b.history), some(b.runs), some(b.calls), some(b.rows), some(b.events), some(b.total())))
		t.Notes = append(t.Notes, u.arithmetic(o.name))
	}
	return t
}

// evenTable shows below which rate a workflow a change would be cheaper than windows, and
// what each costs a month there and beside it.
func evenTable(outcomes []outcome) Table {
	m := modelOf(outcomes)
	even := m.evenRate()
	t := Table{
		Title:    fmt.Sprintf("Below %.3f writes a second a workflow a change is cheaper than windows", even),
		Settings: "dollars a month of 730 hours; single writes at random, no bundles",
		Columns: []Column{
			{Name: "changes a month"}, {Name: "windows", Digits: 2}, {Name: "workflow a change", Digits: 2}, {Name: "origin's chain", Digits: 2},
			{Name: "searches an hour by windows"},
		},
		Notes: []string{
			fmt.Sprintf("Windows: audits, %d actions each %s, and a tenth of a second's windows: %.2f actions × (1 − e^(−%.0f s × rate)) + %.2f × (1 − e^(−%.0f s × rate)): the first for any window that a record opens, the second more for one in which something was written. A workflow a change: %.2f actions × rate. All by what was measured above, at $%.0f a million actions, and $%.0f a million events.",
				auditActions, auditEvery, m.empty, m.touched.Seconds(), m.full-m.empty, m.width.Seconds(), m.perChange, dollarsPerAction*1e6, dollarsPerEvent*1e6),
			"The chain: its measured cost a change. At lower rates its searches find less, and it costs less a change.",
			"Searches an hour: one for each of the types and each of two passes of a window. A store includes 3,500 queries an hour, and what is more is billed, which is not in the figures; a workflow a change makes one search a write.",
		},
	}
	measured := Row{Name: "as measured, with bundles", Figures: make([]*float64, len(t.Columns))}
	chain := 0.0 // its cost a change
	for _, o := range outcomes {
		changes := float64(o.versions) / o.wrote.Seconds() * month.Seconds()
		cost := changes * o.usage().perMillion().total() / 1e6
		measured.Figures[0] = some(changes)
		switch {
		case o.chain.Runs > 0:
			measured.Figures[3], chain = some(cost), cost/changes
		case o.census["CaptureTrigger"].runs > 0:
			measured.Figures[2] = some(cost)
		default:
			measured.Figures[1] = some(cost + monthly(audits))
			measured.Figures[4] = some(float64(o.searches) / o.wrote.Hours())
		}
	}
	for _, rate := range []float64{even / 10, even, 1, 10} {
		changes := rate * month.Seconds()
		events := changes * dollarsPerEvent
		t.Rows = append(t.Rows, figures(fmt.Sprintf("%.3f a second", rate), some(changes),
			some(monthly(m.windows(rate))+events), some(monthly(m.changes(rate))+events), some(changes*chain),
			some(m.opened(rate)*2*searchedTypes*3600)))
	}
	t.Rows = append(t.Rows, measured)
	return t
}

// searchedTypes is how many types a contest's windows search.
const searchedTypes = 25
