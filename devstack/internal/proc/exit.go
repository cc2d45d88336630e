package proc

import (
	"fmt"
	"os"
	"syscall"
)

// Exit is how a process ended.
type Exit struct {
	// Code is the exit code, or -1 when a signal ended the process.
	Code int
	// Signal is the signal that ended the process, or zero.
	Signal syscall.Signal
}

// OK reports whether the process ended by itself with code 0.
func (e Exit) OK() bool { return e.Code == 0 && e.Signal == 0 }

// String is "exit code 2" or "signal killed".
func (e Exit) String() string {
	if e.Signal != 0 {
		return fmt.Sprintf("signal %s", e.Signal)
	}
	return fmt.Sprintf("exit code %d", e.Code)
}

func exitOf(state *os.ProcessState) Exit {
	exit := Exit{Code: state.ExitCode()}
	if status, ok := state.Sys().(syscall.WaitStatus); ok && status.Signaled() {
		exit.Signal = status.Signal()
	}
	return exit
}
