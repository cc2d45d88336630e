package healthlake

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
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
	payloadHash := emptyPayload
	if req.Body != nil && req.Body != http.NoBody {
		var err error
		if payloadHash, err = hashOf(req); err != nil {
			return nil, errors.Join(err, req.Body.Close())
		}
	}
	ctx := req.Context()
	credentials, err := t.credentials.Retrieve(ctx)
	if err != nil {
		return nil, &credentialsError{err}
	}
	signed := req.Clone(ctx)
	if err := t.signer.SignHTTP(ctx, credentials, signed, payloadHash, t.service, t.region, t.now()); err != nil {
		return nil, fmt.Errorf("signing request: %w", err)
	}
	return t.base.RoundTrip(signed)
}

// hashOf is the hex SHA-256 of a request's body, of a copy of it: the body itself is
// sent. One that cannot be read twice is refused.
func hashOf(req *http.Request) (string, error) {
	if req.GetBody == nil {
		return "", errors.New("signing request: a body that cannot be read twice is not signed")
	}
	body, err := req.GetBody()
	if err != nil {
		return "", fmt.Errorf("signing request: %w", err)
	}
	sum := sha256.New()
	_, err = io.Copy(sum, body)
	if err = errors.Join(err, body.Close()); err != nil {
		return "", fmt.Errorf("signing request: %w", err)
	}
	return hex.EncodeToString(sum.Sum(nil)), nil
}

// credentialsError tells that a request was never sent, for want of credentials.
type credentialsError struct{ err error }

func (e *credentialsError) Error() string { return "retrieving AWS credentials: " + e.err.Error() }
func (e *credentialsError) Unwrap() error { return e.err }
