package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	workflowpb "go.temporal.io/api/workflow/v1"

	"healthlake-cdc/internal/cdc"
	"healthlake-cdc/internal/temporal"
)

const (
	// settingsTimeout bounds the look at earlier windows, which holds up the start.
	settingsTimeout = 10 * time.Second
	// settingsWindows is how many windows of a store are looked at.
	settingsWindows = 20
	// rolloutTime is for how long before this start a window counts although it is
	// not the newest: while a deployment is rolled out, workers with the old
	// settings open windows beside those with the new ones.
	rolloutTime = 15 * time.Minute
	// beginning is where a backfill of what was never swept starts.
	beginning = "1970-01-01T00:00:00Z"
)

// sweptWindow is what a window was opened with.
type sweptWindow struct {
	opened time.Time
	types  []string
}

// gap is what windows before this start did not sweep.
type gap struct {
	datastores []string
	// types is nil when no window of the datastores exists: all configured ones.
	types []string
}

// reportSettingsChange logs the command that captures what windows opened before
// this start did not sweep: types and datastores that were added to the settings.
// It only informs: what it cannot find out it leaves out.
func (p *process) reportSettingsChange(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, settingsTimeout)
	defer cancel()
	now := time.Now()
	gaps, err := p.settingsGaps(ctx, now)
	if err != nil {
		p.logger.Info("cannot tell whether types or datastores were added since the last windows", "error", err)
		return
	}
	for _, command := range backfillCommands(gaps, p.cfg.Datastores, now) {
		p.logger.Warn("earlier windows did not sweep types or datastores that are configured now: run this once the last worker with the old settings has stopped, with a later --until where that was later",
			"command", command)
	}
}

// settingsGaps compares the configured types of each datastore with what its last
// windows swept. Without a window of any datastore nothing was ever captured, and
// there is no gap.
func (p *process) settingsGaps(ctx context.Context, now time.Time) ([]gap, error) {
	windows := make(map[string][]sweptWindow, len(p.cfg.Datastores))
	captured := false
	for _, datastore := range p.cfg.Datastores {
		found, err := p.sweptWindows(ctx, datastore, now)
		if err != nil {
			return nil, err
		}
		windows[datastore] = found
		captured = captured || len(found) > 0
	}
	if !captured {
		return nil, nil
	}
	var gaps []gap
	for _, datastore := range p.cfg.Datastores {
		missing, all := notSwept(p.sweeps[datastore], windows[datastore], now)
		if len(missing) == 0 && !all {
			continue
		}
		same := slices.IndexFunc(gaps, func(g gap) bool { return slices.Equal(g.types, missing) })
		if same >= 0 {
			gaps[same].datastores = append(gaps[same].datastores, datastore)
		} else {
			gaps = append(gaps, gap{datastores: []string{datastore}, types: missing})
		}
	}
	return gaps, nil
}

// notSwept are the configured types that a window which counts did not sweep:
// the newest, and any of the last rolloutTime. Without windows it is all of them.
func notSwept(configured []string, windows []sweptWindow, now time.Time) (missing []string, all bool) {
	if len(windows) == 0 {
		return nil, true
	}
	newest := slices.MaxFunc(windows, func(a, b sweptWindow) int { return a.opened.Compare(b.opened) })
	for _, resourceType := range configured {
		lacking := func(w sweptWindow) bool {
			counts := w.opened.Equal(newest.opened) || now.Sub(w.opened) < rolloutTime
			return counts && !slices.Contains(w.types, resourceType)
		}
		if slices.ContainsFunc(windows, lacking) {
			missing = append(missing, resourceType)
		}
	}
	return missing, false
}

// sweptWindows reads what the store's last windows were opened with: those of the
// last rolloutTime, or else the newest before. What an operator opened had the
// settings of wherever the starter ran, and is left out.
func (p *process) sweptWindows(ctx context.Context, datastore string, now time.Time) ([]sweptWindow, error) {
	query := temporal.Windows(datastore)
	for _, query := range []temporal.Query{query.Since(temporal.StartTime, now.Add(-rolloutTime)), query} {
		windows, err := p.temporal.Executions().List(ctx, query, settingsWindows)
		if err != nil {
			return nil, err
		}
		found, err := p.startedWith(ctx, windows)
		if err != nil || len(found) > 0 {
			return found, err
		}
	}
	return nil, nil
}

func (p *process) startedWith(ctx context.Context, executions []*workflowpb.WorkflowExecutionInfo) ([]sweptWindow, error) {
	var found []sweptWindow
	for _, info := range executions {
		if _, rerun, err := cdc.ParseWindowID(info.GetExecution().GetWorkflowId()); err != nil || rerun > 0 {
			continue
		}
		var in cdc.CaptureWindowInput
		err := p.temporal.Executions().Input(ctx, info.GetExecution().GetWorkflowId(), info.GetExecution().GetRunId(), &in)
		switch {
		case errors.Is(err, temporal.ErrUndecodable):
			continue // checkKeys has looked at these
		case err != nil:
			return nil, err
		}
		if in.CapturedBy != cdc.ByOperator {
			found = append(found, sweptWindow{opened: info.GetStartTime().AsTime(), types: in.Types})
		}
	}
	return found, nil
}

// backfillCommands are the commands that close the gaps, one each, up to the
// first window that begins after now. They name the datastores where the gap is
// not of all that are configured, for a backfill is of all of its settings'.
func backfillCommands(gaps []gap, configured []string, now time.Time) []string {
	until := cdc.WindowAt("", now).End().UTC()
	commands := make([]string, len(gaps))
	for i, g := range gaps {
		var text strings.Builder
		if len(g.datastores) < len(configured) {
			text.WriteString("CDC_DATASTORES=" + strings.Join(g.datastores, ",") + " ")
		}
		text.WriteString("starter backfill --name settings-" + until.Format("20060102T150405Z"))
		if i > 0 {
			fmt.Fprintf(&text, "-%d", i+1)
		}
		text.WriteString(" --since " + beginning + " --until " + until.Format(time.RFC3339))
		for _, resourceType := range g.types {
			text.WriteString(" --type " + resourceType)
		}
		commands[i] = text.String()
	}
	return commands
}
