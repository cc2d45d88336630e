package faults

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/time/rate"

	"healthlake-cdc/devstack/internal/fhirclient"
	"healthlake-cdc/devstack/internal/fhirdata"
)

// types are those that are written, and captured. Observations are half of all.
var types = []string{"Patient", "Observation", "Condition", "Encounter", "Procedure", "Claim"}

const (
	// secretID and secretName are planted in every resource: nothing may show them.
	secretID   = "zqsecret"
	secretName = "Quillfeather-Zabrinskov"
	// lots divide the changes into parts, of which one may be poison.
	lots = 40
)

func lot(n int) string { return `"lot":"lot-` + strconv.Itoa(n) + `"` }

// resource is one that was written and not deleted.
type resource struct {
	resourceType, id string
	version          int
}

// writer writes like a clinic in a hurry.
type writer struct {
	client *fhirclient.Client
	random *rand.Rand
	round  *round
	number int
	// live are what may be updated; made are the ids that the store chose.
	live []resource
	made []string
	n    int
}

// run makes so many changes, at a rate: of twenty calls nine put a new resource, two post
// one, one is a bundle of up to twenty, six update one and two delete one that is on the
// bus in all its versions.
func (w *writer) run(ctx context.Context, changes int, perSecond float64) error {
	limiter := rate.NewLimiter(rate.Limit(perSecond), 100)
	for w.n < changes {
		before := w.n
		if err := w.step(ctx); err != nil {
			return fmt.Errorf("writing to the store: %w", err)
		}
		if err := limiter.WaitN(ctx, w.n-before); err != nil {
			return err
		}
	}
	return nil
}

func (w *writer) step(ctx context.Context) error {
	switch n := w.random.IntN(20); {
	case n < 9 || len(w.live) == 0:
		r := w.next()
		_, err := w.client.Update(ctx, r.resourceType, r.id, w.body(r.resourceType, r.id))
		w.live = append(w.live, r)
		return err
	case n < 11:
		resourceType := w.resourceType()
		w.n++
		created, err := w.client.Create(ctx, resourceType, w.body(resourceType, ""))
		w.live = append(w.live, resource{resourceType, created.ID, 1})
		w.made = append(w.made, created.ID)
		return err
	case n == 11:
		var bundle []fhirdata.Resource
		for range 1 + w.random.IntN(20) {
			r := w.next()
			bundle = append(bundle, fhirdata.Resource{Type: r.resourceType, ID: r.id, Body: w.body(r.resourceType, r.id)})
			w.live = append(w.live, r)
		}
		_, err := w.client.Transaction(ctx, fhirdata.Transactions(bundle, len(bundle))[0])
		return err
	case n < 18:
		r := &w.live[w.random.IntN(len(w.live))]
		w.n++
		r.version++
		_, err := w.client.Update(ctx, r.resourceType, r.id, w.body(r.resourceType, r.id))
		return err
	default:
		return w.remove(ctx)
	}
}

// remove deletes a resource, if one of some that are chosen is on the bus in all its
// versions: what is deleted before it was seen is in no search, and no one's promise.
func (w *writer) remove(ctx context.Context) error {
	for range 20 {
		i := w.random.IntN(len(w.live))
		r := w.live[i]
		if r.id == w.round.lives() || !w.round.published(w.client.Datastore, r) {
			continue
		}
		w.live = slices.Delete(w.live, i, i+1)
		w.n++
		return w.client.Delete(ctx, r.resourceType, r.id)
	}
	return nil
}

func (w *writer) next() resource {
	w.n++
	w.number++
	if w.number == 1 {
		return resource{"Patient", w.round.lives(), 1}
	}
	return resource{w.resourceType(), fmt.Sprintf("%s-%d-%d", secretID, w.round.number, w.number), 1}
}

func (w *writer) resourceType() string {
	if w.random.IntN(2) == 0 {
		return "Observation"
	}
	return types[w.random.IntN(len(types))]
}

// body is a resource that no other is like, with markup and a decimal that a decoder
// would change.
func (w *writer) body(resourceType, id string) []byte {
	named := ""
	if id != "" {
		named = `"id":"` + id + `",`
	}
	return fmt.Appendf(nil, `{"resourceType":%q,%s"name":[{"family":%q,"text":"<b>%d</b> & 1.50"}],"value":%d.500,%s,"note":%q}`,
		resourceType, named, secretName, w.n, w.n, lot(w.random.IntN(lots)), strings.Repeat(strconv.Itoa(w.random.Int()), 1+w.random.IntN(60)))
}
