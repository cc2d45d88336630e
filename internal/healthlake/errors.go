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

const (
	adviceEmptySpan = "the span is empty: its end must be after its beginning"
	adviceNoID      = "an id or a version is empty, too long, or holds control characters"
)

// transferError classifies a request without a whole answer; status is 0 without any.
// ctx is the caller's, bounded the request's. The text of err, which holds the URL, goes
// no further.
func transferError(ctx, bounded context.Context, op string, status int, err error) *cdc.Error {
	failed := func(class cdc.Class, advice string) *cdc.Error {
		return &cdc.Error{Op: op, Class: class, Status: status, Advice: advice}
	}
	var certificate *tls.CertificateVerificationError
	var network net.Error
	switch {
	case errors.Is(ctx.Err(), context.Canceled):
		return failed(cdc.ClassInterrupted, "")
	case bounded.Err() != nil:
		return failed(cdc.ClassUnavailable, "no answer in time: check the store's health and the network")
	case errors.Is(err, errNoKeys):
		return failed(cdc.ClassForbidden, "no AWS credentials could be had: check the worker's credential chain")
	case errors.As(err, &certificate):
		return failed(cdc.ClassUnavailable, "the endpoint's certificate is not trusted: check CDC_HEALTHLAKE_ENDPOINT and the machine's root certificates")
	case errors.Is(err, errTooLarge) && op != opCount && op != opMetadata: // which have nothing smaller to ask for
		return failed(cdc.ClassTooLarge, errTooLarge.Error())
	case errors.Is(err, errTooLarge):
		return malformed(op, status, errTooLarge)
	case status == 0 || errors.As(err, &network):
		return failed(cdc.ClassUnavailable, "no connection: check CDC_HEALTHLAKE_ENDPOINT, the network and the store's health")
	default:
		return malformed(op, status, errors.New("the answer is cut off"))
	}
}

// undecoded classifies an answer that did arrive whole and is not what was asked for.
func undecoded(op string, status int, err error) *cdc.Error {
	if errors.Is(err, errUnreadable) {
		return &cdc.Error{Op: op, Class: cdc.ClassInvalidRequest, Status: status, Advice: err.Error()}
	}
	return malformed(op, status, err)
}

// malformed is the error of an answer that cannot be used; reason is one of this
// package's own errors, which repeat nothing of the answer.
func malformed(op string, status int, reason error) *cdc.Error {
	return &cdc.Error{Op: op, Class: cdc.ClassMalformed, Status: status, Advice: reason.Error()}
}

func invalidInput(op, advice string) *cdc.Error {
	return &cdc.Error{Op: op, Class: cdc.ClassInvalidInput, Advice: advice}
}

// statusError classifies an answer that is not 200, by its status and the code in its
// header, which may be followed by a colon and a namespace. Neither the body nor a code
// that AWS does not have goes further: they may quote the request.
func statusError(op string, resp *http.Response, now time.Time) *cdc.Error {
	code, _, _ := strings.Cut(resp.Header.Get("X-Amzn-Errortype"), ":")
	decided, known := cdc.ClassOfAWSCode(code)
	if !known {
		code = ""
	}
	class, advice := classify(op, resp.StatusCode, decided)
	return &cdc.Error{
		Op: op, Class: class, Status: resp.StatusCode, Code: code,
		RetryAfter: retryAfter(resp.Header, now), Advice: advice,
	}
}

// classify goes by the operation, the status and the class that the code decides.
func classify(op string, status int, decided cdc.Class) (class cdc.Class, advice string) {
	gone := status == http.StatusNotFound || status == http.StatusGone
	switch {
	case status == http.StatusTooManyRequests || decided == cdc.ClassThrottled:
		return cdc.ClassThrottled, ""
	case status >= 500 || status == http.StatusRequestTimeout || decided == cdc.ClassUnavailable:
		return cdc.ClassUnavailable, ""
	case status == http.StatusUnauthorized || status == http.StatusForbidden || decided == cdc.ClassForbidden:
		return cdc.ClassForbidden, "check the worker's IAM permissions on the datastore, AWS_REGION and the machine's clock"
	case gone && (op == opRead || op == opVRead || op == opHistory):
		return cdc.ClassNotFound, ""
	case (op == opNext || op == opHistoryNext) && (gone || status == http.StatusBadRequest):
		return cdc.ClassPageTokenRejected, ""
	case status < 300:
		return cdc.ClassMalformed, "the answer has a status that no FHIR read has: check what stands between us and the store"
	case status < 400:
		return cdc.ClassInvalidRequest, "the store redirects, which is not followed: check CDC_HEALTHLAKE_ENDPOINT"
	case op == opPut:
		return cdc.ClassInvalidRequest, "the store does not accept this resource: check that it supports FHIR Subscriptions, and has less than 50"
	case gone:
		return cdc.ClassInvalidRequest, "check CDC_DATASTORES and CDC_HEALTHLAKE_ENDPOINT, and that the store knows the resource type"
	default:
		return cdc.ClassInvalidRequest, "the store does not accept this request: check that it searches this resource type by _lastUpdated"
	}
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
