// Package fhirclient is a small signed client for HealthLake's FHIR API, with which the
// demo and the tests write. It shares no code with the client of the product, so that each
// checks the other.
package fhirclient

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
)

// Client calls one data store. All fields but HTTP and Now are required.
type Client struct {
	Endpoint    string // base URL, before /datastore/{id}/r4/
	Datastore   string
	Region      string
	Credentials aws.CredentialsProvider
	HTTP        *http.Client     // default http.DefaultTransport without redirects
	Now         func() time.Time // of the signature; default time.Now
}

// Resource is a version as the server wrote it.
type Resource struct {
	Type, ID    string
	VersionID   string
	LastUpdated time.Time
	Status      int    // of the HTTP response
	Body        []byte // nil after a delete
}

// StatusError is a response that is not a success. Its text names neither resource nor
// query.
type StatusError struct {
	Status int
	Code   string // the service's error type, "" if it gave none
}

func (e *StatusError) Error() string {
	return fmt.Sprintf("the data store returned %d %s: see the service's error of that name", e.Status, e.Code)
}

// signer is shared: it holds only derived keys.
var signer = v4.NewSigner()

// Create posts a new resource; the server makes its id.
func (c *Client) Create(ctx context.Context, resourceType string, body []byte) (Resource, error) {
	return c.resource(ctx, http.MethodPost, resourceType, body)
}

// Update puts the resource, which must carry id, and creates it if need be.
func (c *Client) Update(ctx context.Context, resourceType, id string, body []byte) (Resource, error) {
	return c.resource(ctx, http.MethodPut, resourceType+"/"+url.PathEscape(id), body)
}

// Read returns the newest version; a deleted resource is a StatusError 410.
func (c *Client) Read(ctx context.Context, resourceType, id string) (Resource, error) {
	return c.resource(ctx, http.MethodGet, resourceType+"/"+url.PathEscape(id), nil)
}

// Delete removes the resource from reads and searches.
func (c *Client) Delete(ctx context.Context, resourceType, id string) error {
	_, _, err := c.Do(ctx, http.MethodDelete, resourceType+"/"+url.PathEscape(id), nil, nil)
	return err
}

// Transaction posts a transaction or batch Bundle and returns the response's
// entries, in the order of the bundle.
func (c *Client) Transaction(ctx context.Context, bundle []byte) ([]EntryResponse, error) {
	_, body, err := c.Do(ctx, http.MethodPost, "", nil, bundle)
	if err != nil {
		return nil, err
	}
	var response struct {
		Entry []struct {
			Response EntryResponse `json:"response"`
		} `json:"entry"`
	}
	if err := json.Unmarshal(body, &response); err != nil {
		return nil, fmt.Errorf("reading the bundle's response: %w", err)
	}
	out := make([]EntryResponse, len(response.Entry))
	for i, e := range response.Entry {
		out[i] = e.Response
	}
	return out, nil
}

// EntryResponse is the response to one entry of a bundle.
type EntryResponse struct {
	Status   string `json:"status"`   // HTTP status
	Location string `json:"location"` // of the version written, absolute
	ETag     string `json:"etag"`
}

func (c *Client) resource(ctx context.Context, method, path string, body []byte) (Resource, error) {
	status, text, err := c.Do(ctx, method, path, nil, body)
	if err != nil {
		return Resource{}, err
	}
	var head struct {
		ResourceType string `json:"resourceType"`
		ID           string `json:"id"`
		Meta         struct {
			VersionID   string    `json:"versionId"`
			LastUpdated time.Time `json:"lastUpdated"`
		} `json:"meta"`
	}
	if err := json.Unmarshal(text, &head); err != nil {
		return Resource{}, fmt.Errorf("reading the resource's meta: %w", err)
	}
	return Resource{
		Type: head.ResourceType, ID: head.ID, VersionID: head.Meta.VersionID, LastUpdated: head.Meta.LastUpdated,
		Status: status, Body: text,
	}, nil
}

// Do signs and sends one request. Path is below /datastore/{id}/r4/, escaped. A
// response that is not a success is a *StatusError.
func (c *Client) Do(ctx context.Context, method, path string, query url.Values, body []byte) (int, []byte, error) {
	address := strings.TrimSuffix(c.Endpoint, "/") + "/datastore/" + url.PathEscape(c.Datastore) + "/r4/" + path
	if len(query) > 0 {
		address += "?" + query.Encode()
	}
	req, err := http.NewRequestWithContext(ctx, method, address, bytes.NewReader(body))
	if err != nil {
		return 0, nil, errors.New("the request cannot be built: check the endpoint's form")
	}
	if len(body) > 0 {
		req.Header.Set("Content-Type", "application/fhir+json")
	}
	if err := c.Sign(ctx, req, body); err != nil {
		return 0, nil, err
	}
	return c.send(req)
}

// Sign signs req, whose body is body, for the service healthlake.
func (c *Client) Sign(ctx context.Context, req *http.Request, body []byte) error {
	credentials, err := c.Credentials.Retrieve(ctx)
	if err != nil {
		return fmt.Errorf("getting credentials to sign with: %w", err)
	}
	now := time.Now
	if c.Now != nil {
		now = c.Now
	}
	sum := sha256.Sum256(body)
	err = signer.SignHTTP(ctx, credentials, req, hex.EncodeToString(sum[:]), "healthlake", c.Region, now())
	if err != nil {
		return fmt.Errorf("signing the request: %w", err)
	}
	return nil
}

func (c *Client) send(req *http.Request) (int, []byte, error) {
	client := c.HTTP
	if client == nil {
		client = &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	}
	res, err := client.Do(req)
	if err != nil {
		return 0, nil, fmt.Errorf("calling the data store: %w", bare(err))
	}
	defer func() { _ = res.Body.Close() }() // nothing to lose: the body has been read
	text, err := io.ReadAll(res.Body)
	if err != nil {
		return res.StatusCode, nil, fmt.Errorf("reading the data store's response: %w", err)
	}
	if res.StatusCode/100 != 2 {
		return res.StatusCode, text, &StatusError{Status: res.StatusCode, Code: res.Header.Get("X-Amzn-Errortype")}
	}
	return res.StatusCode, text, nil
}

// bare removes the URL, which names a resource, from an HTTP client's error.
func bare(err error) error {
	var withURL *url.Error
	if errors.As(err, &withURL) {
		return withURL.Err
	}
	return err
}
