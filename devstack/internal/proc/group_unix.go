//go:build unix

package proc

import (
	"errors"
	"os"
	"syscall"
)

// killGroup kills the process and whatever it started. The group is the child's own (see
// ownGroup), so the parent is never in it.
func killGroup(p *os.Process) error {
	err := syscall.Kill(-p.Pid, syscall.SIGKILL)
	if errors.Is(err, syscall.ESRCH) {
		return os.ErrProcessDone
	}
	return err
}

func terminate(p *os.Process) error { return p.Signal(syscall.SIGTERM) }
