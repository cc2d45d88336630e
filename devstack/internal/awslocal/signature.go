package awslocal

import (
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
)

const (
	signingAlgorithm = "AWS4-HMAC-SHA256"
	amzDateFormat    = "20060102T150405Z"
	// maxClockSkew is how old a signature may be ("Signature Version 4", 5 minutes).
	maxClockSkew = 5 * time.Minute
)

// A verifier checks Signature Version 4 by signing the request again.
type verifier struct {
	accessKeyID, secret, region string
	signer                      *v4.Signer
}

func denied(code, format string, args ...any) error {
	e := apiErrorf(code, format, args...)
	e.status = http.StatusForbidden
	return e
}

// verify checks a request to a service whose body has been read.
func (v *verifier) verify(r *http.Request, body []byte, service string) error {
	auth, ok := parseAuthorization(r.Header.Get("Authorization"))
	if !ok {
		return denied("MissingAuthenticationTokenException", "Request is missing Authentication Token: sign it with Signature Version 4.")
	}
	at, err := time.Parse(amzDateFormat, r.Header.Get("X-Amz-Date"))
	if err != nil {
		return denied("IncompleteSignatureException", "The header X-Amz-Date is missing or no date.")
	}
	if skew := time.Since(at); skew > maxClockSkew || skew < -maxClockSkew {
		return denied("InvalidSignatureException", "Signature expired or not yet current: the clocks differ by more than 5 minutes.")
	}
	if auth.accessKeyID != v.accessKeyID {
		return denied("UnrecognizedClientException", "The security token included in the request is invalid.")
	}
	if scope := at.Format("20060102") + "/" + v.region + "/" + service + "/aws4_request"; auth.scope != scope {
		return denied("InvalidSignatureException", "Credential should be scoped to this date, region and service (%s).", service)
	}
	want, err := v.sign(r, body, service, auth, at)
	if err != nil {
		return denied("IncompleteSignatureException", "%s", err)
	}
	if subtle.ConstantTimeCompare([]byte(want), []byte(auth.signature)) != 1 {
		return denied("InvalidSignatureException", "The request signature we calculated does not match the signature you provided. "+
			"Check your AWS Secret Access Key and signing method.")
	}
	return nil
}

// sign returns the signature that the request should have, over the headers
// that the client says it signed.
func (v *verifier) sign(r *http.Request, body []byte, service string, auth authorization, at time.Time) (string, error) {
	again := &http.Request{Method: r.Method, URL: r.URL, Host: r.Host, Header: make(http.Header)}
	for _, name := range auth.signedHeaders {
		switch name {
		case "host":
		case "content-length":
			again.ContentLength = int64(len(body))
		default:
			again.Header[http.CanonicalHeaderKey(name)] = r.Header.Values(name)
		}
	}
	creds := aws.Credentials{
		AccessKeyID: v.accessKeyID, SecretAccessKey: v.secret,
		SessionToken: again.Header.Get("X-Amz-Security-Token"),
	}
	hash := sha256.Sum256(body)
	err := v.signer.SignHTTP(r.Context(), creds, again, hex.EncodeToString(hash[:]), service, v.region, at)
	if err != nil {
		return "", fmt.Errorf("signing again: %w", err)
	}
	signed, ok := parseAuthorization(again.Header.Get("Authorization"))
	if !ok || strings.Join(signed.signedHeaders, ";") != strings.Join(auth.signedHeaders, ";") {
		return "", fmt.Errorf("the headers %s must be signed", strconv.Quote(strings.Join(signed.signedHeaders, ";")))
	}
	return signed.signature, nil
}

type authorization struct {
	accessKeyID, scope, signature string
	signedHeaders                 []string
}

func parseAuthorization(header string) (authorization, bool) {
	rest, ok := strings.CutPrefix(header, signingAlgorithm+" ")
	if !ok {
		return authorization{}, false
	}
	var a authorization
	for field := range strings.SplitSeq(rest, ",") {
		name, value, _ := strings.Cut(strings.TrimSpace(field), "=")
		switch name {
		case "Credential":
			a.accessKeyID, a.scope, _ = strings.Cut(value, "/")
		case "SignedHeaders":
			a.signedHeaders = strings.Split(value, ";")
		case "Signature":
			a.signature = value
		}
	}
	return a, a.accessKeyID != "" && a.scope != "" && a.signature != "" && len(a.signedHeaders) > 0
}
