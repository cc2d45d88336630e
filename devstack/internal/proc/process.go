package proc

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"sync"
	"time"
)

// pipeDelay is the time until the output pipes of a child that has exited are closed, if children
// of its own keep them open.
const pipeDelay = 2 * time.Second

// ErrNotRunning is returned for a signal to a process that has exited.
var ErrNotRunning = errors.New("process is not running")

// Spec describes a child process. The zero values of everything but Name and Path are useful.
type Spec struct {
	// Name is the name of the process in errors.
	Name string
	// Path is the binary, Args its arguments without the binary's own name.
	Path string
	Args []string
	// Env is added to the parent's environment, as "KEY=value"; the last value of a key wins.
	// With CleanEnv it is the whole environment.
	Env      []string
	CleanEnv bool
	// Dir is the working directory; empty is the parent's.
	Dir string
	// LogFile is appended to with everything that the child writes; empty keeps no file.
	LogFile string
	// Output receives the same lines, for example a terminal; nil receives none. Every line
	// arrives in one Write, so several processes may share a writer that is safe for that.
	Output io.Writer
	// Prefix precedes each line in LogFile and Output.
	Prefix string
	// EndsWithParent keeps the child's stdin open for as long as this process lives, for a child
	// that ends with its stdin. On Linux the kernel ends every child with its parent (see ownGroup).
	EndsWithParent bool
	// Ready returns nil once the process can be used and an error when it never will be. Its
	// context ends when the process exits. Nil means ready as soon as it runs.
	Ready func(ctx context.Context, p *Process) error
}

// Process is a child process that can be started again. Its methods may be called at the same
// time, except that Start and Restart must not run beside each other.
type Process struct {
	spec Spec

	mu  sync.Mutex
	run *run // the current or the last run
}

// run is one run of a process.
type run struct {
	cmd    *exec.Cmd
	output *output
	done   chan struct{} // closed once exit is set and the output is complete
	exit   Exit
}

// Start starts the process and waits until it is ready. ctx bounds that wait only: the process
// runs on until Stop or Kill, or until the parent ends. A process that is not ready is killed.
func Start(ctx context.Context, spec Spec) (*Process, error) {
	p := &Process{spec: spec}
	if err := p.start(ctx); err != nil {
		return nil, err
	}
	return p, nil
}

// Restart starts the process again with the same Spec, killing it first when it still runs.
func (p *Process) Restart(ctx context.Context) error {
	if err := p.Kill(); err != nil {
		return err
	}
	return p.start(ctx)
}

func (p *Process) start(ctx context.Context) error {
	r, err := launch(p.spec)
	if err != nil {
		return fmt.Errorf("starting %s: %w", p.spec.Name, err)
	}
	p.mu.Lock()
	p.run = r
	p.mu.Unlock()

	if p.spec.Ready == nil {
		return nil
	}
	ready, cancel := context.WithCancel(ctx)
	defer cancel()
	go func() {
		select {
		case <-r.done:
			cancel()
		case <-ready.Done():
		}
	}()
	err = p.spec.Ready(ready, p)
	if err == nil {
		return nil
	}
	if p.Running() {
		if killErr := p.Kill(); killErr != nil {
			err = errors.Join(err, killErr)
		}
		return fmt.Errorf("waiting for %s to be ready%s: %w", p.spec.Name, r.output.tail(), err)
	}
	return fmt.Errorf("starting %s: it ended with %s before it was ready%s", p.spec.Name, r.exit, r.output.tail())
}

// launch starts the command on a thread of its own. Linux delivers the parent-death signal when
// the *thread* that forked ends, not the process, so that thread has to live as long as the child.
func launch(spec Spec) (*run, error) {
	out, err := newOutput(spec)
	if err != nil {
		return nil, err
	}
	//nolint:noctx // a context would bound the process, and it outlives the call that starts it
	cmd := exec.Command(spec.Path, spec.Args...)
	cmd.Dir = spec.Dir
	cmd.Env = spec.Env
	if !spec.CleanEnv {
		cmd.Env = append(os.Environ(), spec.Env...)
	}
	stdout, stderr := out.stream(), out.stream()
	cmd.Stdout, cmd.Stderr = stdout, stderr
	cmd.WaitDelay = pipeDelay
	ownGroup(cmd)
	if spec.EndsWithParent {
		if _, err := cmd.StdinPipe(); err != nil { // cmd keeps the pipe, Wait closes it
			return nil, errors.Join(err, out.close())
		}
	}

	r := &run{cmd: cmd, output: out, done: make(chan struct{})}
	started := make(chan error, 1)
	go func() {
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		if err := cmd.Start(); err != nil {
			started <- errors.Join(err, out.close())
			return
		}
		started <- nil
		// The error repeats the process state, or reports pipes that a grandchild kept open.
		_ = cmd.Wait()
		stdout.flush()
		stderr.flush()
		r.exit = exitOf(cmd.ProcessState)
		close(r.done) // before the output ends: who finds no more lines finds that it has exited
		_ = out.close()
	}()
	if err := <-started; err != nil {
		return nil, err
	}
	return r, nil
}

func (p *Process) current() *run {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.run
}

// Pid is the process ID of the current or the last run.
func (p *Process) Pid() int { return p.current().cmd.Process.Pid }

// Done is closed when the current run has exited and all its output is written.
func (p *Process) Done() <-chan struct{} { return p.current().done }

// Running reports whether the process runs.
func (p *Process) Running() bool {
	select {
	case <-p.Done():
		return false
	default:
		return true
	}
}

// Wait waits until the process has exited by itself, or ctx ends.
func (p *Process) Wait(ctx context.Context) (Exit, error) {
	r := p.current()
	select {
	case <-r.done:
		return r.exit, nil
	case <-ctx.Done():
		return Exit{}, fmt.Errorf("waiting for %s to exit: %w", p.spec.Name, ctx.Err())
	}
}

// Signal sends a signal to the process itself, not to its group: SIGSTOP and SIGCONT pause and
// resume it. It returns ErrNotRunning when the process has exited.
func (p *Process) Signal(sig os.Signal) error {
	err := p.current().cmd.Process.Signal(sig)
	if errors.Is(err, os.ErrProcessDone) {
		err = ErrNotRunning
	}
	if err != nil {
		return fmt.Errorf("signalling %s: %w", p.spec.Name, err)
	}
	return nil
}

// Kill ends the process and its group at once (SIGKILL) and waits until it is gone. A process
// that has exited is not an error.
func (p *Process) Kill() error {
	if !p.Running() {
		return nil // its number may be another process's by now
	}
	r := p.current()
	if err := killGroup(r.cmd.Process); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return fmt.Errorf("killing %s: %w", p.spec.Name, err)
	}
	<-r.done
	return nil
}

// Stop sends SIGTERM and waits until the process has ended. If ctx ends first, the process is
// killed and the error reports it.
func (p *Process) Stop(ctx context.Context) (Exit, error) {
	r := p.current()
	if err := terminate(r.cmd.Process); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return Exit{}, fmt.Errorf("stopping %s: %w", p.spec.Name, err)
	}
	select {
	case <-r.done:
		return r.exit, nil
	case <-ctx.Done():
		if err := p.Kill(); err != nil {
			return Exit{}, err
		}
		return r.exit, fmt.Errorf("stopping %s: killed, it had not ended in time: %w", p.spec.Name, ctx.Err())
	}
}
