package explain

import (
	"fmt"
	"strings"
)

// Text is the result for a terminal. It names the resource, as the operator has.
func (r Result) Text() string {
	var b strings.Builder
	name := r.Type + "/" + r.ID
	if r.Version != "" {
		name += "/_history/" + r.Version
	}
	line := func(label, format string, args ...any) {
		fmt.Fprintf(&b, "%-11s %s\n", label, fmt.Sprintf(format, args...))
	}
	line(name, "in datastore %s", r.Datastore)
	line("verdict", "%s", strings.ReplaceAll(string(r.Verdict), "_", " "))
	line("", "%s", r.Reason)
	if r.Advice != "" {
		line("do", "%s", r.Advice)
	}
	if r.LastUpdated != "" {
		line("written", "%s", r.LastUpdated)
	}
	if p := r.Publication; p != nil {
		p.lines(line)
	}
	if r.Window != nil {
		r.Window.lines(line)
	}
	for _, replay := range r.Replays {
		line("replay", "%s published it at %s · %s", replay.Name, stamp(replay.At), replay.URL)
	}
	return strings.TrimRight(b.String(), "\n")
}

func (p *Publication) lines(line func(label, format string, args ...any)) {
	what := "published"
	switch {
	case p.Rejected != "":
		what = "rejected"
	case p.EventID == "":
		what = "publishing"
	}
	text := fmt.Sprintf("attempt %d", p.Attempt)
	if !p.At.IsZero() {
		text = stamp(p.At) + ", " + text
	}
	if p.EventID != "" {
		text += ", event " + p.EventID
	}
	line(what, "%s", text)
	if p.Step != "" {
		line("found by", "%s", p.Step)
	}
	line("in", "%s", p.URL)
}

func (w *Window) lines(line func(label, format string, args ...any)) {
	line("window", "%s to %s", stamp(w.Start), stamp(w.End))
	for _, run := range w.Runs {
		text := fmt.Sprintf("%s, %s", run.WorkflowID, run.Status)
		if !run.Closed.IsZero() {
			text += " at " + stamp(run.Closed)
		}
		if run.CapturedBy != "" {
			text += fmt.Sprintf(", opened by %s (trigger of %s)", run.CapturedBy, stamp(run.SourceTime))
		}
		line("run", "%s · %s", text, run.URL)
	}
	if len(w.Runs) == 0 {
		line("run", "none")
	}
}
