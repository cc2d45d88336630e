package simulator_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"healthlake-cdc/devstack/internal/fhirdata"
	"healthlake-cdc/devstack/internal/simulator"
)

var unlimited = simulator.Limits{SearchGet: -1, SearchPost: -1, Read: -1, Write: -1}

// Resources of 1 to 3 KB, single PUTs over HTTP, client included.
func BenchmarkPut(b *testing.B) {
	_, c := start(b, simulator.Config{Limits: unlimited})
	bundle, err := fhirdata.Load(fhirdata.Names()[0])
	require.NoError(b, err)
	next := 0
	for b.Loop() {
		r := bundle.Resources[next%len(bundle.Resources)]
		next++
		if _, err := c.Update(context.Background(), r.Type, r.ID, r.Body); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "writes/s")
}

// Transactions of a whole Synthea patient: 223 entries.
func BenchmarkTransaction(b *testing.B) {
	_, c := start(b, simulator.Config{Limits: unlimited})
	bundle, err := fhirdata.Load(fhirdata.Names()[0])
	require.NoError(b, err)
	body := fhirdata.Transactions(bundle.Resources, simulator.MaxBundleEntries)[0]
	for b.Loop() {
		if _, err := c.Transaction(context.Background(), body); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.N*len(bundle.Resources))/b.Elapsed().Seconds(), "writes/s")
}

// Pages of 100 through a window of 50,000 in a store of 200,000.
func BenchmarkPages(b *testing.B) {
	clk := newClock()
	_, c := start(b, simulator.Config{Now: clk.now, Limits: unlimited})
	for part := range 4 {
		for batch := range 100 {
			resources := make([]fhirdata.Resource, 500)
			for i := range resources {
				id := fmt.Sprintf("p%d-%d-%d", part, batch, i)
				resources[i] = fhirdata.Resource{Type: "Patient", ID: id, Body: patient(id, i)}
			}
			_, err := c.Transaction(context.Background(), fhirdata.Transactions(resources, 500)[0])
			require.NoError(b, err)
			clk.add(time.Millisecond)
		}
		clk.add(10 * time.Second)
	}
	from := epoch.Add(10 * time.Second) // the second part was written 10.1 s after the first
	first := query("ge", from, "lt", from.Add(10*time.Second)) + "&_count=100"
	require.Equal(b, 50_000, *search(b, c, "Patient", first+"&_total=accurate").Total)
	page := search(b, c, "Patient", first)
	pages := 0
	for b.Loop() {
		pages++
		link := page.link("next")
		if link == "" {
			page = search(b, c, "Patient", first)
			continue
		}
		var err error
		if page, err = follow(b, c, link); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "pages/s")
}
