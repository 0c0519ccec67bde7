package front

import (
	"context"
	"errors"
	"net"
	"os"

	"golang.org/x/sys/unix"
)

// acceptDescriptors takes connections as raw descriptors, without a net.Conn for each. taken is
// false for a listener that is no socket.
func (d *Door) acceptDescriptors(ctx context.Context, ln Listener) (taken bool, err error) {
	var file *os.File
	switch l := ln.Listener.(type) {
	case *net.TCPListener:
		file, err = l.File()
	case *net.UnixListener:
		file, err = l.File()
	default:
		return false, nil
	}
	if err != nil {
		return false, nil
	}
	defer file.Close()
	defer context.AfterFunc(ctx, func() { file.Close() })()
	raw, err := file.SyscallConn()
	if err != nil {
		return true, err
	}
	if err := raw.Control(func(listener uintptr) { setOptions(int(listener), ln.STOMP) }); err != nil {
		return true, err
	}
	early := true // those that had connected before that
	for {
		var fd int
		var errno unix.Errno
		if err := raw.Read(func(listener uintptr) bool {
			fd, errno = accept(listener)
			early = early && errno != unix.EAGAIN
			return errno != unix.EAGAIN
		}); err != nil {
			if ctx.Err() != nil || errors.Is(err, os.ErrClosed) {
				return true, nil
			}
			return true, err
		}
		switch errno {
		case 0:
			if early {
				setOptions(fd, ln.STOMP)
			}
			d.welcome(fd, ln)
		case unix.EINTR, unix.ECONNABORTED: // the client has gone again
		default:
			d.pauseAccept(ctx, ln, os.NewSyscallError("accept4", errno))
		}
	}
}

// Seconds of silence until TCP asks, and between two questions; after nine without an answer the
// connection is gone (tcp(7)).
const (
	keepAliveIdle   = 60
	keepAlivePeriod = 15
)

// setOptions sets on a connection, or on a listener for those who connect from then on, what connections have (tcp(7)).
// A WebSocket has its pings, so only STOMP's clients, which need not send heart-beats, are asked by TCP whether they are
// still there. It all fails on a Unix socket, which needs neither.
func setOptions(fd int, stomp bool) {
	unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_NODELAY, 1)
	if stomp {
		unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_KEEPALIVE, 1)
		unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_KEEPIDLE, keepAliveIdle)
		unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_KEEPINTVL, keepAlivePeriod)
	}
}

// accept takes the next connection without telling the scheduler: it does not wait.
func accept(listener uintptr) (fd int, errno unix.Errno) {
	n, _, errno := unix.RawSyscall6(unix.SYS_ACCEPT4, listener, 0, 0, unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0, 0)
	return int(n), errno
}

// welcome gives a connection to a loop.
func (d *Door) welcome(fd int, ln Listener) {
	if d.noRoom() {
		unix.Close(fd)
		return
	}
	l, first := d.place(ln)
	l.Adopt(fd, nil, first)
}
