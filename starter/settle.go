package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"go.temporal.io/api/serviceerror"
	workflowpb "go.temporal.io/api/workflow/v1"

	"healthlake-cdc/internal/cdc"
)

// settled is what retry and skip print.
type settled struct {
	WorkflowID string `json:"workflowId"`
	// Retried is what waited and was told to try at once, Skipped what the execution
	// has skipped.
	Retried []cdc.Wait `json:"retried,omitempty"`
	Skipped []cdc.Wait `json:"skipped,omitempty"`
}

const (
	// answerTimeout bounds a query, which without a worker is not answered.
	answerTimeout = 10 * time.Second
	// signalTimeout is how long an execution may take to act on a signal; askEvery is
	// how often it is asked, and each query is billed.
	signalTimeout = time.Minute
	askEvery      = time.Second
)

func newRetryCommand(s *session) *cobra.Command {
	return &cobra.Command{
		Use:   "retry WORKFLOW-ID",
		Short: "Try at once what waits for an operator",
		Long: `Retry lets an execution that waits for an operator try at once, instead of at its
next turn (up to 15 minutes later): every version that EventBridge refused, every
type that the store refused, the ledger that could not be read. The workflow ID is
that of a window, a rerun, a slice, a range or a delete, as ` + "`starter status`" + ` shows it.`,
		Example: "  starter retry window/0123456789abcdef0123456789abcdef/2026-11-23T15:04:00Z",
		Args:    oneWorkflowID,
		RunE: func(cmd *cobra.Command, args []string) error {
			return s.retry(cmd.Context(), args[0])
		},
	}
}

func newSkipCommand(s *session) *cobra.Command {
	var types []string
	var yes bool
	command := &cobra.Command{
		Use:   "skip WORKFLOW-ID [--type T] [--yes]",
		Short: "Skip for good what waits for an operator",
		Long: `Skip gives up what waits in an execution, for good: versions that EventBridge
refuses go into the ledger as skipped, and audits state them so; a type that the
store refuses closes without being swept, and a range leaves it out; a delete is not
published. A rerun whose predecessor's ledger cannot be read takes all that it finds
into its own ledger as skipped, for it may have been published.

The workflow ID is that of a window, a rerun, a slice, a range or a delete, as
` + "`starter status`" + ` shows it. What does not wait is not touched. Skip says what it
gives up and asks; without a terminal it needs --yes. It ends when the execution has
done so, and with an error when it has not within a minute.`,
		Example: "  starter skip window/0123456789abcdef0123456789abcdef/2026-11-23T15:04:00Z --type Claim\n" +
			"  starter skip delete/0123456789abcdef0123456789abcdef/8f14e45f-ceea-467f-a1d7-1f8a1f3f8d5c --yes",
		Args: oneWorkflowID,
		RunE: func(cmd *cobra.Command, args []string) error {
			return s.skip(cmd, args[0], types, yes)
		},
	}
	command.Flags().StringSliceVar(&types, "type", nil, "only these resource types (repeat or separate by commas)")
	command.Flags().BoolVar(&yes, "yes", false, "do not ask")
	return command
}

func oneWorkflowID(_ *cobra.Command, args []string) error {
	if len(args) != 1 {
		return errors.New("name one workflow ID, as `starter status` shows it")
	}
	return nil
}

func (s *session) retry(ctx context.Context, id string) error {
	c, err := s.connectToStart(ctx)
	if err != nil {
		return err
	}
	defer c.client.Close()
	before, err := c.waiting(ctx, id)
	if err != nil {
		return err
	}
	waits := before.Waiting
	if err := c.client.SignalWorkflow(ctx, id, "", cdc.SignalRetry, nil); err != nil {
		return fmt.Errorf("signalling %s: %w", id, err)
	}
	return s.print(settled{WorkflowID: id, Retried: waits}, id+" is told to try at once: "+waitsText(waits))
}

func (s *session) skip(cmd *cobra.Command, id string, types []string, yes bool) error {
	ctx := cmd.Context()
	c, err := s.connectToStart(ctx)
	if err != nil {
		return err
	}
	defer c.client.Close()
	before, err := c.waiting(ctx, id)
	if err != nil {
		return err
	}
	waits, err := ofTypes(before.Waiting, types)
	if err != nil {
		return fmt.Errorf("%s: %w", id, err)
	}
	if waits = slices.DeleteFunc(waits, func(w cdc.Wait) bool { return w.Bus }); len(waits) == 0 {
		return fmt.Errorf("%s waits for the event bus: there is nothing to skip; see that the bus exists and that the workers may put events on it", id)
	}
	fmt.Fprintf(s.progress, "skip gives up for good, in %s: %s\n", id, waitsText(waits))
	if !yes {
		if err := s.confirm(ctx, cmd.InOrStdin()); err != nil {
			return err
		}
	}
	if err := c.skipUntilTaken(ctx, id, before, waits); err != nil {
		return err
	}
	return s.print(settled{WorkflowID: id, Skipped: waits}, "skipped in "+id+": "+waitsText(waits))
}

