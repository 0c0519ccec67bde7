package loop

import (
	"errors"
	"net"
	"net/netip"
	"slices"
	"sync/atomic"
)

// streamBuffer is what the goroutine of a stream reads at a time, in bytes.
const streamBuffer = 4 << 10

// streamPiece is what is written at a time, in bytes.
const streamPiece = 64 << 10

// stream serves a connection that is a net.Conn: one goroutine reads and hands each piece to the
// loop, and waits until the loop wants more; a write runs on a goroutine of its own while it lasts.
// Nothing that the net.Conn might wait in is called on the loop.
type stream struct {
	nc   net.Conn
	more chan struct{} // the loop wants the next piece; closed when it wants none

	left atomic.Int64 // bytes of the write that lasts

	// Owned by the loop.
	piece   []byte // read and not yet taken by receive
	err     error  // of the read, told after piece
	waiting bool   // the goroutine waits for more
	writing bool
}

// AdoptConn makes the loop the owner of nc and of rest, which was read of it before. newHandler runs
// on the loop. If the loop has stopped, nc is closed and the result is false.
func (l *Loop) AdoptConn(nc net.Conn, rest []byte, newHandler func(*Conn) Handler) bool {
	if taken, ok := l.adoptDescriptor(nc, rest, newHandler); taken {
		return ok
	}
	return l.adoptStream(nc, rest, newHandler)
}

func (l *Loop) adoptStream(nc net.Conn, rest []byte, newHandler func(*Conn) Handler) bool {
	ok := l.Post(func() {
		s := &stream{nc: nc, more: make(chan struct{}, 1), waiting: true}
		c := &Conn{fd: -1, medium: &medium{s}}
		l.begin(c, rest, newHandler)
		l.wg.Go(func() { s.read(c) })
		c.enqueue() // to ask for the first piece
	})
	if !ok {
		nc.Close()
	}
	return ok
}

// read runs on the stream's goroutine.
func (s *stream) read(c *Conn) {
	buf := make([]byte, streamBuffer)
	for range s.more {
		n, err := s.nc.Read(buf)
		posted := c.loop.Post(func() {
			s.piece, s.err, s.waiting = buf[:n], err, true
			c.enqueue()
		})
		if err != nil || !posted {
			return
		}
	}
}

// receive returns the piece that waits, or why there is none; if one is still to be had, it asks
// for it.
func (s *stream) receive() ([]byte, error) {
	switch {
	case !s.waiting:
		return nil, errAgain
	case len(s.piece) > 0:
		b := s.piece
		s.piece = nil
		return b, nil
	case s.err != nil:
		return nil, s.err
	}
	s.ask()
	return nil, errAgain
}

// fed tells that the Handler is done with the piece. A paused connection asks for no other, so that
// nothing is read ahead of Detach.
func (s *stream) fed(c *Conn, _ int) {
	switch {
	case c.closed || c.paused:
	case s.err != nil:
		c.enqueue() // to be told of it
	default:
		s.ask()
	}
}

func (s *stream) ask() {
	s.waiting = false
	s.more <- struct{}{}
}

// write takes all of b, or nothing while an earlier write lasts. b is copied: it is only borrowed.
func (s *stream) write(c *Conn, b []byte) (int, error) {
	if s.writing {
		return 0, errAgain
	}
	s.writing, c.blocked = true, true
	s.left.Store(int64(len(b))) // before anybody asks how much is on its way
	b = slices.Clone(b)
	c.loop.wg.Go(func() {
		err := s.writeAll(b)
		c.loop.Post(func() {
			s.writing = false
			switch {
			case c.closed:
			case err != nil:
				c.sever(err)
			default:
				c.writable()
			}
		})
	})
	return len(b), nil
}

// writeAll writes in pieces, so that it can be seen how it gets on.
func (s *stream) writeAll(b []byte) error {
	for len(b) > 0 {
		n, err := s.nc.Write(b[:min(len(b), streamPiece)])
		if err != nil {
			return err
		}
		b = b[n:]
		s.left.Store(int64(len(b)))
	}
	return nil
}

// unsent is what the write that lasts has not written, and what the system still has.
func (s *stream) unsent() int { return int(s.left.Load()) + unsentOfConn(s.socket()) }

// shutdown closes our side. A net.Conn that has no sides is closed.
func (s *stream) shutdown(c *Conn) {
	nc, ok := s.nc.(interface{ CloseWrite() error })
	if !ok {
		c.close()
		return
	}
	c.loop.wg.Go(func() { nc.CloseWrite() }) // it fails when the other side has reset: the read tells
}

// closeRead makes the read end after what has arrived.
func (s *stream) closeRead() {
	if nc, ok := s.socket().(interface{ CloseRead() error }); ok {
		nc.CloseRead() // it fails when the other side has reset: the read tells
		return
	}
	s.nc.Close()
}

func (s *stream) reset() {
	if nc, ok := s.socket().(interface{ SetLinger(sec int) error }); ok {
		nc.SetLinger(0) // it fails when there is no connection to reset any more
	}
}

// close closes what is under TLS first, or the loop would wait for TLS to say goodbye.
func (s *stream) close() {
	close(s.more)
	s.socket().Close()
	s.nc.Close()
}

// socket is what is under TLS.
func (s *stream) socket() net.Conn {
	if nc, ok := s.nc.(interface{ NetConn() net.Conn }); ok {
		return nc.NetConn()
	}
	return s.nc
}

// detach gives the net.Conn back, of which nobody reads: what came last is being fed.
func (s *stream) detach() (net.Conn, error) {
	if !s.waiting || s.writing {
		s.close()
		return nil, errors.New("loop: a connection that is being read or written can't be detached")
	}
	close(s.more)
	return s.nc, nil
}

func (s *stream) remote() netip.AddrPort {
	addr, err := netip.ParseAddrPort(s.nc.RemoteAddr().String())
	if err != nil {
		return netip.AddrPort{}
	}
	return netip.AddrPortFrom(addr.Addr().Unmap(), addr.Port())
}
