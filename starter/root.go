package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"healthlake-cdc/internal/config"
)

// session is what every command has: its flags and where it prints.
type session struct {
	flags  *pflag.FlagSet
	asJSON bool
	out    io.Writer
	// progress is where long work shows how far it is.
	progress io.Writer
}

func newRootCommand() *cobra.Command {
	s := &session{out: os.Stdout, progress: os.Stderr}
	root := &cobra.Command{
		Use:   "starter",
		Short: "Operate healthlake-cdc: status, explain, audit, capture, replay, backfill, redrive",
		Long: `Starter is the command line of healthlake-cdc for operators. It reads the same CDC_,
AWS_ and TEMPORAL_ environment variables as the worker; a flag overrides its variable.`,
		SilenceUsage:  true,
		SilenceErrors: true,
		PersistentPreRun: func(cmd *cobra.Command, _ []string) {
			s.out, s.progress = cmd.OutOrStdout(), cmd.ErrOrStderr()
		},
	}
	s.flags = root.PersistentFlags()
	config.BindFlags(s.flags)
	s.flags.BoolVar(&s.asJSON, "json", false, "print JSON instead of text")
	root.AddCommand(newCaptureCommand(s), newReplayCommand(s), newBackfillCommand(s),
		newPauseCommand(s), newResumeCommand(s), newCancelCommand(s), newSchemaCommand(s), newKeysCommand(s),
		newExplainCommand(s), newAuditCommand(s), newStatusCommand(s), newRedriveCommand(s), newRetryCommand(s), newSkipCommand(s),
		newSubscriptionsCommand(s))
	root.SetHelpCommand(newHelpCommand())
	return root
}

// needSubcommand is the error of a command that only groups others: cobra would print its
// help and exit with 0.
func needSubcommand(cmd *cobra.Command, _ []string) error {
	var names []string
	for _, one := range cmd.Commands() {
		names = append(names, one.Name())
	}
	return fmt.Errorf("%s needs a subcommand: %s", cmd.CommandPath(), strings.Join(names, " or "))
}

// newHelpCommand fails for a command that does not exist, as cobra's own does not.
func newHelpCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "help [COMMAND]",
		Short: "Help about any command",
		RunE: func(cmd *cobra.Command, args []string) error {
			found, rest, err := cmd.Root().Find(args)
			if err != nil || len(rest) > 0 {
				return fmt.Errorf("no help for %q: `starter --help` lists the commands", strings.Join(args, " "))
			}
			return found.Help()
		},
	}
}

func oneArgument(says string) cobra.PositionalArgs {
	return func(_ *cobra.Command, args []string) error {
		if len(args) != 1 {
			return errors.New(says)
		}
		return nil
	}
}

// printDone prints what was done before a failure, if anything was.
func printDone[T any](s *session, done []T, text string, failure error) error {
	if len(done) == 0 {
		return failure
	}
	return errors.Join(s.print(done, text), failure)
}

func (s *session) print(value any, text string) error {
	if !s.asJSON {
		_, err := fmt.Fprintln(s.out, text)
		return err
	}
	encoder := json.NewEncoder(s.out)
	encoder.SetIndent("", "  ")
	return encoder.Encode(value)
}
