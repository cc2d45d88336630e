package healthlake

import (
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/stretchr/testify/require"

	"healthlake-cdc/internal/cdc"
)

func TestSearchAsksForTheSpanWithMargins(t *testing.T) {
	s := newServer(t, responding(searchset("", patient("1", "4"))))
	page, err := searchPatients(s.client(t))
	require.NoError(t, err)
	require.Len(t, page.Resources, 1)
	require.Equal(t, cdc.Version{
		Type: "Patient", ID: "1", VersionID: "4", LastUpdated: "2026-03-01T12:00:03.123456789Z",
	}, page.Resources[0].Version)
	require.Empty(t, page.Next)
	require.Equal(t, -1, page.Total)
	require.False(t, page.Date.IsZero())

	asked, err := url.Parse(s.requested()[0])
	require.NoError(t, err)
	require.Equal(t, rootPath+"/Patient", asked.Path)
	require.Equal(t, url.Values{
		"_lastUpdated": {"ge2026-03-01T11:59:59.000Z", "lt2026-03-01T12:00:11.000Z"},
		"_count":       {"100"},
		"_total":       {"accurate"},
	}, asked.Query())
}

func TestSearchOfIDsHasNoBodies(t *testing.T) {
	short := `{"resourceType":"Patient","id":"1","meta":{"versionId":"2","lastUpdated":"2026-03-01T12:00:03.000Z","tag":[{"code":"SUBSETTED"}]}}`
	s := newServer(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Query().Has("page") {
			responding(searchset("", short))(w, r)
			return
		}
		body := searchset(rootPath+"/Patient?_elements=id,meta&page=2", short)
		responding(strings.Replace(body, `"type"`, `"total":2,"type"`, 1))(w, r)
	})
	c := s.client(t)
	page, err := c.Search(context.Background(), cdc.SearchRequest{
		Datastore: testDatastore, Type: "Patient", Span: testSpan, IDsOnly: true,
	})
	require.NoError(t, err)
	require.Equal(t, 2, page.Total)
	require.Nil(t, page.Resources[0].Body)
	require.Contains(t, s.requested()[0], "_elements=id%2Cmeta")
	require.Contains(t, s.requested()[0], "_total=accurate")

	page, err = nextPage(c, page.Next)
	require.NoError(t, err)
	require.Len(t, page.Resources, 1)
	require.Nil(t, page.Resources[0].Body)
}

func TestPagesOverTLSUnderAPathPrefix(t *testing.T) {
	const pages = 4
	s := &server{}
	var asked int
	s.Server = httptest.NewTLSServer(s.verified(t, func(w http.ResponseWriter, r *http.Request) {
		asked++
		next := ""
		if asked < pages {
			next = fmt.Sprintf("%s/fhir%s/Patient?_count=100&page=%d", s.URL, rootPath, asked)
		}
		responding(searchset(next, patient(fmt.Sprint(asked), "1")))(w, r)
	}))
	t.Cleanup(s.Close)
	c := s.client(t, func(c *Client) { c.endpoint.Path = "/fhir" })

	page, err := searchPatients(c)
	require.NoError(t, err)
	ids := []string{page.Resources[0].ID}
	for page.Next != "" {
		require.True(t, strings.HasPrefix(page.Next, "/fhir"+rootPath+"/Patient?"), "a next link is kept without its host")
		page, err = nextPage(c, page.Next)
		require.NoError(t, err)
		ids = append(ids, page.Resources[0].ID)
	}
	require.Equal(t, []string{"1", "2", "3", "4"}, ids)
}

func TestEachRequestIsSignedAnew(t *testing.T) {
	var keys, dates []string
	secrets := map[string]string{"KEYONE": "first", "KEYTWO": "second"}
	s := &server{}
	s.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		err := verifySignature(r, testRegion, func(keyID string) string { return secrets[keyID] })
		if err != nil {
			t.Errorf("badly signed: %v", err)
		}
		_, rest, _ := strings.Cut(r.Header.Get("Authorization"), "Credential=")
		key, _, _ := strings.Cut(rest, "/")
		keys, dates = append(keys, key), append(dates, r.Header.Get("X-Amz-Date"))
		if len(keys) == 1 {
			w.WriteHeader(http.StatusBadGateway)
			return
		}
		responding(searchset(""))(w, r)
	}))
	t.Cleanup(s.Close)
	clock := suiteTime
	c := s.client(t, func(c *Client) {
		c.signer.credentials = rotating(
			aws.Credentials{AccessKeyID: "KEYONE", SecretAccessKey: "first", SessionToken: "one"},
			aws.Credentials{AccessKeyID: "KEYTWO", SecretAccessKey: "second", SessionToken: "two"},
		)
		c.signer.now = func() time.Time { clock = clock.Add(time.Minute); return clock }
	})
	_, err := searchPatients(c)
	requireClass(t, cdc.ClassUnavailable, err)
	_, err = searchPatients(c)
	require.NoError(t, err)
	require.Equal(t, []string{"KEYONE", "KEYTWO"}, keys)
	require.Equal(t, []string{"20150830T123700Z", "20150830T123800Z"}, dates)
	require.Equal(t, []cdc.Class{cdc.ClassUnavailable, ""}, []cdc.Class{s.calls[0].Class, s.calls[1].Class})
	require.Equal(t, "GET {Type}?_lastUpdated", s.calls[0].Op)
}

