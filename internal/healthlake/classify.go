package healthlake

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"net/http"
	"strconv"
	"strings"
	"time"

	"healthlake-cdc/internal/cdc"
)

// What an operator can do, by what went wrong.
const (
	adviceNoKeys      = "no AWS credentials could be had: check the worker's credential chain"
	adviceForbidden   = "check the worker's IAM permissions on the datastore, AWS_REGION and the machine's clock"
	adviceNoAnswer    = "no answer in time: check the store's health and the network"
	adviceNoConnect   = "no connection: check CDC_HEALTHLAKE_ENDPOINT, the network and the store's health"
	adviceCertificate = "the endpoint's certificate is not trusted: check CDC_HEALTHLAKE_ENDPOINT and the machine's root certificates"
	adviceRedirect    = "the store redirects, which is not followed: check CDC_HEALTHLAKE_ENDPOINT"
	adviceNotThere    = "check CDC_DATASTORES and CDC_HEALTHLAKE_ENDPOINT, and that the store knows the resource type"
	adviceRejected    = "the store does not take this request: check that it searches this resource type by _lastUpdated"
	advicePut         = "the store does not take this resource: check that it supports FHIR Subscriptions, and has less than 50"
	adviceStatus      = "the answer has a status that no FHIR read has: check what stands between us and the store"
	adviceCutOff      = "the answer is cut off"
	adviceNoID        = "an id or a version is empty, too long, or holds control characters"
)

// interrupted is the error of a call whose caller gave up.
func interrupted(op string) *cdc.Error {
	return &cdc.Error{Op: op, Class: cdc.ClassInterrupted}
}

// unsent classifies an attempt without an answer. ctx is the caller's, bounded
// the attempt's. The text of err, which holds the URL, is left behind.
func unsent(ctx, bounded context.Context, op string, err error) *failure {
	if fail := stopped(ctx, bounded, op); fail != nil {
		return fail
	}
	var credentials *credentialsError
	if errors.As(err, &credentials) {
		return &failure{Error: &cdc.Error{Op: op, Class: cdc.ClassForbidden, Advice: adviceNoKeys}}
	}
	var certificate *tls.CertificateVerificationError
	if errors.As(err, &certificate) {
		return &failure{Error: &cdc.Error{Op: op, Class: cdc.ClassUnavailable, Advice: adviceCertificate}}
	}
	return &failure{Error: &cdc.Error{Op: op, Class: cdc.ClassUnavailable, Advice: adviceNoConnect}, quick: true}
}

// stopped tells whether an attempt ended because a context did. One that used
// up its time is not tried again here: the store may be hanging, and would take
// the caller's slot for as long again.
func stopped(ctx, bounded context.Context, op string) *failure {
	switch {
	case errors.Is(ctx.Err(), context.Canceled):
		return &failure{Error: interrupted(op)}
	case bounded.Err() != nil:
		return &failure{Error: &cdc.Error{Op: op, Class: cdc.ClassUnavailable, Advice: adviceNoAnswer}}
	}
	return nil
}

// unread classifies an answer whose body did not arrive whole.
func unread(ctx, bounded context.Context, op string, status int, err error) *failure {
	if fail := stopped(ctx, bounded, op); fail != nil {
		fail.Status = status
		return fail
	}
	if errors.Is(err, errTooLarge) && (op == opCount || op == opMetadata) {
		return malformed(op, status, errTooLarge, false) // there is nothing smaller to ask for
	}
	if errors.Is(err, errTooLarge) { // it would be as large again
		return &failure{Error: &cdc.Error{Op: op, Class: cdc.ClassTooLarge, Status: status, Advice: errTooLarge.Error()}}
	}
	var network net.Error
	if errors.As(err, &network) {
		return &failure{Error: &cdc.Error{Op: op, Class: cdc.ClassUnavailable, Status: status, Advice: adviceNoConnect}, quick: true}
	}
	return malformed(op, status, errors.New(adviceCutOff), true)
}

// undecoded classifies an answer that did arrive whole and is not what was asked for.
func undecoded(op string, status int, err error) *failure {
	if errors.Is(err, errUnreadable) {
		return &failure{Error: &cdc.Error{Op: op, Class: cdc.ClassRejected, Status: status, Advice: err.Error()}}
	}
	return malformed(op, status, err, true)
}

// malformed is the failure of an answer that cannot be used; reason is one of
// this package's own errors, which repeat nothing of it.
func malformed(op string, status int, reason error, quick bool) *failure {
	return &failure{
		Error: &cdc.Error{Op: op, Class: cdc.ClassMalformed, Status: status, Advice: reason.Error()},
		quick: quick,
	}
}

