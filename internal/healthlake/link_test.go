package healthlake

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"healthlake-cdc/internal/cdc"
)

// linkClient is a client whose endpoint has a path, as behind a gateway.
func linkClient(t require.TestingT) *Client {
	c, err := New(Config{
		Endpoint: "https://store.example:8443/gateway/", Region: testRegion,
		Credentials: credentials.NewStaticCredentialsProvider(suiteKeyID, suiteSecret, ""),
	})
	require.NoError(t, err)
	return c
}

func TestLinksThatAreFollowed(t *testing.T) {
	const base = "https://store.example:8443/gateway" + rootPath
	for link, want := range map[string]string{
		base + "/Patient?page=a": base + "/Patient?page=a",
		"https://STORE.example:8443/gateway" + rootPath + "/Patient?page=a": base + "/Patient?page=a",
		base + "?_getpages=a":                          base + "?_getpages=a",
		base + "/?_getpages=a":                         base + "/?_getpages=a",
		base + "/Patient/_search?x":                    base + "/Patient/_search?x=",
		"/gateway" + rootPath + "/Patient?page=a":      base + "/Patient?page=a",
		"Patient?page=a":                               base + "/Patient?page=a",
		"./Patient?page=a":                             base + "/Patient?page=a",
		"?page=a":                                      base + "/?page=a",
		base + "/Patient?page=aa+b/c==&_count=100":     base + "/Patient?_count=100&page=aa%2Bb%2Fc%3D%3D",
		base + "/Patient?page=aa%2Bb%2Fc%3D%3D&&x=%20": base + "/Patient?page=aa%2Bb%2Fc%3D%3D&x=%20",
		base + "/Patient?page=a#end":                   base + "/Patient?page=a",
		base + "/Patient?page=a;b?c":                   base + "/Patient?page=a%3Bb%3Fc",
		base + "/Patient/a:1/_history?page=a":          base + "/Patient/a%3A1/_history?page=a",
		base + "/Patient/a%20%C3%A4/_history?page=a":   base + "/Patient/a%20%C3%A4/_history?page=a",
	} {
		c := linkClient(t)
		target, err := c.follow(testDatastore, link)
		require.NoError(t, err, link)
		require.Equal(t, want, target.String(), link)
		portable, of := unmarked(c.portable(testDatastore, link, list{count: 25, idsOnly: true, span: testSpan}))
		require.Equal(t, list{count: 25, idsOnly: true, span: testSpan}, of, "a link carries what its list is of")
		again, err := c.follow(testDatastore, portable)
		require.NoError(t, err, link)
		require.Equal(t, want, again.String(), "a portable link leads to the same place")
	}
}

// strayLinks all lead out of the base, or could be read as doing so.
func strayLinks() []string {
	const base = "https://store.example:8443/gateway"
	return []string{
		"http://store.example:8443/gateway" + rootPath + "/Patient?page=a",
		"https://store.example/gateway" + rootPath + "/Patient?page=a",
		"https://elsewhere.example:8443/gateway" + rootPath + "/Patient?page=a",
		"https://store.example:8443@elsewhere.example/gateway" + rootPath + "/Patient",
		"https://user@store.example:8443/gateway" + rootPath + "/Patient",
		"//elsewhere.example/gateway" + rootPath + "/Patient",
		`\\elsewhere.example/gateway` + rootPath + "/Patient",
		`/\elsewhere.example/gateway` + rootPath + "/Patient",
		base + "/datastore/another/r4/Patient?page=a",
		base + rootPath + "x/Patient",
		base + rootPath + "/../../another/r4/Patient",
		base + rootPath + "/%2e%2e/%2e%2e/another/r4/Patient",
		base + rootPath + "/..%2f..%2fanother",
		base + rootPath + "/Patient/%2e%2e/_history",
		base + rootPath + "/Patient/a%2Fb/_history",
		base + rootPath + "/Patient/a%5Cb/_history",
		base + rootPath + "/Patient/a%252Fb/_history",
		base + rootPath + "/Patient/a%00b/_history",
		"/gateway/datastore%2f" + testDatastore + "/r4/Patient",
		base + rootPath + "//Patient",
		base + "/Patient", "/Patient", "../Patient", "/",
		"mailto:elsewhere@example.org", "javascript:alert(1)", "file:///etc/passwd",
		base + rootPath + "/Patient#" + secretID,
		base + rootPath + "/Patient?page=%zz",
		"https://%zz/", "https://store.example:port/", "\x00",
	}
}

