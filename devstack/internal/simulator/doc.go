// Package simulator is a HealthLake data store on loopback: FHIR R4 over real
// HTTP with the limits and the odd habits of the service that a change-capture
// pipeline has to survive.
//
//   - Search is eventually consistent: a version becomes searchable after a lag,
//     and while it is being indexed the version before it is in no result either.
//   - Page tokens carry raw "=", "/" and "+"; a client that signs a next link
//     without encoding it again is answered 403.
//   - Searches, reads and writes have quotas of their own (429).
//   - Every call leaves a CloudTrail record that names no resource, and that may
//     come late, twice, out of order or not at all.
//
// Beside the service it keeps what no service has, a write log: every version
// ever written and when it could first be found. Tests compare with that.
package simulator
