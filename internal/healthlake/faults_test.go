package healthlake

import (
	"compress/gzip"
	"context"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"healthlake-cdc/internal/cdc"
)

// operations are the client's calls, each with patient data in its arguments.
var operations = map[string]func(context.Context, *Client) error{
	opSearch: func(ctx context.Context, c *Client) error {
		_, err := c.Search(ctx, cdc.SearchRequest{Datastore: testDatastore, Type: "Patient", Span: testSpan})
		return err
	},
	opNext: func(ctx context.Context, c *Client) error {
		_, err := nextPage(c, "Patient?page="+secretID)
		return err
	},
	opCount: func(ctx context.Context, c *Client) error {
		_, err := c.Count(ctx, testDatastore, "Patient", testSpan)
		return err
	},
	opRead: func(ctx context.Context, c *Client) error {
		_, err := c.Read(ctx, testDatastore, "Patient", secretID)
		return err
	},
	opVRead: func(ctx context.Context, c *Client) error {
		_, err := c.VRead(ctx, testDatastore, "Patient", secretID, "3")
		return err
	},
	opHistory: func(ctx context.Context, c *Client) error {
		_, err := c.History(ctx, testDatastore, "Patient", secretID, "")
		return err
	},
	opHistoryNext: func(ctx context.Context, c *Client) error {
		_, err := c.History(ctx, testDatastore, "Patient", secretID, "Patient/"+secretID+"/_history?page="+secretID)
		return err
	},
	opMetadata: func(ctx context.Context, c *Client) error {
		_, err := c.SearchableTypes(ctx, testDatastore)
		return err
	},
}

// failingWith responds with a status, an OperationOutcome full of patient data, and
// headers.
func failingWith(status int, header ...string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		for i := 0; i < len(header); i += 2 {
			w.Header().Set(header[i], header[i+1])
		}
		w.WriteHeader(status)
		_, _ = io.WriteString(w, `{"resourceType":"OperationOutcome","issue":[{"diagnostics":"`+secretID+secretBody+`"}]}`)
	}
}

func TestClassesOfStatus(t *testing.T) {
	const code = "X-Amzn-Errortype"
	cases := []struct {
		name    string
		handler http.HandlerFunc
		class   cdc.Class
		ops     map[string]cdc.Class // where the operation decides
		code    string
	}{
		{name: "400", handler: failingWith(400), class: cdc.ClassInvalidRequest, ops: map[string]cdc.Class{opNext: cdc.ClassPageTokenRejected, opHistoryNext: cdc.ClassPageTokenRejected}},
		{name: "400 validation", handler: failingWith(400, code, "ValidationException:http://elsewhere/"), class: cdc.ClassInvalidRequest,
			ops: map[string]cdc.Class{opNext: cdc.ClassPageTokenRejected, opHistoryNext: cdc.ClassPageTokenRejected}, code: "ValidationException"},
		{name: "400 throttling", handler: failingWith(400, code, "ThrottlingException"), class: cdc.ClassThrottled, code: "ThrottlingException"},
		{name: "400 expired", handler: failingWith(400, code, "ExpiredTokenException"), class: cdc.ClassForbidden, code: "ExpiredTokenException"},
		{name: "400 chatty", handler: failingWith(400, code, secretID), class: cdc.ClassInvalidRequest, ops: map[string]cdc.Class{opNext: cdc.ClassPageTokenRejected, opHistoryNext: cdc.ClassPageTokenRejected}},
		{name: "401", handler: failingWith(401), class: cdc.ClassForbidden},
		{name: "403", handler: failingWith(403, code, "AccessDeniedException"), class: cdc.ClassForbidden, code: "AccessDeniedException"},
		{name: "404", handler: failingWith(404), class: cdc.ClassInvalidRequest, ops: map[string]cdc.Class{
			opNext: cdc.ClassPageTokenRejected, opRead: cdc.ClassNotFound, opVRead: cdc.ClassNotFound, opHistory: cdc.ClassNotFound, opHistoryNext: cdc.ClassPageTokenRejected}},
		{name: "410", handler: failingWith(410), class: cdc.ClassInvalidRequest, ops: map[string]cdc.Class{
			opNext: cdc.ClassPageTokenRejected, opRead: cdc.ClassNotFound, opVRead: cdc.ClassNotFound, opHistory: cdc.ClassNotFound, opHistoryNext: cdc.ClassPageTokenRejected}},
		{name: "408", handler: failingWith(408), class: cdc.ClassUnavailable},
		{name: "412", handler: failingWith(412), class: cdc.ClassInvalidRequest},
		{name: "422", handler: failingWith(422), class: cdc.ClassInvalidRequest},
		{name: "429", handler: failingWith(429), class: cdc.ClassThrottled},
		{name: "500", handler: failingWith(500), class: cdc.ClassUnavailable},
		{name: "503", handler: failingWith(503, code, "ServiceUnavailable"), class: cdc.ClassUnavailable, code: "ServiceUnavailable"},
		{name: "202", handler: failingWith(202), class: cdc.ClassMalformed},
		{name: "not FHIR", handler: responding(secretBody), class: cdc.ClassMalformed},
		{name: "hung up", handler: func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }, class: cdc.ClassUnavailable},
	}
	for _, tc := range cases {
		t.Run(tc.name, func(t *testing.T) {
			for op, call := range operations {
				s := newServer(t, tc.handler)
				want, decided := tc.ops[op]
				if !decided {
					want = tc.class
				}
				e := requireClass(t, want, call(context.Background(), s.client(t)))
				require.Equal(t, op, e.Op)
				require.Equal(t, tc.code, e.Code)
				require.Len(t, s.calls, 1, op)
				require.Equal(t, want, s.calls[0].Class)
			}
		})
	}
}

