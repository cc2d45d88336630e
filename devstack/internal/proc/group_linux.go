package proc

import (
	"os/exec"
	"syscall"
)

// ownGroup gives the child a process group of its own, so that Ctrl-C in a terminal reaches only the
// parent, which then stops its children in order. The kernel kills the child when the parent ends.
func ownGroup(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
}
