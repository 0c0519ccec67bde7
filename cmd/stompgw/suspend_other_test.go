//go:build !unix

package main

import (
	"testing"

	"github.com/stompgw/stompgw/bus/bustest/servers"
)

func suspend(t testing.TB, _ *servers.Process) (resume func()) {
	t.Skip("a process can't be suspended here")
	return nil
}
