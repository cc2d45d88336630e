package payload

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	commonpb "go.temporal.io/api/common/v1"
	"go.temporal.io/sdk/converter"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
)

const uiOrigin = "http://127.0.0.1:8233"

func serve(t *testing.T, c *Codec, access Access) *httptest.Server {
	t.Helper()
	server := httptest.NewServer(newHandler(c, access))
	t.Cleanup(server.Close)
	return server
}

func request(t *testing.T, method, url, origin, body string) (*http.Response, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader(body))
	require.NoError(t, err)
	if origin != "" {
		req.Header.Set("Origin", origin)
	}
	resp, err := http.DefaultClient.Do(req)
	require.NoError(t, err)
	defer func() { require.NoError(t, resp.Body.Close()) }()
	text, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	return resp, string(text)
}

func TestHandlerDecodesForTheUI(t *testing.T) {
	c := codec(t, ring(t, GenerateKey()))
	server := serve(t, c, Access{Origins: []string{uiOrigin}})
	body, err := protojson.Marshal(&commonpb.Payloads{Payloads: []*commonpb.Payload{encodeOne(t, c, plain("x"))}})
	require.NoError(t, err)
	resp, text := request(t, http.MethodPost, server.URL+"/decode", uiOrigin, string(body))
	require.Equal(t, http.StatusOK, resp.StatusCode)
	require.Equal(t, uiOrigin, resp.Header.Get("Access-Control-Allow-Origin"))
	require.Equal(t, "no-store", resp.Header.Get("Cache-Control"))
	var got commonpb.Payloads
	require.NoError(t, protojson.Unmarshal([]byte(text), &got))
	require.True(t, proto.Equal(plain("x"), got.Payloads[0]))
}

func TestHandlerServesTheSDKsRemoteCodec(t *testing.T) {
	c := codec(t, ring(t, GenerateKey()))
	remote := converter.NewRemoteDataConverter(converter.GetDefaultDataConverter(),
		converter.RemoteDataConverterOptions{Endpoint: serve(t, c, Access{Encode: true}).URL})
	encoded, err := remote.ToPayload("hello")
	require.NoError(t, err)
	require.Equal(t, EncodingEncrypted, string(encoded.Metadata[converter.MetadataEncoding]))
	var got string
	require.NoError(t, remote.FromPayload(encoded, &got))
	require.Equal(t, "hello", got)
}

func TestHandlerRejects(t *testing.T) {
	server := serve(t, codec(t, ring(t, GenerateKey())), Access{Origins: []string{uiOrigin}})
	for name, tc := range map[string]struct {
		method, path, origin, body string
		want                       int
	}{
		"another origin":  {http.MethodPost, "/decode", "http://evil.example", "{}", http.StatusForbidden},
		"its preflight":   {http.MethodOptions, "/decode", "http://evil.example", "", http.StatusForbidden},
		"null origin":     {http.MethodPost, "/decode", "null", "{}", http.StatusForbidden},
		"GET":             {http.MethodGet, "/decode", uiOrigin, "", http.StatusMethodNotAllowed},
		"another path":    {http.MethodPost, "/secrets", uiOrigin, "{}", http.StatusNotFound},
		"encoding":        {http.MethodPost, "/encode", uiOrigin, "{}", http.StatusForbidden},
		"not JSON":        {http.MethodPost, "/decode", uiOrigin, "<", http.StatusBadRequest},
		"right preflight": {http.MethodOptions, "/decode", uiOrigin, "", http.StatusNoContent},
		"no browser":      {http.MethodPost, "/decode", "", "{}", http.StatusOK},
	} {
		t.Run(name, func(t *testing.T) {
			resp, _ := request(t, tc.method, server.URL+tc.path, tc.origin, tc.body)
			require.Equal(t, tc.want, resp.StatusCode)
			if tc.want == http.StatusForbidden && tc.origin != uiOrigin {
				require.Empty(t, resp.Header.Get("Access-Control-Allow-Origin"))
			}
		})
	}
}

