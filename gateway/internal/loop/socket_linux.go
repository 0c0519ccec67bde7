package loop

import (
	"errors"
	"io"
	"net"
	"net/netip"
	"os"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

const errAgain = unix.EAGAIN

// epoll waits in epoll(7). Each descriptor is armed once, edge-triggered, for input and output:
// a turn that leaves bytes unread puts the connection on the ready list itself.
//
// A loop sleeps in Go's own poller, to which the epoll descriptor is one as any other: a thread that
// blocks in epoll_wait(2) makes the scheduler hand processors to and fro. The descriptor's read
// deadline says how long; whoever posts to a sleeping loop sets it into the past.
type epoll struct {
	loop   *Loop
	fd     int      // file's: nobody else closes it
	file   *os.File // which owns it
	conn   syscall.RawConn
	events []unix.EpollEvent
	look   func(uintptr) bool // collects for sleep; made once, so that a sleep does not allocate
	looks  int                // calls of look by the present sleep
	looked error              // of the last of them
}

func newPoller(l *Loop) (poller, error) {
	fd, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		return nil, os.NewSyscallError("epoll_create1", err)
	}
	unix.SetNonblock(fd, true) // what NewFile goes by; if it fails, there are no deadlines
	p := &epoll{loop: l, fd: fd, file: os.NewFile(uintptr(fd), "epoll"), events: make([]unix.EpollEvent, 256)}
	if err = p.arm(-1); err == nil {
		p.conn, err = p.file.SyscallConn()
	}
	if err != nil {
		p.close()
		return nil, err
	}
	p.look = func(uintptr) bool {
		p.looks++
		p.looked = p.collect()
		return l.busy || p.looked != nil
	}
	return p, nil
}

func (p *epoll) close() { p.file.Close() }

func (p *epoll) arm(timeout time.Duration) error {
	var due time.Time
	if timeout >= 0 {
		due = time.Now().Add(timeout)
	}
	return p.file.SetReadDeadline(due)
}

func (p *epoll) wake() { p.file.SetReadDeadline(time.Unix(1, 0)) } // arm has succeeded, so this does

// sleep marks what has come whatever ends it, so that no timer judges a client whose bytes are there.
func (p *epoll) sleep() error {
	p.looks = 0
	err := p.conn.Read(p.look)
	if err == nil {
		err = p.looked
	} else if errors.Is(err, os.ErrDeadlineExceeded) {
		err = p.collect()
	}
	p.loop.busy = p.looks == 1 && p.loop.busy
	return err
}

// collect is a bare system call, of which the runtime need not know: it does not wait.
func (p *epoll) collect() error {
	p.loop.busy = false
	n, _, errno := unix.RawSyscall6(unix.SYS_EPOLL_PWAIT, uintptr(p.fd),
		uintptr(unsafe.Pointer(&p.events[0])), uintptr(len(p.events)), 0, 0, 0)
	if errno == unix.EINTR {
		return nil
	}
	if errno != 0 {
		return os.NewSyscallError("epoll_pwait", errno)
	}
	for _, ev := range p.events[:n] {
		if c := p.loop.conns.get(uint32(ev.Fd), uint32(ev.Pad)); c != nil {
			c.event(ev.Events)
		}
	}
	p.loop.busy = n > 0
	return nil
}

// control changes what a loop, which has epoll, waits for.
func (l *Loop) control(op, fd int, ev *unix.EpollEvent) error {
	return os.NewSyscallError("epoll_ctl", unix.EpollCtl(l.poller.(*epoll).fd, op, fd, ev))
}

func (c *Conn) event(events uint32) {
	if events&(unix.EPOLLRDHUP|unix.EPOLLHUP|unix.EPOLLERR) != 0 {
		c.peer = max(c.peer, hung)
	}
	if events&unix.EPOLLOUT != 0 && c.blocked {
		c.writable()
	}
	if events&(unix.EPOLLIN|unix.EPOLLRDHUP|unix.EPOLLHUP|unix.EPOLLERR) != 0 {
		c.enqueue()
	}
}

// Adopt makes the loop the owner of a connected, non-blocking stream socket, and of rest, which was read of it before.
// newHandler runs on the loop. If the loop has stopped, the descriptor is closed and the result is false.
func (l *Loop) Adopt(fd int, rest []byte, newHandler func(*Conn) Handler) bool {
	ok := l.Post(func() { l.adopt(fd, rest, newHandler) })
	if !ok {
		unix.Close(fd)
	}
	return ok
}

func (l *Loop) adopt(fd int, rest []byte, newHandler func(*Conn) Handler) {
	c := &Conn{fd: int32(fd)}
	if l.begin(c, rest, newHandler); c.closed {
		return
	}
	ev := unix.EpollEvent{
		Events: unix.EPOLLIN | unix.EPOLLOUT | unix.EPOLLRDHUP | unix.EPOLLET,
		Fd:     int32(c.slot), Pad: int32(c.gen),
	}
	if err := l.control(unix.EPOLL_CTL_ADD, fd, &ev); err != nil {
		c.fail(err)
	}
}

