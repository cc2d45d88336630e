package simulator

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	smithytime "github.com/aws/smithy-go/time"

	"healthlake-cdc/devstack/internal/sigv4"
)

// Server is the simulator: an http.Handler, and after Start a listener.
type Server struct {
	cfg    Config
	stores map[string]*datastore
	mux    *http.ServeMux
	auth   *verifier
	tokens *tokens
	trail  *trail
	faults *faults

	ids, requests, lag, digits, noticing, noticeIDs *chance
	notices                                         atomic.Pointer[Notices]
	lagFunc                                         atomic.Pointer[Lag]
	latency                                         atomic.Pointer[Latency]
	identity                                        json.RawMessage // of the records
	known                                           map[string]bool // the types that search knows

	mu     sync.Mutex
	http   *http.Server
	url    string
	served chan error
}

// New builds a simulator. It panics on a Config that contradicts itself: that
// is a mistake in the calling program.
func New(cfg Config) *Server {
	cfg, err := cfg.withDefaults()
	if err != nil {
		panic(fmt.Errorf("configuring the HealthLake simulator: %w", err))
	}
	s := &Server{
		cfg: cfg, stores: map[string]*datastore{}, faults: newFaults(), known: map[string]bool{},
		ids: newChance(cfg.Seed, streamResourceIDs), requests: newChance(cfg.Seed, streamRequestIDs),
		lag: newChance(cfg.Seed, streamLag), digits: newChance(cfg.Seed, streamDigits),
		noticing: newChance(cfg.Seed, streamNotices), noticeIDs: newChance(cfg.Seed, streamNoticeIDs),
		tokens: newTokens(newChance(cfg.Seed, streamTokens), cfg.TokenLifetime),
	}
	s.identity = userIdentity(cfg, s.now())
	s.auth = &verifier{credentials: cfg.Credentials, service: sigv4.Service{Name: Service, Region: cfg.Region}, now: s.now}
	s.trail = newTrail(cfg.Trail, cfg.Seed, s.now)
	s.SetSearchLag(cfg.SearchLag)
	s.notices.Store(&cfg.Notices)
	for _, t := range cfg.Types {
		s.known[t] = true
	}
	for _, t := range cfg.Unsearchable {
		s.known[t] = false
	}
	for _, id := range cfg.Datastores {
		s.stores[id] = newDatastore(s, id)
	}
	s.mux = s.routes()
	return s
}

// now is the store's clock, in UTC.
func (s *Server) now() time.Time { return s.cfg.Now().Add(s.cfg.ClockOffset).UTC() }

// SetSearchLag changes the lag of versions written from now on; nil is 0.
func (s *Server) SetSearchLag(lag Lag) {
	if lag == nil {
		lag = FixedLag(0)
	}
	s.lagFunc.Store(&lag)
}

func (s *Server) searchLag() Lag { return *s.lagFunc.Load() }

// Latency is how long the service takes for an answer. Zero answers at once.
type Latency struct{ Search, Read time.Duration }

// SetLatency changes the latency of requests from now on.
func (s *Server) SetLatency(l Latency) { s.latency.Store(&l) }

// think waits as long as the service takes for the request, or until its client is gone.
func (s *Server) think(ctx context.Context, kind Kind) {
	l := s.latency.Load()
	if l == nil {
		return
	}
	wait := l.Read
	switch kind {
	case KindSearch:
		wait = l.Search
	case KindWrite:
		return
	}
	_ = smithytime.SleepWithContext(ctx, wait) // the answer then goes nowhere
}

// Start listens on addr, a loopback host and port such as "127.0.0.1:0", or any
// with Config.ContainerNetwork.
func (s *Server) Start(addr string) error {
	host, _, err := net.SplitHostPort(addr)
	if err != nil {
		return fmt.Errorf("reading the simulator's address: %w", err)
	}
	ip := net.ParseIP(host)
	if loopback := host == "localhost" || ip.IsLoopback(); !loopback && !s.cfg.ContainerNetwork {
		return errors.New("the simulator listens on loopback only: use 127.0.0.1 and a port")
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.http != nil {
		return errors.New("the simulator has been started before: make a new one")
	}
	listener, err := net.Listen("tcp", addr)
	if err != nil {
		return fmt.Errorf("opening the simulator's port: %w", err)
	}
	s.url = localURL(listener.Addr())
	s.http = &http.Server{Handler: s, ReadHeaderTimeout: 10 * time.Second}
	s.served = make(chan error, 1)
	go func(h *http.Server, served chan<- error) { served <- h.Serve(listener) }(s.http, s.served)
	return nil
}

// localURL is a listener's address on this machine.
func localURL(addr net.Addr) string {
	if tcp, ok := addr.(*net.TCPAddr); ok && tcp.IP.IsUnspecified() {
		return "http://" + net.JoinHostPort("127.0.0.1", strconv.Itoa(tcp.Port))
	}
	return "http://" + addr.String()
}

// URL is the base URL on this machine, the value of CDC_HEALTHLAKE_ENDPOINT. Empty before
// Start.
func (s *Server) URL() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.url
}

// Close stops listening, drops open connections and undelivered CloudTrail records, and
// waits until everything has ended.
func (s *Server) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	defer s.trail.close()
	if s.http == nil || s.served == nil {
		return nil
	}
	closeErr := s.http.Close()
	serveErr := <-s.served
	s.served = nil
	if !errors.Is(serveErr, http.ErrServerClosed) {
		return fmt.Errorf("serving the simulator: %w", serveErr)
	}
	return closeErr
}

// ServeHTTP implements http.Handler.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Date", s.now().Format(http.TimeFormat))
	s.mux.ServeHTTP(w, r)
}

// Datastores are the ids of the stores, in the order of the Config.
func (s *Server) Datastores() []string { return append([]string(nil), s.cfg.Datastores...) }

func writeJSON(w http.ResponseWriter, value any) {
	w.Header().Set("Content-Type", "application/json")
	// An error here means that the client has disconnected.
	_ = json.NewEncoder(w).Encode(value)
}

// hang waits until the client disconnects or the server closes.
func hang(ctx context.Context) { <-ctx.Done() }
