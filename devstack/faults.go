package main

import (
	"github.com/spf13/cobra"

	"healthlake-cdc/devstack/internal/faults"
)

func newFaultsCommand() *cobra.Command {
	o := faults.Defaults()
	command := &cobra.Command{
		Use:   "faults",
		Short: "Break the parts around real workers at random, and check that nothing is lost",
		Long: `Faults writes to a simulated HealthLake while everything fails that a plan names,
which a seed has drawn. Then the faults end, what is left is worked off, starter
audits the whole time, and the simulator's own write log is compared with what
reached the bus. It fails when an invariant does not hold, and then shows what
happened to lost versions, and looks for the few faults that the failure needs.

The kinds of faults, by group:

` + faults.About(),
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			o.Out, o.Progress = cmd.OutOrStdout(), cmd.ErrOrStderr()
			_, err := faults.Run(cmd.Context(), o)
			return err
		},
	}
	flags := command.Flags()
	flags.Uint64Var(&o.Seed, "seed", o.Seed, "of the plan and the load; the same seed draws the same ones")
	flags.IntVar(&o.Changes, "changes", o.Changes, "changes in a round")
	flags.Float64Var(&o.Rate, "rate", o.Rate, "changes a second")
	flags.DurationVar(&o.Every, "every", o.Every, "mean time between two faults")
	flags.DurationVar(&o.For, "for", 0, "soak: begin new rounds, with the seeds that follow, as long as this; 0 is one round")
	flags.StringSliceVar(&o.Kinds, "kinds", nil, "kinds or groups of faults; empty means all")
	flags.IntVar(&o.Workers, "workers", o.Workers, "worker processes")
	flags.IntVar(&o.ShrinkRuns, "shrink", o.ShrinkRuns, "runs that may look for the faults that a failure needs")
	flags.DurationVar(&o.Patience, "patience", o.Patience, "how long to wait for what should come to an end")
	flags.StringVar(&o.Dir, "out", "", "folder for the report and what the programs write; empty keeps nothing")
	return command
}
