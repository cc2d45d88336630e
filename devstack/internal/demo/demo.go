// Package demo is the main job in front of your eyes: FHIR records are written
// to a simulated HealthLake, and arrive as events on an EventBridge bus, each
// version once.
package demo

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"go.temporal.io/sdk/client"
	"golang.org/x/sync/errgroup"

	"healthlake-cdc/devstack/internal/simulator"
	"healthlake-cdc/devstack/internal/stack"
	"healthlake-cdc/devstack/internal/temporalserver"
	"healthlake-cdc/devstack/internal/truth"
)

// Options of a demo.
type Options struct {
	// For is how long to write; then it drains and ends. 0 writes until ctx ends.
	For time.Duration
	// Rate is in writes a second, after the sample bundles are loaded.
	Rate float64
	// Workers is the number of real worker processes.
	Workers int
	// Lag is how long after its write search shows a version.
	Lag time.Duration
	// Delay is how long CloudTrail records take at most, Loss and Repeat the
	// fractions that never come or come twice.
	Delay        time.Duration
	Loss, Repeat float64
	// UIAddress is the Temporal UI's.
	UIAddress string
	Out       io.Writer
}

// The workers' settings, as the comparison needs them: the defaults of
// CDC_PASSES and CDC_LOOKBACK.
var settings = truth.Settings{
	Passes: []time.Duration{10 * time.Second, 60 * time.Second}, Lookback: 5 * time.Second,
}

// ErrIncomplete is the demo's verdict when something is missing, repeated or
// wrong.
var ErrIncomplete = errors.New("the comparison with the write log failed: see the table")

// Run runs the demo.
func Run(ctx context.Context, o Options) (err error) {
	s, err := stack.Start(ctx, stack.Options{
		Simulator: simulator.Config{
			SearchLag: simulator.FixedLag(o.Lag), Digits: simulator.MixedDigits,
			Trail: simulator.Trail{Delay: simulator.Between(time.Second, o.Delay), Loss: o.Loss, Repeat: o.Repeat},
		},
		Temporal: temporalserver.Options{UIAddress: o.UIAddress},
		Progress: o.Out,
	})
	if err != nil {
		return o.interrupted(ctx, err)
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	subscriber, err := truth.Subscribe(ctx, s.SQS(), s.EventBridge(), s.Outputs["BusName"])
	if err != nil {
		return o.interrupted(ctx, err)
	}
	for range o.Workers {
		if _, err := s.StartWorker(ctx); err != nil {
			return o.interrupted(ctx, err)
		}
	}
	temporal, err := client.DialContext(ctx, client.Options{HostPort: s.TemporalAddress(), Logger: silent{}})
	if err != nil {
		return fmt.Errorf("connecting to Temporal: %w", err)
	}
	defer temporal.Close()
	d := &demo{
		options: o, stack: s, subscriber: subscriber, settings: settings,
		live: &live{stack: s, subscriber: subscriber, temporal: temporal, started: time.Now()},
	}
	d.welcome()
	return d.run(ctx)
}

// interrupted is the error of a start that failed: none when it was interrupted,
// which is a way to end the demo.
func (o Options) interrupted(ctx context.Context, err error) error {
	if ctx.Err() == nil {
		return err
	}
	fmt.Fprintln(o.Out, "\nInterrupted before it had started.")
	return nil
}

type demo struct {
	options    Options
	stack      *stack.Stack
	subscriber *truth.Subscriber
	live       *live
	settings   truth.Settings
}

func (d *demo) welcome() {
	fmt.Fprintf(d.options.Out, `
%d workers are running. Open in a browser:
  Temporal UI      %s/namespaces/default/workflows
  HealthLake       %s  (simulated; /_devstack/writelog and /_devstack/stats)
  SQS, EventBridge %s
Logs are in %s

`, d.options.Workers, d.stack.Temporal.UIURL(), d.stack.Simulator.URL(), d.stack.AWS.URL(), d.stack.Dir)
}

// run writes, shows, drains and compares. An interrupt ends the writing and the
// waiting; the table is printed all the same.
func (d *demo) run(ctx context.Context) error {
	receiving, stopReceiving := context.WithCancel(context.WithoutCancel(ctx))
	defer stopReceiving()
	group, groupCtx := errgroup.WithContext(receiving)
	group.Go(func() error { return d.subscriber.Run(groupCtx) })

	writing, stopWriting := context.WithCancel(ctx)
	if d.options.For > 0 {
		writing, stopWriting = context.WithTimeout(ctx, d.options.For)
	}
	defer stopWriting()
	written := make(chan error, 1)
	go func() { written <- newWriter(d.stack, d.options.Rate).run(writing) }()

	err := d.watch(ctx, written)
	var wrong []string
	if err == nil && ctx.Err() == nil {
		wrong, err = d.audit(ctx)
	}
	stopReceiving()
	if groupErr := group.Wait(); err == nil {
		err = groupErr
	}
	report := d.report()
	if err != nil {
		return err
	}
	if ctx.Err() != nil {
		fmt.Fprintln(d.options.Out, "\nInterrupted: windows that are still open count as missing here.")
		return nil
	}
	if !report.OK() || len(wrong) > 0 {
		return ErrIncomplete
	}
	return nil
}

// watch prints a line a second until the writing has ended and every window has
// closed.
func (d *demo) watch(ctx context.Context, written <-chan error) error {
	ticker := time.NewTicker(time.Second)
	defer ticker.Stop()
	drained := drain{demo: d}
	writing := true
	for {
		select {
		case <-ctx.Done():
			if writing {
				return <-written
			}
			return nil
		case err := <-written:
			if err != nil {
				return err
			}
			writing = false
			fmt.Fprintln(d.options.Out, "writing has ended; waiting until every window has closed (its last pass is 60 s after its end)")
		case <-ticker.C:
			f := d.live.look(ctx)
			fmt.Fprintln(d.options.Out, d.live.line(f))
			if !writing && drained.done(ctx, f) {
				return nil
			}
		}
	}
}

// drain tells when nothing is under way any more.
type drain struct {
	demo  *demo
	quiet int
}

// done wants to see several quiet looks in a row: visibility is eventually
// consistent, and the subscriber polls.
func (d *drain) done(ctx context.Context, f figures) bool {
	const looks = 3
	quiet, err := d.demo.stack.Quiet(ctx, d.demo.live.temporal, truth.SubscriberQueue)
	quiet = quiet && err == nil && f.windows > 0
	if !quiet {
		d.quiet = 0
		return false
	}
	d.quiet++
	return d.quiet >= looks
}

func (d *demo) writes() []simulator.Write {
	var writes []simulator.Write
	for _, datastore := range d.stack.Simulator.Datastores() {
		writes = append(writes, d.stack.Simulator.WriteLog(datastore)...)
	}
	return writes
}

func (d *demo) report() truth.Report {
	writes := d.writes()
	report := truth.Compare(writes, d.stack.Deliveries.All(), d.subscriber.Events(), d.settings)
	fmt.Fprintf(d.options.Out, "\n%s\nCounted from the simulator's write log and a queue on the bus.\n"+
		"superseded: replaced or deleted before any search could show it (CDC_VERSIONS=latest).\n", report)
	return report
}