func TestStrayLinksAreRejected(t *testing.T) {
	c := linkClient(t)
	for _, link := range strayLinks() {
		_, err := c.follow(testDatastore, link)
		require.Error(t, err, link)
		require.Equal(t, link, c.portable(testDatastore, link, list{count: 100}))
		_, err = nextPage(c, link)
		requireClass(t, cdc.ClassInvalidRequest, err)
	}
}

// TestForeignNextLink shows that the good page is had, and that the link on it
// sends nothing to where it leads.
func TestForeignNextLink(t *testing.T) {
	elsewhere := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		t.Error("a request went elsewhere")
	}))
	t.Cleanup(elsewhere.Close)
	s := newServer(t, responding(searchset(elsewhere.URL+rootPath+"/Patient?page="+secretID, patient("1", "1"))))
	c := s.client(t)
	page, err := searchPatients(c)
	require.NoError(t, err)
	require.Len(t, page.Resources, 1)
	_, err = nextPage(c, page.Next)
	requireClass(t, cdc.ClassInvalidRequest, err)
	require.Len(t, s.requested(), 1)
}

// TestSameOrigin: as RFC 3986 and RFC 6454 have it (reported/05).
func TestSameOrigin(t *testing.T) {
	for endpoint, links := range map[string]map[string]bool{
		"https://store.example/fhir": {
			"https://store.example:443/fhir": true, "https://store.example:/fhir": true, "HTTPS://Store.EXAMPLE/fhir": true,
			"https://store.example./fhir": true, "https://store.example:0443/fhir": true,
			"https://store.example:80/fhir": false, "http://store.example:443/fhir": false, "http://store.example/fhir": false,
			"https://store.example.org/fhir": false, "https://store.example@elsewhere.example/fhir": false,
			"https://store.example/FHIR": false, "https://store.example:443": false,
		},
		"HTTPS://STORE.example:443": {"https://store.example": true, "https://store.example:8443": false},
		"http://127.0.0.1:80":       {"http://127.0.0.1": true, "http://127.0.0.1:443": false, "http://127.0.0.2": false},
		"https://[2001:db8::1]/fhir": {
			"https://[2001:DB8:0:0::1]:443/fhir": true, "https://[2001:db8::2]/fhir": false, "https://[2001:db8::1]:444/fhir": false,
		},
	} {
		c, err := New(Config{Endpoint: endpoint, Region: testRegion, Credentials: credentials.NewStaticCredentialsProvider(suiteKeyID, suiteSecret, "")})
		require.NoError(t, err)
		for base, same := range links {
			target, err := c.follow(testDatastore, base+rootPath+"?_getpages=a&_getpagesoffset=20")
			require.Equal(t, same, err == nil, "%s beside %s", base, endpoint)
			if same {
				require.Equal(t, c.endpoint.Host, target.Host, "what is asked is the endpoint")
			}
		}
	}
}

// TestNextLinkToItself: the page is had, and its link is for whoever follows it to
// see (reported/04).
func TestNextLinkToItself(t *testing.T) {
	s := newServer(t, responding(searchset(rootPath+"/Patient?page=again", patient("1", "1"))))
	c := s.client(t)
	page, err := searchPatients(c)
	require.NoError(t, err)
	first := page.Next
	page, err = nextPage(c, page.Next)
	require.NoError(t, err)
	require.Len(t, page.Resources, 1)
	require.Equal(t, first, page.Next)
}

// TestAnyTokenReachesTheStore: whatever token a store puts into a link, raw or
// escaped, it gets back the same one, well signed.
func TestAnyTokenReachesTheStore(t *testing.T) {
	var got url.Values
	var link string
	s := newServer(t, func(w http.ResponseWriter, r *http.Request) {
		got = r.URL.Query()
		if got.Has("page") {
			responding(searchset(""))(w, r)
			return
		}
		responding(searchset(link))(w, r)
	})
	c := s.client(t)
	rapid.Check(t, func(t *rapid.T) {
		raw := rapid.StringMatching(`[A-Za-z0-9+/=_.~!*'(),;:@$-]{1,80}`).Draw(t, "raw")
		escaped := rapid.StringOfN(rapid.RuneFrom([]rune("aZ9+/=%&#? \"<é\u1234\\")), 0, 40, -1).Draw(t, "escaped")
		link = s.URL + rootPath + "/Patient?page=" + raw + "&_other=" + strings.ReplaceAll(url.QueryEscape(escaped), "+", "%20") + "&_count=100"
		page, err := searchPatients(c)
		require.NoError(t, err)
		_, err = nextPage(c, page.Next)
		require.NoError(t, err)
		require.Equal(t, url.Values{"page": {raw}, "_other": {escaped}, "_count": {"100"}}, got)
	})
}
