package awslocal

import (
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"

	"healthlake-cdc/devstack/internal/sigv4"
)

// maxClockSkew is how old a signature may be ("Signature Version 4", 5 minutes).
const maxClockSkew = 5 * time.Minute

func denied(code, format string, args ...any) error {
	e := apiErrorf(code, format, args...)
	e.status = http.StatusForbidden
	return e
}

// verifySignature checks a request to a service whose body has been read.
func (s *Server) verifySignature(r *http.Request, body []byte, service string) error {
	given, ok := sigv4.Parse(r.Header.Get("Authorization"))
	if !ok {
		return denied("MissingAuthenticationTokenException", "Request is missing Authentication Token: sign it with Signature Version 4.")
	}
	at, err := time.Parse(sigv4.TimeFormat, r.Header.Get("X-Amz-Date"))
	if err != nil {
		return denied("IncompleteSignatureException", "The header X-Amz-Date is missing or no date.")
	}
	if time.Since(at).Abs() > maxClockSkew {
		return denied("InvalidSignatureException", "Signature expired or not yet current: the clocks differ by more than 5 minutes.")
	}
	if given.AccessKeyID != s.cfg.AccessKeyID {
		return denied("UnrecognizedClientException", "The security token included in the request is invalid.")
	}
	target := sigv4.Service{Name: service, Region: s.cfg.Region}
	if scope := target.Scope(at); given.Scope != scope {
		return denied("InvalidSignatureException", "Credential should be scoped to this date, region and service (%s).", scope)
	}
	hash := sha256.Sum256(body)
	credentials := aws.Credentials{
		AccessKeyID: s.cfg.AccessKeyID, SecretAccessKey: s.cfg.SecretAccessKey,
		SessionToken: r.Header.Get("X-Amz-Security-Token"), // any token is accepted
	}
	if err := target.Verify(r, given, credentials, hex.EncodeToString(hash[:]), at); err != nil {
		return denied("InvalidSignatureException", "%s: check your AWS Secret Access Key and signing method.", err)
	}
	return nil
}
