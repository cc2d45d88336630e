package healthlake

import (
	"errors"
	"net/http"
	"net/url"
	"path"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"

	"healthlake-cdc/internal/cdc"
)

const (
	// DefaultMaxBodyBytes bounds one answer: some 650 KB for each of 100 resources.
	DefaultMaxBodyBytes = 64 << 20
	// requestTimeout is the time of one request, its answer's body included.
	requestTimeout = 30 * time.Second
	// idleConnections are kept for reuse. The SDK keeps ten a host, fewer than a worker's
	// activities use at once.
	idleConnections = 64
)

// Config says where the datastores are and how to call them.
type Config struct {
	// Endpoint is the base URL before /datastore/{id}/r4/, as in
	// "https://healthlake.us-east-1.amazonaws.com". It must be written as the
	// store writes itself in its next links.
	Endpoint string
	Region   string
	// Credentials are retrieved anew for each request; with aws.AnonymousCredentials
	// requests go unsigned.
	Credentials aws.CredentialsProvider
	// MaxBodyBytes bounds an answer after decompression; 0 is DefaultMaxBodyBytes.
	MaxBodyBytes int64
	// Observe, if not nil, is called after every request. It must be safe for
	// concurrent use and return quickly.
	Observe func(Call)
}

// Call is one request, as Config.Observe sees it. It names no resource.
type Call struct {
	// Op is the route template, as in "GET {Type}?_lastUpdated".
	Op        string
	Datastore string
	// Class is the class of the error, empty when there was none.
	Class    cdc.Class
	Duration time.Duration
}

// Client calls datastores. It makes one request a call; rate limits and retries are the
// caller's. It is safe for concurrent use.
type Client struct {
	endpoint *url.URL
	http     *http.Client
	signer   *signer // nil for unsigned requests
	maxBody  int64
	timeout  time.Duration
	observe  func(Call)
	now      func() time.Time
}

// New returns a client. It makes no request.
func New(cfg Config) (*Client, error) {
	endpoint, err := parseEndpoint(cfg.Endpoint)
	if err != nil {
		return nil, err
	}
	client := &Client{
		endpoint: endpoint,
		http: &http.Client{
			Transport: awshttp.NewBuildableClient().WithTransportOptions(func(t *http.Transport) {
				t.MaxIdleConnsPerHost = idleConnections
			}).GetTransport(),
			// A redirect would have to be signed for wherever it points to.
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		},
		maxBody: cfg.MaxBodyBytes,
		timeout: requestTimeout,
		observe: cfg.Observe,
		now:     time.Now,
	}
	if client.maxBody == 0 {
		client.maxBody = DefaultMaxBodyBytes
	}
	if client.observe == nil {
		client.observe = func(Call) {}
	}
	if aws.IsCredentialsProvider(cfg.Credentials, aws.AnonymousCredentials{}) {
		return client, nil
	}
	if cfg.Region == "" {
		return nil, errors.New("healthlake client has no AWS region to sign for: set AWS_REGION")
	}
	client.signer = &signer{
		v4: v4.NewSigner(), credentials: cfg.Credentials, service: signingName, region: cfg.Region, now: time.Now,
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
