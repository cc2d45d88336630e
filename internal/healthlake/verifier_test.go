package healthlake

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
)

// verifySignature checks a received request's signature by the steps of "Create
// a signed AWS API request" (AWS IAM User Guide), from the bytes on the wire and
// without the SDK. secretOf gives the secret of an access key id.
func verifySignature(r *http.Request, region string, secretOf func(keyID string) string) error {
	fields := map[string]string{}
	algorithm, rest, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	for field := range strings.SplitSeq(rest, ",") {
		name, value, _ := strings.Cut(strings.TrimSpace(field), "=")
		fields[name] = value
	}
	date := r.Header.Get("X-Amz-Date")
	keyID, scope, _ := strings.Cut(fields["Credential"], "/")
	switch {
	case algorithm != "AWS4-HMAC-SHA256":
		return fmt.Errorf("algorithm %q", algorithm)
	case len(date) != len("20060102T150405Z"):
		return fmt.Errorf("date %q", date)
	case scope != date[:8]+"/"+region+"/healthlake/aws4_request":
		return fmt.Errorf("scope %q", scope)
	}

	path, query, _ := strings.Cut(r.RequestURI, "?")
	if !wellEscaped(strings.ReplaceAll(path, "/", "")) {
		return fmt.Errorf("path %q is not in canonical form on the wire", path)
	}
	pairs := strings.Split(query, "&")
	for _, pair := range pairs {
		name, value, found := strings.Cut(pair, "=")
		if query != "" && (!found || !wellEscaped(name) || !wellEscaped(value)) {
			return fmt.Errorf("query pair %q is not in canonical form on the wire", pair)
		}
	}
	slices.Sort(pairs)

	signed := strings.Split(fields["SignedHeaders"], ";")
	if !slices.IsSorted(signed) || !slices.Contains(signed, "host") || !slices.Contains(signed, "x-amz-date") {
		return fmt.Errorf("signed headers %q", signed)
	}
	if r.Header.Get("X-Amz-Security-Token") != "" && !slices.Contains(signed, "x-amz-security-token") {
		return errors.New("the session token is not signed")
	}
	var headers strings.Builder
	for _, name := range signed {
		value := strings.Join(r.Header.Values(name), ",")
		if name == "host" {
			value = r.Host
		}
		fmt.Fprintf(&headers, "%s:%s\n", name, strings.Join(strings.Fields(value), " "))
	}

	body, err := io.ReadAll(r.Body)
	if err != nil {
		return err
	}
	r.Body = io.NopCloser(bytes.NewReader(body))
	payload := sha256.Sum256(body)
	canonical := strings.Join([]string{
		r.Method, escapedAgain(path), strings.Join(pairs, "&"), headers.String(), fields["SignedHeaders"], hex.EncodeToString(payload[:]),
	}, "\n")
	digest := sha256.Sum256([]byte(canonical))
	key := []byte("AWS4" + secretOf(keyID))
	for part := range strings.SplitSeq(scope, "/") {
		key = mac(key, part)
	}
	want := hex.EncodeToString(mac(key, strings.Join([]string{algorithm, date, scope, hex.EncodeToString(digest[:])}, "\n")))
	if fields["Signature"] != want {
		return fmt.Errorf("signature %s, want %s", fields["Signature"], want)
	}
	return nil
}

func mac(key []byte, text string) []byte {
	h := hmac.New(sha256.New, key)
	h.Write([]byte(text))
	return h.Sum(nil)
}

// escapedAgain is a path in canonical form: for every service but S3 its segments are
// escaped twice, so once more than on the wire.
func escapedAgain(path string) string {
	var b strings.Builder
	for i := range len(path) {
		if c := path[i]; c == '/' || strings.IndexByte(unreserved, c) >= 0 {
			b.WriteByte(c)
		} else {
			fmt.Fprintf(&b, "%%%02X", c)
		}
	}
	return b.String()
}

// wellEscaped reports whether text holds unreserved characters and upper-case
// escapes of others only.
func wellEscaped(text string) bool {
	for i := 0; i < len(text); i++ {
		switch c := text[i]; {
		case strings.IndexByte(unreserved, c) >= 0:
		case c == '%' && i+2 < len(text) && isHex(text[i+1]) && isHex(text[i+2]):
			i += 2
		default:
			return false
		}
	}
	return true
}

func isHex(c byte) bool { return strings.IndexByte("0123456789ABCDEF", c) >= 0 }
