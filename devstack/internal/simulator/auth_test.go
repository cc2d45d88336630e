package simulator_test

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/stretchr/testify/require"

	"healthlake-cdc/devstack/internal/simulator"
)

// handSigned signs as AWS's documentation says, without the SDK whose signer the
// simulator uses. Canonical is the canonical query, wire the one that is sent.
type handSigned struct {
	method, path, wire, canonical, body string
	region, service, token              string
	at                                  time.Time
	credentials                         aws.Credentials
	sentBody                            *string
}

func (h handSigned) send(t *testing.T, s *simulator.Server) (int, string, string) {
	t.Helper()
	identity := h.credentials
	if identity.AccessKeyID == "" {
		identity = simulator.DefaultCredentials
	}
	host := strings.TrimPrefix(s.URL(), "http://")
	day, stamp := h.at.Format("20060102"), h.at.Format("20060102T150405Z")
	headers, signed := "host:"+host+"\nx-amz-date:"+stamp+"\n", "host;x-amz-date"
	if h.token != "" {
		headers, signed = headers+"x-amz-security-token:"+h.token+"\n", signed+";x-amz-security-token"
	}
	hash := sha256.Sum256([]byte(h.body))
	request := strings.Join([]string{h.method, h.path, h.canonical, headers, signed, hex.EncodeToString(hash[:])}, "\n")
	hash = sha256.Sum256([]byte(request))
	region, service := h.region, h.service
	if region == "" {
		region, service = "us-east-1", "healthlake"
	}
	scope := day + "/" + region + "/" + service + "/aws4_request"
	key := []byte("AWS4" + identity.SecretAccessKey)
	for _, part := range []string{day, region, service, "aws4_request", "AWS4-HMAC-SHA256\n" + stamp + "\n" + scope + "\n" + hex.EncodeToString(hash[:])} {
		mac := hmac.New(sha256.New, key)
		mac.Write([]byte(part))
		key = mac.Sum(nil)
	}
	body := h.body
	if h.sentBody != nil {
		body = *h.sentBody
	}
	address := s.URL() + h.path
	if h.wire != "" {
		address += "?" + h.wire
	}
	req, err := http.NewRequestWithContext(context.Background(), h.method, address, strings.NewReader(body))
	require.NoError(t, err)
	req.Header.Set("X-Amz-Date", stamp)
	if h.token != "" {
		req.Header.Set("X-Amz-Security-Token", h.token)
	}
	req.Header.Set("Authorization", fmt.Sprintf("AWS4-HMAC-SHA256 Credential=%s/%s,SignedHeaders=%s,Signature=%s",
		identity.AccessKeyID, scope, signed, hex.EncodeToString(key)))
	res := send(t, req)
	return res.status, res.code, string(res.body)
}

type answer struct {
	status int
	code   string
	header http.Header
	body   []byte
}

func send(t require.TestingT, req *http.Request) answer {
	res, err := http.DefaultTransport.RoundTrip(req)
	require.NoError(t, err)
	defer func() { _ = res.Body.Close() }()
	body, err := io.ReadAll(res.Body)
	require.NoError(t, err)
	return answer{res.StatusCode, res.Header.Get("X-Amzn-Errortype"), res.Header, body}
}

func sendDecoded(t require.TestingT, req *http.Request) searchBundle {
	return decode(t, send(t, req).body)
}

const searchPath = "/datastore/" + store + "/r4/Patient"

