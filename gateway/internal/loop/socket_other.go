//go:build !linux

package loop

import (
	"errors"
	"net"
)

var errAgain = errors.New("loop: nothing to do now")

func newPoller(*Loop) (poller, error) { return newSleeper(), nil }

func (l *Loop) adoptDescriptor(net.Conn, []byte, func(*Conn) Handler) (taken, ok bool) {
	return false, false
}

func (c *Conn) moveDescriptor(*Loop, []byte, func(*Conn) Handler) bool { return false }

// server is what serves the connection.
func (c *Conn) server() server { return c.medium.server }

func unsentOfConn(net.Conn) int { return 0 }
