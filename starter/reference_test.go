package main

import (
	"fmt"
	"strings"
	"testing"

	"github.com/spf13/cobra"

	"healthlake-cdc/docs/docstest"
)

// The starter's commands and their flags are in docs/reference.md.
func TestReference(t *testing.T) {
	var text strings.Builder
	describeCommands(&text, newRootCommand().Commands())
	docstest.Section(t, "../docs/reference.md", "commands", text.String())
}

func describeCommands(text *strings.Builder, commands []*cobra.Command) {
	for _, command := range commands {
		switch {
		case command.Name() == "help" || command.Name() == "completion":
		case command.HasSubCommands():
			describeCommands(text, command.Commands())
		default:
			usage := strings.TrimSuffix(command.UseLine(), " [flags]")
			fmt.Fprintf(text, "### %s\n\n%s: `%s`\n\n", command.CommandPath(), command.Short, usage)
			if flags := docstest.Flags(command.LocalNonPersistentFlags()); flags != "" {
				text.WriteString(flags + "\n")
			}
		}
	}
}