func TestSignatureIsThatOfTheDocumentation(t *testing.T) {
	clk := newClock()
	s, _ := start(t, simulator.Config{Now: clk.now})
	good := handSigned{method: http.MethodGet, path: searchPath, at: epoch, wire: "_count=7", canonical: "_count=7"}
	status, _, _ := good.send(t, s)
	require.Equal(t, http.StatusOK, status)

	body := `{"resourceType":"Patient"}`
	other := body + " "
	for name, c := range map[string]struct {
		change func(h *handSigned)
		code   string
	}{
		"another query":   {func(h *handSigned) { h.wire = "_count=8" }, "SignatureDoesNotMatch"},
		"another region":  {func(h *handSigned) { h.region, h.service = "eu-west-1", "healthlake" }, "SignatureDoesNotMatch"},
		"another service": {func(h *handSigned) { h.region, h.service = "us-east-1", "s3" }, "SignatureDoesNotMatch"},
		"another secret": {func(h *handSigned) {
			h.credentials = aws.Credentials{AccessKeyID: simulator.DefaultCredentials.AccessKeyID, SecretAccessKey: "x"}
		}, "SignatureDoesNotMatch"},
		"another key":                      {func(h *handSigned) { h.credentials = aws.Credentials{AccessKeyID: "x", SecretAccessKey: "x"} }, "InvalidClientTokenId"},
		"a session token that is not ours": {func(h *handSigned) { h.token = "x" }, "InvalidClientTokenId"},
		"another body": {func(h *handSigned) {
			h.method, h.wire, h.canonical, h.body, h.sentBody = http.MethodPost, "", "", body, &other
		}, "SignatureDoesNotMatch"},
		"a date too old": {func(h *handSigned) { h.at = epoch.Add(-simulator.Skew - time.Second) }, "RequestTimeTooSkewed"},
		"a date too new": {func(h *handSigned) { h.at = epoch.Add(simulator.Skew + time.Second) }, "RequestTimeTooSkewed"},
	} {
		bad := good
		c.change(&bad)
		status, code, text := bad.send(t, s)
		require.Equal(t, http.StatusForbidden, status, name)
		require.Equal(t, c.code, code, name)
		require.Contains(t, text, "OperationOutcome", name)
	}

	req, err := http.NewRequestWithContext(context.Background(), http.MethodGet, s.URL()+searchPath, nil)
	require.NoError(t, err)
	res := send(t, req)
	require.Equal(t, http.StatusForbidden, res.status)
	require.Equal(t, "MissingAuthenticationToken", res.code)
	require.Empty(t, s.WriteLog(store))
	require.Equal(t, int64(1), s.Stats().Datastores[store].Total.Searches)
}

func TestSessionTokenIsRequired(t *testing.T) {
	cfg := simulator.Config{Credentials: aws.Credentials{AccessKeyID: "ASIAEXAMPLE", SecretAccessKey: "secret", SessionToken: "token"}}
	s, c := start(t, cfg)
	put(t, c, "p", 1)
	h := handSigned{method: http.MethodGet, path: searchPath, at: time.Now().UTC(), credentials: cfg.Credentials, token: "token"}
	status, _, _ := h.send(t, s)
	require.Equal(t, http.StatusOK, status)
	h.token = ""
	_, code, _ := h.send(t, s)
	require.Equal(t, "InvalidClientTokenId", code)
}

// A next link's token must be encoded again before it is signed.
func TestRawPageTokenDoesNotMatch(t *testing.T) {
	clk := newClock()
	s, c := start(t, simulator.Config{Now: clk.now})
	put(t, c, "a", 1)
	put(t, c, "b", 2)
	_, raw, _ := strings.Cut(search(t, c, "Patient", "_count=1").link("next"), "?")
	encoded := strings.NewReplacer("+", "%2B", "/", "%2F", "=", "%3D").Replace(strings.TrimPrefix(raw, "_count=1&page="))
	encoded = "_count=1&page=" + encoded
	get := handSigned{method: http.MethodGet, path: searchPath, at: epoch}

	for name, c := range map[string]struct {
		wire, canonical string
		status          int
	}{
		"encoded, as it must be":      {encoded, encoded, http.StatusOK},
		"raw on the wire, signed raw": {raw, raw, http.StatusForbidden},
		"raw, its plus for a space":   {raw, strings.ReplaceAll(encoded, "%2B", "%20"), http.StatusForbidden},
		"raw, signed encoded":         {raw, encoded, http.StatusOK},
	} {
		get.wire, get.canonical = c.wire, c.canonical
		status, code, _ := get.send(t, s)
		require.Equal(t, c.status, status, name)
		if status != http.StatusOK {
			require.Equal(t, "SignatureDoesNotMatch", code, name)
		}
	}

	// Go's signer decodes the plus to a space, and sends what it signed.
	req, err := http.NewRequestWithContext(context.Background(), http.MethodGet, s.URL()+searchPath+"?"+raw, nil)
	require.NoError(t, err)
	require.NoError(t, c.Sign(context.Background(), req, nil))
	res := send(t, req)
	require.Equal(t, "SignatureDoesNotMatch", res.code)
	require.False(t, bytes.Contains(res.body, []byte("page=")))
}

func TestDateHeaderIsTheStoresClock(t *testing.T) {
	clk := newClock()
	_, c := start(t, simulator.Config{Now: clk.now, ClockOffset: -90 * time.Second})
	require.Equal(t, epoch.Add(-90*time.Second).Truncate(time.Millisecond), put(t, c, "p", 1).LastUpdated)
	req, err := http.NewRequestWithContext(context.Background(), http.MethodGet, c.Endpoint+searchPath, nil)
	require.NoError(t, err)
	require.NoError(t, c.Sign(context.Background(), req, nil))
	require.Equal(t, epoch.Add(-90*time.Second).Format(http.TimeFormat), send(t, req).header.Get("Date"))
}
