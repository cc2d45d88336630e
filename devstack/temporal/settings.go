package main

import (
	"flag"
	"fmt"
	"io"
)

// settings of a server. Addresses are "ip:port" on loopback, none with port 0.
type settings struct {
	// Frontend is the address for clients, the others are of the server's other services.
	Frontend, History, Matching, Worker string
	// UI is the Web UI's address; empty means no UI.
	UI string
	// UINamespace is the namespace that the UI shows first.
	UINamespace string
	// CodecEndpoint is the URL of a payload codec's HTTP handler, which the *browser* calls.
	CodecEndpoint string
	// DatabaseFile is the SQLite file, created when absent; empty keeps everything in memory.
	DatabaseFile string
	// LogLevel is debug, info, warn or error. The log is on stderr.
	LogLevel string
}

// parseSettings reads the command line; usage receives the help text.
func parseSettings(args []string, usage io.Writer) (settings, error) {
	var s settings
	flags := flag.NewFlagSet("temporal", flag.ContinueOnError)
	flags.SetOutput(usage)
	flags.StringVar(&s.Frontend, "frontend", "127.0.0.1:7233", "loopback `ip:port` for clients")
	flags.StringVar(&s.History, "history", "127.0.0.1:7234", "loopback `ip:port` of the history service")
	flags.StringVar(&s.Matching, "matching", "127.0.0.1:7235", "loopback `ip:port` of the matching service")
	flags.StringVar(&s.Worker, "worker", "127.0.0.1:7239", "loopback `ip:port` of the server's own worker")
	flags.StringVar(&s.UI, "ui", "", "loopback `ip:port` of the Web UI; empty means no UI")
	flags.StringVar(&s.UINamespace, "ui-namespace", "default", "`name` of the namespace that the UI shows first")
	flags.StringVar(&s.CodecEndpoint, "codec-endpoint", "", "`URL` of the payload codec for the Web UI")
	flags.StringVar(&s.DatabaseFile, "db", "", "SQLite `file`; empty keeps everything in memory")
	flags.StringVar(&s.LogLevel, "log-level", "error", "debug, info, warn or error, on stderr")
	if err := flags.Parse(args); err != nil {
		return settings{}, fmt.Errorf("reading flags: %w", err)
	}
	if flags.NArg() > 0 {
		return settings{}, fmt.Errorf("there are flags only: %q is none", flags.Arg(0))
	}
	return s, nil
}
