package stack

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	"healthlake-cdc/devstack/internal/proc"
	"healthlake-cdc/devstack/internal/simulator"
)

// Env is what the worker and the starter need to run against this stack.
func (s *Stack) Env() []string {
	identity := simulator.DefaultCredentials
	env := []string{
		"AWS_REGION=" + Region,
		"AWS_ACCESS_KEY_ID=" + identity.AccessKeyID,
		"AWS_SECRET_ACCESS_KEY=" + identity.SecretAccessKey,
		"AWS_ENDPOINT_URL_SQS=" + s.advertised(s.AWS.URL()),
		"AWS_ENDPOINT_URL_EVENTBRIDGE=" + s.advertised(s.AWS.URL()),
		"TEMPORAL_ADDRESS=" + s.address,
		"CDC_DATASTORES=" + strings.Join(s.datastores(), ","),
		"CDC_HEALTHLAKE_ENDPOINT=" + s.advertised(s.Simulator.URL()),
		"CDC_QUEUE_URL=" + s.Outputs["QueueUrl"],
		"CDC_EVENT_BUS=" + s.Outputs["BusName"],
	}
	env = append(env, s.options.Settings...)
	if s.options.Plaintext {
		return append(env, "CDC_INSECURE_PLAINTEXT=true")
	}
	return append(env, "CDC_PAYLOAD_KEYS="+s.Keys)
}

// advertised is a part's URL as workers call it.
func (s *Stack) advertised(local string) string {
	if s.options.ContainerHost == "" {
		return local
	}
	return "http://" + net.JoinHostPort(s.options.ContainerHost, local[strings.LastIndexByte(local, ':')+1:])
}

// Binary builds one of the real programs and returns its path.
func (s *Stack) Binary(ctx context.Context, name string) (string, error) {
	return proc.Program(ctx, "healthlake-cdc/"+name)
}

// StartWorker starts one more real worker with the stack's settings and extra,
// and returns once it runs. Its metrics are on a free port.
func (s *Stack) StartWorker(ctx context.Context, extra ...string) (*Worker, error) {
	path, err := s.Binary(ctx, "worker")
	if err != nil {
		return nil, err
	}
	name := fmt.Sprintf("worker-%d", len(s.workers)+1)
	for attempt := 1; ; attempt++ {
		worker, err := s.startWorker(ctx, path, name, extra)
		// The port was free when it was chosen; another process may have it now.
		if err == nil || attempt == maxStartAttempts || !strings.Contains(err.Error(), "choose another CDC_METRICS_ADDR") {
			return worker, err
		}
	}
}

// maxStartAttempts bounds the starts of a worker whose port is in use.
const maxStartAttempts = 3

func (s *Stack) startWorker(ctx context.Context, path, name string, extra []string) (*Worker, error) {
	metrics, err := proc.FreeAddress()
	if err != nil {
		return nil, err
	}
	env := append(s.Env(), "CDC_METRICS_ADDR="+metrics)
	process, err := proc.Start(ctx, proc.Spec{
		Name: name, Path: path, Args: s.options.WorkerArgs, Env: append(env, extra...), CleanEnv: true,
		LogFile: filepath.Join(s.Dir, name+".log"), Output: s.options.Output, Prefix: name + "  ",
		Ready: proc.HTTPReady("http://" + metrics + "/readyz"),
	})
	if err != nil {
		return nil, fmt.Errorf("starting %s (its log is %s): %w", name, filepath.Join(s.Dir, name+".log"), err)
	}
	s.workers = append(s.workers, process)
	return &Worker{Process: process, Name: name, MetricsURL: "http://" + metrics, Log: filepath.Join(s.Dir, name+".log")}, nil
}

// Worker is a running worker process.
type Worker struct {
	*proc.Process
	Name       string
	MetricsURL string
	Log        string
}

// StopWorkers stops all workers gracefully, side by side.
func (s *Stack) StopWorkers(ctx context.Context) error {
	errs := make([]error, len(s.workers))
	var wait sync.WaitGroup
	for i, worker := range s.workers {
		wait.Go(func() {
			if worker.Running() {
				_, errs[i] = worker.Stop(ctx)
			}
		})
	}
	wait.Wait()
	s.workers = slices.DeleteFunc(s.workers, func(p *proc.Process) bool { return !p.Running() })
	return errors.Join(errs...)
}

// Starter runs the operator's command and returns what it printed.
func (s *Stack) Starter(ctx context.Context, args ...string) (stdout, stderr string, err error) {
	path, err := s.Binary(ctx, "starter")
	if err != nil {
		return "", "", err
	}
	var out, errOut bytes.Buffer
	command := exec.CommandContext(ctx, path, args...)
	command.Env = s.Env()
	command.Stdout, command.Stderr = &out, &errOut
	err = command.Run()
	return out.String(), errOut.String(), err
}