func TestAnonymousRequestsGoUnsigned(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "" {
			t.Error("an anonymous request is signed")
		}
		responding(searchset("", patient("1", "1")))(w, r)
	}))
	t.Cleanup(server.Close)
	c, err := New(Config{Endpoint: server.URL, Credentials: aws.AnonymousCredentials{}})
	require.NoError(t, err)
	page, err := searchPatients(c)
	require.NoError(t, err)
	require.Len(t, page.Resources, 1)
}

func TestCompressedPage(t *testing.T) {
	s := newServer(t, func(w http.ResponseWriter, r *http.Request) {
		if !strings.Contains(r.Header.Get("Accept-Encoding"), "gzip") {
			t.Error("the client does not take gzip")
		}
		w.Header().Set("Content-Encoding", "gzip")
		z := gzip.NewWriter(w)
		_, _ = z.Write([]byte(searchset("", patient("1", "1"))))
		_ = z.Close()
	})
	page, err := searchPatients(s.client(t))
	require.NoError(t, err)
	require.Equal(t, patient("1", "1"), string(page.Resources[0].Body))
}

func TestCount(t *testing.T) {
	body := `{"resourceType":"Bundle","type":"searchset","total":1234}`
	s := newServer(t, func(w http.ResponseWriter, r *http.Request) { responding(body)(w, r) })
	c := s.client(t)
	total, err := c.Count(context.Background(), testDatastore, "Observation", testSpan)
	require.NoError(t, err)
	require.Equal(t, 1234, total)
	asked, err := url.Parse(s.requested()[0])
	require.NoError(t, err)
	require.Equal(t, url.Values{
		"_lastUpdated": {"ge2026-03-01T12:00:00.000Z", "lt2026-03-01T12:00:10.000Z"},
		"_summary":     {"count"},
	}, asked.Query())

	for _, total := range []string{``, `"total":null,`, `"total":-1,`, `"total":"7",`, `"total":1e400,`, `"total":1,"total":2,`} {
		body = `{` + total + `"resourceType":"Bundle","type":"searchset"}`
		n, err := c.Count(context.Background(), testDatastore, "Observation", testSpan)
		require.NoError(t, err, total)
		require.Equal(t, cdc.NotCounted, n, total)
	}
}

func TestReads(t *testing.T) {
	s := newServer(t, func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case rootPath + "/Patient/" + secretID:
			responding(patient(secretID, "7"))(w, r)
		case rootPath + "/Patient/" + secretID + "/_history/3":
			responding(patient(secretID, "3"))(w, r)
		case rootPath + "/Patient/" + secretID + "/_history/4", rootPath + "/Patient/other":
			responding(patient(secretID, "5"))(w, r)
		case rootPath + "/Patient/gone":
			w.WriteHeader(http.StatusGone)
		default:
			http.NotFound(w, r)
		}
	})
	c, ctx := s.client(t), context.Background()
	got, err := c.Read(ctx, testDatastore, "Patient", secretID)
	require.NoError(t, err)
	require.Equal(t, patient(secretID, "7"), string(got.Body))
	require.Equal(t, "7", got.VersionID)
	got, err = c.VRead(ctx, testDatastore, "Patient", secretID, "3")
	require.NoError(t, err)
	require.Equal(t, "3", got.VersionID)

	_, err = c.VRead(ctx, testDatastore, "Patient", secretID, "4")
	requireClass(t, cdc.ClassMalformed, err)
	_, err = c.Read(ctx, testDatastore, "Patient", "other")
	requireClass(t, cdc.ClassMalformed, err)
	_, err = c.Read(ctx, testDatastore, "Patient", "gone")
	requireClass(t, cdc.ClassNotFound, err)
	_, err = c.VRead(ctx, testDatastore, "Patient", "missing", "1")
	requireClass(t, cdc.ClassNotFound, err)
}

