package main

import (
	"os"

	"github.com/spf13/cobra"

	"healthlake-cdc/devstack/internal/rivals"
)

// newRivalCommand is what bench runs to compare with.
func newRivalCommand() *cobra.Command {
	var addr string
	command := &cobra.Command{
		Use:    "rival NAME",
		Short:  "Run what bench compares the worker with: " + rivals.Origin + " or " + rivals.PerChange,
		Hidden: true,
		Args:   cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return rivals.Run(cmd.Context(), args[0], os.Environ(), addr)
		},
	}
	command.Flags().StringVar(&addr, "addr", "127.0.0.1:0", "loopback address that shows what it has done")
	return command
}
