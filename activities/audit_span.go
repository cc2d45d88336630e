package activities

import (
	"context"

	"healthlake-cdc/internal/cdc"
)

// AuditSpan compares what the store holds of a span with the ledgers of its
// windows.
func (a *Activities) AuditSpan(ctx context.Context, _ cdc.AuditSpanInput) (cdc.AuditSpanResult, error) {
	return cdc.AuditSpanResult{}, invalidInput(ctx, "this build cannot audit")
}

// Heal runs the windows that miss something, and waits until they have closed.
func (a *Activities) Heal(ctx context.Context, _ cdc.HealInput) (cdc.HealResult, error) {
	return cdc.HealResult{}, invalidInput(ctx, "this build cannot heal")
}
