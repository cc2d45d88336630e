package healthlake

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/stretchr/testify/require"

	"healthlake-cdc/internal/cdc"
)

// What the tests' stores are called, and the names that must never be told.
const (
	testDatastore = "d0c4fe15b0a74ae2a2d3a5a0c1e2f3a4"
	testRegion    = "eu-west-1"
	secretID      = "patient-who-is-nobodys-business"
	secretBody    = "body-that-is-nobodys-business"
	rootPath      = "/datastore/" + testDatastore + "/r4"
)

var testSpan = cdc.Span{
	From: time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC),
	To:   time.Date(2026, 3, 1, 12, 0, 10, 0, time.UTC),
}

// server is a FHIR server over real HTTP that verifies every signature and keeps
// what was asked.
type server struct {
	*httptest.Server
	mu    sync.Mutex
	uris  []string
	calls []Call
}

func newServer(t *testing.T, handler http.HandlerFunc) *server {
	t.Helper()
	s := &server{}
	s.Server = httptest.NewServer(s.verified(t, handler))
	t.Cleanup(s.Close)
	return s
}

func (s *server) verified(t *testing.T, handler http.HandlerFunc) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		err := verifySignature(r, testRegion, func(string) string { return suiteSecret })
		if err != nil {
			t.Errorf("the server got a badly signed request: %v", err)
		}
		s.mu.Lock()
		s.uris = append(s.uris, r.RequestURI)
		s.mu.Unlock()
		handler(w, r)
	})
}

// requested returns the request URIs so far.
func (s *server) requested() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]string(nil), s.uris...)
}

// client returns a client of the server, which notes its calls.
func (s *server) client(t *testing.T, change ...func(*Client)) *Client {
	t.Helper()
	client, err := New(Config{
		Endpoint:    s.URL,
		Region:      testRegion,
		Credentials: credentials.NewStaticCredentialsProvider(suiteKeyID, suiteSecret, suiteToken),
		Observe: func(call Call) {
			s.mu.Lock()
			defer s.mu.Unlock()
			s.calls = append(s.calls, call)
		},
	})
	require.NoError(t, err)
	client.http.Transport = s.Client().Transport
	for _, f := range change {
		f(client)
	}
	return client
}

func searchPatients(c *Client) (cdc.Page, error) {
	return c.Search(context.Background(), cdc.SearchRequest{Datastore: testDatastore, Type: "Patient", Span: testSpan})
}

// nextPage follows a next link.
func nextPage(c *Client, link string) (cdc.Page, error) {
	return c.Search(context.Background(), cdc.SearchRequest{Datastore: testDatastore, Type: "Patient", Next: link})
}

// patient is a resource that is spelled in a way no encoder would.
func patient(id, version string) string {
	return fmt.Sprintf(`{ "resourceType" :"Patient","id":"%s" ,"meta":{"versionId":"%s","lastUpdated":"2026-03-01T12:00:03.123456789Z"},"n":1.10}`, id, version)
}

// searchset is a page of resources; next may be empty.
func searchset(next string, resources ...string) string {
	var b strings.Builder
	b.WriteString(`{"resourceType":"Bundle","type":"searchset","link":[{"relation":"self","url":"urn:self"}`)
	if next != "" {
		fmt.Fprintf(&b, `,{"relation":"next","url":"%s"}`, next)
	}
	b.WriteString(`],"entry":[`)
	for i, resource := range resources {
		if i > 0 {
			b.WriteByte(',')
		}
		fmt.Fprintf(&b, `{"resource":%s,"search":{"mode":"match"}}`, resource)
	}
	b.WriteString(`]}`)
	return b.String()
}

func responding(body string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/fhir+json;charset=utf-8")
		_, _ = w.Write([]byte(body))
	}
}

// requireClass asserts that err is a *cdc.Error of that class which tells
// nothing that must not be told.
func requireClass(t *testing.T, class cdc.Class, err error) cdc.Error {
	t.Helper()
	require.Error(t, err)
	var e *cdc.Error
	require.ErrorAs(t, err, &e)
	require.Equal(t, class, e.Class, "%v", err)
	for _, told := range []string{err.Error(), fmt.Sprintf("%+v", err), fmt.Sprintf("%#v", *e)} {
		for _, secret := range []string{secretID, secretBody, testDatastore, "127.0.0.1", "localhost", "http:", "https:", "elsewhere", suiteKeyID, suiteSecret} {
			require.NotContains(t, told, secret)
		}
	}
	return *e
}
