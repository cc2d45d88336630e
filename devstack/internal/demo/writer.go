package demo

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/aws/aws-sdk-go-v2/credentials"
	"golang.org/x/time/rate"

	"healthlake-cdc/devstack/internal/fhirclient"
	"healthlake-cdc/devstack/internal/fhirdata"
	"healthlake-cdc/devstack/internal/simulator"
	"healthlake-cdc/devstack/internal/stack"
)

const (
	// maxTransactionEntries is HealthLake's limit.
	maxTransactionEntries = 500
	// rest is the time between two writes of a resource: the first version has then been
	// published. The exception is an update that follows at once, so that no search shows
	// the version in between: with CDC_VERSIONS=latest it is superseded.
	rest = 35 * time.Second
)

// writer writes like a clinic: a few bundles, then creates, updates and deletes.
type writer struct {
	client *fhirclient.Client
	rate   float64
	random *rand.Rand
	// resting holds what was written, oldest first.
	resting []rested
	created int
}

// rested is a resource, and the time of its last write.
type rested struct {
	resource fhirdata.Resource
	since    time.Time
	made     bool // not of a bundle, so that it may be deleted
}

// Write writes to the stack's first datastore until ctx ends: the sample bundles, then
// creates, updates and deletes, perSecond of them a second.
func Write(ctx context.Context, s *stack.Stack, perSecond float64) error {
	identity := simulator.DefaultCredentials
	w := &writer{
		client: &fhirclient.Client{
			Endpoint: s.Simulator.URL(), Datastore: s.Simulator.Datastores()[0], Region: stack.Region,
			Credentials: credentials.NewStaticCredentialsProvider(identity.AccessKeyID, identity.SecretAccessKey, ""),
		},
		rate: perSecond, random: rand.New(rand.NewPCG(1, 2)), //nolint:gosec // a workload that is the same each time
	}
	return w.run(ctx)
}

// run loads the sample bundles, then writes until ctx ends.
func (w *writer) run(ctx context.Context) error {
	bundles, err := fhirdata.LoadAll()
	if err != nil {
		return err
	}
	var pool []fhirdata.Resource
	for _, bundle := range bundles {
		if err := w.load(ctx, bundle); err != nil {
			return ignoreEnd(ctx, err)
		}
		pool = append(pool, bundle.Resources...)
	}
	examples, err := fhirdata.Examples()
	if err != nil {
		return err
	}
	pool = append(pool, examples...)
	limiter := rate.NewLimiter(rate.Limit(w.rate), 1)
	for n := 0; limiter.Wait(ctx) == nil; n++ {
		if err := w.step(ctx, pool, n); err != nil {
			return ignoreEnd(ctx, err)
		}
	}
	return nil
}

// ignoreEnd drops the error of a call that was interrupted by the end of the writing.
func ignoreEnd(ctx context.Context, err error) error {
	if ctx.Err() == nil {
		return fmt.Errorf("writing to the simulator: %w", err)
	}
	return nil
}

func (w *writer) load(ctx context.Context, bundle fhirdata.Bundle) error {
	for _, transaction := range fhirdata.Transactions(bundle.Resources, maxTransactionEntries) {
		if _, err := w.client.Transaction(ctx, transaction); err != nil {
			return err
		}
	}
	now := time.Now()
	for _, resource := range bundle.Resources {
		w.resting = append(w.resting, rested{resource: resource, since: now})
	}
	return nil
}

// step makes the n-th write. Of ten, four create, five update and one deletes; if nothing
// has rested long enough, it creates.
func (w *writer) step(ctx context.Context, pool []fhirdata.Resource, n int) error {
	due := len(w.resting) > 0 && time.Since(w.resting[0].since) >= rest
	if !due || n%10 < 4 {
		return w.create(ctx, pool[w.random.IntN(len(pool))])
	}
	if n%10 == 9 {
		// The oldest resources are of the bundles, which are not deleted.
		made := slices.IndexFunc(w.resting, func(r rested) bool { return r.made })
		if made >= 0 && time.Since(w.resting[made].since) >= rest {
			next := w.remove(made)
			return w.client.Delete(ctx, next.Type, next.ID)
		}
	}
	return w.update(ctx, w.remove(0), n)
}

// remove removes the i-th resting resource and returns it.
func (w *writer) remove(i int) fhirdata.Resource {
	resource := w.resting[i].resource
	w.resting = slices.Delete(w.resting, i, i+1)
	return resource
}

func (w *writer) create(ctx context.Context, like fhirdata.Resource) error {
	w.created++
	resource, err := fhirdata.Vary(like, w.created)
	if err != nil {
		return err
	}
	written, err := w.client.Create(ctx, resource.Type, resource.Body)
	if err != nil {
		return err
	}
	w.resting = append(w.resting, rested{
		resource: fhirdata.Resource{Type: written.Type, ID: written.ID, Body: written.Body}, since: time.Now(), made: true,
	})
	return nil
}

// update changes a resource once, or, one time in five, twice in a row: then
// the first of the two is superseded.
func (w *writer) update(ctx context.Context, resource fhirdata.Resource, n int) error {
	times := 1
	if n%5 == 0 {
		times = 2
	}
	for i := range times {
		varied, err := fhirdata.Vary(resource, 1_000_000+2*n+i)
		if err != nil {
			return err
		}
		written, err := w.client.Update(ctx, varied.Type, varied.ID, varied.Body)
		if err != nil {
			return err
		}
		resource.Body = written.Body
	}
	w.resting = append(w.resting, rested{resource: resource, since: time.Now(), made: n%2 == 0})
	return nil
}
