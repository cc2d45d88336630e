package healthlake

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"net/url"
	"time"

	"healthlake-cdc/internal/cdc"
)

// request is one GET, or a PUT when there is a body; the client makes no others.
type request struct {
	op           string
	datastore    string
	resourceType string
	target       *url.URL
	body         []byte
}

// get is a GET of a path below the datastore's type. It keeps what is not a name of a
// store, a type, an id or a version out of paths.
func (c *Client) get(op, datastore, resourceType string, query url.Values, path ...string) (request, error) {
	switch {
	case !cdc.ValidDatastore(datastore):
		return request{}, invalidInput(op, "the datastore id is not valid")
	case !cdc.ValidType(resourceType):
		return request{}, invalidInput(op, "the resource type is not valid")
	}
	for _, segment := range path {
		if !cdc.UsableID(segment) {
			return request{}, invalidInput(op, adviceNoID)
		}
	}
	return request{
		op: op, datastore: datastore, resourceType: resourceType,
		target: c.target(datastore, query, append([]string{resourceType}, path...)...),
	}, nil
}

// answer is what came with success.
type answer struct {
	status int
	body   []byte
	// date is the Date header, zero without one.
	date time.Time
}

// do sends r, decodes the answer and reports the call.
func (c *Client) do(ctx context.Context, r request, decode func(answer) error) error {
	start := c.now()
	err := c.send(ctx, r, decode)
	c.observe(Call{Op: r.op, Datastore: r.datastore, Class: cdc.ClassOf(err), Duration: c.now().Sub(start)})
	return err
}

// send sends r once and decodes the answer.
func (c *Client) send(ctx context.Context, r request, decode func(answer) error) error {
	bounded, cancel := context.WithTimeout(ctx, c.timeout)
	defer cancel()
	method := http.MethodGet
	if r.body != nil {
		method = http.MethodPut
	}
	req, err := http.NewRequestWithContext(bounded, method, r.target.String(), bytes.NewReader(r.body))
	if err != nil {
		return invalidInput(r.op, "the request cannot be built")
	}
	req.Header.Set("Accept", "application/fhir+json")
	req.Header.Set("User-Agent", "healthlake-cdc")
	if r.body != nil {
		req.Header.Set("Content-Type", "application/fhir+json")
	}
	if c.signer != nil {
		if err := c.signer.sign(bounded, req, r.body); err != nil {
			return transferError(ctx, bounded, r.op, 0, err)
		}
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return transferError(ctx, bounded, r.op, 0, err)
	}
	defer func() { _ = resp.Body.Close() }() // reading it shows what Close could
	status := resp.StatusCode
	if status != http.StatusOK && (status != http.StatusCreated || r.body == nil) {
		// At most what an OperationOutcome has, so that the connection can be used again.
		_, _ = io.CopyN(io.Discard, resp.Body, 64<<10)
		return statusError(r.op, resp, c.now())
	}
	body, err := readBody(resp, c.maxBody)
	if err != nil {
		return transferError(ctx, bounded, r.op, status, err)
	}
	date, _ := http.ParseTime(resp.Header.Get("Date")) // the zero time without one
	if err := decode(answer{status: status, body: bytes.TrimPrefix(body, byteOrderMark), date: date}); err != nil {
		return undecoded(r.op, status, err)
	}
	return nil
}

// byteOrderMark may stand before a JSON text, to be ignored (RFC 8259, section 8.1).
var byteOrderMark = []byte("\uFEFF")

// errTooLarge is of a body over Config.MaxBodyBytes.
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
