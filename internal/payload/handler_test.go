package payload

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	commonpb "go.temporal.io/api/common/v1"
	"go.temporal.io/sdk/converter"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
)

const uiOrigin = "http://127.0.0.1:8233"

func serve(t *testing.T, c *Codec) *httptest.Server {
	t.Helper()
	server := httptest.NewServer(Handler(c, []string{uiOrigin}))
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
	server := serve(t, c)
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
		converter.RemoteDataConverterOptions{Endpoint: serve(t, c).URL})
	encoded, err := remote.ToPayload("hello")
	require.NoError(t, err)
	require.Equal(t, map[string]int{EncodingEncrypted: 1}, Encodings(encoded))
	var got string
	require.NoError(t, remote.FromPayload(encoded, &got))
	require.Equal(t, "hello", got)
}

func TestHandlerRefuses(t *testing.T) {
	server := serve(t, codec(t, ring(t, GenerateKey())))
	for name, tc := range map[string]struct {
		method, path, origin, body string
		want                       int
	}{
		"another origin":  {http.MethodPost, "/decode", "http://evil.example", "{}", http.StatusForbidden},
		"its preflight":   {http.MethodOptions, "/decode", "http://evil.example", "", http.StatusForbidden},
		"null origin":     {http.MethodPost, "/decode", "null", "{}", http.StatusForbidden},
		"GET":             {http.MethodGet, "/decode", uiOrigin, "", http.StatusMethodNotAllowed},
		"another path":    {http.MethodPost, "/secrets", uiOrigin, "{}", http.StatusNotFound},
		"not JSON":        {http.MethodPost, "/decode", uiOrigin, "<", http.StatusBadRequest},
		"right preflight": {http.MethodOptions, "/decode", uiOrigin, "", http.StatusNoContent},
		"no browser":      {http.MethodPost, "/decode", "", "{}", http.StatusOK},
	} {
		t.Run(name, func(t *testing.T) {
			resp, _ := request(t, tc.method, server.URL+tc.path, tc.origin, tc.body)
			require.Equal(t, tc.want, resp.StatusCode)
			if tc.want == http.StatusForbidden {
				require.Empty(t, resp.Header.Get("Access-Control-Allow-Origin"))
			}
		})
	}
}

func TestHandlerNamesTheMissingKey(t *testing.T) {
	server := serve(t, codec(t, ring(t, entry("new", 2, 32))))
	sealed := encodeOne(t, codec(t, ring(t, entry("old", 1, 32))), plain("x"))
	body, err := protojson.Marshal(&commonpb.Payloads{Payloads: []*commonpb.Payload{sealed}})
	require.NoError(t, err)
	resp, text := request(t, http.MethodPost, server.URL+"/decode", "", string(body))
	require.Equal(t, http.StatusBadRequest, resp.StatusCode)
	require.Contains(t, text, `key "old"`)
}

func TestHandlerAnswersThisMachineOnly(t *testing.T) {
	c := codec(t, ring(t, GenerateKey()))
	for name, tc := range map[string]struct {
		from string
		opts []HandlerOption
		want int
	}{
		"loopback 4":      {"127.0.0.1:1234", nil, http.StatusOK},
		"loopback 6":      {"[::1]:1234", nil, http.StatusOK},
		"elsewhere":       {"192.0.2.7:1234", nil, http.StatusForbidden},
		"no address":      {"", nil, http.StatusForbidden},
		"asked for":       {"192.0.2.7:1234", []HandlerOption{AllowRemote()}, http.StatusOK},
		"body over limit": {"127.0.0.1:1234", nil, http.StatusBadRequest},
	} {
		t.Run(name, func(t *testing.T) {
			body := io.Reader(strings.NewReader("{}"))
			if name == "body over limit" {
				body = io.MultiReader(strings.NewReader("{}"), io.LimitReader(spaces{}, MaxRequestBytes))
			}
			req := httptest.NewRequest(http.MethodPost, "/decode", body)
			req.RemoteAddr = tc.from
			recorder := httptest.NewRecorder()
			Handler(c, nil, tc.opts...).ServeHTTP(recorder, req)
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
