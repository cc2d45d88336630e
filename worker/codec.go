package main

import (
	"context"
	"fmt"
	"log/slog"
	"net"

	"healthlake-cdc/internal/config"
	"healthlake-cdc/internal/payload"
	"healthlake-cdc/internal/telemetry"
	"healthlake-cdc/internal/temporal"
)

// serveCodec decodes payloads for the Temporal UI in a browser on this machine.
// It returns patient data: by default it listens on loopback only, and it accepts
// requests from the named origins only.
func serveCodec(ctx context.Context, cfg *config.Config, o options, logger *slog.Logger) error {
	namespace, err := temporal.Namespace()
	if err != nil {
		return err
	}
	codec, err := cfg.Codec(namespace, nil)
	if err != nil {
		return err
	}
	listener, err := net.Listen("tcp", o.codecAddr)
	if err != nil {
		return fmt.Errorf("listening for the codec endpoint: %w: choose another --codec-addr", err)
	}
	logger.Info("codec endpoint is serving", "address", listener.Addr().String(), "origins", o.codecOrigin,
		"namespace", namespace, "encodes", o.codecEncode)
	server := payload.NewServer(codec, payload.Access{Origins: o.codecOrigin, Encode: o.codecEncode})
	if err := telemetry.Serve(ctx, server, listener, o.grace); err != nil {
		return fmt.Errorf("serving the codec endpoint: %w", err)
	}
	return nil
}
