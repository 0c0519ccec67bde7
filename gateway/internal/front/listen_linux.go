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
	for {
		var fd int
		var acceptErr error
		if err := raw.Read(func(listener uintptr) bool {
			fd, _, acceptErr = unix.Accept4(int(listener), unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC)
			return acceptErr != unix.EAGAIN
		}); err != nil {
			if ctx.Err() != nil || errors.Is(err, os.ErrClosed) {
				return true, nil
			}
			return true, err
		}
		switch acceptErr {
		case nil:
			d.welcome(fd, ln)
		case unix.EINTR, unix.ECONNABORTED: // the client has gone again
		default:
			d.pauseAccept(ctx, ln, os.NewSyscallError("accept4", acceptErr))
		}
	}
}

// Seconds of silence until TCP asks, and between two questions; after nine without an answer the
// connection is gone (tcp(7)).
const (
	keepAliveIdle   = 60
	keepAlivePeriod = 15
)

// welcome gives a connection to a loop.
func (d *Door) welcome(fd int, ln Listener) {
	if d.noRoom() {
		unix.Close(fd)
		return
	}
	// These fail on a Unix socket, which needs neither. A WebSocket has its pings, so only STOMP's
	// clients, which need not send heart-beats, are asked by TCP whether they are still there.
	unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_NODELAY, 1)
	if ln.STOMP {
		unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_KEEPALIVE, 1)
		unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_KEEPIDLE, keepAliveIdle)
		unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_KEEPINTVL, keepAlivePeriod)
	}
	l, first := d.place(ln)
	l.Adopt(fd, first)
}