// refused classifies an answer that is not 200, by its status and the code in
// its header. The body is not looked at: it may quote the request.
func refused(op string, resp *http.Response, now time.Time) *failure {
	e := &cdc.Error{
		Op:         op,
		Status:     resp.StatusCode,
		Code:       errorCode(resp.Header.Get("X-Amzn-Errortype")),
		RetryAfter: retryAfter(resp.Header, now),
	}
	e.Class, e.Advice = classify(op, e.Status, e.Code)
	return &failure{Error: e, quick: e.Class.Retryable()}
}

func classify(op string, status int, code string) (class cdc.Class, advice string) {
	gone := status == http.StatusNotFound || status == http.StatusGone
	switch {
	case status == http.StatusTooManyRequests || errorCodes[code] == cdc.ClassThrottled:
		return cdc.ClassThrottled, ""
	case status >= 500 || status == http.StatusRequestTimeout:
		return cdc.ClassUnavailable, ""
	case status == http.StatusUnauthorized || status == http.StatusForbidden || errorCodes[code] == cdc.ClassForbidden:
		return cdc.ClassForbidden, adviceForbidden
	case gone && (op == opRead || op == opVRead || op == opHistory):
		return cdc.ClassNotFound, ""
	case (op == opNext || op == opHistoryNext) && (gone || status == http.StatusBadRequest):
		return cdc.ClassPageToken, ""
	case status < 300:
		return cdc.ClassMalformed, adviceStatus
	case status < 400:
		return cdc.ClassRejected, adviceRedirect
	case op == opPut:
		return cdc.ClassRejected, advicePut
	case gone:
		return cdc.ClassRejected, adviceNotThere
	default:
		return cdc.ClassRejected, adviceRejected
	}
}

// errorCodes are the service's error codes that are told on, and the class of those
// that decide it whatever the status: AWS answers some of them with 400 (AWS
// HealthLake API Reference, "Common Error Types"). Any other is left out, for a
// header is as free a text as a body.
var errorCodes = map[string]cdc.Class{
	"ThrottlingException":                 cdc.ClassThrottled,
	"TooManyRequestsException":            cdc.ClassThrottled,
	"AccessDeniedException":               cdc.ClassForbidden,
	"ExpiredTokenException":               cdc.ClassForbidden,
	"IncompleteSignature":                 cdc.ClassForbidden,
	"IncompleteSignatureException":        cdc.ClassForbidden,
	"InvalidClientTokenId":                cdc.ClassForbidden,
	"InvalidSignatureException":           cdc.ClassForbidden,
	"MissingAuthenticationToken":          cdc.ClassForbidden,
	"MissingAuthenticationTokenException": cdc.ClassForbidden,
	"NotAuthorized":                       cdc.ClassForbidden,
	"OptInRequired":                       cdc.ClassForbidden,
	"RequestExpired":                      cdc.ClassForbidden,
	"SignatureDoesNotMatch":               cdc.ClassForbidden,
	"UnrecognizedClientException":         cdc.ClassForbidden,
	"ConflictException":                   "",
	"InternalFailure":                     "",
	"InternalServerException":             "",
	"ResourceNotFoundException":           "",
	"ServiceQuotaExceededException":       "",
	"ServiceUnavailable":                  "",
	"UnknownOperationException":           "",
	"ValidationException":                 "",
	"ValidationError":                     "",
}

// errorCode is the code of an x-amzn-errortype header, which may be followed by
// a colon and a namespace; empty when it is not one of errorCodes.
func errorCode(header string) string {
	code, _, _ := strings.Cut(header, ":")
	if _, known := errorCodes[code]; !known {
		return ""
	}
	return code
}

// maxRetryAfter bounds what a store may ask for: a header gone wrong must not
// hold a window for days.
const maxRetryAfter = time.Hour

// retryAfter reads a Retry-After header, in seconds or as an HTTP date, which is
// measured by the answer's own Date where it has one: clocks differ.
func retryAfter(header http.Header, now time.Time) time.Duration {
	text := strings.TrimSpace(header.Get("Retry-After"))
	if seconds, err := strconv.ParseUint(text, 10, 63); err == nil || errors.Is(err, strconv.ErrRange) {
		return time.Duration(min(seconds, uint64(maxRetryAfter/time.Second))) * time.Second
	}
	until, err := http.ParseTime(text)
	if err != nil {
		return 0 // not given, or not readable
	}
	if date, err := http.ParseTime(header.Get("Date")); err == nil {
		now = date
	}
	return min(max(until.Sub(now), 0), maxRetryAfter)
}
