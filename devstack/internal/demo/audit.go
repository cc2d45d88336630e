package demo

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"healthlake-cdc/devstack/internal/truth"
	"healthlake-cdc/internal/cdc"
)

// audit has the whole time of the demo audited, as an operator would, and compares
// the statements with the write log. It returns what is wrong with them.
func (d *demo) audit(ctx context.Context) (wrong []string, err error) {
	since := cdc.WindowAt("", d.live.started).Start
	fmt.Fprintf(d.options.Out, "\nall windows have closed; `starter audit --since %s --until 1s --wait` asks the store what it holds and compares\n",
		since.Format(time.RFC3339))
	stdout, stderr, err := d.stack.Starter(ctx, "audit", "--since", since.Format(time.RFC3339), "--until", "1s", "--wait", "--json")
	if ctx.Err() != nil {
		return nil, nil //nolint:nilerr // interrupted: the table comes all the same
	}
	var reports []struct {
		Result *cdc.AuditResult `json:"result"`
	}
	if decodeErr := json.Unmarshal([]byte(stdout), &reports); decodeErr != nil {
		return nil, fmt.Errorf("auditing: %s: %w", stderr, err)
	}
	d.settings.Audited = true
	var statements []cdc.Statement
	for _, report := range reports {
		if report.Result != nil {
			statements = append(statements, report.Result.Statements...)
		}
	}
	if err := d.drained(ctx); err != nil {
		return nil, err
	}
	sum := truth.SumStatements(statements)
	wrong = truth.CheckStatements(d.writes(), statements)
	verdict := "all figures and digests are those of the simulator's write log"
	if len(wrong) > 0 {
		verdict = "NOT what the write log says:"
	}
	fmt.Fprintf(d.options.Out, "%d statements: %d versions in the store, %d published (%d of them healed by the audit), %d missing, %d open; %s\n",
		len(statements), sum.InStore, sum.Published, sum.Healed, sum.Missing, sum.Open, verdict)
	for _, line := range wrong {
		fmt.Fprintln(d.options.Out, "  "+line)
	}
	if sum.Missing+sum.Open > 0 {
		wrong = append(wrong, "versions are missing, or not published yet")
	}
	return wrong, nil
}

// drained waits until what the audit published has come to the subscriber.
func (d *demo) drained(ctx context.Context) error {
	ticker := time.NewTicker(time.Second)
	defer ticker.Stop()
	drained := drain{demo: d}
	for !drained.done(ctx, d.live.look(ctx)) {
		select {
		case <-ctx.Done():
			return nil // interrupted: the table comes all the same
		case <-ticker.C:
		}
	}
	return nil
}
