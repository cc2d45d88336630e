package main

import (
	"github.com/spf13/cobra"

	"healthlake-cdc/internal/payload"
)

func newKeysCommand(s *session) *cobra.Command {
	keys := &cobra.Command{
		Use:   "keys",
		Short: "Make payload keys",
		RunE:  needSubcommand,
	}
	keys.AddCommand(&cobra.Command{
		Use:   "generate",
		Short: "Print a new random payload key for CDC_PAYLOAD_KEYS",
		Long: `Generate prints a new random key with an id, as CDC_PAYLOAD_KEYS expects it. To
rotate, put it before the old keys: the first key encrypts, all keys decrypt.`,
		Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			key := payload.GenerateKey()
			return s.print(map[string]string{"CDC_PAYLOAD_KEYS": key}, key)
		},
	})
	return keys
}
