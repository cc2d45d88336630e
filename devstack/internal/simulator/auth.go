package simulator

import (
	"crypto/subtle"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
)

// Service is the name that requests to HealthLake are signed for.
const Service = "healthlake"

const amzDateLayout = "20060102T150405Z"

// verifier checks Signature Version 4 by signing what arrived once more.
type verifier struct {
	credentials aws.Credentials
	region      string
	now         func() time.Time
	signer      *v4.Signer
}

func newVerifier(credentials aws.Credentials, region string, now func() time.Time) *verifier {
	return &verifier{credentials: credentials, region: region, now: now, signer: v4.NewSigner()}
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
	given, ok := parseAuthorization(header)
	if !ok || !slices.Contains(given.signed, "host") || !slices.Contains(given.signed, "x-amz-date") {
		return nil, forbidden("IncompleteSignature", "the Authorization header lacks a part: sign with AWS4-HMAC-SHA256")
	}
	token := r.Header.Get("X-Amz-Security-Token")
	if given.accessKey != v.credentials.AccessKeyID ||
		subtle.ConstantTimeCompare([]byte(token), []byte(v.credentials.SessionToken)) != 1 {
		return nil, forbidden("InvalidClientTokenId", "the access key or the session token is not known: check the credentials")
	}
	date, err := time.Parse(amzDateLayout, r.Header.Get("X-Amz-Date"))
	if err != nil {
		return nil, forbidden("IncompleteSignature", "X-Amz-Date cannot be read: send it as 20060102T150405Z")
	}
	if date.Sub(v.now()).Abs() > Skew {
		return nil, forbidden("RequestTimeTooSkewed", "the signature's date is too far from now: check the clock")
	}
	if given.scope != strings.Join([]string{date.Format("20060102"), v.region, Service, "aws4_request"}, "/") {
		return nil, forbidden("SignatureDoesNotMatch", "the credential's scope is wrong: sign for the store's region and service healthlake")
	}
	if sent := r.Header.Get("X-Amz-Content-Sha256"); sent != "" && sent != payloadHash {
		return nil, errSignature
	}
	// A plus sign in a query is itself to AWS, never a space, and its canonical
	// form is %2B. A client that signed the raw text does not match.
	raw := strings.ReplaceAll(r.URL.RawQuery, "+", "%2B")
	query, err := url.ParseQuery(raw)
	if err != nil {
		return nil, errSignature
	}
	again, err := v.sign(r, given, raw, payloadHash, date)
	if err != nil || subtle.ConstantTimeCompare([]byte(again), []byte(given.signature)) != 1 {
		return nil, errSignature
	}
	// No page token contains a space: here a library took the token's plus for
	// one before it signed. The service's answer to a link that was not encoded
	// again is the same.
	if strings.Contains(query.Get(pageParam), " ") {
		return nil, errSignature
	}
	return query, nil
}

func (v *verifier) sign(r *http.Request, given authorization, rawQuery, payloadHash string, date time.Time) (string, error) {
	again := &http.Request{
		Method: r.Method,
		URL:    &url.URL{Scheme: "http", Host: r.Host, Path: r.URL.Path, RawPath: r.URL.RawPath, RawQuery: rawQuery},
		Host:   r.Host,
		Header: http.Header{},
	}
	for _, name := range given.signed {
		switch name {
		case "host": // the signer's own
		case "content-length":
			again.ContentLength = r.ContentLength
		default:
			key := http.CanonicalHeaderKey(name)
			again.Header[key] = slices.Clone(r.Header[key])
		}
	}
	if err := v.signer.SignHTTP(r.Context(), v.credentials, again, payloadHash, Service, v.region, date); err != nil {
		return "", err
	}
	parsed, _ := parseAuthorization(again.Header.Get("Authorization"))
	return parsed.signature, nil
}

// authorization is the header's parts. Scope is date/region/service/aws4_request.
type authorization struct {
	accessKey, scope, signature string
	signed                      []string
}

func parseAuthorization(header string) (authorization, bool) {
	rest, ok := strings.CutPrefix(header, "AWS4-HMAC-SHA256 ")
	if !ok {
		return authorization{}, false
	}
	var a authorization
	for part := range strings.SplitSeq(rest, ",") {
		name, value, _ := strings.Cut(strings.TrimSpace(part), "=")
		switch name {
		case "Credential":
			a.accessKey, a.scope, _ = strings.Cut(value, "/")
		case "SignedHeaders":
			a.signed = strings.Split(value, ";")
		case "Signature":
			a.signature = value
		}
	}
	return a, a.accessKey != "" && a.scope != "" && a.signature != "" && len(a.signed) > 0
}
