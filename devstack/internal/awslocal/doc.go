// Package awslocal is a stand-in for Amazon SQS and Amazon EventBridge on loopback. It
// implements the protocols of the AWS SDKs (AWS JSON 1.0 and 1.1 over HTTP), so programs
// need only AWS_ENDPOINT_URL_SQS and AWS_ENDPOINT_URL_EVENTBRIDGE. It verifies signatures.
//
// It has the behaviour that a consumer and a publisher must handle:
// visibility timeouts, receive counts, redrive to a dead-letter queue, long
// polls, partial failures, limits with the services' own error codes, a bus
// that is missing and drops events without an error. What it does not support is an error
// that names it. [Server.SetFaults] and the control endpoint [FaultsPath] make it fail on
// demand.
//
// Everything is in memory, and lost when the server closes.
package awslocal
