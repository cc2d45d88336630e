// Package rivals holds what users would otherwise take, for bench to compare with: the
// algorithm of the serverless chain that this project started from, and one workflow a
// change. Both use the product's own clients of HealthLake and EventBridge, its queue and
// its names of events, so that a comparison shows the algorithm and nothing else.
package rivals

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"

	"healthlake-cdc/internal/cdc"
	"healthlake-cdc/internal/config"
	"healthlake-cdc/internal/healthlake"
)

// The rivals by their names.
const (
	Origin    = "origin"
	PerChange = "per-change"
)

// Settle is how long both wait before they search, as the origin does.
const Settle = 10 * time.Second

// Counts are what a rival has done. Those of state machines are the origin's only.
type Counts struct {
	// Records were received, Ignored is how many of them start nothing.
	Records int `json:"records"`
	Ignored int `json:"ignored"`
	// Running is how many state machines run, Runs how many have ended.
	Running int `json:"running"`
	Runs    int `json:"runs"`
	// Searches were made; of those, FailedSearches had no answer that could be used.
	Searches       int `json:"searches"`
	FailedSearches int `json:"failedSearches"`
	// Found is what the searches showed. Duplicates of it were in the table before.
	Found      int `json:"found"`
	Duplicates int `json:"duplicates"`
	// WriteUnits are DynamoDB's for the writes to the table, one for each KB begun.
	WriteUnits int `json:"writeUnits"`
	// FailedPuts are events that were not accepted, and are not sent again.
	FailedPuts int `json:"failedPuts"`
}

// Run runs a rival with a worker's environment until ctx ends. It answers HTTP requests at
// addr, host and port on loopback, with its Counts as JSON.
func Run(ctx context.Context, name string, environ []string, addr string) error {
	p, err := newParts(ctx, environ)
	if err != nil {
		return err
	}
	run := map[string]func(context.Context, *parts) error{Origin: runOrigin, PerChange: runPerChange}[name]
	if run == nil {
		return fmt.Errorf("there is no rival %q: choose %s or %s", name, Origin, PerChange)
	}
	stop, err := p.tally.serve(addr)
	if err != nil {
		return err
	}
	return errors.Join(run(ctx, p), stop())
}

// parts are what both rivals use.
type parts struct {
	cfg    *config.Config
	aws    aws.Config
	store  *healthlake.Client
	format cdc.EventFormat
	tally  *tally
}

func newParts(ctx context.Context, environ []string) (*parts, error) {
	cfg, err := config.Load(config.Worker, environ, nil)
	if err != nil {
		return nil, err
	}
	p := &parts{cfg: cfg, format: cdc.EventFormat{Source: cfg.EventSource, DetailType: cfg.DetailType}, tally: &tally{}}
	if p.aws, err = cfg.AWS(ctx); err != nil {
		return nil, err
	}
	p.store, err = healthlake.New(healthlake.Config{
		Endpoint: cfg.HealthLakeEndpoint, Region: cfg.Region, Credentials: p.aws.Credentials,
	})
	return p, err
}

// origin is where the changes of a record come from.
func (r record) origin(correlation string) cdc.Origin {
	return cdc.Origin{
		Datastore: r.Datastore, CorrelationID: correlation,
		Cause: cdc.Cause{CapturedBy: cdc.ByCloudTrail, SourceTime: r.Time},
	}
}

// tally counts.
type tally struct {
	mu     sync.Mutex
	counts Counts
}

func (t *tally) add(change func(*Counts)) {
	t.mu.Lock()
	defer t.mu.Unlock()
	change(&t.counts)
}

func (t *tally) now() Counts {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.counts
}

// serve answers every request with the counts until stop is called.
func (t *tally) serve(addr string) (stop func() error, err error) {
	listener, err := net.Listen("tcp", addr)
	if err != nil {
		return nil, fmt.Errorf("serving the counts: %w", err)
	}
	server := &http.Server{ReadHeaderTimeout: 5 * time.Second, Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(t.now()) // fails only when the client has disconnected
	})}
	served := make(chan error, 1)
	go func() { served <- server.Serve(listener) }()
	return func() error {
		err := server.Close()
		if serveErr := <-served; !errors.Is(serveErr, http.ErrServerClosed) {
			err = errors.Join(err, serveErr)
		}
		return err
	}, nil
}
