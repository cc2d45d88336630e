// Package cdc is the contract of healthlake-cdc: windows, versions, changes,
// the ledger, events, IDs, names and error types, shared by the workflows, the
// activities, the consumer and the starter.
//
// It does no I/O and imports nothing of ours, so that everything else may
// import it.
package cdc
