package proc_test

import (
	"bytes"
	"context"
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"healthlake-cdc/devstack/internal/proc"
)

// spec is the test binary in one of the roles of TestMain, ready when it reports it.
func spec(role string) proc.Spec {
	return proc.Spec{
		Name: role,
		Path: os.Args[0],
		Env:  []string{childEnv + "=" + role},
		Ready: func(ctx context.Context, p *proc.Process) error {
			_, err := p.WaitLine(ctx, func(line string) bool { return strings.HasPrefix(line, "ready") })
			return err
		},
	}
}

func start(t *testing.T, s proc.Spec) *proc.Process {
	t.Helper()
	p, err := proc.Start(t.Context(), s)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, p.Kill()) })
	return p
}

func TestStopLetsTheProcessEndByItself(t *testing.T) {
	var out lockedBuffer
	s := spec("serve")
	s.Output, s.Prefix = &out, "serve | "
	s.LogFile = filepath.Join(t.TempDir(), "serve.log")
	p := start(t, s)
	_, err := p.WaitLine(t.Context(), func(line string) bool { return line == "a complaint" })
	require.NoError(t, err)

	exit, err := p.Stop(t.Context())
	require.NoError(t, err)
	require.Equal(t, proc.Exit{Code: 3}, exit)
	require.False(t, exit.OK())
	require.Equal(t, "exit code 3", exit.String())
	require.False(t, p.Running())
	require.ErrorIs(t, p.Signal(syscall.SIGTERM), proc.ErrNotRunning)

	for line := range strings.Lines(out.String()) {
		require.True(t, strings.HasPrefix(line, "serve | "), line)
	}
	require.Contains(t, out.String(), "serve | a complaint\n")
	require.Contains(t, out.String(), "serve | last words\n", "a last line without an end is kept")
	file, err := os.ReadFile(s.LogFile)
	require.NoError(t, err)
	require.Equal(t, out.String(), string(file))
}

func TestStopKillsWhenTimeIsUp(t *testing.T) {
	p := start(t, spec("stubborn"))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()

	exit, err := p.Stop(ctx)
	require.ErrorIs(t, err, context.Canceled)
	require.Equal(t, syscall.SIGKILL, exit.Signal)
	require.Equal(t, "signal killed", exit.String())
}

func TestRestartIsTheSameProcessAnew(t *testing.T) {
	s := spec("serve")
	s.LogFile = filepath.Join(t.TempDir(), "serve.log")
	p := start(t, s)
	first := p.Pid()
	require.NoError(t, p.Kill())
	exit, err := p.Wait(t.Context())
	require.NoError(t, err)
	require.Equal(t, syscall.SIGKILL, exit.Signal)

	require.NoError(t, p.Restart(t.Context()))
	require.True(t, p.Running())
	require.NotEqual(t, first, p.Pid())
	require.NoError(t, p.Restart(t.Context()), "a running process is killed first")
	require.NoError(t, p.Kill())
	log, err := os.ReadFile(s.LogFile)
	require.NoError(t, err)
	require.Equal(t, 3, strings.Count(string(log), "ready "), "the log file goes on")
}

func TestStartTellsWhyAProcessIsNotReady(t *testing.T) {
	_, err := proc.Start(t.Context(), spec("reject"))
	require.ErrorContains(t, err, "exit code 2")
	require.ErrorContains(t, err, "CDC_QUEUE_URL is not set")

	s := spec("stubborn")
	s.Ready = func(context.Context, *proc.Process) error { return errors.New("no such condition") }
	_, err = proc.Start(t.Context(), s)
	require.ErrorContains(t, err, "no such condition")

	s.Path = filepath.Join(t.TempDir(), "absent")
	_, err = proc.Start(t.Context(), s)
	require.ErrorIs(t, err, os.ErrNotExist)
}

func TestEnvironment(t *testing.T) {
	t.Setenv("PROC_TEST_INHERITED", "yes")
	for _, clean := range []bool{false, true} {
		s := spec("env")
		s.CleanEnv, s.Ready = clean, nil
		s.Env = append(s.Env, "PROC_TEST_OWN=1", "PROC_TEST_OWN=2")
		p := start(t, s)
		line, err := p.WaitLine(t.Context(), func(line string) bool { return strings.Contains(line, childEnv) })
		require.NoError(t, err)
		require.Contains(t, line, "PROC_TEST_OWN=2")
		require.NotContains(t, line, "PROC_TEST_OWN=1")
		require.Equal(t, !clean, strings.Contains(line, "PROC_TEST_INHERITED"))
		exit, err := p.Wait(t.Context())
		require.NoError(t, err)
		require.True(t, exit.OK())
	}
}

func TestWaitLineFailsWhenTheOutputEnds(t *testing.T) {
	s := spec("env")
	s.Ready = nil
	p := start(t, s)
	_, err := p.WaitLine(t.Context(), func(string) bool { return false })
	require.ErrorContains(t, err, "ended without the expected line")
}

// The parent is killed by SIGKILL: it can't do anything for its child any more.
func TestAChildDoesNotOutliveItsParent(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("only Linux ends a child with its parent")
	}
	s := spec("parent")
	s.Ready = nil
	parent := start(t, s)
	line, err := parent.WaitLine(t.Context(), func(line string) bool { return strings.HasPrefix(line, "grandchild ") })
	require.NoError(t, err)
	pid, err := strconv.Atoi(strings.TrimPrefix(line, "grandchild "))
	require.NoError(t, err)
	require.NoError(t, syscall.Kill(pid, 0), "the grandchild runs")

	require.NoError(t, parent.Signal(syscall.SIGKILL)) // the process alone, not its group
	require.NoError(t, proc.Poll(t.Context(), func(context.Context) error {
		if gone(pid) {
			return nil
		}
		return errors.New("the grandchild still runs")
	}))
}

// gone reports whether a process has ended; a zombie has.
func gone(pid int) bool {
	if errors.Is(syscall.Kill(pid, 0), syscall.ESRCH) {
		return true
	}
	stat, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "stat"))
	if err != nil {
		return errors.Is(err, os.ErrNotExist)
	}
	_, rest, _ := bytes.Cut(stat, []byte(") "))
	return bytes.HasPrefix(rest, []byte("Z"))
}

func TestFreeAddressCanBeListenedOn(t *testing.T) {
	address, err := proc.FreeAddress()
	require.NoError(t, err)
	listener, err := net.Listen("tcp", address)
	require.NoError(t, err)
	require.NoError(t, listener.Close())
}

func TestHTTPReadyWaitsForStatus200(t *testing.T) {
	asked := 0
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		asked++
		if asked < 3 {
			w.WriteHeader(http.StatusServiceUnavailable)
		}
	}))
	defer server.Close()
	require.NoError(t, proc.HTTPReady(server.URL)(t.Context(), nil))
	require.Equal(t, 3, asked)
}

func TestPollEndsWithItsContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	err := proc.Poll(ctx, func(context.Context) error { cancel(); return errors.New("not yet") })
	require.ErrorIs(t, err, context.Canceled)
	require.ErrorContains(t, err, "not yet")
}

type lockedBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.Write(p)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.String()
}
