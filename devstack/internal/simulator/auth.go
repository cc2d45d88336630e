package simulator

import (
	"crypto/subtle"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"

	"healthlake-cdc/devstack/internal/sigv4"
)

// Service is the name that requests to HealthLake are signed for.
const Service = "healthlake"

// verifier checks Signature Version 4.
type verifier struct {
	credentials aws.Credentials
	service     sigv4.Service
	now         func() time.Time
}

var errSignature = forbidden("SignatureDoesNotMatch",
	"the signature is not that of this request: sign exactly what is sent, with the query encoded again")

// verify returns the request's query parameters when its signature is right.
// payloadHash is the hex SHA-256 of the body that arrived.
func (v *verifier) verify(r *http.Request, payloadHash string) (url.Values, *problem) {
	header := r.Header.Get("Authorization")
	if header == "" {
		return nil, forbidden("MissingAuthenticationToken", "the request is not signed: sign it for service healthlake")
	}
	given, ok := sigv4.Parse(header)
	if !ok || !slices.Contains(given.SignedHeaders, "host") || !slices.Contains(given.SignedHeaders, "x-amz-date") {
		return nil, forbidden("IncompleteSignature", "the Authorization header lacks a part: sign with AWS4-HMAC-SHA256")
	}
	token := r.Header.Get("X-Amz-Security-Token")
	if given.AccessKeyID != v.credentials.AccessKeyID ||
		subtle.ConstantTimeCompare([]byte(token), []byte(v.credentials.SessionToken)) != 1 {
		return nil, forbidden("InvalidClientTokenId", "the access key or the session token is not known: check the credentials")
	}
	date, err := time.Parse(sigv4.TimeFormat, r.Header.Get("X-Amz-Date"))
	if err != nil {
		return nil, forbidden("IncompleteSignature", "X-Amz-Date cannot be read: send it as 20060102T150405Z")
	}
	if date.Sub(v.now()).Abs() > Skew {
		return nil, forbidden("RequestTimeTooSkewed", "the signature's date is too far from now: check the clock")
	}
	if given.Scope != v.service.Scope(date) {
		return nil, forbidden("SignatureDoesNotMatch", "the credential's scope is wrong: sign for the store's region and service healthlake")
	}
	if sent := r.Header.Get("X-Amz-Content-Sha256"); sent != "" && sent != payloadHash {
		return nil, errSignature
	}
	// To AWS, a plus sign in a query is a plus sign, never a space; its canonical form is
	// %2B. The signature of a client that signed the raw text does not match.
	raw := strings.ReplaceAll(r.URL.RawQuery, "+", "%2B")
	query, err := url.ParseQuery(raw)
	if err != nil {
		return nil, errSignature
	}
	encoded := *r
	encoded.URL = &url.URL{Scheme: "http", Host: r.Host, Path: r.URL.Path, RawPath: r.URL.RawPath, RawQuery: raw}
	if v.service.Verify(&encoded, given, v.credentials, payloadHash, date) != nil {
		return nil, errSignature
	}
	// No page token contains a space: the client's library decoded the token's plus to a
	// space before it signed. The service returns the same error for it.
	if strings.Contains(query.Get(pageParam), " ") {
		return nil, errSignature
	}
	return query, nil
}
