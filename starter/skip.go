package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	enumspb "go.temporal.io/api/enums/v1"

	"healthlake-cdc/internal/cdc"
	"healthlake-cdc/internal/temporal"
)

func newSkipCommand(s *session) *cobra.Command {
	var types []string
	var yes bool
	command := &cobra.Command{
		Use:   "skip WORKFLOW-ID [--type T] [--yes]",
		Short: "Skip for good what waits for an operator",
		Long: `Skip gives up for good on what waits in an execution. Versions that EventBridge
rejects go into the ledger as skipped, and audits state them as skipped. A type that
cannot be read is closed without a search of it; a replay or a backfill leaves it out.
A delete is not published. A rerun that cannot read the ledger of the run before puts
all that it finds into its own ledger as skipped, because it may have been published.

The workflow ID is as ` + "`starter status`" + ` shows it. Skip lists what it will skip and asks;
without a terminal it needs --yes.`,
		Example: "  starter skip window/0123456789abcdef0123456789abcdef/2026-11-23T15:04:00Z --type Claim\n" +
			"  starter skip delete/0123456789abcdef0123456789abcdef/8f14e45f-ceea-467f-a1d7-1f8a1f3f8d5c --yes",
		Args: oneWorkflowID,
		RunE: func(cmd *cobra.Command, args []string) error {
			return s.skip(cmd.Context(), cmd.InOrStdin(), args[0], types, yes)
		},
	}
	bindTypes(command.Flags(), &types)
	command.Flags().BoolVar(&yes, "yes", false, "do not ask")
	return command
}

func (s *session) skip(ctx context.Context, in io.Reader, id string, types []string, yes bool) error {
	return s.withConnection(ctx, needsWorkers, func(c *connection) error {
		before, err := c.waiting(ctx, id)
		if err != nil {
			return err
		}
		waits, err := waitsOfTypes(before.Waiting, types)
		if err != nil {
			return fmt.Errorf("%s: %w", id, err)
		}
		if waits = slices.DeleteFunc(waits, func(w cdc.Wait) bool { return w.Bus }); len(waits) == 0 {
			return fmt.Errorf("%s waits for the event bus: there is nothing to skip; check that the bus exists and that the workers may put events on it", id)
		}
		fmt.Fprintf(s.progress, "skip gives up for good, in %s: %s\n", id, waitsText(waits))
		if !yes {
			if err := s.confirm(ctx, in); err != nil {
				return err
			}
		}
		if err := c.skipAndWait(ctx, id, before.Counts, waits); err != nil {
			return err
		}
		return s.print(waitReport{WorkflowID: id, Skipped: waits}, "skipped in "+id+": "+waitsText(waits))
	})
}

// confirm asks on a terminal whether to skip; no is an error.
func (s *session) confirm(ctx context.Context, in io.Reader) error {
	if !isTerminal(in) {
		return errors.New("this needs a confirmation, and there is no terminal: confirm with --yes")
	}
	fmt.Fprint(s.progress, "Continue? [y/N] ")
	reply, err := interruptible(ctx, func() (string, error) { return bufio.NewReader(in).ReadString('\n') })
	if err != nil || !slices.Contains([]string{"y", "yes"}, strings.ToLower(strings.TrimSpace(reply))) {
		return errors.New("nothing was skipped")
	}
	return nil
}

// waitsOfTypes chooses what waits of the types, all of it when none is named.
func waitsOfTypes(waits []cdc.Wait, types []string) ([]cdc.Wait, error) {
	if len(types) == 0 {
		return slices.Clone(waits), nil
	}
	var chosen []cdc.Wait
	for _, name := range types {
		found := len(chosen)
		for _, wait := range waits {
			if wait.Type == name && !wait.Ledger && !wait.Bus {
				chosen = append(chosen, wait)
			}
		}
		if len(chosen) == found {
			return nil, fmt.Errorf("nothing of --type %s waits; what does: %s", name, waitsText(waits))
		}
	}
	return chosen, nil
}

// skipAndWait signals an execution to skip, and waits until it has: until what waited
// does not wait any more and the execution counts more as skipped. The first alone is
// not enough: an execution that is between two tries, or continues as new, waits for
// nothing at that moment. When it waits again the signal was lost and is sent again; it
// names no more than what was seen to wait. One that has closed is queried like one that
// is open.
func (c *connection) skipAndWait(ctx context.Context, id string, before cdc.Counts, waits []cdc.Wait) error {
	// For a ledger nothing is counted: the run that works without it just stops waiting for it.
	ledger := slices.ContainsFunc(waits, func(w cdc.Wait) bool { return w.Ledger })
	limited, cancel := context.WithTimeout(ctx, signalTimeout)
	defer cancel()
	send, gone := true, false
	for {
		if send {
			if err := c.Client.SignalWorkflow(limited, id, "", cdc.SignalSkip, cdc.SkipOf(waits)); err != nil {
				return fmt.Errorf("signalling %s: %w", id, err)
			}
			send = false
		}
		info, err := c.Latest(limited, id)
		closed := err == nil && !cdc.IsOpen(info.GetStatus())
		if closed && info.GetStatus() != enumspb.WORKFLOW_EXECUTION_STATUS_COMPLETED {
			return fmt.Errorf("%s has ended as %s: what it skipped is not known", id, info.GetStatus())
		}
		if now, err := temporal.Progress(limited, c.Client, id); err == nil {
			still := slices.ContainsFunc(waits, func(w cdc.Wait) bool { return stillWaits(now.Waiting, w) })
			more := now.Counts.Skipped+now.Counts.SkippedTypes > before.Skipped+before.SkippedTypes
			switch {
			case !still && (more || ledger):
				return nil
			case closed:
				return errors.New("nothing was skipped: a retry of what waited in " + id + " worked, and it has closed")
			}
			send, gone = still && gone, !still
		}
		switch sleep(limited, queryEvery); {
		case ctx.Err() != nil:
			return fmt.Errorf("interrupted: %s was told to skip; `starter status` shows whether it still waits", id)
		case limited.Err() != nil && gone:
			return fmt.Errorf("nothing was skipped in %s: what waited does not wait at the moment, perhaps because a retry worked; check `starter status`", id)
		case limited.Err() != nil:
			return fmt.Errorf("%s was told to skip and has not done so yet: check that workers run, and `starter status`", id)
		}
	}
}

// stillWaits reports whether what is skipped is among what waits; the number of versions
// may differ.
func stillWaits(waits []cdc.Wait, skipped cdc.Wait) bool {
	return slices.ContainsFunc(waits, func(w cdc.Wait) bool {
		return w.Type == skipped.Type && w.Ledger == skipped.Ledger && w.Bus == skipped.Bus && (w.Versions > 0) == (skipped.Versions > 0)
	})
}
