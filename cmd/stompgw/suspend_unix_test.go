//go:build unix

package main

import (
	"fmt"
	"os"
	"strings"
	"syscall"
	"testing"

	"github.com/stompgw/stompgw/bus/bustest"
	"github.com/stompgw/stompgw/bus/bustest/servers"
)

// suspend has a server say nothing, on connections that stay, until resume is called.
func suspend(t testing.TB, p *servers.Process) (resume func()) {
	t.Helper()
	p.Signal(t, syscall.SIGSTOP)
	bustest.Eventually(t, "all its threads have stopped", func() bool {
		stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", p.PID()))
		return err != nil || strings.Contains(string(stat), ") T ") // there is no such file elsewhere
	})
	return func() {
		t.Helper()
		p.Signal(t, syscall.SIGCONT)
	}
}
