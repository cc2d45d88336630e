package healthlake

import (
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
)

// signingName is HealthLake's service name in a Signature Version 4 scope (AWS
// Service Authorization Reference, prefix of AWS HealthLake).
const signingName = "healthlake"

// emptyPayload is the hex SHA-256 of no bytes at all, the payload hash of a
// request without a body (AWS: "Create a signed AWS API request").
const emptyPayload = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"

// signingTransport signs each request as it is sent, so that every attempt has a
// date and credentials of its own.
type signingTransport struct {
	base        http.RoundTripper
	signer      *v4.Signer
	credentials aws.CredentialsProvider
	service     string
	region      string
	now         func() time.Time
}

// RoundTrip implements http.RoundTripper. The signer also writes the canonical
// query into the request, so what is signed is what is sent; net/http's own
// Accept-Encoding and User-Agent stay outside the signature, where a proxy may
// change them.
func (t *signingTransport) RoundTrip(req *http.Request) (*http.Response, error) {
	if req.Body != nil && req.Body != http.NoBody {
		return nil, errors.Join(errors.New("signing request: only requests without a body are signed"), req.Body.Close())
	}
	ctx := req.Context()
	credentials, err := t.credentials.Retrieve(ctx)
	if err != nil {
		return nil, &credentialsError{err}
	}
	signed := req.Clone(ctx)
	if err := t.signer.SignHTTP(ctx, credentials, signed, emptyPayload, t.service, t.region, t.now()); err != nil {
		return nil, fmt.Errorf("signing request: %w", err)
	}
	return t.base.RoundTrip(signed)
}

// credentialsError tells that a request was never sent, for want of credentials.
type credentialsError struct{ err error }

func (e *credentialsError) Error() string { return "retrieving AWS credentials: " + e.err.Error() }
func (e *credentialsError) Unwrap() error { return e.err }
