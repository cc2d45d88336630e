//go:build !unix

package proc

import (
	"os"
	"os/exec"
)

// There are neither process groups nor SIGTERM here: a child ends by being killed.
func ownGroup(*exec.Cmd)            {}
func killGroup(p *os.Process) error { return p.Kill() }
func terminate(p *os.Process) error { return p.Kill() }
