package rivals

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/eventbridge"
	"github.com/aws/aws-sdk-go-v2/service/eventbridge/types"
	smithytime "github.com/aws/smithy-go/time"
	"golang.org/x/sync/errgroup"

	"healthlake-cdc/internal/cdc"
	"healthlake-cdc/internal/eventbus"
)

const (
	// searchMargin is what the client of HealthLake asks for before a span. The origin
	// asks for none.
	searchMargin = time.Second
	// noEnd is so far ahead that a search has no upper bound.
	noEnd = 100 * 365 * 24 * time.Hour
	// writeUnit is what DynamoDB bills an item in.
	writeUnit = 1 << 10
)

// MapConcurrency is how many resources a state machine works on side by side.
const MapConcurrency = 10

// chain is the algorithm of "Event Driven Architecture with AWS HealthLake" (B. Pyle) and
// its repository github.com/benbpyle/healthlake-cdc, for all types in place of Patient
// alone: a record of a create or an update starts an Express state machine, which waits
// 10 s, searches once, and for each resource on the page writes a row, if there is none
// yet, and then puts one event. Only failures of the Lambda service are repeated: a search
// or an event that fails is lost. Records come from the product's queue; the article's rule
// calls the first function itself.
//
// It is better than the original in one thing: a page holds 100 resources in place of the
// store's default.
type chain struct {
	*parts
	bus   *eventbridge.Client
	table table
	runs  sync.WaitGroup
}

func runOrigin(ctx context.Context, p *parts) error {
	c := &chain{parts: p, bus: eventbus.NewClient(p.aws), table: table{rows: make(map[row]bool)}}
	defer c.runs.Wait()
	return c.consume(ctx, c.handle)
}

// handle starts a state machine for a record that the article's rule lets through. A
// record that comes twice starts two.
func (c *chain) handle(ctx context.Context, r record) error {
	written := r.Name == "CreateResource" || r.Name == "UpdateResource"
	if !written || r.Status != 200 && r.Status != 201 || !slices.Contains(c.cfg.ResourceTypes, r.Type) {
		c.tally.add(func(counts *Counts) { counts.Ignored++ })
		return nil
	}
	c.tally.add(func(counts *Counts) { counts.Running++ })
	c.runs.Go(func() { c.run(ctx, r) })
	return nil
}

// run is one state machine.
func (c *chain) run(ctx context.Context, r record) {
	defer c.tally.add(func(counts *Counts) {
		counts.Running--
		counts.Runs++
	})
	if smithytime.SleepWithContext(ctx, Settle) != nil {
		return
	}
	var group errgroup.Group
	group.SetLimit(MapConcurrency)
	for _, resource := range c.search(ctx, r) {
		group.Go(func() error {
			c.publish(ctx, r, resource)
			return nil
		})
	}
	_ = group.Wait() // nothing that it runs returns an error
}

// search is the one search of a state machine: its first page, nothing if it fails.
func (c *chain) search(ctx context.Context, r record) []cdc.Resource {
	page, err := c.store.Search(ctx, sinceRecord(r))
	c.tally.add(func(counts *Counts) {
		counts.Searches++
		counts.Found += len(page.Resources)
		if err != nil {
			counts.FailedSearches++
		}
	})
	return page.Resources
}

// sinceRecord asks for what was updated at the record's time or later.
func sinceRecord(r record) cdc.SearchRequest {
	from := r.Time.Add(searchMargin)
	return cdc.SearchRequest{Datastore: r.Datastore, Type: r.Type, Span: cdc.Span{From: from, To: from.Add(noEnd)}}
}

// publish writes the row first: what fails after that is never sent again.
func (c *chain) publish(ctx context.Context, r record, resource cdc.Resource) {
	event, err := c.format.ChangeEvent(cdc.Change{Version: resource.Version, Body: cdc.NewBody(resource.Body)}, r.origin(r.EventID), time.Now())
	if err != nil {
		c.tally.add(func(counts *Counts) { counts.FailedPuts++ })
		return
	}
	isNew := c.table.put(rowOf(r, resource.Version))
	c.tally.add(func(counts *Counts) {
		counts.WriteUnits += (len(event.Detail) + writeUnit - 1) / writeUnit // also of a row that is there
		if !isNew {
			counts.Duplicates++
		}
	})
	if !isNew {
		return
	}
	out, err := c.bus.PutEvents(ctx, &eventbridge.PutEventsInput{Entries: []types.PutEventsRequestEntry{{
		EventBusName: aws.String(c.cfg.EventBus), Source: aws.String(event.Source), DetailType: aws.String(event.DetailType),
		Detail: aws.String(string(event.Detail)), Time: aws.Time(event.Time),
	}}})
	if err != nil || out.FailedEntryCount > 0 {
		c.tally.add(func(counts *Counts) { counts.FailedPuts++ })
	}
}

// row is the key of the table: two versions of a resource are the same if they are of one
// day and found by records of one second.
type row struct {
	resourceType, id, day string
	trigger               time.Time
}

func rowOf(r record, v cdc.Version) row {
	return row{resourceType: v.Type, id: v.ID, day: v.Time().Format(time.DateOnly), trigger: r.Time.UTC()}
}

// table stands for DynamoDB's.
type table struct {
	mu   sync.Mutex
	rows map[row]bool
}

// put writes a row and reports whether there was none.
func (t *table) put(r row) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	isNew := !t.rows[r]
	t.rows[r] = true
	return isNew
}
