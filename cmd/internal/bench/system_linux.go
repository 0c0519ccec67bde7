package bench

import (
	"fmt"
	"io"
	"net"
	"sync"

	"golang.org/x/sys/unix"
)

// readAll gives take what nc brings until it ends. A connection of the system's has no buffer while nothing comes, and
// needs one system call for each time that something does.
func readAll(nc net.Conn, take func([]byte) error) error {
	tcp, ok := nc.(*net.TCPConn)
	if !ok {
		return readBuffered(nc, take)
	}
	raw, err := tcp.SyscallConn()
	if err != nil {
		return err
	}
	var end error
	err = raw.Read(func(fd uintptr) bool {
		end = readReady(int(fd), take)
		return end != nil
	})
	if end != nil {
		return end
	}
	return err
}

var buffers = sync.Pool{New: func() any { return new([64 << 10]byte) }}

// readReady reads until the descriptor has no more, and returns why it never will.
func readReady(fd int, take func([]byte) error) error {
	buf := buffers.Get().(*[64 << 10]byte)
	defer buffers.Put(buf)
	for {
		n, err := unix.Read(fd, buf[:])
		switch {
		case err == unix.EINTR:
			continue
		case err == unix.EAGAIN:
			return nil
		case err != nil:
			return err
		case n == 0:
			return io.EOF
		}
		if err := take(buf[:n]); err != nil || n < len(buf) { // behind a short read the system tells of more
			return err
		}
	}
}

// checkFiles refuses more connections than the process may have files open.
func checkFiles(n int) error {
	var limit unix.Rlimit
	if unix.Getrlimit(unix.RLIMIT_NOFILE, &limit) == nil && uint64(n)+50 > limit.Cur {
		return fmt.Errorf("%d connections: this process may have %d files open; take fewer --clients, or raise the limit with ulimit -n", n, limit.Cur)
	}
	return nil
}
