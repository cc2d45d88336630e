package main

import (
	"context"
	"errors"
	"time"

	"github.com/spf13/cobra"

	"healthlake-cdc/internal/cdc"
)

func newBackfillCommand(s *session) *cobra.Command {
	f := rangeFlags{since: "1970-01-01T00:00:00Z", until: "0s"}
	command := &cobra.Command{
		Use:   "backfill --name NAME",
		Short: "Publish what the stores held before anybody captured it",
		Long: `Backfill publishes what search shows of the range and was not published yet: the
first snapshot of a store that existed before, or of a type that was added. A
backfill named twice runs once: a name that is used joins the backfill that has it
when that one is the same, and is an error when it is not. Without --until it goes
up to its start.

The recent part, of which ledgers are known, is compared with them: only what
they lack is published, by the windows that it belongs to. The border is fixed
when the backfill starts: it is the audit's horizon, or the first hour in which
any window ran. What is older goes page by page; each slice of it ends with
listings of ids until one finds nothing new.`,
		Example: "  starter backfill --name first-snapshot --dry-run\n" +
			"  starter backfill --name first-snapshot --wait\n" +
			"  starter backfill --name encounters --type Encounter --until 2026-11-23T12:00:00Z",
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			f.openEnd = !cmd.Flags().Changed("until")
			return s.backfill(cmd.Context(), f)
		},
	}
	f.bind(command, "backfill")
	return command
}

func (s *session) backfill(ctx context.Context, f rangeFlags) error {
	if err := f.check(); err != nil {
		return err
	}
	now := time.Now()
	span, err := f.span(now)
	if err != nil {
		return err
	}
	if span.To.After(cdc.WindowAt("", now).End()) {
		return errors.New("--until lies in the future: nothing was written then")
	}
	c, err := s.connectToStart(ctx)
	if err != nil {
		return err
	}
	defer c.client.Close()
	in, err := f.input(c, span, now)
	if err != nil {
		return err
	}
	in.CapturedBy = cdc.ByBackfill
	retention, err := c.retention(ctx)
	if err != nil {
		return err
	}
	if err := c.config.CheckHorizon(retention); err != nil {
		return err
	}
	in.Versions, in.WindowsCloseAfter = c.config.Versions, settleTime(c.config.Passes)
	in.Horizon = c.config.Horizon(retention)
	in.Border, err = c.launcher.Border(ctx, c.temporal.Namespace, in.Datastores, now, in.Horizon)
	if err != nil {
		return err
	}
	return s.startRange(ctx, c, in, f)
}

// settleTime is how long after its end a window that found something has closed
// when nothing went wrong: its last pass, another after twice that delay, and as
// much to spare.
func settleTime(passes []time.Duration) time.Duration { return 4 * passes[len(passes)-1] }
