package status

import (
	"context"
	"maps"
	"slices"
	"time"

	workflowpb "go.temporal.io/api/workflow/v1"
	"go.temporal.io/sdk/converter"

	"healthlake-cdc/internal/cdc"
	"healthlake-cdc/internal/temporal"
)

const (
	// maxOpen and maxRecent bound how many windows of a store are listed.
	maxOpen   = 1000
	maxRecent = 500
	// maxRead bounds the windows of a store whose history is read.
	maxRead = 8
)

// window is one run of a window, as visibility shows it.
type window struct {
	cdc.Window
	id, runID string
	opened    time.Time
	// types are those that it published, where the namespace has our attributes.
	types []string
}

// windowsOf are the windows among the executions, the newest first.
func windowsOf(infos []*workflowpb.WorkflowExecutionInfo) []window {
	var all []window
	for _, info := range infos {
		w, _, err := cdc.ParseWindowID(info.GetExecution().GetWorkflowId())
		if err != nil {
			continue
		}
		one := window{
			Window: w, id: info.GetExecution().GetWorkflowId(), runID: info.GetExecution().GetRunId(),
			opened: info.GetStartTime().AsTime(),
		}
		if payload := info.GetSearchAttributes().GetIndexedFields()[cdc.AttrTypes.GetName()]; payload != nil {
			// Our codec does not encode attributes. One that cannot be read is like none.
			_ = converter.GetDefaultDataConverter().FromPayload(payload, &one.types)
		}
		all = append(all, one)
	}
	slices.SortStableFunc(all, func(a, b window) int { return b.Start.Compare(a.Start) })
	return all
}

func (c *collection) stores(ctx context.Context) error {
	for _, datastore := range c.Datastores {
		if err := c.store(ctx, datastore); err != nil {
			return err
		}
	}
	return nil
}

func (c *collection) store(ctx context.Context, datastore string) error {
	s := Store{Datastore: datastore}
	running := temporal.Windows(datastore).Running()
	opened := temporal.Windows(datastore).Since(temporal.StartTime, c.report.At.Add(-c.Lookback))
	count, err := c.count(ctx, opened)
	if err != nil {
		return err
	}
	if s.OpenWindows, err = c.count(ctx, running); err != nil {
		return err
	}
	open, err := c.Executions.List(ctx, running, maxOpen)
	if err != nil {
		return err
	}
	recent, err := c.Executions.List(ctx, opened, maxRecent)
	if err != nil {
		return err
	}
	if s.OpenWindows > len(open) {
		c.note("of the %d open windows of %s the %d newest were looked at", s.OpenWindows, datastore, len(open))
	}
	openWindows := windowsOf(open)
	if n := len(openWindows); n > 0 {
		s.OldestOpen = openWindows[n-1].Start
	}
	c.openWindows(ctx, openWindows)

	published, searches, err := c.read(ctx, sample(windowsOf(recent)))
	if err != nil {
		return err
	}
	s.WindowsPerHour = float64(count) / c.Lookback.Hours()
	s.ActionsPerHour = s.WindowsPerHour * actionsPerWindow
	s.DollarsPerHour = s.ActionsPerHour * DollarsPerAction
	s.SearchesPerHour = s.WindowsPerHour * searches
	s.Types = typesOf(c.Types[datastore], published)
	if s.Audit, err = c.audit(ctx, datastore); err != nil {
		return err
	}
	c.report.Waiting = append(c.report.Waiting, s.Audit.waiting()...)
	c.report.Stores = append(c.report.Stores, s)
	return nil
}

// typesOf lists the configured types, and those that were published.
func typesOf(configured []string, published map[string]Type) []Type {
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

// sample chooses the windows to read: the newest, and for each type the newest that
// published it. Without attributes nothing is known of the types: the newest have to do.
func sample(recent []window) (chosen []window) {
	const newest = 3
	typesKnown := slices.ContainsFunc(recent, func(w window) bool { return len(w.types) > 0 })
	var covered []string
	for i, w := range recent {
		if i < newest || !typesKnown || len(temporal.Lacking(w.types, covered)) > 0 {
			chosen, covered = append(chosen, w), append(covered, w.types...)
		}
		if len(chosen) == maxRead {
			break
		}
	}
	return chosen
}

// read reads from the histories of windows what was published last of each type, and how
// many searches a closed window made on average.
func (c *collection) read(ctx context.Context, chosen []window) (published map[string]Type, searches float64, err error) {
	published = make(map[string]Type)
	closed, total := 0, 0
	for _, w := range chosen {
		h := history{converter: c.Executions.ConverterOf(w.id), window: w.id, published: published, inputs: make(map[int64]cdc.PublishInput)}
		if err := c.Executions.Visit(ctx, w.id, w.runID, h.apply); err != nil && !temporal.IsNotFound(err) {
			return nil, 0, err
		}
		if h.closed {
			closed++
			total += h.counts.Searches
		}
	}
	if closed > 0 {
		searches = float64(total) / float64(closed)
	}
	return published, searches, nil
}