// ofTypes are the waits of the asked types, all when none is asked.
func ofTypes(waits []cdc.Wait, types []string) ([]cdc.Wait, error) {
	if len(types) == 0 {
		return waits, nil
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

func waitsText(waits []cdc.Wait) string {
	texts := make([]string, len(waits))
	for i, wait := range waits {
		texts[i] = wait.Text()
	}
	return strings.Join(texts, "; ")
}

// confirm asks on a terminal.
func (s *session) confirm(ctx context.Context, in io.Reader) error {
	file, ok := in.(*os.File)
	if !ok || !isTerminal(file) {
		return errors.New("skip asks before it gives something up, and there is no terminal: confirm with --yes")
	}
	fmt.Fprint(s.progress, "Go on? [y/N] ")
	answer, err := interruptible(ctx, func() (string, error) { return bufio.NewReader(in).ReadString('\n') })
	if err != nil || !slices.Contains([]string{"y", "yes"}, strings.ToLower(strings.TrimSpace(answer))) {
		return errors.New("nothing was skipped")
	}
	return nil
}

// isTerminal tells whether somebody may sit there. What is run without an input
// has the null device, which is a character device too.
func isTerminal(file *os.File) bool {
	info, err := file.Stat()
	if err != nil || info.Mode()&os.ModeCharDevice == 0 {
		return false
	}
	null, err := os.Stat(os.DevNull)
	return err != nil || !os.SameFile(info, null)
}

// waiting is the progress of an execution in which something waits for an operator;
// that nothing does is an error.
func (c *connection) waiting(ctx context.Context, id string) (cdc.Progress, error) {
	info, err := c.describe(ctx, id)
	if err != nil {
		return cdc.Progress{}, err
	}
	if !cdc.IsOpen(info.GetStatus()) {
		return cdc.Progress{}, fmt.Errorf("%s does not wait for an operator: it has closed", id)
	}
	switch name := info.GetType().GetName(); name {
	case cdc.WorkflowCaptureWindow, cdc.WorkflowCaptureSlice, cdc.WorkflowCaptureRange, cdc.WorkflowPublishDelete:
	default:
		return cdc.Progress{}, fmt.Errorf("%s is a %s: what can wait for an operator are windows, slices, ranges and deletes, as `starter status` lists them", id, name)
	}
	progress, err := c.ask(ctx, id)
	if err != nil {
		return cdc.Progress{}, err
	}
	if len(progress.Waiting) == 0 {
		return cdc.Progress{}, fmt.Errorf("%s does not wait for an operator; `starter status` lists what does", id)
	}
	return progress, nil
}

func (c *connection) describe(ctx context.Context, id string) (*workflowpb.WorkflowExecutionInfo, error) {
	described, err := c.client.DescribeWorkflow(ctx, id, "")
	var notFound *serviceerror.NotFound
	if errors.As(err, &notFound) {
		return nil, fmt.Errorf("no execution %s in namespace %s: `starter status` lists what waits", id, c.temporal.Namespace)
	}
	if err != nil {
		return nil, fmt.Errorf("describing %s: %w", id, err)
	}
	return described.RawResponse.GetWorkflowExecutionInfo(), nil
}

// ask asks an execution for its progress.
func (c *connection) ask(ctx context.Context, id string) (cdc.Progress, error) {
	asking, cancel := context.WithTimeout(ctx, answerTimeout)
	defer cancel()
	value, err := c.client.QueryWorkflow(asking, id, "", cdc.QueryProgress)
	if err != nil {
		return cdc.Progress{}, fmt.Errorf("asking %s what waits (does a worker run?): %w", id, err)
	}
	var progress cdc.Progress
	if err := value.Get(&progress); err != nil {
		return cdc.Progress{}, fmt.Errorf("%s answered what cannot be decoded: is the payload key in CDC_PAYLOAD_KEYS?", id)
	}
	return progress, nil
}
