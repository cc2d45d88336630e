package healthlake

import (
	"errors"
	"net/netip"
	"net/url"
	"path"
	"strings"

	"healthlake-cdc/internal/cdc"
)

// root is the path of a datastore's FHIR service, without a trailing slash.
func (c *Client) root(datastore string) string {
	return c.endpoint.Path + "/datastore/" + datastore + "/r4"
}

func (c *Client) escapedRoot(datastore string) string {
	return (&url.URL{Path: c.root(datastore)}).EscapedPath()
}

// target returns the URL of a path below the datastore's root. Each segment stays one:
// all but RFC 3986's unreserved characters are escaped in it, and a segment of dots alone
// wholly.
func (c *Client) target(datastore string, query url.Values, segments ...string) *url.URL {
	plain, escaped := []string{c.root(datastore)}, []string{c.escapedRoot(datastore)}
	for _, segment := range segments {
		plain, escaped = append(plain, segment), append(escaped, escapeSegment(segment))
	}
	return &url.URL{
		Scheme:   c.endpoint.Scheme,
		Host:     c.endpoint.Host,
		Path:     strings.Join(plain, "/"),
		RawPath:  strings.Join(escaped, "/"),
		RawQuery: encodeQuery(query),
	}
}

func escapeSegment(segment string) string {
	if segment == "." || segment == ".." {
		return strings.ReplaceAll(segment, ".", "%2E")
	}
	// A query's escapes are the same, but for the space.
	return strings.ReplaceAll(url.QueryEscape(segment), "+", "%20")
}

// Why a next link is not followed. None repeats the link.
var (
	errLinkUnreadable = errors.New("next link cannot be read as a URL")
	errLinkOutside    = errors.New("next link leaves the datastore's base")
)

// follow resolves a next link: to the endpoint's own scheme and host, and a path at or
// below the datastore's root. A link that leads elsewhere is an error, because requests
// are signed with our credentials.
func (c *Client) follow(datastore, link string) (*url.URL, error) {
	reference, rawQuery, _ := strings.Cut(link, "?")
	rawQuery, _, _ = strings.Cut(rawQuery, "#")
	base := c.target(datastore, nil, "")
	parsed, err := base.Parse(reference)
	if err != nil {
		return nil, errLinkUnreadable
	}
	if !sameOrigin(parsed, base) || parsed.User != nil || parsed.Opaque != "" || parsed.Fragment != "" {
		return nil, errLinkOutside
	}
	// Dots are resolved by now. What is left of them, slashes in escapes and double
	// slashes could mean another place to a server that reads them differently than
	// we do.
	root := c.root(datastore)
	plain := strings.TrimSuffix(parsed.Path, "/")
	if path.Clean(plain) != plain || plain != root && !strings.HasPrefix(plain, root+"/") {
		return nil, errLinkOutside
	}
	below, found := strings.CutPrefix(parsed.EscapedPath(), c.escapedRoot(datastore))
	if !found {
		return nil, errLinkOutside
	}
	segments := strings.Split(strings.TrimPrefix(below, "/"), "/")
	for i, segment := range segments {
		if segments[i], err = url.PathUnescape(segment); err != nil || !oneStep(segment, segments[i]) {
			return nil, errLinkOutside
		}
	}
	if below == "" {
		segments = nil
	}
	query, err := parseQuery(rawQuery)
	if err != nil {
		return nil, errLinkUnreadable
	}
	return c.target(datastore, query, segments...), nil
}

// oneStep reports whether a segment of a link's path, as it is and unescaped, is one
// step to every reader.
func oneStep(escaped, plain string) bool {
	return escaped == plain || plain != "." && plain != ".." && !strings.ContainsAny(plain, `/\%`) && cdc.UsableID(plain)
}

// sameOrigin compares scheme, host and port (RFC 6454, section 5; RFC 3986, 6.2): the
// case of letters and a default port that is written out make no difference, nor does
// the dot behind a full domain name.
func sameOrigin(a, b *url.URL) bool {
	return strings.EqualFold(a.Scheme, b.Scheme) && portOf(a) == portOf(b) && hostOf(a) == hostOf(b)
}

func portOf(u *url.URL) string {
	if port := u.Port(); port != "" {
		return strings.TrimLeft(port, "0")
	}
	return map[string]string{"https": "443", "http": "80"}[strings.ToLower(u.Scheme)]
}

func hostOf(u *url.URL) string {
	host := u.Hostname()
	if address, err := netip.ParseAddr(host); err == nil {
		return address.String()
	}
	return strings.ToLower(strings.TrimSuffix(host, "."))
}

// portable is the form in which a next link is handed to callers: path and query,
// without the host, which may be written differently tomorrow, and marked with what the
// list is of. A link that may not be followed stays as it is, and is an error of Next:
// the page that it stands on is good.
func (c *Client) portable(datastore, link string, of list) string {
	if link == "" {
		return ""
	}
	target, err := c.follow(datastore, link)
	if err != nil {
		return link
	}
	return of.mark(target.RequestURI())
}

// parseQuery reads a query in which the store left characters raw. Other than in
// a form, a plus sign is a plus sign: HealthLake's page tokens are base64.
func parseQuery(raw string) (url.Values, error) {
	query, err := url.ParseQuery(strings.NewReplacer("+", "%2B", ";", "%3B").Replace(raw))
	if err != nil {
		return nil, errLinkUnreadable
	}
	return query, nil
}

// encodeQuery escapes everything but RFC 3986's unreserved characters, as
// Signature Version 4 does. url.Values.Encode differs in the space only.
func encodeQuery(query url.Values) string {
	return strings.ReplaceAll(query.Encode(), "+", "%20")
}