func TestSearchableTypes(t *testing.T) {
	body := `{"resourceType":"CapabilityStatement","rest":[{"mode":"client","resource":[{"type":"Basic","interaction":[{"code":"search-type"}]}]},
		{"mode":"server","resource":[
		{"type":"Patient","interaction":[{"code":"read"},{"code":"search-type"}],"searchParam":[{"name":"_id","type":"token"}]},
		{"type":"Observation","interaction":[{"code":"search-type"}]},
		{"type":"Binary","interaction":[{"code":"read"}],"searchParam":[{"name":"_id"}]},
		{"type":"Goal","searchParam":[{"name":"_id"}]},
		{"type":"List"},
		{"type":"../Patient","interaction":[{"code":"search-type"}]},
		{"type":"Patient","interaction":[{"code":"search-type"}]}]}]}`
	s := newServer(t, func(w http.ResponseWriter, r *http.Request) { responding(body)(w, r) })
	c := s.client(t)
	types, err := c.SearchableTypes(context.Background(), testDatastore)
	require.NoError(t, err)
	require.Equal(t, []string{"Goal", "Observation", "Patient"}, types)
	require.Equal(t, []string{rootPath + "/metadata"}, s.requested())

	for _, body = range []string{searchset(""), `{"resourceType":"CapabilityStatement"}`, `<CapabilityStatement/>`} {
		_, err = c.SearchableTypes(context.Background(), testDatastore)
		requireClass(t, cdc.ClassMalformed, err)
	}
}

func TestNothingIsSentForInvalidInput(t *testing.T) {
	s := newServer(t, func(http.ResponseWriter, *http.Request) { t.Error("a request was sent") })
	c, ctx := s.client(t), context.Background()
	empty := cdc.Span{From: testSpan.To, To: testSpan.From}
	for name, call := range map[string]func() error{
		"datastore": func() error {
			_, err := c.Search(ctx, cdc.SearchRequest{Datastore: "../" + secretID, Type: "Patient", Span: testSpan})
			return err
		},
		"type": func() error {
			_, err := c.Count(ctx, testDatastore, "Patient/"+secretID, testSpan)
			return err
		},
		"span":        func() error { _, err := c.Count(ctx, testDatastore, "Patient", empty); return err },
		"id":          func() error { _, err := c.Read(ctx, testDatastore, "Patient", secretID+"\n"); return err },
		"long id":     func() error { _, err := c.Read(ctx, testDatastore, "Patient", strings.Repeat("x", 513)); return err },
		"no id":       func() error { _, err := c.Read(ctx, testDatastore, "Patient", ""); return err },
		"version":     func() error { _, err := c.VRead(ctx, testDatastore, "Patient", secretID, "1/x"); return err },
		"no metadata": func() error { _, err := c.SearchableTypes(ctx, ""); return err },
	} {
		t.Run(name, func(t *testing.T) { requireClass(t, cdc.ClassInvalidInput, call()) })
	}
}

func TestNewRejects(t *testing.T) {
	good := Config{Endpoint: "https://store.example", Region: "us-east-1", Credentials: rotating(aws.Credentials{})}
	_, err := New(good)
	require.NoError(t, err)
	for name, change := range map[string]func(*Config){
		"no endpoint":  func(c *Config) { c.Endpoint = "" },
		"no scheme":    func(c *Config) { c.Endpoint = "store.example" },
		"other scheme": func(c *Config) { c.Endpoint = "ftp://store.example" },
		"password":     func(c *Config) { c.Endpoint = "https://u:hunter2@store.example" },
		"query":        func(c *Config) { c.Endpoint = "https://store.example?hunter2" },
		"dots":         func(c *Config) { c.Endpoint = "https://store.example/a/../hunter2" },
		"escapes":      func(c *Config) { c.Endpoint = "https://store.example/a%2Fhunter2" },
		"no region":    func(c *Config) { c.Region = "" },
	} {
		t.Run(name, func(t *testing.T) {
			cfg := good
			change(&cfg)
			_, err := New(cfg)
			require.Error(t, err)
			require.NotContains(t, err.Error(), "hunter2")
		})
	}
}

func TestCredentialsThatCannotBeHad(t *testing.T) {
	s := newServer(t, func(http.ResponseWriter, *http.Request) { t.Error("a request was sent") })
	c := s.client(t, func(c *Client) {
		c.signer.credentials = aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
			return aws.Credentials{}, errors.New("role https://elsewhere/" + secretID + " cannot be assumed")
		})
	})
	_, err := searchPatients(c)
	e := requireClass(t, cdc.ClassForbidden, err)
	require.Contains(t, e.Advice, "credential")
}
