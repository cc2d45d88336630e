package healthlake

import (
	"bytes"
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"net/http"
	"net/url"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/trace"

	"healthlake-cdc/internal/cdc"
)

// request is one GET, or a PUT when there is a body; the client makes no others.
// Both may be repeated.
type request struct {
	op           string
	datastore    string
	resourceType string
	target       *url.URL
	body         []byte
}

func (r request) method() string {
	if r.body != nil {
		return http.MethodPut
	}
	return http.MethodGet
}

// succeeded tells whether a status is the one that was hoped for.
func (r request) succeeded(status int) bool {
	return status == http.StatusOK || status == http.StatusCreated && r.body != nil
}

// answer is what came with success.
type answer struct {
	status int
	body   []byte
	// date is the Date header, zero without one.
	date time.Time
}

// failure is why an attempt did not succeed.
type failure struct {
	*cdc.Error
	// quick tells that another attempt right now may succeed.
	quick bool
}

// Waits between the attempts of one call. What lasts longer is for the caller,
// whose retries are durable.
const (
	firstBackoff  = 200 * time.Millisecond
	maxQuickAfter = 2 * time.Second // the longest Retry-After that is waited for here
)

// do sends r, and sends it again after a short wait where that may help, until
// decode accepts the answer. Each attempt is signed anew.
func (c *Client) do(ctx context.Context, r request, decode func(answer) error) error {
	for attempt := 0; ; attempt++ {
		fail := c.attempt(ctx, r, attempt, decode)
		if fail == nil {
			return nil
		}
		if !fail.quick || attempt >= c.retries || fail.RetryAfter > maxQuickAfter {
			return fail.Error
		}
		wait := max(backoff(attempt), fail.RetryAfter)
		if err := c.sleep(ctx, wait); errors.Is(err, context.Canceled) {
			return interrupted(r.op)
		} else if err != nil {
			return fail.Error
		}
	}
}

// backoff is a random wait, from half to the whole of a time that doubles.
func backoff(attempt int) time.Duration {
	whole := firstBackoff << attempt
	return whole/2 + rand.N(whole/2) //nolint:gosec // spreads retries, keeps no secret
}

// attempt sends r once, in a span of its own, and reports it.
func (c *Client) attempt(ctx context.Context, r request, attempt int, decode func(answer) error) *failure {
	start := c.now()
	spanCtx, span := c.tracer.Start(ctx, r.op, trace.WithSpanKind(trace.SpanKindClient),
		trace.WithAttributes(attribute.String("cdc.datastore", r.datastore)))
	defer span.End()
	if r.resourceType != "" {
		span.SetAttributes(attribute.String("fhir.resource_type", r.resourceType))
	}

	status, fail := c.send(spanCtx, r, decode)

	call := Call{
		Op: r.op, Datastore: r.datastore, Type: r.resourceType, Status: status,
		Attempt: attempt, Duration: c.now().Sub(start),
	}
	if status != 0 {
		span.SetAttributes(attribute.Int("http.response.status_code", status))
	}
	if fail != nil {
		call.Class = fail.Class
		span.SetStatus(codes.Error, string(fail.Class))
	}
	c.observe(call)
	return fail
}

// send sends r once and returns the status of the answer, 0 without one.
func (c *Client) send(ctx context.Context, r request, decode func(answer) error) (int, *failure) {
	bounded, cancel := context.WithTimeout(ctx, c.timeout)
	defer cancel()
	var content io.Reader
	if r.body != nil {
		content = bytes.NewReader(r.body)
	}
	req, err := http.NewRequestWithContext(bounded, r.method(), r.target.String(), content)
	if err != nil {
		return 0, &failure{Error: &cdc.Error{Op: r.op, Class: cdc.ClassInvalidInput, Advice: "the request cannot be built"}}
	}
	req.Header.Set("Accept", "application/fhir+json")
	req.Header.Set("User-Agent", "healthlake-cdc")
	if r.body != nil {
		req.Header.Set("Content-Type", "application/fhir+json")
	}

	resp, err := c.http.Do(req)
	if err != nil {
		return 0, unsent(ctx, bounded, r.op, err)
	}
	defer func() { _ = resp.Body.Close() }() // reading it has told what Close could
	if !r.succeeded(resp.StatusCode) {
		drain(resp.Body)
		return resp.StatusCode, refused(r.op, resp, c.now())
	}
	body, err := readBody(resp, c.maxBody)
	if err != nil {
		return resp.StatusCode, unread(ctx, bounded, r.op, resp.StatusCode, err)
	}
	date, _ := http.ParseTime(resp.Header.Get("Date")) // the zero time without one
	if err := decode(answer{status: resp.StatusCode, body: bytes.TrimPrefix(body, byteOrderMark), date: date}); err != nil {
		return resp.StatusCode, undecoded(r.op, resp.StatusCode, err)
	}
	return resp.StatusCode, nil
}

// byteOrderMark may stand before a JSON text, to be ignored (RFC 8259, section 8.1).
var byteOrderMark = []byte("\uFEFF")

// errTooLarge tells that a body is over Config.MaxBodyBytes.
var errTooLarge = errors.New("the answer is larger than one may be")

// readBody reads a body of at most limit bytes, counted after decompression.
func readBody(resp *http.Response, limit int64) ([]byte, error) {
	if resp.ContentLength > limit {
		return nil, errTooLarge
	}
	if resp.ContentLength > 0 {
		body := make([]byte, resp.ContentLength)
		_, err := io.ReadFull(resp.Body, body)
		return body, err
	}
	body, err := io.ReadAll(io.LimitReader(resp.Body, limit+1))
	if err == nil && int64(len(body)) > limit {
		err = errTooLarge
	}
	return body, err
}

// maxDrain bounds what is read of an error's body: enough for any
// OperationOutcome, so that the connection can be used again.
const maxDrain = 64 << 10

func drain(body io.Reader) {
	// Whether this fails is of no interest: the body would only have been a
	// courtesy to the connection.
	_, _ = io.CopyN(io.Discard, body, maxDrain)
}
