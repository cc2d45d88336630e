// Package trigger reads a message of the trigger queue: which windows it opens,
// which delete it tells of, or why it is none of our business.
//
// It is pure: no I/O, no clock, no state. Messages come from outside and their
// shape is only partly known (no real record of a HealthLake FHIR call is
// public), so it depends on no more members than it must, takes any JSON type
// for the others, and never panics. What it says about a message (outcome,
// reason, names) is safe to log: it never holds a FHIR logical id or any other
// text of the body but the name of the event and ids of configured datastores.
package trigger