func TestRedirectsAreNotFollowed(t *testing.T) {
	elsewhere := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		t.Error("a redirect was followed")
	}))
	t.Cleanup(elsewhere.Close)
	for _, status := range []int{301, 302, 303, 307, 308} {
		s := newServer(t, failingWith(status, "Location", elsewhere.URL+"/"+secretID))
		_, err := searchPatients(s.client(t))
		e := requireClass(t, cdc.ClassInvalidRequest, err)
		require.Equal(t, status, e.Status)
		require.Len(t, s.requested(), 1)
	}
}

func TestRetryAfter(t *testing.T) {
	date := suiteTime.Format(http.TimeFormat)
	cases := []struct {
		name   string
		header []string
		want   time.Duration
	}{
		{name: "none"},
		{name: "short", header: []string{"Retry-After", "2"}, want: 2 * time.Second},
		{name: "long", header: []string{"Retry-After", " 7 "}, want: 7 * time.Second},
		{name: "date", header: []string{"Date", date, "Retry-After", suiteTime.Add(90 * time.Second).Format(http.TimeFormat)}, want: 90 * time.Second},
		{name: "past date", header: []string{"Date", date, "Retry-After", suiteTime.Add(-time.Hour).Format(http.TimeFormat)}},
		{name: "date, own clock", header: []string{"Date", "", "Retry-After", suiteTime.Add(23 * time.Second).Format(http.TimeFormat)}, want: 3 * time.Second},
		{name: "absurd", header: []string{"Retry-After", "99999999999999999999999"}, want: maxRetryAfter},
		{name: "negative", header: []string{"Retry-After", "-5"}},
		{name: "nonsense", header: []string{"Retry-After", "soon"}},
	}
	for _, tc := range cases {
		for _, status := range []int{429, 503} {
			t.Run(tc.name+" "+http.StatusText(status), func(t *testing.T) {
				s := newServer(t, failingWith(status, tc.header...))
				c := s.client(t)
				c.now = func() time.Time { return suiteTime.Add(20 * time.Second) } // not the store's time
				_, err := searchPatients(c)
				e := requireClass(t, map[int]cdc.Class{429: cdc.ClassThrottled, 503: cdc.ClassUnavailable}[status], err)
				require.Equal(t, tc.want, e.RetryAfter)
			})
		}
	}
}

func TestTruncatedBodies(t *testing.T) {
	page := searchset("", patient(secretID, "1"))
	for name, handler := range map[string]http.HandlerFunc{
		"with length": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "5000")
			_, _ = io.WriteString(w, page)
		},
		"chunked": func(w http.ResponseWriter, r *http.Request) {
			_, _ = io.WriteString(w, page)
			_ = http.NewResponseController(w).Flush()
			panic(http.ErrAbortHandler)
		},
		"gzip": func(w http.ResponseWriter, _ *http.Request) {
			var zipped strings.Builder
			z := gzip.NewWriter(&zipped)
			_, _ = io.WriteString(z, page)
			_ = z.Close()
			w.Header().Set("Content-Encoding", "gzip")
			_, _ = io.WriteString(w, zipped.String()[:zipped.Len()-9])
		},
		"not gzip": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Encoding", "gzip")
			_, _ = io.WriteString(w, page)
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := newServer(t, handler)
			_, err := searchPatients(s.client(t))
			requireClass(t, cdc.ClassMalformed, err)
		})
	}
}

