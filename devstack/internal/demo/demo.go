// Package demo shows what healthlake-cdc does: FHIR records are written to a simulated
// HealthLake, and each version arrives once as an event on an EventBridge bus.
package demo

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"time"

	"go.temporal.io/sdk/client"
	sdklog "go.temporal.io/sdk/log"
	"golang.org/x/sync/errgroup"

	"healthlake-cdc/devstack/internal/simulator"
	"healthlake-cdc/devstack/internal/stack"
	"healthlake-cdc/devstack/internal/temporalserver"
	"healthlake-cdc/devstack/internal/truth"
)

// Options of a demo.
type Options struct {
	// For is how long to write; then the demo waits until everything is published, and
	// ends. 0 writes until ctx ends.
	For time.Duration
	// Rate is in writes per second, after the sample bundles are loaded.
	Rate float64
	// Workers is the number of real worker processes.
	Workers int
	// Lag is the time from a write until search shows the version.
	Lag time.Duration
	// Delay is the longest delay of a CloudTrail record; Loss and Repeat are the
	// fractions of records that never come, or come twice.
	Delay        time.Duration
	Loss, Repeat float64
	// UIAddress is the address of the Temporal UI.
	UIAddress string
	Out       io.Writer
}

// defaults are the workers' settings that the comparison needs: CDC_PASSES and
// CDC_LOOKBACK.
var defaults = truth.Settings{
	Passes: []time.Duration{10 * time.Second, 60 * time.Second}, Lookback: 5 * time.Second,
}

// ErrIncomplete is returned when something is missing, repeated or wrong.
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
	temporal, err := client.DialContext(ctx, client.Options{
		HostPort: s.TemporalAddress(), Logger: sdklog.NewStructuredLogger(slog.New(slog.DiscardHandler)),
	})
	if err != nil {
		return fmt.Errorf("connecting to Temporal: %w", err)
	}
	defer temporal.Close()
	d := &demo{
		options: o, stack: s, subscriber: subscriber, temporal: temporal, settings: defaults,
		display: newDisplay(o.Out), started: time.Now(),
	}
	d.display.say(`
%d workers are running. Open in a browser:
  Temporal UI      %s/namespaces/default/workflows
  HealthLake       %s  (simulated; /_devstack/writelog and /_devstack/stats)
  SQS, EventBridge %s
Logs are in %s. Ctrl-C ends the demo.
`, o.Workers, s.Temporal.UIURL(), s.Simulator.URL(), s.AWS.URL(), s.Dir)
	return d.run(ctx)
}

// interrupted returns the error of a failed start, or none if the user interrupted it.
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
	temporal   client.Client
	settings   truth.Settings
	display    *display
	started    time.Time
	last       figures
}

// run writes, waits until everything is published, audits and compares. After an
// interrupt it still prints the table.
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
	go func() { written <- Write(writing, d.stack, d.options.Rate) }()

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
		d.display.say("\nInterrupted: versions of windows that are still open count as missing here.")
		return nil
	}
	if !report.OK() || len(wrong) > 0 {
		return ErrIncomplete
	}
	return nil
}

// quietLooks is the number of checks in a row without anything in progress that end the
// demo: visibility is eventually consistent, and the subscriber polls.
const quietLooks = 3

// watch shows the figures until the writing has ended and nothing is in progress. It
// returns the error of the writing; written is nil if nothing is written.
func (d *demo) watch(ctx context.Context, written <-chan error) error {
	ticker := time.NewTicker(time.Second)
	defer ticker.Stop()
	for quiet := 0; quiet < quietLooks; {
		select {
		case <-ctx.Done():
			if written != nil {
				return <-written
			}
			return nil
		case err := <-written:
			if err != nil {
				return err
			}
			written = nil
			d.display.say("writing has ended; waiting for every window to close (its last pass is 60 s after its end)")
		case now := <-ticker.C:
			f := d.look(ctx)
			for _, line := range f.news(d.last) {
				d.display.say("%4.0fs  %s", f.elapsed.Seconds(), line)
			}
			d.last = f
			d.display.figures(f.String(), now)
			if written != nil || f.windows == 0 || !d.idle(ctx) {
				quiet = 0
			} else {
				quiet++
			}
		}
	}
	return nil
}

// idle reports whether nothing is in progress.
func (d *demo) idle(ctx context.Context) bool {
	quiet, err := d.stack.Quiet(ctx, d.temporal, truth.SubscriberQueue)
	return quiet && err == nil
}

func (d *demo) writes() []simulator.Write {
	var writes []simulator.Write
	for _, datastore := range d.stack.Simulator.Datastores() {
		writes = append(writes, d.stack.Simulator.WriteLog(datastore)...)
	}
	return writes
}

func (d *demo) report() truth.Report {
	report := truth.Compare(d.writes(), d.stack.Deliveries.All(), d.subscriber.Events(), d.settings)
	d.display.say("\n%s\nThe simulator's write log, compared with a queue on the bus. Superseded versions were replaced or\n"+
		"deleted before a search could show them (CDC_VERSIONS=latest).", report)
	if report.OK() {
		d.display.say("%s", d.display.paint(green, "Nothing is missing, and nothing came twice."))
	}
	return report
}
