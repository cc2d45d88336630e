// Package temporalserver embeds a real Temporal server, with its Web UI, on loopback: in the test
// process (ForTest), in any process (Start), or as a child that can be killed and started again on
// the same ports and the same database file (StartChild, RunChild).
//
// It has no accounts and no TLS and listens on loopback only. Nothing of ours is registered in it
// but the namespaces: search attributes and schedules are made by the programs, as on any server.
package temporalserver

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"net/netip"
	"strings"
	"time"

	"healthlake-cdc/devstack/internal/proc"
)

const (
	// DefaultAddress and DefaultUIAddress are the ports that Temporal's own tools look for.
	DefaultAddress   = "127.0.0.1:7233"
	DefaultUIAddress = "127.0.0.1:8233"
	// DefaultNamespace is what a client without TEMPORAL_NAMESPACE uses.
	DefaultNamespace = "default"
	// DefaultRetention keeps closed windows as long as the longest default audit horizon
	// (CDC_AUDIT_HORIZON) counts on their ledgers.
	DefaultRetention = 72 * time.Hour
	// DefaultLogLevel keeps the server quiet: it warns of things that are normal on one machine.
	DefaultLogLevel = "error"
)

// Options of a server. The zero value is a server in memory on a free port, without the UI.
type Options struct {
	// Address is the frontend's loopback "ip:port"; empty or port 0 takes a free one.
	Address string
	// UIAddress is the Web UI's loopback "ip:port", port 0 takes a free one; empty means no UI.
	UIAddress string
	// DatabaseFile is the SQLite file, created when absent; empty keeps everything in memory.
	DatabaseFile string
	// Namespaces are created when absent; empty means DefaultNamespace.
	Namespaces []string
	// Retention of closed executions, at least a second; 0 means DefaultRetention. It is applied
	// to namespaces that exist as well.
	Retention time.Duration
	// CodecEndpoint is the URL of a payload codec's HTTP handler, which the *browser* calls.
	CodecEndpoint string
	// LogLevel is debug, info, warn or error; empty means DefaultLogLevel. The log is on stderr.
	LogLevel string
}

// resolve fills in the defaults and turns port 0 into free ports, so that a server that is started
// again from the result has the same addresses.
func (o Options) resolve() (Options, error) {
	var err error
	if o.Address == "" {
		o.Address = "127.0.0.1:0"
	}
	if o.Address, err = resolveAddress(o.Address); err != nil {
		return Options{}, fmt.Errorf("choosing the frontend's address: %w", err)
	}
	if o.UIAddress != "" {
		if o.UIAddress, err = resolveAddress(o.UIAddress); err != nil {
			return Options{}, fmt.Errorf("choosing the UI's address: %w", err)
		}
	}
	if len(o.Namespaces) == 0 {
		o.Namespaces = []string{DefaultNamespace}
	}
	if o.Retention == 0 {
		o.Retention = DefaultRetention
	}
	if o.Retention < time.Second {
		return Options{}, fmt.Errorf("retention %s is too short: give at least a second", o.Retention)
	}
	if o.LogLevel == "" {
		o.LogLevel = DefaultLogLevel
	}
	switch o.LogLevel {
	case "debug", "info", "warn", "error":
	default:
		return Options{}, fmt.Errorf("log level %q is unknown: give debug, info, warn or error", o.LogLevel)
	}
	return o, nil
}

// resolveAddress checks that address is on loopback and puts a free port in the place of port 0.
func resolveAddress(address string) (string, error) {
	parsed, err := netip.ParseAddrPort(address)
	if err != nil {
		return "", fmt.Errorf("%w: give a loopback address and a port, such as %s", err, DefaultAddress)
	}
	if !parsed.Addr().IsLoopback() {
		return "", fmt.Errorf("%s is not on loopback: this server has no accounts, so it stays on 127.0.0.1", parsed.Addr())
	}
	if parsed.Port() != 0 {
		return parsed.String(), nil
	}
	free, err := proc.FreeAddress()
	if err != nil {
		return "", err
	}
	_, port, err := net.SplitHostPort(free)
	if err != nil {
		return "", fmt.Errorf("reading a free address: %w", err)
	}
	return net.JoinHostPort(parsed.Addr().String(), port), nil
}

// listValue is a flag that may be given several times.
type listValue struct{ list *[]string }

func (v listValue) String() string {
	if v.list == nil {
		return ""
	}
	return strings.Join(*v.list, ",")
}

func (v listValue) Set(s string) error {
	if s == "" {
		return errors.New("it is empty")
	}
	*v.list = append(*v.list, s)
	return nil
}

// Args is the command line of RunChild that gives these options; ParseArgs is its inverse.
func (o Options) Args() []string {
	args := []string{"--addr", o.Address, "--ui-addr", o.UIAddress, "--db", o.DatabaseFile,
		"--retention", o.Retention.String(), "--codec-endpoint", o.CodecEndpoint, "--log-level", o.LogLevel}
	for _, namespace := range o.Namespaces {
		args = append(args, "--namespace", namespace)
	}
	return args
}

// ParseArgs reads a command line of RunChild; usage receives the help text. Flags that are absent
// have the defaults of a server that is run by hand: the usual ports, in memory.
func ParseArgs(args []string, usage io.Writer) (Options, error) {
	var o Options
	flags := flag.NewFlagSet("temporal", flag.ContinueOnError)
	flags.SetOutput(usage)
	flags.StringVar(&o.Address, "addr", DefaultAddress, "loopback `ip:port` of the frontend; port 0 takes a free one")
	flags.StringVar(&o.UIAddress, "ui-addr", DefaultUIAddress, "loopback `ip:port` of the Web UI; empty means no UI")
	flags.StringVar(&o.DatabaseFile, "db", "", "SQLite `file`; empty keeps everything in memory")
	flags.Var(listValue{&o.Namespaces}, "namespace", "`name` of a namespace to create, may be repeated (default \""+DefaultNamespace+"\")")
	flags.DurationVar(&o.Retention, "retention", DefaultRetention, "how long closed executions are kept")
	flags.StringVar(&o.CodecEndpoint, "codec-endpoint", "", "`URL` of the payload codec for the Web UI")
	flags.StringVar(&o.LogLevel, "log-level", DefaultLogLevel, "debug, info, warn or error, on stderr")
	if err := flags.Parse(args); err != nil {
		return Options{}, fmt.Errorf("reading the temporal command's flags: %w", err)
	}
	if flags.NArg() > 0 {
		return Options{}, fmt.Errorf("the temporal command takes flags only: %q is none", flags.Arg(0))
	}
	return o, nil
}
