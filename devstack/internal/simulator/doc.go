// Package simulator is a HealthLake data store on loopback: FHIR R4 over real
// HTTP, with the limits and peculiarities of the service that a change-capture pipeline
// must handle.
//
//   - Search is eventually consistent: a version becomes searchable after a lag,
//     and until then no search shows the version before it either.
//   - Page tokens carry raw "=", "/" and "+"; a client that signs a next link
//     without encoding it again gets a 403.
//   - Searches, reads and writes have separate quotas (429).
//   - Every call has a CloudTrail record that names no resource, and that may come late,
//     twice, out of order or never.
//
// Unlike the service it keeps a write log: every version ever written, and when search
// could first show it. Tests compare with that log.
package simulator