func TestHandlerNamesTheMissingKey(t *testing.T) {
	server := serve(t, codec(t, ring(t, entry("new", 2, 32))), Access{Origins: []string{uiOrigin}})
	sealed := encodeOne(t, codec(t, ring(t, entry("old", 1, 32))), plain("x"))
	body, err := protojson.Marshal(&commonpb.Payloads{Payloads: []*commonpb.Payload{sealed}})
	require.NoError(t, err)
	resp, text := request(t, http.MethodPost, server.URL+"/decode", "", string(body))
	require.Equal(t, http.StatusBadRequest, resp.StatusCode)
	require.Contains(t, text, `key "old"`)
}

func TestHandlerServesThisMachineOnly(t *testing.T) {
	c := codec(t, ring(t, GenerateKey()))
	for name, tc := range map[string]struct {
		from   string
		access Access
		want   int
	}{
		"loopback 4":      {"127.0.0.1:1234", Access{}, http.StatusOK},
		"loopback 6":      {"[::1]:1234", Access{}, http.StatusOK},
		"elsewhere":       {"192.0.2.7:1234", Access{}, http.StatusForbidden},
		"no address":      {"", Access{}, http.StatusForbidden},
		"asked for":       {"192.0.2.7:1234", Access{Remote: true}, http.StatusOK},
		"body over limit": {"127.0.0.1:1234", Access{}, http.StatusRequestEntityTooLarge},
	} {
		t.Run(name, func(t *testing.T) {
			body := io.Reader(strings.NewReader("{}"))
			if name == "body over limit" {
				body = io.MultiReader(strings.NewReader("{}"), io.LimitReader(spaces{}, maxRequestBytes))
			}
			req := httptest.NewRequest(http.MethodPost, "/decode", body)
			req.RemoteAddr = tc.from
			recorder := httptest.NewRecorder()
			newHandler(c, tc.access).ServeHTTP(recorder, req)
			require.Equal(t, tc.want, recorder.Code)
		})
	}
}

// spaces reads as blanks without end: what JSON allows after a value.
type spaces struct{}

func (spaces) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = ' '
	}
	return len(p), nil
}

func payloadsJSON(t *testing.T, payloads ...*commonpb.Payload) string {
	t.Helper()
	body, err := protojson.Marshal(&commonpb.Payloads{Payloads: payloads})
	require.NoError(t, err)
	return string(body)
}

// A few hundred kilobytes of payloads, each a decompression bomb within the limit of
// one, once made the process 8 GB large.
func TestHandlerBoundsAResponse(t *testing.T) {
	c := codec(t, ring(t, GenerateKey()))
	server := serve(t, c, Access{Origins: []string{uiOrigin}})
	bomb := encodeOne(t, c, plain(strings.Repeat(" ", MaxDecodedBytes/4)))
	bombs := make([]*commonpb.Payload, 50)
	for i := range bombs {
		bombs[i] = bomb
	}
	body := payloadsJSON(t, bombs...)
	require.Less(t, len(body), 512<<10)
	resp, text := request(t, http.MethodPost, server.URL+"/decode", "", body)
	require.Equal(t, http.StatusBadRequest, resp.StatusCode)
	require.Contains(t, text, "more than 67108864 bytes")

	resp, _ = request(t, http.MethodPost, server.URL+"/decode", "", payloadsJSON(t, bomb))
	require.Equal(t, http.StatusOK, resp.StatusCode)
}

// The smallest payload is written in three bytes and takes a hundred in memory.
func TestHandlerBoundsARequestsPayloads(t *testing.T) {
	server := serve(t, codec(t, ring(t, GenerateKey())), Access{Origins: []string{uiOrigin}})
	for name, body := range map[string]string{
		"payloads": `{"payloads":[` + strings.Repeat("{},", maxMembers) + `{}]}`,
		"metadata": `{"payloads":[{"metadata":{` + strings.Repeat(`"a":"",`, maxMembers) + `"a":""}}]}`,
	} {
		resp, text := request(t, http.MethodPost, server.URL+"/decode", "", body)
		require.Equal(t, http.StatusRequestEntityTooLarge, resp.StatusCode, name)
		require.Contains(t, text, "too many payloads")
	}
}

