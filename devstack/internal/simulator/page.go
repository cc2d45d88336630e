package simulator

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// pageParam names the page token in a next link.
const pageParam = "page"

// position is the end of a page, where the next one starts. History uses only Seq, as a
// version number.
type position struct {
	Nanos int64 `json:"n,omitempty"` // lastUpdated
	Seq   int   `json:"s"`
}

// tokens makes and opens page tokens. A token holds its position, so the server keeps no
// state for pages that a client never requests.
type tokens struct {
	key      []byte
	lifetime time.Duration
}

func newTokens(c *chance, lifetime time.Duration) *tokens {
	return &tokens{key: []byte(c.uuid() + c.uuid()), lifetime: lifetime}
}

// A token contains each of the characters that a client must encode before it signs.
const (
	tokenPrefix  = "AAMA+/"
	tokenMACSize = 16
)

type tokenBody struct {
	At     position `json:"p"`
	Issued int64    `json:"t"` // Unix nanoseconds
}

// seal makes the token of position at for requests of the given scope.
func (t *tokens) seal(at position, scope string, now time.Time) string {
	body, err := json.Marshal(tokenBody{At: at, Issued: now.UnixNano()})
	if err != nil {
		panic(err) // numbers only: cannot fail
	}
	for (len(body)+tokenMACSize)%3 != 1 { // so that base64 ends in "=="
		body = append(body, ' ')
	}
	return tokenPrefix + base64.StdEncoding.EncodeToString(append(t.mac(body, scope), body...))
}

var (
	errToken        = badRequest("the page token is not valid: start from the first page")
	errTokenExpired = badRequest("the page token has expired: start from the first page")
)

// open reads a token that was made for the same scope.
func (t *tokens) open(token, scope string, now time.Time) (position, *problem) {
	encoded, ok := strings.CutPrefix(token, tokenPrefix)
	raw, err := base64.StdEncoding.DecodeString(encoded)
	if !ok || err != nil || len(raw) < tokenMACSize {
		return position{}, errToken
	}
	var body tokenBody
	if !hmac.Equal(raw[:tokenMACSize], t.mac(raw[tokenMACSize:], scope)) || json.Unmarshal(raw[tokenMACSize:], &body) != nil {
		return position{}, errToken
	}
	if now.Sub(time.Unix(0, body.Issued)) > t.lifetime {
		return position{}, errTokenExpired
	}
	return body.At, nil
}

func (t *tokens) mac(body []byte, scope string) []byte {
	h := hmac.New(sha256.New, t.key)
	h.Write([]byte(scope))
	h.Write([]byte{0})
	h.Write(body)
	return h.Sum(nil)[:tokenMACSize]
}

// scope is what a page token belongs to: the request without the token.
func (c *call) scope() string {
	return c.ds.id + "/" + c.listPath() + "?" + c.firstPage().Encode()
}

// listPath is the path of a search's or history's pages below the base.
func (c *call) listPath() string {
	if c.op.kind == KindHistory {
		return c.typ + "/" + url.PathEscape(c.id) + "/_history"
	}
	return c.typ
}

func (c *call) firstPage() url.Values {
	first := make(url.Values, len(c.query))
	for name, values := range c.query {
		if name != pageParam {
			first[name] = values
		}
	}
	return first
}

// link is the address of this search or history, with a token of a later page, which is
// not encoded.
func (c *call) link(token string) string {
	address := c.base + "/" + c.listPath()
	query := c.query
	if token != "" {
		query = c.firstPage()
	}
	// To AWS a plus is not a space.
	encoded := strings.ReplaceAll(query.Encode(), "+", "%20")
	if token != "" {
		if encoded != "" {
			encoded += "&"
		}
		encoded += pageParam + "=" + token
	}
	if encoded != "" {
		address += "?" + encoded
	}
	return address
}

// bundle writes a Bundle's text. Resources are copied as they are stored.
type bundle struct {
	buf     []byte
	links   int
	entries int
}

func newBundle(kind string, now time.Time) *bundle {
	b := &bundle{}
	b.buf = append(b.buf, `{"resourceType":"Bundle","type":"`...)
	b.buf = append(b.buf, kind...)
	b.buf = append(b.buf, `","timestamp":"`...)
	b.buf = now.AppendFormat(b.buf, millisecondLayout)
	b.buf = append(b.buf, '"')
	return b
}

func (b *bundle) nullTotal() { b.buf = append(b.buf, `,"total":null`...) }

func (b *bundle) total(n int) { b.buf = append(append(b.buf, `,"total":`...), plain(n)...) }

// link must come before the first entry.
func (b *bundle) link(relation, address string) {
	if b.links++; b.links == 1 {
		b.buf = append(b.buf, `,"link":[`...)
	} else {
		b.buf = append(b.buf, ',')
	}
	b.buf = append(b.buf, plain(struct {
		Relation string `json:"relation"`
		URL      string `json:"url"`
	}{relation, address})...)
}

// entry appends an entry of the given members and, unless it is nil, resource.
func (b *bundle) entry(members any, resource []byte) {
	if b.entries++; b.entries == 1 {
		b.closeLinks()
		b.buf = append(b.buf, `,"entry":[`...)
	} else {
		b.buf = append(b.buf, ',')
	}
	text := plain(members)
	if resource != nil {
		b.buf = append(append(append(b.buf, `{"resource":`...), resource...), ',')
		text = text[1:]
	}
	b.buf = append(b.buf, text...)
}

// raw appends an entry unchanged.
func (b *bundle) raw(entry string) {
	if b.entries++; b.entries == 1 {
		b.closeLinks()
		b.buf = append(b.buf, `,"entry":[`...)
	} else {
		b.buf = append(b.buf, ',')
	}
	b.buf = append(b.buf, entry...)
}

func (b *bundle) closeLinks() {
	if b.links > 0 {
		b.buf = append(b.buf, ']')
		b.links = 0
	}
}

func (b *bundle) bytes() []byte {
	b.closeLinks()
	if b.entries > 0 {
		b.buf = append(b.buf, ']')
	}
	return append(b.buf, '}')
}

// plain is JSON in which "&", "<" and ">" are not escaped.
func plain(value any) []byte {
	var out strings.Builder
	enc := json.NewEncoder(&out)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(value); err != nil {
		panic(err) // our own structs: cannot fail
	}
	return []byte(strings.TrimSuffix(out.String(), "\n"))
}

var (
	errRepeated     = badRequest("a parameter is repeated: send it once")
	errUnknownParam = &problem{status: http.StatusBadRequest, issue: "not-supported", code: "ValidationException",
		text: "a parameter is not supported: see the CapabilityStatement"}
)
