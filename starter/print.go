package main

import (
	"github.com/spf13/cobra"

	"healthlake-cdc/docs"
	"healthlake-cdc/internal/payload"
)

func newSchemaCommand(s *session) *cobra.Command {
	return &cobra.Command{
		Use:   "schema",
		Short: "Print the JSON Schema of the events' detail",
		Args:  cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			_, err := s.out.Write(docs.EventSchema)
			return err
		},
	}
}

func newKeysCommand(s *session) *cobra.Command {
	keys := &cobra.Command{
		Use:   "keys",
		Short: "Make payload keys",
	}
	generate := &cobra.Command{
		Use:   "generate",
		Short: "Print a new random payload key for CDC_PAYLOAD_KEYS",
		Long: `Generate prints a new random key, with an id, in the form that
CDC_PAYLOAD_KEYS takes. To rotate, put it first and keep the old ones behind it:
the first encrypts, all decrypt.`,
		Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			key := payload.GenerateKey()
			return s.print(map[string]string{"CDC_PAYLOAD_KEYS": key}, key)
		},
	}
	keys.AddCommand(generate)
	return keys
}
