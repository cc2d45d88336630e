// Package trigger parses a message of the trigger queue: which windows it opens, which
// deletes it reports, which job it starts, or why it asks for nothing.
//
// It is pure: no I/O, no clock, no state. Messages come from outside and their shape is
// only partly known (no real record of a HealthLake FHIR call is public), so it depends on
// no more members than it must, and never panics. What it says about a message (outcome,
// reason, names) is safe to log: of the body it holds only the event's name, where that is
// letters and digits, and ids of configured datastores.
package trigger
