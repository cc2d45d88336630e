// Package sigv4 checks AWS Signature Version 4 of requests that arrive, by signing
// them again. The stand-in for AWS and the HealthLake simulator use it.
package sigv4

import (
	"crypto/subtle"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
)

// TimeFormat is the format of the header X-Amz-Date.
const TimeFormat = "20060102T150405Z"

const algorithm = "AWS4-HMAC-SHA256"

// Authorization is the content of the header Authorization.
type Authorization struct {
	AccessKeyID, Signature string
	// Scope is date/region/service/aws4_request.
	Scope string
	// SignedHeaders are lower-case names.
	SignedHeaders []string
}

// Parse reads the header; ok is false when a part is missing.
func Parse(header string) (a Authorization, ok bool) {
	rest, ok := strings.CutPrefix(header, algorithm+" ")
	if !ok {
		return a, false
	}
	for field := range strings.SplitSeq(rest, ",") {
		name, value, _ := strings.Cut(strings.TrimSpace(field), "=")
		switch name {
		case "Credential":
			a.AccessKeyID, a.Scope, _ = strings.Cut(value, "/")
		case "SignedHeaders":
			a.SignedHeaders = strings.Split(value, ";")
		case "Signature":
			a.Signature = value
		}
	}
	return a, a.AccessKeyID != "" && a.Scope != "" && a.Signature != "" && len(a.SignedHeaders) > 0
}

// signer remembers the keys that it derived.
var signer = v4.NewSigner()

// Service is what requests are signed for.
type Service struct{ Name, Region string }

// Scope is the scope of a request that is signed at a time.
func (s Service) Scope(at time.Time) string {
	return at.Format("20060102") + "/" + s.Region + "/" + s.Name + "/aws4_request"
}

// Verify signs r again, over the headers that the client signed, and compares the
// signatures. payloadHash is the hex SHA-256 of the body.
func (s Service) Verify(r *http.Request, given Authorization, credentials aws.Credentials, payloadHash string, at time.Time) error {
	again := &http.Request{Method: r.Method, URL: r.URL, Host: r.Host, Header: http.Header{}}
	for _, name := range given.SignedHeaders {
		switch name {
		case "host": // the signer adds it
		case "content-length":
			again.ContentLength = r.ContentLength
		default:
			key := http.CanonicalHeaderKey(name)
			again.Header[key] = slices.Clone(r.Header[key])
		}
	}
	if err := signer.SignHTTP(r.Context(), credentials, again, payloadHash, s.Name, s.Region, at); err != nil {
		return fmt.Errorf("signing again: %w", err)
	}
	want, ok := Parse(again.Header.Get("Authorization"))
	if !ok || subtle.ConstantTimeCompare([]byte(want.Signature), []byte(given.Signature)) != 1 {
		return fmt.Errorf("the signature does not match the request (headers to sign: %s)", strings.Join(want.SignedHeaders, ";"))
	}
	return nil
}
