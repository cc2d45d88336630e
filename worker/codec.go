package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"

	"healthlake-cdc/internal/config"
	"healthlake-cdc/internal/payload"
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
	server := payload.NewServer(codec, payload.Access{Origins: o.codecOrigin, Encode: o.codecEncode})
	stopped := make(chan error, 1)
	go func() {
		<-ctx.Done()
		stopCtx, cancel := context.WithTimeout(context.WithoutCancel(ctx), o.grace)
		defer cancel()
		stopped <- server.Shutdown(stopCtx)
	}()
	logger.Info("codec endpoint is serving", "address", listener.Addr().String(), "origins", o.codecOrigin,
		"namespace", namespace, "encodes", o.codecEncode)
	if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("serving the codec endpoint: %w", err)
	}
	return <-stopped
}
