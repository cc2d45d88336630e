package bench

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/credentials"

	"healthlake-cdc/devstack/internal/fhirclient"
	"healthlake-cdc/devstack/internal/fhirdata"
	"healthlake-cdc/devstack/internal/proc"
	"healthlake-cdc/devstack/internal/simulator"
	"healthlake-cdc/devstack/internal/stack"
	"healthlake-cdc/internal/cdc"
)

// stage is a stack on which a measurement runs, with its data.
type stage struct {
	*stack.Stack
	clock *simulator.Clock
	// bus sees what EventBridge accepts.
	bus *busLog
	// profiles is where workers serve their profiles.
	profiles string
}

// noLimits are the quotas of a store without any.
var noLimits = simulator.Limits{SearchGet: -1, SearchPost: -1, Read: -1, Write: -1}

// open starts a stack without workers whose stores have no quotas.
func (r *runner) open(ctx context.Context) (*stage, error) {
	profiles, err := proc.FreeAddress()
	if err != nil {
		return nil, err
	}
	s := &stage{profiles: profiles, clock: &simulator.Clock{}, bus: newBusLog()}
	started, err := stack.Start(ctx, stack.Options{
		Simulator: simulator.Config{Now: s.clock.Now, Limits: noLimits}, Progress: r.Progress,
		WorkerArgs: []string{"--pprof-addr=" + profiles},
	})
	if err != nil {
		return nil, err
	}
	s.Stack = started
	s.AWS.OnAccept(s.bus.accept)
	// Writes have no records: see trigger.
	if err := s.Simulator.SetTrail(simulator.Trail{}); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return s, nil
}

func (s *stage) datastore() string { return s.Simulator.Datastores()[0] }

// load writes n versions into each window, of all the types in turn, spread over the
// window's time. They are new resources with ids of their own.
func (s *stage) load(ctx context.Context, windows []cdc.Window, n int, samples []fhirdata.Resource) error {
	client := s.client()
	defer s.clock.Release()
	for w, window := range windows {
		resources := make([]fhirdata.Resource, n)
		for i := range resources {
			var err error
			if resources[i], err = fhirdata.WithID(samples[(w*n+i)%len(samples)], fmt.Sprintf("bench-%d-%d", window.Start.Unix(), i)); err != nil {
				return err
			}
		}
		// The clock is read a few times for each version.
		s.clock.Set(window.Start, window.End().Sub(window.Start)/time.Duration(4*n+100))
		for _, bundle := range fhirdata.Transactions(resources, simulator.MaxBundleEntries) {
			if _, err := client.Transaction(ctx, bundle); err != nil {
				return fmt.Errorf("loading the store: %w", err)
			}
		}
		if end := s.clock.Now(); !end.Before(window.End()) {
			return fmt.Errorf("loading the store: %s is past its window", end)
		}
	}
	return nil
}

// client writes to the store, with signatures of the store's time.
func (s *stage) client() *fhirclient.Client {
	return &fhirclient.Client{
		Endpoint: s.Simulator.URL(), Datastore: s.datastore(), Region: stack.Region, Now: s.clock.Now,
		Credentials: credentials.NewStaticCredentialsProvider(
			simulator.DefaultCredentials.AccessKeyID, simulator.DefaultCredentials.SecretAccessKey, ""),
	}
}

// trigger puts a record of a write of the type in the window on the default bus.
func (s *stage) trigger(window cdc.Window, resourceType string) {
	s.Sink()(stack.WriteRecord(window.Datastore, resourceType, window.Start.Add(7*time.Second)))
}

// settings are those of all measurements' workers and pumps.
func settings(types []string, extra ...string) []string {
	return append([]string{"CDC_RESOURCE_TYPES=" + strings.Join(types, ","), "CDC_AUDIT_EVERY=0", "CDC_LOG_LEVEL=warn"}, extra...)
}

// pump starts the pump: the same client code as the worker's, without durability.
func (s *stage) pump(ctx context.Context, windows []cdc.Window, env []string) (*proc.Process, error) {
	path, err := proc.Program(ctx, "healthlake-cdc/devstack")
	if err != nil {
		return nil, err
	}
	args := []string{"pump"}
	for _, window := range windows {
		args = append(args, window.Start.Format(time.RFC3339))
	}
	return proc.Start(ctx, proc.Spec{
		Name: "pump", Path: path, Args: args, Env: append(s.Env(), env...), CleanEnv: true,
		LogFile: filepath.Join(s.Dir, "pump.log"),
	})
}
