// Worker is one member of the fleet: it reads triggers from the SQS queue,
// starts the windows' workflows, and carries out workflows and activities.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime/debug"
	"syscall"
	"time"

	"github.com/spf13/pflag"

	"healthlake-cdc/internal/config"
	"healthlake-cdc/internal/preflight"
	"healthlake-cdc/internal/telemetry"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := realMain(ctx, os.Args[1:], os.Environ(), os.Stdout, os.Stderr)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "worker:", err)
		os.Exit(1)
	}
}

// options are the flags that have no variable.
type options struct {
	check       bool
	probe       string
	role        string
	grace       time.Duration
	startupWait time.Duration
	codecAddr   string
	codecOrigin []string
	codecEncode bool
	takeOver    bool
	pprofAddr   string
}

// What a worker process does.
const (
	roleAll      = "all"
	roleConsumer = "consumer"
	roleWorker   = "worker"
	roleCodec    = "codec"
)

const (
	// gcPercent is GOGC where it is not set: half of Go's own value. A worker's memory is
	// pages that are read, packed and gone, so that it costs little time.
	gcPercent = 50
	// defaultGrace is how long a stop may take: longer than SQS's longest poll
	// (20 s), shorter than what Kubernetes waits before it kills (30 s).
	defaultGrace = 25 * time.Second
	// defaultStartupWait is how long a worker waits at its start for what it
	// needs. Containers that start together need some seconds.
	defaultStartupWait = time.Minute
	// defaultCodecAddr is where --role codec listens.
	defaultCodecAddr = "127.0.0.1:8081"
)

// flagSet defines the flags that have no variable.
func (o *options) flagSet() *pflag.FlagSet {
	flags := pflag.NewFlagSet("worker", pflag.ContinueOnError)
	flags.SortFlags = false
	flags.BoolVar(&o.check, "check", false, "check all settings, reach every dependency, say what is missing, and exit")
	flags.StringVar(&o.probe, "probe", "", "read healthz or readyz of the worker that runs on this machine with the same settings, and exit 0 if all is well")
	flags.StringVar(&o.role, "role", roleAll, "all, consumer (only the queue), worker (only workflows and activities) or codec (only decodes payloads for the Temporal UI)")
	flags.DurationVar(&o.grace, "grace", defaultGrace, "how long work in progress may take to finish after SIGTERM")
	flags.DurationVar(&o.startupWait, "startup-wait", defaultStartupWait, "how long to wait at start for dependencies that are not reachable, before naming them and exiting")
	flags.StringVar(&o.codecAddr, "codec-addr", defaultCodecAddr, "address of the codec endpoint, with --role codec")
	flags.StringSliceVar(&o.codecOrigin, "codec-origin", []string{"http://localhost:8233", "http://127.0.0.1:8233"}, "origins of the Temporal UI that may use the codec endpoint")
	flags.BoolVar(&o.codecEncode, "codec-encode", false, "let the codec endpoint encode, too: anyone who reaches it can then write payloads that workers accept")
	flags.BoolVar(&o.takeOver, "take-over", false, "become the owner of datastores that another fleet (another task queue or event bus) captured into this namespace; not possible while that fleet still polls")
	flags.StringVar(&o.pprofAddr, "pprof-addr", "", "loopback address that serves Go's profiles, as in 127.0.0.1:6060; empty serves none")
	return flags
}

func realMain(ctx context.Context, args, environ []string, stdout, stderr io.Writer) error {
	var o options
	flags := o.flagSet()
	flags.SetOutput(stderr)
	config.BindFlags(flags)
	flags.Usage = func() { usage(stderr, flags) }
	if err := flags.Parse(args); err != nil {
		if errors.Is(err, pflag.ErrHelp) {
			return nil
		}
		return err
	}
	if flags.NArg() > 0 {
		return fmt.Errorf("unexpected argument %q: see worker --help", flags.Arg(0))
	}
	cfg, err := config.Load(programOf(o.role), environ, flags)
	if err != nil {
		return err
	}
	logger := telemetry.NewLogger(stderr, cfg.LogFormat, cfg.LogLevel)
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(gcPercent)
	}
	switch {
	case o.probe != "":
		return preflight.Health(ctx, cfg, o.probe, stdout)
	case o.check:
		return preflight.Check(ctx, cfg, logger, stdout)
	case o.role == roleCodec:
		return serveCodec(ctx, cfg, o, logger)
	case o.role == roleAll || o.role == roleConsumer || o.role == roleWorker:
		return run(ctx, cfg, o, logger)
	default:
		return fmt.Errorf("--role %q is not one of all, consumer, worker, codec", o.role)
	}
}

// programOf is the program whose required settings a role is checked against: the
// starter's for the codec, which neither polls nor publishes, the worker's for all others.
func programOf(role string) config.Program {
	if role == roleCodec {
		return config.Starter
	}
	return config.Worker
}

func usage(w io.Writer, flags *pflag.FlagSet) {
	fmt.Fprint(w, `Worker is one member of the healthlake-cdc fleet. It runs until SIGTERM or
SIGINT, lets work in progress finish within --grace, and exits 0.

Every setting is an environment variable or the flag of the same name; the flag
overrides. AWS_ and TEMPORAL_ variables are those of their SDKs.

Usage: worker [flags]

`)
	fmt.Fprint(w, flags.FlagUsages())
}
