package healthlake

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
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

// errNoKeys is of a request that was not sent, for want of credentials.
var errNoKeys = errors.New("no AWS credentials")

// signer signs requests, each with a date and credentials of its own.
type signer struct {
	v4          *v4.Signer
	credentials aws.CredentialsProvider
	service     string
	region      string
	now         func() time.Time
}

// sign signs a request that has this body. It also writes the canonical query into the
// request, so that what is signed is what is sent; net/http's own Accept-Encoding, and
// User-Agent, stay outside the signature, where a proxy may change them.
func (s *signer) sign(ctx context.Context, req *http.Request, body []byte) error {
	credentials, err := s.credentials.Retrieve(ctx)
	if err != nil {
		return errNoKeys
	}
	hash := sha256.Sum256(body)
	if err := s.v4.SignHTTP(ctx, credentials, req, hex.EncodeToString(hash[:]), s.service, s.region, s.now()); err != nil {
		return fmt.Errorf("signing request: %w", err)
	}
	return nil
}
