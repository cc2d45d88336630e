// Devstack runs healthlake-cdc on one machine, without accounts and without
// Docker: a HealthLake simulator, an SQS and EventBridge stand-in, a Temporal
// server with its UI, and the real programs.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"healthlake-cdc/devstack/internal/demo"
	"healthlake-cdc/devstack/internal/stack"
	"healthlake-cdc/devstack/internal/temporalserver"
)

// defaultUI has the port that Temporal's own development server uses for its UI.
const defaultUI = "127.0.0.1:8233"

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := newCommand().ExecuteContext(ctx)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "devstack:", err)
		os.Exit(1)
	}
}

func newCommand() *cobra.Command {
	root := &cobra.Command{
		Use:           "devstack",
		Short:         "Run healthlake-cdc on this machine, without accounts and without Docker",
		SilenceUsage:  true,
		SilenceErrors: true,
	}
	root.AddCommand(newDemoCommand(), newBenchCommand(), newFaultsCommand(), newUpCommand(), newPartsCommand(), newProbeCommand(), newPumpCommand(),
		newRivalCommand())
	return root
}

func newDemoCommand() *cobra.Command {
	var o demo.Options
	command := &cobra.Command{
		Use:   "demo",
		Short: "Write FHIR records and watch them arrive as events",
		Long: `Demo writes Synthea patients to a simulated HealthLake, keeps creating, updating
and deleting, and runs two real workers. It shows the current figures, and ends
with a table: what was written, and what arrived on the bus.

With --for it writes that long, waits until every window has closed, and exits
non-zero if anything is missing or was published twice. Without, it runs until
Ctrl-C. Piped, it prints the figures every ten seconds.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			o.Out = cmd.OutOrStdout()
			return demo.Run(cmd.Context(), o)
		},
	}
	flags := command.Flags()
	flags.DurationVar(&o.For, "for", 0, "write that long, wait until everything is published, and end; 0 runs until Ctrl-C")
	flags.Float64Var(&o.Rate, "rate", 20, "writes per second")
	flags.IntVar(&o.Workers, "workers", 2, "worker processes")
	flags.DurationVar(&o.Lag, "lag", 5*time.Second, "time from a write until search shows the version")
	flags.DurationVar(&o.Delay, "delay", 4*time.Second, "longest delay of a CloudTrail record; records come out of order")
	flags.Float64Var(&o.Loss, "loss", 0, "fraction of CloudTrail records that never come")
	flags.Float64Var(&o.Repeat, "repeat", 0.2, "fraction of CloudTrail records that come twice")
	flags.StringVar(&o.UIAddress, "ui", defaultUI, "address of the Temporal UI")
	return command
}

func newUpCommand() *cobra.Command {
	o := stack.Options{Temporal: temporalserver.Options{
		Address: "127.0.0.1:7233", UIAddress: defaultUI,
	}, AWSAddress: defaultAWS, SimulatorAddress: defaultHealthLake, CodecAddress: defaultCodec}
	var lag, delay time.Duration
	command := &cobra.Command{
		Use:   "up",
		Short: "Start the parts without workers, and print their addresses as environment variables",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return up(cmd.Context(), o, lag, delay)
		},
	}
	flags := command.Flags()
	flags.StringVar(&o.Temporal.Address, "temporal", o.Temporal.Address, "address of Temporal")
	flags.StringVar(&o.Temporal.UIAddress, "ui", o.Temporal.UIAddress, "address of the Temporal UI")
	flags.StringVar(&o.Temporal.DatabaseFile, "db", "", "file for Temporal's data; empty: deleted at the end")
	flags.StringVar(&o.AWSAddress, "aws", o.AWSAddress, "address of SQS and EventBridge")
	flags.StringVar(&o.SimulatorAddress, "healthlake", o.SimulatorAddress, "address of the simulated HealthLake")
	flags.StringVar(&o.CodecAddress, "codec", o.CodecAddress, "address of the codec endpoint")
	flags.StringVar(&o.ExternalTemporal, "external-temporal", "", "use the Temporal server at this address instead of starting one")
	flags.StringSliceVar(&o.Simulator.Datastores, "datastores", nil, "ids of the simulated datastores")
	flags.DurationVar(&lag, "lag", 5*time.Second, "time from a write until search shows the version")
	flags.DurationVar(&delay, "delay", 4*time.Second, "longest delay of a CloudTrail record")
	return command
}
