package healthlake

import (
	"errors"
	"net/url"
	"path"
	"strings"
)

// root is the path of a datastore's FHIR service, without a trailing slash.
func (c *Client) root(datastore string) string {
	return c.endpoint.Path + "/datastore/" + datastore + "/r4"
}

// target returns the URL of a path below the datastore's root.
func (c *Client) target(datastore, below string, query url.Values) *url.URL {
	return &url.URL{
		Scheme:   c.endpoint.Scheme,
		Host:     c.endpoint.Host,
		Path:     c.root(datastore) + "/" + below,
		RawQuery: encodeQuery(query),
	}
}

// Why a next link is not followed. None repeats the link.
var (
	errLinkUnreadable = errors.New("next link cannot be read as a URL")
	errLinkOutside    = errors.New("next link leaves the datastore's base")
)

// follow resolves a next link against the datastore's base and returns what to
// ask for: always the endpoint's own scheme and host, and a path at or below the
// root. A link that says anything else is refused, because a request is signed
// with our credentials wherever it goes.
func (c *Client) follow(datastore, link string) (*url.URL, error) {
	reference, rawQuery, _ := strings.Cut(link, "?")
	rawQuery, _, _ = strings.Cut(rawQuery, "#")
	base := c.target(datastore, "", nil)
	parsed, err := base.Parse(reference)
	if err != nil {
		return nil, errLinkUnreadable
	}
	if parsed.Scheme != base.Scheme || !strings.EqualFold(parsed.Host, base.Host) ||
		parsed.User != nil || parsed.Opaque != "" || parsed.Fragment != "" {
		return nil, errLinkOutside
	}
	// Dots are resolved by now. Escapes and double slashes could mean another
	// place to a server that reads them differently than we do.
	root := c.root(datastore)
	plain := strings.TrimSuffix(parsed.Path, "/")
	if parsed.EscapedPath() != parsed.Path || path.Clean(plain) != plain {
		return nil, errLinkOutside
	}
	if plain != root && !strings.HasPrefix(plain, root+"/") {
		return nil, errLinkOutside
	}
	query, err := parseQuery(rawQuery)
	if err != nil {
		return nil, errLinkUnreadable
	}
	return &url.URL{Scheme: base.Scheme, Host: base.Host, Path: parsed.Path, RawQuery: encodeQuery(query)}, nil
}

// portable is the form in which a next link is handed to callers: path and
// query, encoded, without the host, so that it still holds when the endpoint is
// written differently tomorrow. A link that may not be followed is handed on as
// it is, for Next to refuse: the page that it stands on is good.
func (c *Client) portable(datastore, link string) string {
	target, err := c.follow(datastore, link)
	if err != nil {
		return link
	}
	return target.RequestURI()
}

// parseQuery reads a query in which the store left characters raw. Other than in
// a form, a plus sign is a plus sign: HealthLake's page tokens are base64.
func parseQuery(raw string) (url.Values, error) {
	query := url.Values{}
	for pair := range strings.SplitSeq(raw, "&") {
		if pair == "" {
			continue
		}
		name, value, _ := strings.Cut(pair, "=")
		name, errName := url.PathUnescape(name)
		value, errValue := url.PathUnescape(value)
		if errName != nil || errValue != nil {
			return nil, errLinkUnreadable
		}
		query.Add(name, value)
	}
	return query, nil
}

// encodeQuery escapes everything but RFC 3986's unreserved characters, as
// Signature Version 4 does. url.Values.Encode differs in the space only.
func encodeQuery(query url.Values) string {
	return strings.ReplaceAll(query.Encode(), "+", "%20")
}
