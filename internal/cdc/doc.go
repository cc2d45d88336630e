// Package cdc is the contract that everything else shares: windows, versions, changes, the
// ledger, events, IDs, names and error types. It does no I/O and imports nothing of ours.
package cdc
