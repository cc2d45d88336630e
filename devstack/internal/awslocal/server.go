package awslocal

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"net/netip"
	"strconv"
	"strings"
	"sync"
	"time"
)

// maxRequestBytes bounds a request's body: 1 MiB of details may grow sixfold
// when JSON escapes it, and some room.
const maxRequestBytes = 8 << 20

const defaultMaxStored = 1 << 30

// Config of the stand-in.
type Config struct {
	Region  string // default us-west-2
	Account string // default 111122223333

	// AccessKeyID and SecretAccessKey are the only credentials that are
	// accepted. SkipSignatures accepts any request instead.
	AccessKeyID, SecretAccessKey string
	SkipSignatures               bool

	// ContainerHost is the name by which other containers reach the stand-in. If set,
	// Start accepts any address and queue URLs have the name. The stand-in's credentials
	// are public and its control endpoint unsigned: only a container network may reach it.
	ContainerHost string

	// MaxPutEventsBytes is what the entries of one PutEvents must stay under,
	// in bytes. Default 1 MiB; older partitions have 256 KiB.
	MaxPutEventsBytes int
	// MaxStoredBytes bounds the bodies held by all queues, in bytes. Default
	// 1 GiB. Beyond it, sends and puts fail until something is deleted.
	MaxStoredBytes int64
}

// A Server is the stand-in. New makes it, Start or Serve puts it on a
// listener, Close ends it.
type Server struct {
	cfg      Config
	http     *http.Server
	faults   *faultBox
	sqs      *sqsService
	events   *busService
	services map[string]*service // by prefix of X-Amz-Target
	stop     context.CancelFunc

	mu      sync.Mutex
	addr    string
	calls   map[string]int64 // by operation
	serving sync.WaitGroup
}

// New makes a stand-in with the default bus and no queue.
func New(cfg Config) (*Server, error) {
	if !cfg.SkipSignatures && (cfg.AccessKeyID == "" || cfg.SecretAccessKey == "") {
		return nil, errors.New("making AWS stand-in: give AccessKeyID and SecretAccessKey, or set SkipSignatures")
	}
	setDefaults(&cfg)
	ctx, stop := context.WithCancel(context.Background()) //nolint:forbidigo // it lives until Close, longer than any call
	s := &Server{cfg: cfg, stop: stop, faults: &faultBox{}, calls: make(map[string]int64)}
	s.sqs = &sqsService{
		region: cfg.Region, account: cfg.Account, baseURL: s.advertisedURL, maxStored: cfg.MaxStoredBytes,
		moves: &moveTasks{closed: ctx.Done()}, queues: make(map[string]*queue),
	}
	s.events = &busService{
		region: cfg.Region, account: cfg.Account, maxPutBytes: cfg.MaxPutEventsBytes,
		sqs: s.sqs, faults: s.faults, buses: make(map[string]*bus),
	}
	s.events.add(defaultBus, "")
	s.services = map[string]*service{"AmazonSQS": s.sqs.api(), "AWSEvents": s.events.api()}
	mux := http.NewServeMux()
	mux.Handle(FaultsPath, s.faults)
	mux.HandleFunc("/", s.serveAPI)
	s.http = &http.Server{
		Handler:           mux,
		ReadHeaderTimeout: 10 * time.Second,
		BaseContext:       func(net.Listener) context.Context { return ctx },
	}
	return s, nil
}

func setDefaults(cfg *Config) {
	if cfg.Region == "" {
		cfg.Region = "us-west-2"
	}
	if cfg.Account == "" {
		cfg.Account = "111122223333"
	}
	if cfg.MaxPutEventsBytes == 0 {
		cfg.MaxPutEventsBytes = defaultMaxPutBytes
	}
	if cfg.MaxStoredBytes == 0 {
		cfg.MaxStoredBytes = defaultMaxStored
	}
}

// Start listens on a loopback address (host:port, port 0 for a free one), or on
// any with a ContainerHost, and serves until Close.
func (s *Server) Start(addr string) error {
	l, err := net.Listen("tcp", addr)
	if err != nil {
		return fmt.Errorf("listening for AWS calls: %w", err)
	}
	if a, ok := l.Addr().(*net.TCPAddr); s.cfg.ContainerHost == "" && (!ok || !a.IP.IsLoopback()) {
		_ = l.Close() // the error below is what the caller needs
		return errors.New("listening for AWS calls: only loopback addresses are allowed, such as 127.0.0.1:0")
	}
	s.setAddr(l.Addr().String())
	s.serving.Go(func() { _ = s.http.Serve(l) }) // ends by Close, with ErrServerClosed
	return nil
}

// Serve serves on l until Close, and then returns http.ErrServerClosed.
func (s *Server) Serve(l net.Listener) error {
	s.setAddr(l.Addr().String())
	return s.http.Serve(l)
}

