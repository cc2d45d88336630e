package main

import (
	"errors"
	"fmt"

	"go.temporal.io/server/common/authorization"
	"go.temporal.io/server/common/config"
	"go.temporal.io/server/common/log"
	"go.temporal.io/server/common/metrics"
	"go.temporal.io/server/temporal"
	"go.uber.org/zap"
)

// server is a running Temporal server.
type server struct {
	temporal temporal.Server
	level    zap.AtomicLevel
	ui       *webUI // nil without UI
}

// start starts the server and then its UI, if wanted. If the UI came first, it would report for some
// seconds that the server is unavailable.
func start(s settings) (*server, error) {
	logger, level, err := newLogger(s.LogLevel)
	if err != nil {
		return nil, err
	}
	if s.UI != "" {
		if err := checkFree(s.UI); err != nil {
			return nil, fmt.Errorf("starting the Temporal UI: %w", err)
		}
	}
	engine, err := newTemporal(s, logger)
	if err != nil {
		return nil, fmt.Errorf("starting Temporal: %w", err)
	}
	if err := engine.Start(); err != nil {
		return nil, fmt.Errorf("starting Temporal: %w", err)
	}
	running := &server{temporal: engine, level: level}
	if s.UI != "" {
		if running.ui, err = startUI(s); err != nil {
			return nil, errors.Join(fmt.Errorf("starting the Temporal UI: %w", err), running.stop())
		}
	}
	return running, nil
}

func newTemporal(s settings, logger log.Logger) (temporal.Server, error) {
	l, err := layOut(s)
	if err != nil {
		return nil, err
	}
	db := memoryDatabase()
	if s.DatabaseFile != "" {
		if db, err = fileDatabase(s.DatabaseFile); err != nil {
			return nil, err
		}
	}
	return temporal.NewServer(
		temporal.WithConfig(serverConfig(s, l, db)),
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

// stop ends the UI and the server and waits for both.
func (s *server) stop() error {
	if s.ui != nil {
		s.ui.stop()
	}
	// What is cut off by the end is an error to the server, and of no use to anybody.
	s.level.SetLevel(zap.FatalLevel)
	if err := s.temporal.Stop(); err != nil {
		return fmt.Errorf("stopping Temporal: %w", err)
	}
	return nil
}
