//go:build !linux

package loop

import (
	"errors"
	"net"
	"time"
)

var errAgain = errors.New("loop: nothing to do now")

// poller waits for wake alone.
type poller struct {
	sleeper *sleeper
	busy    bool // never
}

func (p *poller) open(*Loop) error {
	p.sleeper = newSleeper()
	return nil
}

func (p *poller) close() {}

func (p *poller) wake() { p.sleeper.wake() }

func (p *poller) arm(timeout time.Duration) error {
	p.sleeper.timeout = timeout
	return nil
}

func (p *poller) sleep(*Loop) error {
	p.sleeper.sleep()
	return nil
}

func (p *poller) collect(*Loop) error { return nil }

func (l *Loop) adoptDescriptor(net.Conn, []byte, func(*Conn) Handler) (taken, ok bool) {
	return false, false
}

func (c *Conn) moveDescriptor(*Loop, []byte, func(*Conn) Handler) bool { return false }

// server is what serves the connection.
func (c *Conn) server() server { return c.medium.server }

func unsentOfConn(net.Conn) int { return 0 }
