// Package eventbus puts events on an EventBridge bus: sized to the byte, in
// calls of at most ten entries, each entry retried on its own.
//
// PutEvents answers 200 for three very different things: everything was accepted,
// some entries were not (FailedEntryCount), or the bus does not exist and all
// of it was dropped. The publisher distinguishes them, and it never counts an
// entry as published without an event id from EventBridge.
//
// EventBridge does not deduplicate. So one call at a time is in flight, and what was
// accepted is reported after each: at most the entries of one call are put twice.
// Consumers drop those by meta.idempotencyKey.
package eventbus
