package demo

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"healthlake-cdc/devstack/internal/truth"
	"healthlake-cdc/internal/cdc"
)

// audit audits the whole time of the demo, as an operator would, and compares the
// statements with the write log. It returns what is wrong with them.
func (d *demo) audit(ctx context.Context) (wrong []string, err error) {
	since := cdc.WindowAt("", d.started).Start
	d.display.say("all windows are closed; `starter audit --since %s --until 1s --wait` compares the store with what was published",
		since.Format(time.RFC3339))
	stdout, stderr, err := d.stack.Starter(ctx, "audit", "--since", since.Format(time.RFC3339), "--until", "1s", "--wait", "--json")
	if ctx.Err() != nil {
		return nil, nil //nolint:nilerr // interrupted: the table is still printed
	}
	var reports []struct {
		Result *cdc.AuditState `json:"result"`
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
	// What the audit published is on its way to the subscriber.
	if err := d.watch(ctx, nil); err != nil {
		return nil, err
	}
	sum := truth.SumStatements(statements)
	wrong = truth.CheckStatements(d.writes(), statements)
	verdict := d.display.paint(green, "all figures and digests match the simulator's write log")
	if len(wrong) > 0 {
		verdict = d.display.paint(red, "they do NOT match the simulator's write log:")
	}
	d.display.say("%d statements: %d versions in the store, %d published (%d of them healed by the audit), %d missing, %d open; %s",
		len(statements), sum.InStore, sum.Published, sum.Healed, sum.Missing, sum.Open, verdict)
	for _, line := range wrong {
		d.display.say("  %s", line)
	}
	if sum.Missing+sum.Open > 0 {
		wrong = append(wrong, "versions are missing, or not published yet")
	}
	return wrong, nil
}
