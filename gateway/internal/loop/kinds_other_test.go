//go:build !linux

package loop

import (
	"net"
	"testing"
)

// descriptorKinds are the connections that a loop serves without a net.Conn.
func descriptorKinds() []kind { return nil }

// socketPair returns the two ends of a connection, which holds little.
func socketPair(t testing.TB) (ours net.Conn, theirs client) {
	t.Helper()
	a, b := tcpPair(t)
	a.(*net.TCPConn).SetWriteBuffer(64 << 10)
	b.SetReadBuffer(64 << 10)
	return a, b
}

// openFiles can't be counted here: every count is the same.
func openFiles(testing.TB) int { return 0 }
