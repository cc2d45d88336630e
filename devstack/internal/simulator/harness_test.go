package simulator_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/stretchr/testify/require"

	"healthlake-cdc/devstack/internal/fhirclient"
	"healthlake-cdc/devstack/internal/simulator"
)

const store = simulator.DefaultDatastore

var epoch = time.Date(2026, 11, 23, 15, 4, 5, 123456789, time.UTC)

// clock is set by hand.
type clock struct {
	mu sync.Mutex
	t  time.Time
}

func newClock() *clock { return &clock{t: epoch} }

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.t
}

func (c *clock) add(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.t = c.t.Add(d)
}

// tb is what testing.T and rapid.T share.
type tb interface {
	require.TestingT
	Cleanup(func())
	Helper()
}

// start runs a simulator on a port of its own, with a client.
func start(t tb, cfg simulator.Config) (*simulator.Server, *fhirclient.Client) {
	t.Helper()
	s := simulator.New(cfg)
	require.NoError(t, s.Start("127.0.0.1:0"))
	t.Cleanup(func() { require.NoError(t, s.Close()) })
	return s, client(s, cfg)
}

func client(s *simulator.Server, cfg simulator.Config) *fhirclient.Client {
	credentials := cfg.Credentials
	if credentials.AccessKeyID == "" {
		credentials = simulator.DefaultCredentials
	}
	now := cfg.Now
	if now == nil {
		now = time.Now
	}
	return &fhirclient.Client{
		Endpoint: s.URL(), Datastore: s.Datastores()[0], Region: "us-east-1", Now: now,
		Credentials: aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) { return credentials, nil }),
	}
}

type searchBundle struct {
	Type  string
	Total *int
	Link  []struct{ Relation, URL string }
	Entry []struct {
		FullURL  string
		Resource json.RawMessage
		Search   struct{ Mode string }
		Request  struct{ Method, URL string }
		Response struct{ Status, ETag string }
	}
}

func (b searchBundle) link(relation string) string {
	for _, l := range b.Link {
		if l.Relation == relation {
			return l.URL
		}
	}
	return ""
}

// versions are "id/version" of the entries, in order.
func (b searchBundle) versions(t require.TestingT) []string {
	out := []string{}
	for _, e := range b.Entry {
		out = append(out, version(t, e.Resource))
	}
	return out
}

func version(t require.TestingT, body []byte) string {
	var r struct {
		ID   string
		Meta struct{ VersionID string }
	}
	require.NoError(t, json.Unmarshal(body, &r))
	return r.ID + "/" + r.Meta.VersionID
}

func search(t tb, c *fhirclient.Client, path, query string) searchBundle {
	t.Helper()
	values, err := url.ParseQuery(query)
	require.NoError(t, err)
	_, body, err := c.Do(context.Background(), http.MethodGet, path, values, nil)
	require.NoError(t, err)
	return decode(t, body)
}

func decode(t require.TestingT, body []byte) searchBundle {
	var b searchBundle
	require.NoError(t, json.Unmarshal(body, &b))
	return b
}

// follow gets a next link as a careful client does: decoded by percent signs
// alone and encoded again.
func follow(t tb, c *fhirclient.Client, link string) (searchBundle, error) {
	t.Helper()
	u, err := url.Parse(strings.ReplaceAll(link, "+", "%2B"))
	require.NoError(t, err)
	path := u.Path[strings.Index(u.Path, "/r4/")+4:]
	_, body, err := c.Do(context.Background(), http.MethodGet, path, u.Query(), nil)
	if err != nil {
		return searchBundle{}, err
	}
	return decode(t, body), nil
}

func patient(id string, n int) []byte {
	return fmt.Appendf(nil, `{"resourceType":"Patient","id":%q,"multipleBirthInteger":%d}`, id, n)
}

func put(t tb, c *fhirclient.Client, id string, n int) fhirclient.Resource {
	t.Helper()
	r, err := c.Update(context.Background(), "Patient", id, patient(id, n))
	require.NoError(t, err)
	return r
}

func requireStatus(t require.TestingT, err error, status int, code string) {
	var e *fhirclient.StatusError
	require.ErrorAs(t, err, &e)
	require.Equal(t, status, e.Status)
	if code != "" {
		require.Equal(t, code, e.Code)
	}
}

// get is a signed GET of path with the raw query, and its error.
func get(c *fhirclient.Client, path, query string) ([]byte, error) {
	values, err := url.ParseQuery(query)
	if err != nil {
		return nil, err
	}
	_, body, err := c.Do(context.Background(), http.MethodGet, path, values, nil)
	return body, err
}
