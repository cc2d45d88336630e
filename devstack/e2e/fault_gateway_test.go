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

	"healthlake-cdc/devstack/internal/simulator"
	"healthlake-cdc/devstack/internal/stack"
)

// gateway is a proxy between the workers and a service: a test can cut the workers off, and
// sees the messages that they receive.
type gateway struct {
	*httptest.Server
	proxy *httputil.ReverseProxy

	mu       sync.Mutex
	target   *url.URL
	gone     bool
	rejected string
	slow     time.Duration
	received map[string]receipt // by message id
}

// receipt is how often a message was received, and its last handle.
type receipt struct {
	body, handle string
	times        int
}

// newQueueRig starts the parts with a gateway before SQS and a store without quotas.
func newQueueRig(t *testing.T) (*rig, *gateway) {
	t.Helper()
	sqs := newGateway(t)
	r := newRig(t, stack.Options{Simulator: simulator.Config{Limits: noLimits}}, fewTypes, "AWS_ENDPOINT_URL_SQS="+sqs.URL)
	sqs.lead(t, r.AWS.URL())
	return r, sqs
}

// newGateway starts a gateway without a target. Create it before the rig whose workers use
// it, so that it is closed after them.
func newGateway(t *testing.T) *gateway {
	t.Helper()
	g := &gateway{gone: true, received: make(map[string]receipt)}
	g.proxy = &httputil.ReverseProxy{
		Rewrite: func(request *httputil.ProxyRequest) {
			request.SetURL(g.leadsTo())
			request.Out.Host = request.In.Host // it is signed
		},
		ModifyResponse: g.look,
		// The test ends, or cuts the workers off: the client sees no response.
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
	gone, refused := g.gone, g.rejected
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

// lead makes the gateway forward to the service at base.
func (g *gateway) lead(t *testing.T, base string) {
	t.Helper()
	target, err := url.Parse(base)
	require.NoError(t, err)
	g.mu.Lock()
	defer g.mu.Unlock()
	g.target, g.gone = target, false
}

// cut disconnects the service: every connection ends without a response.
func (g *gateway) cut() {
	g.mu.Lock()
	g.gone = true
	g.mu.Unlock()
	g.CloseClientConnections()
}

// reject returns 503 for one operation from now on; "" ends that.
func (g *gateway) reject(operation string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.rejected = operation
}

// holdReceives delays the response of each receive.
func (g *gateway) holdReceives(d time.Duration) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.slow = d
}

// look records the messages of a receive on their way to a worker.
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
