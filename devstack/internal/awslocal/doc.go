// Package awslocal stands in for Amazon SQS and Amazon EventBridge on
// loopback. It speaks the protocols of the AWS SDKs over HTTP (AWS JSON 1.0
// and 1.1), so programs reach it by AWS_ENDPOINT_URL_SQS and
// AWS_ENDPOINT_URL_EVENTBRIDGE alone, and it verifies their signatures.
//
// It keeps the behaviour that a consumer and a publisher must survive:
// visibility timeouts, receive counts, redrive to a dead-letter queue, long
// polls, partial failures, limits with the services' own error codes, a bus
// that is missing and swallows what it is given. What it does not know it
// refuses by name. Failures are made on demand through [Server.SetFaults] or
// the control endpoint [FaultsPath].
//
// Everything is in memory, and gone when the server closes.
package awslocal
