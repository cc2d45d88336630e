package payload

import (
	"net"
	"net/http"
	"slices"

	"go.temporal.io/sdk/converter"
)

// MaxRequestBytes bounds the body of one request to [Handler]. The UI asks for
// the payloads of a page of events at once, in base64 within JSON.
const MaxRequestBytes = 64 << 20

// HandlerOption changes a [Handler].
type HandlerOption func(*handler)

// AllowRemote makes the handler answer clients that are not on this machine. It
// has no authentication of its own: whoever reaches it can read every payload.
func AllowRemote() HandlerOption { return func(h *handler) { h.remote = true } }

// Handler serves the codec to the Temporal UI and CLI: POST …/decode and
// POST …/encode, with bodies as [converter.NewPayloadCodecHTTPHandler] defines
// them.
//
// A browser may use it from the allowed origins only ("http://127.0.0.1:8080",
// scheme and port included, no wildcard), so that no other page that the operator
// has open can decode anything. Clients of other machines are refused unless
// [AllowRemote] is given.
func Handler(codec converter.PayloadCodec, allowedOrigins []string, opts ...HandlerOption) http.Handler {
	h := &handler{
		next:    http.MaxBytesHandler(converter.NewPayloadCodecHTTPHandler(codec), MaxRequestBytes),
		origins: slices.Clone(allowedOrigins),
	}
	for _, opt := range opts {
		opt(h)
	}
	return h
}

type handler struct {
	next    http.Handler
	origins []string
	remote  bool
}

func (h *handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if !h.remote && !isLoopback(r.RemoteAddr) {
		http.Error(w, "the payload codec answers this machine only", http.StatusForbidden)
		return
	}
	header := w.Header()
	header.Add("Vary", "Origin")
	header.Set("Cache-Control", "no-store")
	if origin := r.Header.Get("Origin"); origin != "" {
		if !slices.Contains(h.origins, origin) {
			http.Error(w, "this origin may not use the payload codec", http.StatusForbidden)
			return
		}
		header.Set("Access-Control-Allow-Origin", origin)
		header.Set("Access-Control-Allow-Credentials", "true")
		header.Set("Access-Control-Allow-Methods", http.MethodPost)
		// What the UI sends: the namespace, and a token where it has one.
		header.Set("Access-Control-Allow-Headers", "Content-Type, X-Namespace, Authorization")
	}
	switch r.Method {
	case http.MethodOptions:
		w.WriteHeader(http.StatusNoContent)
	case http.MethodPost:
		h.next.ServeHTTP(w, r)
	default:
		header.Set("Allow", "POST, OPTIONS")
		http.Error(w, "the payload codec takes POST", http.StatusMethodNotAllowed)
	}
}

func isLoopback(remoteAddr string) bool {
	host, _, err := net.SplitHostPort(remoteAddr)
	if err != nil {
		return false
	}
	return net.ParseIP(host).IsLoopback()
}
