package main

import (
	"fmt"
	"os"
	"time"

	"github.com/spf13/cobra"

	"healthlake-cdc/devstack/internal/bench"
)

func newBenchCommand() *cobra.Command {
	var o bench.Options
	command := &cobra.Command{
		Use:   "bench [MEASUREMENT...]",
		Short: "Measure speed, cost and latency, and compare them in the same run",
		Long: `Bench runs the real programs on the simulator and the stand-ins, measures them,
and prints a table for each measurement:

` + bench.About() + `
It needs the machine for itself. With --out it also writes the figures as JSON.`,
		RunE: func(cmd *cobra.Command, names []string) error {
			o.Names, o.Out, o.Progress = names, cmd.OutOrStdout(), cmd.ErrOrStderr()
			return bench.Run(cmd.Context(), o)
		},
	}
	flags := command.Flags()
	flags.BoolVar(&o.Short, "short", false, "smaller measurements: about two minutes for all")
	flags.StringVar(&o.Dir, "out", "", "folder for the results; empty writes none")
	return command
}

// newPumpCommand is what bench runs to measure the limit.
func newPumpCommand() *cobra.Command {
	return &cobra.Command{
		Use:    "pump START...",
		Short:  "Publish windows by their starts, without durability: the limit that bench compares with",
		Hidden: true,
		Args:   cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			starts := make([]time.Time, len(args))
			for i, arg := range args {
				var err error
				if starts[i], err = time.Parse(time.RFC3339, arg); err != nil {
					return fmt.Errorf("%q is not the start of a window: %w", arg, err)
				}
			}
			if err := bench.Pump(cmd.Context(), os.Environ(), starts); err != nil {
				return err
			}
			<-cmd.Context().Done() // bench still measures this process
			return nil
		},
	}
}
