// Package payload keeps what Temporal stores unreadable in Temporal's database, backups
// and network.
//
// Everything that a workflow, an activity, a heartbeat, a memo, a query or a
// failure carries passes through [Codec]: the whole payload, its metadata
// included, is compressed with zstd and sealed with AES-256-GCM. Workflow IDs,
// task-queue names and search attributes never pass through a codec and so must
// not hold patient data.
package payload
