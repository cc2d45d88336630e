package bench

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strconv"
	"time"

	"github.com/aws/aws-sdk-go-v2/credentials"

	"healthlake-cdc/devstack/internal/fhirclient"
	"healthlake-cdc/devstack/internal/fhirdata"
	"healthlake-cdc/devstack/internal/simulator"
	"healthlake-cdc/devstack/internal/stack"
	"healthlake-cdc/internal/cdc"
)

// workload is writes at an even rate, and bundles beside them. Its seed decides all of
// them, and, with the simulator's, what becomes of each one's record: writes are made one
// after the other.
type workload struct {
	writes int
	length time.Duration
	// updates is the share of writes that change an earlier resource.
	updates float64
	// bundleEvery is the time between two bundles of bundleEntries new resources of
	// different types, whose record names no type; 0 makes none.
	bundleEvery   time.Duration
	bundleEntries int
	samples       []fhirdata.Resource
	seed          uint64
}

// writeCall is a call: of one resource, or of a bundle of several.
type writeCall struct {
	at        time.Duration
	resources []numbered
	bundle    bool
}

// numbered names a resource of the workload, and the change to it; 0 creates it.
type numbered struct{ resource, change int }

// plan is all calls, in order.
func (l workload) plan() []writeCall {
	random := rand.New(rand.NewPCG(l.seed, 0)) //nolint:gosec // a workload that a seed repeats
	var plan []writeCall
	resources, singles := 0, []int(nil)
	create := func() numbered {
		resources++
		return numbered{resource: resources - 1}
	}
	nextBundle := l.bundleEvery / 2
	for i := range l.writes {
		at := time.Duration(i) * l.length / time.Duration(l.writes)
		for ; l.bundleEvery > 0 && nextBundle <= at; nextBundle += l.bundleEvery {
			bundle := writeCall{at: nextBundle, bundle: true}
			for range l.bundleEntries {
				bundle.resources = append(bundle.resources, create())
			}
			plan = append(plan, bundle)
		}
		if len(singles) > 0 && random.Float64() < l.updates {
			of := singles[random.IntN(len(singles))]
			plan = append(plan, writeCall{at: at, resources: []numbered{{resource: of, change: i}}})
			continue
		}
		one := create()
		singles = append(singles, one.resource)
		plan = append(plan, writeCall{at: at, resources: []numbered{one}})
	}
	return plan
}

// body is what is written of a resource.
func (l workload) body(n numbered) (fhirdata.Resource, error) {
	resource, err := fhirdata.WithID(l.samples[n.resource%len(l.samples)], "bench-"+strconv.Itoa(n.resource))
	if err != nil || n.change == 0 {
		return resource, err
	}
	return fhirdata.Vary(resource, n.change)
}

// write makes the calls, each at its time or as soon as the one before has returned, and
// returns how long they took.
func (l workload) write(ctx context.Context, s *stage) (time.Duration, error) {
	client := fhirclient.Client{
		Endpoint: s.Simulator.URL(), Datastore: s.datastore(), Region: stack.Region,
		Credentials: credentials.NewStaticCredentialsProvider(
			simulator.DefaultCredentials.AccessKeyID, simulator.DefaultCredentials.SecretAccessKey, ""),
	}
	began := time.Now()
	for _, w := range l.plan() {
		select {
		case <-time.After(w.at - time.Since(began)):
		case <-ctx.Done():
			return 0, ctx.Err()
		}
		resources := make([]fhirdata.Resource, len(w.resources))
		for i, n := range w.resources {
			var err error
			if resources[i], err = l.body(n); err != nil {
				return 0, err
			}
		}
		if err := send(ctx, &client, resources, w.bundle); err != nil {
			return 0, fmt.Errorf("writing to the store: %w", err)
		}
	}
	return time.Since(began), nil
}

// send makes one call.
func send(ctx context.Context, client *fhirclient.Client, resources []fhirdata.Resource, bundle bool) (err error) {
	if bundle {
		_, err = client.Transaction(ctx, fhirdata.Transactions(resources, len(resources))[0])
		return err
	}
	_, err = client.Update(ctx, resources[0].Type, resources[0].ID, resources[0].Body)
	return err
}

// fates is what became of the versions of a write log.
type fates struct {
	// versions were written; searchable is how many of them a search could find at some
	// time.
	versions, searchable int
	// lost were searchable and never published, and are the newest of their resource.
	lost int
	// passedOver were searchable and not published before a newer version replaced them.
	passedOver int
}

// fatesOf compares a write log with the deliveries by idempotency key.
func fatesOf(writes []simulator.Write, delivered map[string]int) (f fates) {
	for _, w := range writes {
		if w.Deleted {
			continue
		}
		f.versions++
		version := cdc.Version{Type: w.Type, ID: w.ID, VersionID: strconv.Itoa(w.Version)}
		switch {
		case !w.EverSearchable():
			continue
		case delivered[version.IdempotencyKey(w.Datastore)] > 0:
		case w.Replaced.IsZero():
			f.lost++
		default:
			f.passedOver++
		}
		f.searchable++
	}
	return f
}
