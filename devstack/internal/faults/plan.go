package faults

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"time"
)

// Fault is one fault of a plan.
type Fault struct {
	// Kind is the name of its kind.
	Kind string `json:"kind"`
	// At is when it begins, For how long it lasts: seconds since the first write.
	At  float64 `json:"at"`
	For float64 `json:"for"`
	// N is how many requests, entries or messages it concerns, Pick what it chooses: a
	// worker, a type, an execution.
	N    int    `json:"n"`
	Pick uint64 `json:"pick"`
}

// String is the fault as a line of a plan.
func (f Fault) String() string {
	return fmt.Sprintf("%6.1fs  %-16s for %.1fs, n=%d, pick=%d", f.At, f.Kind, f.For, f.N, f.Pick%1000)
}

func seconds(s float64) time.Duration { return time.Duration(s * float64(time.Second)) }

// kind is a way to fail. A fault's length and number are drawn from its ranges.
type kind struct {
	name, group, about string
	// often is how many cards of the deck it has; 0 is one.
	often   int
	seconds [2]float64
	n       [2]int
	// whole is set for what begins before the first write and stays.
	whole bool
	begin begin
}

// choose returns the kinds of these names and groups; none means all.
func choose(names []string) ([]kind, error) {
	var chosen []kind
	for _, k := range kinds {
		if len(names) == 0 || slices.Contains(names, k.name) || slices.Contains(names, k.group) {
			chosen = append(chosen, k)
		}
	}
	for _, name := range names {
		if !slices.ContainsFunc(kinds, func(k kind) bool { return k.name == name || k.group == name }) {
			return nil, fmt.Errorf("there is no kind or group of faults %q: choose from\n%s", name, About())
		}
	}
	return chosen, nil
}

func kindOf(name string) kind {
	return kinds[slices.IndexFunc(kinds, func(k kind) bool { return k.name == name })]
}

// About lists the kinds of faults, a line each.
func About() string {
	var text strings.Builder
	for _, k := range kinds {
		fmt.Fprintf(&text, "  %-12s %-16s %s\n", k.group, k.name, k.about)
	}
	return text.String()
}

// draw draws a plan from a seed: a fault each so often, from a deck in which every kind
// has its cards, and which is shuffled again when it is empty. Two faults of a kind never
// overlap, so that what the first one changes is back before the second one.
func draw(seed uint64, from []kind, span, every time.Duration) []Fault {
	r := rand.New(rand.NewPCG(seed, 0)) //nolint:gosec // choices that a seed repeats
	var plan []Fault
	var deck []kind
	free := make(map[string]float64)
	last := 0.95 * span.Seconds()
	for at := every.Seconds() * r.Float64(); at < last; at += every.Seconds() * (0.5 + r.Float64()) {
		if len(deck) == 0 {
			for _, k := range from {
				for range max(1, k.often) {
					deck = append(deck, k)
				}
			}
			r.Shuffle(len(deck), func(i, j int) { deck[i], deck[j] = deck[j], deck[i] })
		}
		k := deck[0]
		deck = deck[1:]
		f := Fault{
			Kind: k.name, At: at, N: k.n[0] + r.IntN(k.n[1]-k.n[0]+1), Pick: r.Uint64(),
			For: k.seconds[0] + r.Float64()*(min(k.seconds[1], max(k.seconds[0], span.Seconds()/2))-k.seconds[0]),
		}
		switch _, drawn := free[k.name]; {
		case k.whole && drawn:
			continue
		case k.whole:
			f.At, f.For = 0, span.Seconds()
		case free[k.name] > at:
			f.At = free[k.name]
		}
		if f.At >= last {
			continue
		}
		free[k.name] = f.At + f.For + 1
		plan = append(plan, f)
	}
	slices.SortStableFunc(plan, func(a, b Fault) int { return int(1000*a.At) - int(1000*b.At) })
	return plan
}
