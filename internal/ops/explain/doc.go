// Package explain finds out what happened to one version: which window it lies in, what
// opened that window, and when the version was published with which EventBridge
// id, or why it was not.
//
// It asks the datastore by reads, and Temporal by the window's ID, which is made
// of a store and a time. The FHIR logical id is patient data: it is in what the
// operator asked and in the answer, never in an error or a request to Temporal.
package explain
