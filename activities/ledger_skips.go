package activities

import (
	historypb "go.temporal.io/api/history/v1"

	"healthlake-cdc/internal/cdc"
)

// takeSlice takes a slice's result into its parent's ledger. One that was closed or
// handed back before its last page has not swept the type.
func takeSlice(ledger *cdc.Ledger, resourceType string, result cdc.CaptureSliceResult) error {
	if (result.GivenUp || result.HandedBack) && result.Published.Len()+result.Skipped.Len() == 0 {
		return nil
	}
	return ledger.Merge(cdc.Ledger{Salt: result.Salt, Types: map[string]*cdc.TypeLedger{
		resourceType: {Published: result.Published, Skipped: result.Skipped},
	}})
}

// signaled takes what an operator gave up: what was refused until then.
func (r *rebuild) signaled(event *historypb.HistoryEvent) error {
	signal := event.GetWorkflowExecutionSignaledEventAttributes()
	if signal.GetSignalName() != cdc.SignalSkip {
		return nil
	}
	var skip cdc.Skip
	if err := r.a.Converter.FromPayloads(signal.GetInput(), &skip); err != nil {
		return err
	}
	for _, name := range skip.Versions {
		r.skips[name] = event.GetEventId()
		if given := r.refused[name]; given.Len() > 0 {
			r.ledger.Type(name).Skipped.Merge(given)
		}
	}
	// A ledger of the run before that was given up stays unread: what this run did
	// not come to put into its own may have been published.
	return nil
}

// accepted takes a version that EventBridge accepted, though it had refused it
// before, or an operator had given it up while it was offered again.
func (r *rebuild) accepted(change cdc.Change) {
	r.salted()
	entry := r.ledger.Type(change.Type)
	entry.Published.Add(r.ledger.Salt.Hash(change.Version))
	entry.Skipped.Remove(r.ledger.Salt.Hash(change.Version))
	refused := r.refused[change.Type]
	refused.Remove(r.ledger.Salt.Hash(change.Version))
}

// refusal takes a version that a Publish, scheduled by the event id, was refused.
// What an operator gave up while it was offered stays given up.
func (r *rebuild) refusal(id int64, change cdc.Change) {
	r.salted()
	if id < r.skips[change.Type] {
		r.ledger.Type(change.Type).Skipped.Add(r.ledger.Salt.Hash(change.Version))
		return
	}
	refused := r.refused[change.Type]
	refused.Add(r.ledger.Salt.Hash(change.Version))
	r.refused[change.Type] = refused
}
