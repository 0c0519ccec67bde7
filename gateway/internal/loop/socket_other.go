//go:build !linux

package loop

import (
	"errors"
	"net"
	"net/netip"
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

func (c *Conn) detachDescriptor() (net.Conn, error) { return nil, errors.ErrUnsupported }
func (c *Conn) moveDescriptor(*Loop, []byte, func(*Conn) Handler) bool {
	return false
}
func (c *Conn) receive() ([]byte, error)       { return c.medium.receive() }
func (c *Conn) received(int)                   { c.medium.fed(c) }
func (c *Conn) transmit(b []byte) (int, error) { return c.medium.write(c, b) }
func (c *Conn) shutdown()                      { c.medium.shutdown(c) }
func (c *Conn) closeRead()                     { c.medium.closeRead() }
func (c *Conn) reset()                         { c.medium.reset() }
func (c *Conn) closeSocket()                   { c.medium.close() }
func remoteOf(int) netip.AddrPort              { return netip.AddrPort{} }
func unsentOf(int) int                         { return 0 }
func unsentOfConn(net.Conn) int                { return 0 }
