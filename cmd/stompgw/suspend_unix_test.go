//go:build unix

package main

import (
	"syscall"
	"testing"

	"github.com/stompgw/stompgw/bus/bustest/servers"
)

// suspend has a server say nothing, on connections that stay, until resume is called.
func suspend(t testing.TB, p *servers.Process) (resume func()) {
	t.Helper()
	p.Signal(t, syscall.SIGSTOP)
	return func() {
		t.Helper()
		p.Signal(t, syscall.SIGCONT)
	}
}
