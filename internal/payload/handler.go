package payload

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"time"

	"go.temporal.io/sdk/converter"
)

const (
	// maxRequestBytes bounds the body of one request. The UI asks for the payloads of a
	// few events at once, in base64 within JSON; a payload has 2 MiB at most.
	maxRequestBytes = 16 << 20
	// maxMembers bounds the objects and members in a request's JSON: in memory the
	// smallest are fifty times as large as written. A payload has about six.
	maxMembers = 60_000
	// maxRequests is how many requests are answered at once; others wait. One may
	// use about five times MaxDecodedBytes: decoded, in base64, and as JSON.
	maxRequests = 2
)

// Access is who may use a codec endpoint, and for what.
type Access struct {
	// Origins are the pages that may use it in a browser ("http://127.0.0.1:8080",
	// scheme and port included, no wildcard), so that no other page that the operator
	// has open can decode anything.
	Origins []string
	// Remote also serves clients that are not on this machine, without authentication.
	Remote bool
	// Encode also encodes: a client can then start workflows as we do.
	Encode bool
}

// NewServer serves the codec to the Temporal UI and CLI: POST …/decode, and where it is
// allowed POST …/encode, with bodies as [converter.NewPayloadCodecHTTPHandler] defines
// them. A request's payloads may decompress to [MaxDecodedBytes] together. Slow clients
// are cut off.
//
// Payloads are decoded for the namespace in the header X-Namespace, as the UI does, or
// else for the codec's own, and may be of any of its workflows. What no key encrypted is
// passed on as it is: an operator must be able to look at a forged payload.
func NewServer(codec *Codec, access Access) *http.Server {
	return &http.Server{
		Handler: newHandler(codec, access), ReadHeaderTimeout: 5 * time.Second, ReadTimeout: 30 * time.Second,
		WriteTimeout: 2 * time.Minute, // from the end of the header, with the wait for other requests
		IdleTimeout:  2 * time.Minute, MaxHeaderBytes: 16 << 10,
	}
}

type handler struct {
	Access
	codec *Codec
	slots chan struct{}
}

func newHandler(codec *Codec, access Access) *handler {
	display := *codec
	display.display = true
	return &handler{Access: access, codec: &display, slots: make(chan struct{}, maxRequests)}
}

func (h *handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if !h.Remote && !isLoopback(r.RemoteAddr) {
		http.Error(w, "the payload codec serves this machine only", http.StatusForbidden)
		return
	}
	header := w.Header()
	header.Add("Vary", "Origin")
	header.Set("Cache-Control", "no-store")
	if origin := r.Header.Get("Origin"); origin != "" {
		if !slices.Contains(h.Origins, origin) {
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
		h.post(w, r)
	default:
		header.Set("Allow", "POST, OPTIONS")
		http.Error(w, "the payload codec accepts POST", http.StatusMethodNotAllowed)
	}
}

// post serves a request when one of the slots is free.
func (h *handler) post(w http.ResponseWriter, r *http.Request) {
	if !h.Encode && strings.HasSuffix(r.URL.Path, "/encode") {
		http.Error(w, "the payload codec only decodes: start it with --codec-encode to encode", http.StatusForbidden)
		return
	}
	select {
	case h.slots <- struct{}{}:
		defer func() { <-h.slots }()
	case <-r.Context().Done():
		return
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxRequestBytes))
	var tooLarge *http.MaxBytesError
	switch {
	case errors.As(err, &tooLarge):
		http.Error(w, fmt.Sprintf("the request has more than %d bytes", maxRequestBytes), http.StatusRequestEntityTooLarge)
		return
	case err != nil:
		http.Error(w, "the request could not be read", http.StatusBadRequest)
		return
	case bytes.Count(body, []byte("{"))+bytes.Count(body, []byte(":")) > maxMembers:
		http.Error(w, "the request has too many payloads", http.StatusRequestEntityTooLarge)
		return
	}
	codec := *h.codec
	if namespace := r.Header.Get("X-Namespace"); namespace != "" {
		codec.namespace = namespace
	}
	r.Body = io.NopCloser(bytes.NewReader(body))
	converter.NewPayloadCodecHTTPHandler(&codec).ServeHTTP(w, r)
}

func isLoopback(remoteAddr string) bool {
	host, _, err := net.SplitHostPort(remoteAddr)
	if err != nil {
		return false
	}
	return net.ParseIP(host).IsLoopback()
}