func (s *Server) setAddr(addr string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.addr = addr
}

// URL is the endpoint of both services on this machine, such as
// http://127.0.0.1:4100.
func (s *Server) URL() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	if ap, err := netip.ParseAddrPort(s.addr); err == nil && ap.Addr().IsUnspecified() {
		return "http://127.0.0.1:" + strconv.Itoa(int(ap.Port()))
	}
	return "http://" + s.addr
}

// advertisedURL is the endpoint as queue URLs carry it.
func (s *Server) advertisedURL() string {
	if s.cfg.ContainerHost == "" {
		return s.URL()
	}
	_, port, err := net.SplitHostPort(strings.TrimPrefix(s.URL(), "http://"))
	if err != nil {
		return s.URL() // a listener without ports has no other name
	}
	return "http://" + net.JoinHostPort(s.cfg.ContainerHost, port)
}

// Close ends long polls, connections and move tasks, and waits for them.
func (s *Server) Close() error {
	s.stop()
	err := s.http.Close()
	s.serving.Wait()
	s.sqs.moves.wg.Wait()
	if err != nil {
		return fmt.Errorf("closing AWS stand-in: %w", err)
	}
	return nil
}

// Region is the one that ARNs and signatures carry.
func (s *Server) Region() string { return s.cfg.Region }

// Account is the id of the account that ARNs carry.
func (s *Server) Account() string { return s.cfg.Account }

// SetFaults replaces the failures on demand.
func (s *Server) SetFaults(f Faults) { s.faults.set(f) }

// UpdateFaults changes the failures on demand from what remains of them: no call uses one
// meanwhile. Change may fill maps that are nil.
func (s *Server) UpdateFaults(change func(*Faults)) { s.faults.update(change) }

// Faults returns the remaining failures.
func (s *Server) Faults() Faults { return s.faults.get() }

// OnDeliver calls f for every message that a rule puts into a queue from now on. There
// may be several.
func (s *Server) OnDeliver(f DeliverFunc) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var hooks []DeliverFunc
	if old := s.events.hooks.Load(); old != nil {
		hooks = append(hooks, *old...)
	}
	hooks = append(hooks, f)
	s.events.hooks.Store(&hooks)
}

// OnAccept calls f for every entry that PutEvents accepts from now on, in place of the
// function before.
func (s *Server) OnAccept(f AcceptFunc) { s.events.accepted.Store(&f) }

// PutAWSEvent puts an event of an AWS service on the default bus and returns
// its id. PutEvents rejects sources that begin with "aws.".
func (s *Server) PutAWSEvent(e AWSEvent) (string, error) { return s.events.putAWSEvent(e) }

// Messages counts the messages of a queue by its name. ok is false when there
// is no such queue.
func (s *Server) Messages(queueName string) (d Depth, ok bool) {
	q := s.sqs.byName(queueName)
	if q == nil {
		return Depth{}, false
	}
	return q.depth(), true
}

// Calls counts the calls of each operation, such as "PutEvents", failed ones included.
func (s *Server) Calls() map[string]int64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return maps.Clone(s.calls)
}

func (s *Server) count(operation string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.calls[operation]++
}

// Dropped counts the entries that were put on a bus that does not exist.
func (s *Server) Dropped() int64 { return s.events.dropped.Load() }

func (s *Server) serveAPI(w http.ResponseWriter, r *http.Request) {
	prefix, operation, _ := strings.Cut(r.Header.Get("X-Amz-Target"), ".")
	svc := s.services[prefix]
	if svc == nil {
		http.Error(w, "this endpoint serves AWS JSON calls of SQS and EventBridge", http.StatusNotFound)
		return
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxRequestBytes))
	if err != nil {
		svc.writeError(w, apiErrorf("RequestEntityTooLarge", "The request could not be read, or has more than %d bytes.", maxRequestBytes))
		return
	}
	if !s.cfg.SkipSignatures {
		if err := s.verifySignature(r, body, svc.name); err != nil {
			svc.writeError(w, err)
			return
		}
	}
	call := svc.operations[operation]
	if call == nil {
		svc.writeError(w, apiErrorf("UnknownOperationException", "This stand-in has no operation %s.", operation))
		return
	}
	s.count(operation)
	latency, lose, err := s.faults.before(svc.name, operation)
	if latency > 0 && !sleep(r.Context(), latency) {
		return
	}
	if err != nil {
		svc.writeError(w, err)
		return
	}
	out, err := call(r.Context(), body)
	if lose || r.Context().Err() != nil {
		panic(http.ErrAbortHandler) // closes the connection without a response
	}
	if err != nil {
		svc.writeError(w, err)
		return
	}
	svc.write(w, out)
}

// sleep waits unless ctx ends first.
func sleep(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}
