package e2e

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// gateway stands between the workers and a service, so that a test can take the
// service away from them alone, and sees the messages that they receive.
type gateway struct {
	*httptest.Server
	proxy *httputil.ReverseProxy

	mu       sync.Mutex
	target   *url.URL
	gone     bool
	refused  string
	slow     time.Duration
	received map[string]receipt // by message id
}

// receipt is how often a message was received, and the handle of the last time.
type receipt struct {
	body, handle string
	times        int
}

// newGateway starts one that answers nobody until it leads somewhere. It is to be
// made before the rig whose workers use it, so that it outlives them.
func newGateway(t *testing.T) *gateway {
	t.Helper()
	g := &gateway{gone: true, received: make(map[string]receipt)}
	g.proxy = &httputil.ReverseProxy{
		Rewrite: func(request *httputil.ProxyRequest) {
			request.SetURL(g.leadsTo())
			request.Out.Host = request.In.Host // it is signed
		},
		ModifyResponse: g.look,
		// The test ends, or takes the service away: the client sees no answer.
		ErrorHandler: func(http.ResponseWriter, *http.Request, error) { panic(http.ErrAbortHandler) },
	}
	g.Server = httptest.NewServer(http.HandlerFunc(g.serve))
	t.Cleanup(func() {
		g.cut()
		g.Close()
	})
	return g
}

func (g *gateway) serve(w http.ResponseWriter, r *http.Request) {
	_, operation, _ := strings.Cut(r.Header.Get("X-Amz-Target"), ".")
	g.mu.Lock()
	gone, refused := g.gone, g.refused
	g.mu.Unlock()
	switch {
	case gone:
		panic(http.ErrAbortHandler)
	case refused != "" && refused == operation:
		http.Error(w, `{"__type":"ServiceUnavailable"}`, http.StatusServiceUnavailable)
	default:
		g.proxy.ServeHTTP(w, r)
	}
}

func (g *gateway) leadsTo() *url.URL {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.target
}

// lead lets the gateway answer with what the service at base answers.
func (g *gateway) lead(t *testing.T, base string) {
	t.Helper()
	target, err := url.Parse(base)
	require.NoError(t, err)
	g.mu.Lock()
	defer g.mu.Unlock()
	g.target, g.gone = target, false
}

// cut takes the service away: every connection ends, and none gets an answer.
func (g *gateway) cut() {
	g.mu.Lock()
	g.gone = true
	g.mu.Unlock()
	g.CloseClientConnections()
}

// refuse answers one operation with 503 from now on; "" ends that.
func (g *gateway) refuse(operation string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.refused = operation
}

// holdReceives lets the messages of each receive be that long on their way.
func (g *gateway) holdReceives(d time.Duration) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.slow = d
}

// look books the messages of a receive on their way to a worker.
func (g *gateway) look(response *http.Response) error {
	if !strings.HasSuffix(response.Request.Header.Get("X-Amz-Target"), ".ReceiveMessage") {
		return nil
	}
	body, err := io.ReadAll(response.Body)
	if err != nil {
		return err
	}
	response.Body = io.NopCloser(bytes.NewReader(body))
	var answer struct {
		Messages []struct {
			MessageID     string `json:"MessageId"`
			ReceiptHandle string
			Body          string
			Attributes    map[string]string
		}
	}
	if err := json.Unmarshal(body, &answer); err != nil {
		return err
	}
	g.mu.Lock()
	slow := g.slow
	g.mu.Unlock()
	<-time.After(slow)
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, message := range answer.Messages {
		times, err := strconv.Atoi(message.Attributes["ApproximateReceiveCount"])
		if err != nil {
			return err
		}
		g.received[message.MessageID] = receipt{body: message.Body, handle: message.ReceiptHandle, times: times}
	}
	return nil
}

// receipts are the messages that were received and that suit.
func (g *gateway) receipts(suits func(receipt) bool) []receipt {
	g.mu.Lock()
	defer g.mu.Unlock()
	var all []receipt
	for _, r := range g.received {
		if suits(r) {
			all = append(all, r)
		}
	}
	return all
}
