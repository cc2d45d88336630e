package main

import (
	"github.com/spf13/cobra"

	"healthlake-cdc/docs"
)

func newSchemaCommand(s *session) *cobra.Command {
	return &cobra.Command{
		Use:   "schema",
		Short: "Print the JSON Schema of the detail of events",
		Args:  cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			_, err := s.out.Write(docs.EventSchema)
			return err
		},
	}
}
