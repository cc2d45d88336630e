package demo

import "strings"

// queueName is the last part of a queue's URL.
func queueName(url string) string { return url[strings.LastIndexByte(url, '/')+1:] }

// silent drops what the demo's own Temporal client logs.
type silent struct{}

// Debug implements log.Logger.
func (silent) Debug(string, ...any) {}

// Info implements log.Logger.
func (silent) Info(string, ...any) {}

// Warn implements log.Logger.
func (silent) Warn(string, ...any) {}

// Error implements log.Logger.
func (silent) Error(string, ...any) {}
