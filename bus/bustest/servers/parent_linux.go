package servers

import (
	"os/exec"
	"syscall"
)

// endWithParent has the kernel kill cmd when the test binary ends in whatever way, by a panic or a
// time-out too.
func endWithParent(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
}
