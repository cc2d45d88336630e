package cdc

import (
	"fmt"
	"time"
)

// RangeProgress is how far a range is. It holds no FHIR id.
type RangeProgress struct {
	// Planned is set when Total is known: every type was counted.
	Planned bool `json:"planned"`
	// Total and Done are versions. What the open Slices have done is added with
	// [RangeProgress.Add].
	Total int `json:"total"`
	Done  int `json:"done"`
	// Slices are the workflow IDs of the open slices.
	Slices []string `json:"slices,omitempty"`
	Paused bool     `json:"paused,omitempty"`
	// Worked is for how long the range has worked until At, without pauses.
	Worked time.Duration `json:"worked,omitempty"`
	At     time.Time     `json:"at,omitzero"`
	// Rate is versions a second since the range started, without pauses, and ETA how long
	// the rest takes; both 0 while they are not known.
	Rate float64       `json:"rate,omitempty"`
	ETA  time.Duration `json:"eta,omitempty"`
}

// Progress is how far the plan is at a moment.
func (p RangePlan) Progress(at time.Time, slices []string) RangeProgress {
	paused := p.PausedFor
	if p.Paused {
		paused += at.Sub(p.PausedAt)
	}
	progress := RangeProgress{
		Planned: p.Planned, Total: p.Total, Done: p.Done, Slices: slices, Paused: p.Paused,
		Worked: at.Sub(p.Started) - paused, At: at,
	}
	progress.pace()
	return progress
}

// Add adds what open slices have done until a moment.
func (p *RangeProgress) Add(done int, at time.Time) {
	p.Done += done
	if p.Planned {
		p.Done = min(p.Done, max(p.Total, p.Done-done))
	}
	if at.After(p.At) {
		if !p.Paused {
			p.Worked += at.Sub(p.At)
		}
		p.At = at
	}
	p.pace()
}

func (p *RangeProgress) pace() {
	p.Rate, p.ETA = 0, 0
	if p.Worked > 0 && p.Done > 0 {
		p.Rate = float64(p.Done) / p.Worked.Seconds()
		p.ETA = time.Duration(float64(max(0, p.Total-p.Done)) / p.Rate * float64(time.Second)).Round(time.Second)
	}
}

// Text is the progress for people, on one line.
func (p RangeProgress) Text() string {
	if !p.Planned {
		if p.Paused {
			return "paused while counting"
		}
		return "counting"
	}
	percent := 100
	if p.Total > 0 {
		percent = min(100, 100*p.Done/p.Total)
	}
	text := fmt.Sprintf("%d of %d versions (%d %%)", p.Done, p.Total, percent)
	if p.Rate > 0 {
		text += fmt.Sprintf(", %.0f/s", p.Rate)
	}
	switch {
	case p.Paused:
		text += ", paused"
	case p.Rate > 0:
		text += fmt.Sprintf(", about %s to go", p.ETA)
	}
	return text
}
