package temporalserver

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync"

	"go.temporal.io/server/common/authorization"
	"go.temporal.io/server/common/config"
	"go.temporal.io/server/common/log"
	"go.temporal.io/server/common/metrics"
	"go.temporal.io/server/temporal"
	"go.uber.org/zap"
)

// Server is a running Temporal server.
type Server struct {
	options  Options // resolved
	temporal temporal.Server
	level    zap.AtomicLevel
	ui       *webUI // nil without UI

	stop sync.Once
	err  error
}

// Start runs a server in this process and returns once its namespaces can be used and the UI
// answers. ctx bounds the start; the server runs until Stop.
func Start(ctx context.Context, options Options) (_ *Server, err error) {
	o, err := options.resolve()
	if err != nil {
		return nil, fmt.Errorf("starting Temporal: %w", err)
	}
	if err := checkFree(o.Address); err != nil {
		return nil, fmt.Errorf("starting Temporal: %w", err)
	}
	logger, level, err := newLogger(o.LogLevel)
	if err != nil {
		return nil, fmt.Errorf("starting Temporal: %w", err)
	}
	server, err := newTemporal(o, logger)
	if err != nil {
		return nil, fmt.Errorf("starting Temporal: %w", err)
	}
	if err := server.Start(); err != nil {
		return nil, fmt.Errorf("starting Temporal: %w", err)
	}
	s := &Server{options: o, temporal: server, level: level}
	defer func() {
		if err != nil {
			err = errors.Join(err, s.Stop())
		}
	}()
	for _, namespace := range o.Namespaces {
		if err := EnsureNamespace(ctx, o.Address, namespace, o.Retention); err != nil {
			return nil, fmt.Errorf("starting Temporal: %w", err)
		}
	}
	if o.UIAddress != "" {
		if s.ui, err = startUI(ctx, o); err != nil {
			return nil, fmt.Errorf("starting the Temporal UI: %w", err)
		}
	}
	return s, nil
}

func newTemporal(o Options, logger log.Logger) (temporal.Server, error) {
	db := memoryDatabase()
	if o.DatabaseFile != "" {
		var err error
		if db, err = fileDatabase(o.DatabaseFile); err != nil {
			return nil, err
		}
	}
	l, err := layOut(o.Address)
	if err != nil {
		return nil, err
	}
	return temporal.NewServer(
		temporal.WithConfig(serverConfig(o, l, db)),
		temporal.ForServices(temporal.DefaultServices),
		temporal.WithStaticHosts(l.hosts),
		temporal.WithLogger(logger),
		temporal.WithDynamicConfigClient(dynamicConfig()),
		temporal.WithCustomMetricsHandler(metrics.NoopMetricsHandler),
		temporal.WithAuthorizer(authorization.NewNoopAuthorizer()),
		temporal.WithClaimMapper(func(*config.Config) authorization.ClaimMapper {
			return authorization.NewNoopClaimMapper()
		}),
	)
}

// checkFree gives a clear error for a port in use; the server would only log that and run on.
func checkFree(address string) error {
	listener, err := net.Listen("tcp", address)
	if err != nil {
		return fmt.Errorf("the address is taken, is another server running? %w", err)
	}
	if err := listener.Close(); err != nil {
		return fmt.Errorf("giving back the address: %w", err)
	}
	return nil
}

// Address is the frontend's "ip:port", for TEMPORAL_ADDRESS.
func (s *Server) Address() string { return s.options.Address }

// UIURL is the Web UI's base URL without a slash at its end, or empty without the UI.
func (s *Server) UIURL() string { return uiURL(s.options.UIAddress) }

// Stop ends the UI and the server and waits for both. Further calls return the same.
func (s *Server) Stop() error {
	s.stop.Do(func() {
		if s.ui != nil {
			s.ui.stop()
		}
		// What is cut off by the end is an error to the server, and of no use to anybody.
		s.level.SetLevel(zap.FatalLevel)
		if err := s.temporal.Stop(); err != nil {
			s.err = fmt.Errorf("stopping Temporal: %w", err)
		}
	})
	return s.err
}