// blocked is a request's body that has not come yet.
type blocked struct{ released chan struct{} }

func (b blocked) Read([]byte) (int, error) {
	<-b.released
	return 0, io.EOF
}

// However many ask at once, only a few are answered at a time.
func TestHandlerServesAFewAtATime(t *testing.T) {
	h := newHandler(codec(t, ring(t, GenerateKey())), Access{})
	post := func(body io.Reader) *http.Request {
		r := httptest.NewRequest(http.MethodPost, "/decode", body)
		r.RemoteAddr = "127.0.0.1:1"
		return r
	}
	body := blocked{make(chan struct{})}
	var group sync.WaitGroup
	for range maxRequests {
		group.Go(func() { h.ServeHTTP(httptest.NewRecorder(), post(body)) })
	}
	require.Eventually(t, func() bool { return len(h.slots) == maxRequests }, time.Minute, time.Millisecond)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for range 50 { // where a slot is free, either of two ways is taken by chance
		waited := httptest.NewRecorder()
		h.ServeHTTP(waited, post(strings.NewReader("{}")).WithContext(ctx))
		require.Empty(t, waited.Body.String(), "a request was answered beside %d others", maxRequests)
	}
	close(body.released)
	group.Wait()
	answered := httptest.NewRecorder()
	h.ServeHTTP(answered, post(strings.NewReader("{}")))
	require.NotEmpty(t, answered.Body.String())
}

// The UI names the namespace that it shows: a payload that was copied there from
// another one is rejected.
func TestHandlerDecodesForTheNamespaceThatIsShown(t *testing.T) {
	c := codec(t, ring(t, GenerateKey()))
	server := serve(t, c, Access{Origins: []string{uiOrigin}})
	here, elsewhere := encodeOne(t, c, plain("x")), encodeOne(t, inNamespace(c, "other"), plain("x"))
	for name, tc := range map[string]struct {
		shown  string
		sealed *commonpb.Payload
		want   int
	}{
		"none named":         {"", here, http.StatusOK},
		"the codec's":        {namespace, here, http.StatusOK},
		"another, its own":   {"other", elsewhere, http.StatusOK},
		"copied to it":       {"other", here, http.StatusBadRequest},
		"copied from it":     {namespace, elsewhere, http.StatusBadRequest},
		"copied, none named": {"", elsewhere, http.StatusBadRequest},
	} {
		t.Run(name, func(t *testing.T) {
			req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, server.URL+"/decode", strings.NewReader(payloadsJSON(t, tc.sealed)))
			require.NoError(t, err)
			req.Header.Set("X-Namespace", tc.shown)
			resp, err := http.DefaultClient.Do(req)
			require.NoError(t, err)
			require.NoError(t, resp.Body.Close())
			require.Equal(t, tc.want, resp.StatusCode)
		})
	}
}

// What no key encrypted is shown as it is: an operator must see what was forged.
func TestHandlerShowsWhatIsNotOurs(t *testing.T) {
	c := codec(t, ring(t, GenerateKey()))
	ours, forged := encodeOne(t, c, plain("ours")), plain("forged")
	resp, text := request(t, http.MethodPost, serve(t, c, Access{Origins: []string{uiOrigin}}).URL+"/decode", "", payloadsJSON(t, ours, forged))
	require.Equal(t, http.StatusOK, resp.StatusCode)
	var got commonpb.Payloads
	require.NoError(t, protojson.Unmarshal([]byte(text), &got))
	require.Equal(t, "ours", string(got.Payloads[0].Data))
	require.True(t, proto.Equal(forged, got.Payloads[1]))
}

// A client that sends its request in drops is cut off.
func TestServerHasTimeouts(t *testing.T) {
	server := NewServer(codec(t, ring(t, GenerateKey())), Access{})
	for name, d := range map[string]time.Duration{
		"header": server.ReadHeaderTimeout, "read": server.ReadTimeout, "write": server.WriteTimeout, "idle": server.IdleTimeout,
	} {
		require.Positive(t, d, name)
	}
	require.Positive(t, server.MaxHeaderBytes)
}
