package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	"go.temporal.io/sdk/client"

	"healthlake-cdc/internal/config"
	"healthlake-cdc/internal/healthlake"
	"healthlake-cdc/internal/telemetry"
	"healthlake-cdc/internal/temporal"
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
		Short: "Operate healthlake-cdc: explain, watch, audit, capture windows, replay ranges, redrive",
		Long: `Starter is the operator's command of healthlake-cdc. It starts executions that
the workers carry out and the Temporal UI shows.

Settings come from the same CDC_, AWS_ and TEMPORAL_ environment variables as
the worker's; a flag of the same meaning overrides.`,
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
	for _, command := range root.Commands() {
		if command.HasSubCommands() {
			group(command)
		}
	}
	return root
}

// group lets a command that only has commands of its own fail without one of them, or
// with one that it does not have: cobra would print its help and exit with 0.
func group(command *cobra.Command) {
	command.Args = cobra.ArbitraryArgs
	command.RunE = func(cmd *cobra.Command, args []string) error {
		var text strings.Builder
		fmt.Fprintf(&text, "%s takes a command of its own", cmd.CommandPath())
		if len(args) > 0 {
			text.Reset()
			fmt.Fprintf(&text, "%s has no command %q", cmd.CommandPath(), args[0])
		}
		text.WriteString("\nUsage:\n")
		for _, one := range cmd.Commands() {
			fmt.Fprintf(&text, "  %s  %s\n", one.CommandPath(), one.Short)
		}
		return errors.New(strings.TrimRight(text.String(), "\n"))
	}
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

// oneRange takes the name of a range as the only argument.
func oneRange(_ *cobra.Command, args []string) error {
	if len(args) != 1 {
		return errors.New("name one replay or backfill: NAME, replay/NAME or backfill/NAME")
	}
	return nil
}

// connection is an open client with what starts executions.
type connection struct {
	config   *config.Config
	client   client.Client
	launcher *temporal.Launcher
	temporal *temporal.Connection
	// types are the resource types of each datastore.
	types map[string][]string
	// signalTimeout is how long an execution may take to act on a signal, askEvery how
	// often it is asked meanwhile.
	signalTimeout, askEvery time.Duration
	logger                  *slog.Logger
}

// connect loads the settings and dials Temporal. The caller closes the client.
func (s *session) connect(ctx context.Context) (*connection, error) {
	cfg, err := config.Load(config.Starter, os.Environ(), s.flags)
	if err != nil {
		return nil, err
	}
	logger := telemetry.NewLogger(os.Stderr, cfg.LogFormat, cfg.LogLevel)
	if cfg.InsecurePlaintext {
		fmt.Fprintln(s.progress, "WARNING: payloads are "+cfg.Storage())
	}
	types, err := temporal.ResourceTypes(ctx, cfg, func() (*healthlake.Client, error) {
		awsConfig, err := temporal.AWS(ctx, cfg)
		if err != nil {
			return nil, err
		}
		return temporal.Stores(cfg, awsConfig, nil)
	})
	if err != nil {
		return nil, err
	}
	conn, err := temporal.Dial(ctx, cfg, config.Starter, logger, temporal.Observers{})
	if err != nil {
		return nil, err
	}
	launcher := temporal.NewLauncher(conn.Client, temporal.LauncherConfig{
		TaskQueue: cfg.TaskQueue, Types: types, Passes: cfg.Passes, Audited: cfg.AuditOn(), Attributes: conn.Attributes, Logger: logger,
	})
	c := &connection{
		config: cfg, client: conn.Client, launcher: launcher, temporal: conn, types: types,
		signalTimeout: signalTimeout, askEvery: askEvery, logger: logger,
	}
	return c, nil
}

// print writes value as JSON, or text.
func (s *session) print(value any, text string) error {
	if !s.asJSON {
		_, err := fmt.Fprintln(s.out, text)
		return err
	}
	encoder := json.NewEncoder(s.out)
	encoder.SetIndent("", "  ")
	return encoder.Encode(value)
}
