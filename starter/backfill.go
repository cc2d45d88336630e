package main

import (
	"context"
	"errors"
	"time"

	"github.com/spf13/cobra"

	"healthlake-cdc/internal/cdc"
)

func newBackfillCommand(s *session) *cobra.Command {
	f := rangeFlags{timeRange: timeRange{since: "1970-01-01T00:00:00Z", until: "0s"}}
	command := &cobra.Command{
		Use:   "backfill --name NAME",
		Short: "Publish what the stores already held before healthlake-cdc captured them",
		Long: `Backfill publishes what search shows of the time range and was not published yet: the
first snapshot of an existing store, or of a type that was added. Without --until it
covers everything up to its start. Of the recent part, for which there are ledgers, the
windows publish only what is missing.

If the name is in use, the command joins the existing backfill when that one is the
same; otherwise it fails.`,
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
	return s.withConnection(ctx, needsWorkers, func(c *connection) error {
		in, err := f.input(c, span, now)
		if err != nil {
			return err
		}
		in.CapturedBy, in.Versions = cdc.ByBackfill, c.config.Versions
		// A window that found something has closed by then, when nothing went wrong: after
		// its last pass, another after twice that delay, and as much to spare.
		in.WindowsCloseAfter = 4 * c.config.Passes[len(c.config.Passes)-1]
		if in.Horizon, err = c.horizon(ctx); err != nil {
			return err
		}
		in.Border, err = c.launcher.Border(ctx, in.Datastores, now, in.Horizon)
		if err != nil {
			return err
		}
		return s.startRange(ctx, c, in, f)
	})
}
