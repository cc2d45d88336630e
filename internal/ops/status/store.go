package status

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/api/serviceerror"
	workflowpb "go.temporal.io/api/workflow/v1"
	"go.temporal.io/sdk/converter"

	"healthlake-cdc/internal/cdc"
)

// window is one run of a window, as visibility shows it.
type window struct {
	cdc.Window
	id, runID string
	opened    time.Time
	open      bool
	// types are those that it published, where the namespace has our attributes.
	types []string
}

func windowsOf(infos []*workflowpb.WorkflowExecutionInfo) []window {
	var all []window
	for _, info := range infos {
		w, _, err := cdc.ParseWindowID(info.GetExecution().GetWorkflowId())
		if err != nil {
			continue
		}
		one := window{
			Window: w, id: info.GetExecution().GetWorkflowId(), runID: info.GetExecution().GetRunId(),
			opened: info.GetStartTime().AsTime(), open: info.GetStatus() == enumspb.WORKFLOW_EXECUTION_STATUS_RUNNING,
		}
		if payload := info.GetSearchAttributes().GetIndexedFields()[cdc.AttrTypes.GetName()]; payload != nil {
			// Attributes are not encoded by our codec. One that cannot be read is as
			// good as none.
			_ = converter.GetDefaultDataConverter().FromPayload(payload, &one.types)
		}
		all = append(all, one)
	}
	slices.SortStableFunc(all, func(a, b window) int { return b.Start.Compare(a.Start) })
	return all
}

// store collects how one datastore stands.
func (c *collection) store(ctx context.Context, datastore string) error {
	s := Store{Datastore: datastore, Types: []Type{}}
	from := c.report.At.Add(-c.Lookback)
	opened, err := c.count(ctx, windowQuery(datastore, since(from)))
	if err != nil {
		return err
	}
	if s.OpenWindows, err = c.count(ctx, windowQuery(datastore, running)); err != nil {
		return err
	}
	open, err := c.list(ctx, windowQuery(datastore, running), mostOpen)
	if err != nil {
		return err
	}
	recent, err := c.list(ctx, windowQuery(datastore, since(from)), mostRecent)
	if err != nil {
		return err
	}
	if s.OpenWindows > len(open) {
		c.report.Notes = append(c.report.Notes, fmt.Sprintf("of the %d open windows of %s the %d newest were looked at", s.OpenWindows, datastore, len(open)))
	}
	openWindows := windowsOf(open)
	if n := len(openWindows); n > 0 {
		s.OldestOpen, s.OldestOpenID = openWindows[n-1].Start, openWindows[n-1].id
	}
	c.waiting(ctx, openWindows)

	published, searches, err := c.read(ctx, c.sample(windowsOf(recent)))
	if err != nil {
		return err
	}
	s.WindowsPerHour = float64(opened) / c.Lookback.Hours()
	s.ActionsPerHour = s.WindowsPerHour * actionsPerWindow
	s.DollarsPerHour = s.ActionsPerHour * dollarsPerAction
	s.SearchesPerHour = s.WindowsPerHour * searches
	s.Types = types(c.Types[datastore], published)
	if s.Audit, err = c.audit(ctx, datastore); err != nil {
		return err
	}
	c.report.Waiting = append(c.report.Waiting, s.Audit.waiting()...)
	c.report.Stores = append(c.report.Stores, s)
	return nil
}

// types are the configured types, and any other that was published.
func types(configured []string, published map[string]Type) []Type {
	names := slices.Concat(configured, slices.Collect(maps.Keys(published)))
	slices.Sort(names)
	all := []Type{}
	for _, name := range slices.Compact(names) {
		one := published[name]
		one.Type = name
		all = append(all, one)
	}
	return all
}

// sample chooses the windows to read: the newest, and for each type the newest
// that published it.
func (c *collection) sample(recent []window) []window {
	const newest = 3
	var chosen []window
	covered := make(map[string]bool)
	for i, w := range recent {
		fresh := i < newest
		for _, name := range w.types {
			fresh = fresh || !covered[name]
		}
		if !fresh {
			continue
		}
		for _, name := range w.types {
			covered[name] = true
		}
		if chosen = append(chosen, w); len(chosen) == mostRead {
			break
		}
	}
	// Without attributes nothing is known of the types: the newest must do.
	for i := newest; i < len(recent) && len(covered) == 0 && len(chosen) < mostRead; i++ {
		chosen = append(chosen, recent[i])
	}
	return chosen
}

// read reads the chosen windows' histories: what was published last of each
// type, and how many searches a closed window made on average.
func (c *collection) read(ctx context.Context, chosen []window) (map[string]Type, float64, error) {
	published := make(map[string]Type)
	closed, searches := 0, 0
	for _, w := range chosen {
		h := history{converter: c.Converter, window: w.id, published: published, inputs: make(map[int64]cdc.PublishInput)}
		if err := h.read(c.Temporal.GetWorkflowHistory(ctx, w.id, w.runID, false, enumspb.HISTORY_EVENT_FILTER_TYPE_ALL_EVENT)); err != nil {
			var notFound *serviceerror.NotFound
			if errors.As(err, &notFound) {
				continue // expired since it was listed
			}
			return nil, 0, err
		}
		if h.closed {
			closed++
			searches += h.counts.Searches
		}
	}
	if closed == 0 {
		return published, 0, nil
	}
	return published, float64(searches) / float64(closed), nil
}