// adoptDescriptor takes the descriptor out of nc, if it is a plain socket. It is duplicated, since
// nc closes its own.
func (l *Loop) adoptDescriptor(nc net.Conn, rest []byte, newHandler func(*Conn) Handler) (taken, ok bool) {
	if _, ok := l.poller.(*epoll); !ok {
		return false, false
	}
	switch nc.(type) {
	case *net.TCPConn, *net.UnixConn:
	default:
		return false, false
	}
	raw, err := nc.(syscall.Conn).SyscallConn()
	if err != nil {
		return false, false
	}
	fd := -1
	if err := raw.Control(func(own uintptr) {
		fd, err = unix.FcntlInt(own, unix.F_DUPFD_CLOEXEC, 0)
	}); err != nil || fd < 0 {
		return false, false
	}
	unix.SetNonblock(fd, true)
	nc.Close()
	return true, l.Adopt(fd, rest, newHandler)
}

// moveDescriptor gives the descriptor to another loop as it is.
func (c *Conn) moveDescriptor(to *Loop, rest []byte, newHandler func(*Conn) Handler) bool {
	fd := int(c.fd)
	c.loop.control(unix.EPOLL_CTL_DEL, fd, nil) // the socket lives on, and so would its events
	c.leave()
	return to.Adopt(fd, rest, newHandler)
}

// descriptor serves a connection that has a raw one: it is the connection.
type descriptor Conn

// server is what serves the connection.
func (c *Conn) server() server {
	if c.medium != nil {
		return c.medium.server
	}
	return (*descriptor)(c)
}

// receive reads once, into the loop's buffer.
func (d *descriptor) receive() ([]byte, error) {
	buf := d.loop.buf
	n, errno := rawIO(unix.SYS_READ, d.fd, buf)
	switch {
	case n > 0:
		return buf[:n], nil
	case errno == unix.EINTR:
		(*Conn)(d).enqueue()
		return nil, errAgain
	case errno != 0:
		return nil, errno
	}
	return nil, io.EOF
}

// fed puts the connection on the ready list again if there may be more. A short read has emptied the socket,
// and what comes later is a new edge, unless the other side has closed already.
func (d *descriptor) fed(c *Conn, n int) {
	if n == len(d.loop.buf) || d.peer >= hung {
		c.enqueue()
	}
}

func (d *descriptor) write(_ *Conn, b []byte) (int, error) {
	for {
		n, errno := rawIO(unix.SYS_WRITE, d.fd, b)
		if errno == 0 {
			return n, nil
		}
		if errno != unix.EINTR {
			return 0, errno
		}
	}
}

// rawIO reads or writes a non-blocking descriptor without telling the scheduler, which costs more
// than the call would ever wait: it does not wait.
func rawIO(trap uintptr, fd int32, b []byte) (int, syscall.Errno) {
	n, _, errno := unix.RawSyscall(trap, uintptr(fd), uintptr(unsafe.Pointer(&b[0])), uintptr(len(b)))
	if errno != 0 {
		return 0, errno
	}
	return int(n), 0
}

// shutdown and closeRead fail when the other side has reset: read tells.
func (d *descriptor) shutdown(*Conn) { unix.Shutdown(int(d.fd), unix.SHUT_WR) }
func (d *descriptor) closeRead()     { unix.Shutdown(int(d.fd), unix.SHUT_RD) }

func (d *descriptor) reset() {
	unix.SetsockoptLinger(int(d.fd), unix.SOL_SOCKET, unix.SO_LINGER, &unix.Linger{Onoff: 1})
}

// close takes the descriptor out of the epoll set, too.
func (d *descriptor) close() { unix.Close(int(d.fd)) }

// detach makes a net.Conn of the descriptor. That is another number for it: d's is closed.
func (d *descriptor) detach() (net.Conn, error) {
	d.loop.control(unix.EPOLL_CTL_DEL, int(d.fd), nil) // the socket lives on, and so would its events
	file := os.NewFile(uintptr(d.fd), "")
	defer file.Close()
	return net.FileConn(file)
}

func (d *descriptor) remote() netip.AddrPort {
	sa, err := unix.Getpeername(int(d.fd))
	if err != nil {
		return netip.AddrPort{}
	}
	switch sa := sa.(type) {
	case *unix.SockaddrInet4:
		return netip.AddrPortFrom(netip.AddrFrom4(sa.Addr), uint16(sa.Port))
	case *unix.SockaddrInet6:
		return netip.AddrPortFrom(netip.AddrFrom16(sa.Addr).Unmap(), uint16(sa.Port))
	}
	return netip.AddrPort{}
}

func (d *descriptor) unsent() int { return unsentOf(int(d.fd)) }

// unsentOfConn is unsentOf for a connection that the runtime has.
func unsentOfConn(nc net.Conn) (n int) {
	if sc, ok := nc.(syscall.Conn); ok {
		if raw, err := sc.SyscallConn(); err == nil {
			raw.Control(func(fd uintptr) { n = unsentOf(int(fd)) }) // it fails when nc is closed
		}
	}
	return n
}

// unsentOf is what the system has of a descriptor's output, see tcp(7).
func unsentOf(fd int) int {
	n, err := unix.IoctlGetInt(fd, unix.SIOCOUTQ)
	if err != nil {
		return 0
	}
	return n
}
