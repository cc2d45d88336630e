package proc

import (
	"os/exec"
	"syscall"
)

// ownGroup gives the child a process group of its own, so that Ctrl-C in a terminal reaches the
// parent alone and the children end in the parent's order, and has the kernel kill the child when
// the parent is gone, however it went.
func ownGroup(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
}
