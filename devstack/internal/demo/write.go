package demo

import (
	"context"

	"healthlake-cdc/devstack/internal/stack"
)

// Write writes to the stack's first datastore as the demo does: the sample
// bundles, then creates, updates and deletes, perSecond of them a second, until
// ctx ends.
func Write(ctx context.Context, s *stack.Stack, perSecond float64) error {
	return newWriter(s, perSecond).run(ctx)
}
