package healthlake

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"path"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/trace"

	"healthlake-cdc/internal/cdc"
)

// Defaults of Config.
const (
	// DefaultMaxBodyBytes bounds one answer: a page has at most 100 resources,
	// so that each may have some 650 KB.
	DefaultMaxBodyBytes = 64 << 20
	// DefaultTimeout is the time of one attempt, its body included.
	DefaultTimeout = 30 * time.Second
	// DefaultRetries is how often a call tries again before its caller must.
	DefaultRetries = 2
)

// idleConnections is how many connections to the store are kept for reuse.
// net/http keeps two a host, fewer than a worker's activities use at once.
const idleConnections = 64

// Config says where the datastores are and how to call them.
type Config struct {
	// Endpoint is what stands before /datastore/{id}/r4/, as in
	// "https://healthlake.us-east-1.amazonaws.com". It must be written as the
	// store writes itself in its next links.
	Endpoint string
	// Region is the AWS region that requests are signed for.
	Region string
	// Credentials are retrieved anew for each attempt. Requests go unsigned
	// with aws.AnonymousCredentials.
	Credentials aws.CredentialsProvider
	// Transport is what sends the signed requests; nil for net/http's own.
	Transport http.RoundTripper
	// MaxBodyBytes bounds an answer after decompression; 0 is
	// DefaultMaxBodyBytes.
	MaxBodyBytes int64
	// Timeout is the time of one attempt; 0 is DefaultTimeout.
	Timeout time.Duration
	// Retries is how often one call tries again after a short wait; 0 is
	// DefaultRetries, a negative number is none.
	Retries int
	// Observe, if not nil, is told of every attempt. It must be safe for
	// concurrent use and return quickly.
	Observe func(Call)
}

// Call is one attempt, as told to Config.Observe. It names no resource.
type Call struct {
	// Op is the route template, as in "GET {Type}?_lastUpdated".
	Op        string
	Datastore string
	// Type is the resource type asked for, empty for the CapabilityStatement.
	Type string
	// Class is the class of the error, empty when there was none.
	Class cdc.Class
	// Status is the HTTP status, 0 when there was no answer.
	Status int
	// Attempt counts from 0 within one call of the client.
	Attempt  int
	Duration time.Duration
}

// Client calls datastores. It is safe for concurrent use.
type Client struct {
	endpoint *url.URL
	http     *http.Client
	maxBody  int64
	timeout  time.Duration
	retries  int
	observe  func(Call)
	tracer   trace.Tracer

	// now and sleep are the clock, which tests replace.
	now   func() time.Time
	sleep func(context.Context, time.Duration) error
}

// New returns a client. It makes no request.
func New(cfg Config) (*Client, error) {
	endpoint, err := parseEndpoint(cfg.Endpoint)
	if err != nil {
		return nil, err
	}
	if cfg.Credentials == nil {
		return nil, errors.New("healthlake client has no credentials provider; give aws.AnonymousCredentials for a server that takes unsigned requests")
	}
	anonymous := aws.IsCredentialsProvider(cfg.Credentials, aws.AnonymousCredentials{})
	if cfg.Region == "" && !anonymous {
		return nil, errors.New("healthlake client has no AWS region to sign for: set AWS_REGION")
	}
	if cfg.MaxBodyBytes < 0 || cfg.Timeout < 0 {
		return nil, errors.New("healthlake client's body limit and timeout must not be negative")
	}
	transport := cfg.Transport
	if transport == nil {
		transport = defaultTransport()
	}
	if !anonymous {
		transport = &signingTransport{
			base:        transport,
			signer:      v4.NewSigner(),
			credentials: cfg.Credentials,
			service:     signingName,
			region:      cfg.Region,
			now:         time.Now,
		}
	}
	client := &Client{
		endpoint: endpoint,
		http: &http.Client{
			Transport: transport,
			// A redirect would be signed for wherever it points to.
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		},
		maxBody: cfg.MaxBodyBytes,
		timeout: cfg.Timeout,
		retries: max(cfg.Retries, 0),
		observe: cfg.Observe,
		tracer:  otel.Tracer("healthlake-cdc/internal/healthlake"),
		now:     time.Now,
		sleep:   sleep,
	}
	if client.maxBody == 0 {
		client.maxBody = DefaultMaxBodyBytes
	}
	if client.timeout == 0 {
		client.timeout = DefaultTimeout
	}
	if cfg.Retries == 0 {
		client.retries = DefaultRetries
	}
	if client.observe == nil {
		client.observe = func(Call) {}
	}
	return client, nil
}

// parseEndpoint returns the endpoint without a trailing slash. Its errors do not
// repeat it: it may hold a password.
func parseEndpoint(text string) (*url.URL, error) {
	endpoint, err := url.Parse(text)
	if err != nil {
		return nil, errors.New("healthlake endpoint is not a URL: check CDC_HEALTHLAKE_ENDPOINT")
	}
	switch {
	case endpoint.Scheme != "https" && endpoint.Scheme != "http", endpoint.Host == "":
		return nil, errors.New("healthlake endpoint must begin with https:// or http:// and a host: check CDC_HEALTHLAKE_ENDPOINT")
	case endpoint.User != nil, endpoint.RawQuery != "", endpoint.ForceQuery, endpoint.Fragment != "":
		return nil, errors.New("healthlake endpoint must have no user, query or fragment: check CDC_HEALTHLAKE_ENDPOINT")
	}
	clean := strings.TrimRight(endpoint.Path, "/")
	if endpoint.RawPath != "" || clean != "" && path.Clean(clean) != clean {
		return nil, errors.New("healthlake endpoint's path must be plain, without escapes, dots or double slashes: check CDC_HEALTHLAKE_ENDPOINT")
	}
	endpoint.Path = clean
	return endpoint, nil
}

func defaultTransport() http.RoundTripper {
	standard, ok := http.DefaultTransport.(*http.Transport)
	if !ok { // replaced by whoever runs us, who then answers for it
		return http.DefaultTransport
	}
	transport := standard.Clone()
	transport.MaxIdleConnsPerHost = idleConnections
	return transport
}

// sleep waits for d, or returns the context's error as soon as it has one.
func sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
