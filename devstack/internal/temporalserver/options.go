// Package temporalserver builds and runs a real Temporal server, with its Web UI, on loopback: the
// program in devstack/temporal, as a child that can be killed and started again on the same ports
// and the same database file (StartChild), or as the one server of a test binary (ForTest).
//
// It has no accounts and no TLS and listens on loopback only. Only namespaces are created: the
// programs create search attributes and schedules, as on any server.
package temporalserver

import (
	"fmt"
	"net"
	"net/netip"
	"time"

	"healthlake-cdc/devstack/internal/proc"
)

const (
	// DefaultNamespace is what a client without TEMPORAL_NAMESPACE uses.
	DefaultNamespace = "default"
	// DefaultRetention is as long as audits need ledgers by default (CDC_AUDIT_HORIZON).
	DefaultRetention = 72 * time.Hour
	// DefaultLogLevel keeps the server quiet: it warns about things that are normal on one machine.
	DefaultLogLevel = "error"
)

// Options of a server. The zero value is a server in memory on a free port, without the UI.
type Options struct {
	// Address is the frontend's loopback "ip:port"; empty or port 0 means a free one.
	Address string
	// UIAddress is the Web UI's loopback "ip:port"; port 0 means a free one, empty no UI.
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
	return o, nil
}

// resolveAddress checks that address is on loopback and replaces port 0 with a free port.
func resolveAddress(address string) (string, error) {
	parsed, err := netip.ParseAddrPort(address)
	if err != nil {
		return "", fmt.Errorf("%w: give a loopback address and a port, such as 127.0.0.1:7233", err)
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

// args is the command line of the server's program. The ports that only the server itself uses are
// chosen here too, so that it keeps them when it is started again.
func (o Options) args() ([]string, error) {
	args := []string{"--frontend", o.Address, "--ui", o.UIAddress, "--ui-namespace", o.Namespaces[0],
		"--codec-endpoint", o.CodecEndpoint, "--db", o.DatabaseFile, "--log-level", o.LogLevel}
	for _, service := range []string{"--history", "--matching", "--worker"} {
		address, err := proc.FreeAddress()
		if err != nil {
			return nil, err
		}
		args = append(args, service, address)
	}
	return args, nil
}