func TestBodyLimit(t *testing.T) {
	page := searchset("", patient(secretID, "1"))
	large := strings.Replace(page, `"n":1.10`, `"n":"`+strings.Repeat("0", 1<<20)+`"`, 1)
	handlers := map[string]func(string) http.HandlerFunc{
		"with length": func(body string) http.HandlerFunc {
			return func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, body) }
		},
		"chunked": func(body string) http.HandlerFunc {
			return func(w http.ResponseWriter, _ *http.Request) {
				_ = http.NewResponseController(w).Flush()
				_, _ = io.WriteString(w, body)
			}
		},
		"gzip": func(body string) http.HandlerFunc {
			return func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Content-Encoding", "gzip")
				z := gzip.NewWriter(w)
				_, _ = io.WriteString(z, body)
				_ = z.Close()
			}
		},
	}
	for name, handler := range handlers {
		t.Run(name, func(t *testing.T) {
			limit := func(c *Client) { c.maxBody = int64(len(page)) }
			_, err := searchPatients(newServer(t, handler(page)).client(t, limit))
			require.NoError(t, err, "a body of exactly the limit is taken")
			s := newServer(t, handler(page+" "))
			got, err := searchPatients(s.client(t, limit))
			require.NoError(t, err)
			require.Empty(t, got.Resources)
			require.NotEmpty(t, got.Next, "the same again, in less")
			require.Len(t, s.requested(), 1, "it would be as large again")
			require.Equal(t, cdc.ClassTooLarge, s.calls[0].Class)
			got, err = searchPatients(newServer(t, handler(large)).client(t, limit))
			require.NoError(t, err)
			require.NotEmpty(t, got.Next)
			_, err = newServer(t, handler(large)).client(t, limit).Read(context.Background(), testDatastore, "Patient", secretID)
			requireClass(t, cdc.ClassTooLarge, err)
		})
	}
}

// TestEndlessBody: a body that never ends is not read to its end.
func TestEndlessBody(t *testing.T) {
	s := newServer(t, func(w http.ResponseWriter, _ *http.Request) {
		for chunk := strings.Repeat(" ", 64<<10); ; {
			if _, err := io.WriteString(w, chunk); err != nil {
				return
			}
		}
	})
	_, err := s.client(t, func(c *Client) { c.maxBody = 1 << 20 }).Count(context.Background(), testDatastore, "Patient", testSpan)
	requireClass(t, cdc.ClassMalformed, err)
}

// TestConnectionResetInTheBody: the network's fault is not the store's.
func TestConnectionResetInTheBody(t *testing.T) {
	s := newServer(t, func(w http.ResponseWriter, _ *http.Request) {
		conn, buffered, err := http.NewResponseController(w).Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		_, _ = buffered.WriteString("HTTP/1.1 200 OK\r\nContent-Length: 5000\r\n\r\n{")
		_ = buffered.Flush()
		tcp, ok := conn.(*net.TCPConn)
		if !ok {
			t.Errorf("connection is a %T", conn)
			return
		}
		_ = tcp.SetLinger(0) // Close sends a reset
		_ = tcp.Close()
	})
	_, err := searchPatients(s.client(t))
	requireClass(t, cdc.ClassUnavailable, err)
}

// hanging answers with what start writes and then not until the client is gone.
// It tells on the channel that a request has come.
func hanging(arrived chan<- struct{}, start string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if start != "" {
			_, _ = io.WriteString(w, start)
			_ = http.NewResponseController(w).Flush()
		}
		arrived <- struct{}{}
		<-r.Context().Done()
	}
}

func TestHangingStore(t *testing.T) {
	for name, start := range map[string]string{"no header": "", "half a body": `{"resourceType":"Bundle",`} {
		t.Run(name+", request's timeout", func(t *testing.T) {
			s := newServer(t, hanging(make(chan struct{}, 9), start))
			_, err := searchPatients(s.client(t, func(c *Client) { c.timeout = 50 * time.Millisecond }))
			requireClass(t, cdc.ClassUnavailable, err)
		})
		t.Run(name+", caller's deadline", func(t *testing.T) {
			s := newServer(t, hanging(make(chan struct{}, 9), start))
			ctx, cancel := context.WithTimeout(context.Background(), 50*time.Millisecond)
			defer cancel()
			_, err := s.client(t).Count(ctx, testDatastore, "Patient", testSpan)
			requireClass(t, cdc.ClassUnavailable, err)
		})
		t.Run(name+", caller stops", func(t *testing.T) {
			arrived := make(chan struct{}, 9)
			s := newServer(t, hanging(arrived, start))
			ctx, cancel := context.WithCancel(context.Background())
			go func() {
				<-arrived
				cancel()
			}()
			_, err := s.client(t).Read(ctx, testDatastore, "Patient", secretID)
			requireClass(t, cdc.ClassInterrupted, err)
		})
	}
}

func TestNoConnection(t *testing.T) {
	s := newServer(t, responding(searchset("")))
	c := s.client(t)
	s.Close()
	for op, call := range operations {
		t.Run(op, func(t *testing.T) {
			requireClass(t, cdc.ClassUnavailable, call(context.Background(), c))
		})
	}
}

// discardLog keeps a test server from reporting the handshakes that it is meant to fail.
var discardLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)

func TestUntrustedCertificate(t *testing.T) {
	s := &server{}
	s.Server = httptest.NewUnstartedServer(responding(searchset("")))
	s.Config.ErrorLog = discardLog
	s.StartTLS()
	t.Cleanup(s.Close)
	_, err := searchPatients(s.client(t, func(c *Client) { c.http.Transport = http.DefaultTransport }))
	e := requireClass(t, cdc.ClassUnavailable, err)
	require.Contains(t, e.Advice, "certificate")
}
