package main

import (
	"fmt"

	"go.temporal.io/server/common/log"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
)

// newLogger logs on stderr, one line an entry: the stack traces that the server's own logger adds
// to every error are longer than anything else in the demo's output. The level can be changed.
func newLogger(level string) (log.Logger, zap.AtomicLevel, error) {
	atomic, err := zap.ParseAtomicLevel(level)
	if err != nil {
		return nil, atomic, fmt.Errorf("setting the log level: %w", err)
	}
	encoder := zap.NewProductionEncoderConfig()
	encoder.EncodeTime = zapcore.ISO8601TimeEncoder
	logger, err := zap.Config{
		Level:             atomic,
		DisableCaller:     true,
		DisableStacktrace: true,
		Encoding:          "console",
		EncoderConfig:     encoder,
		OutputPaths:       []string{"stderr"},
		ErrorOutputPaths:  []string{"stderr"},
	}.Build()
	if err != nil {
		return nil, atomic, fmt.Errorf("opening the log: %w", err)
	}
	return log.NewZapLogger(logger), atomic, nil
}
