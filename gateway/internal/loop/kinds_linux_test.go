package loop

import (
	"net"
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"
)

// descriptorKinds are the connections that a loop serves without a net.Conn.
func descriptorKinds() []kind {
	return []kind{{"descriptor", func(l *Loop, nc net.Conn, rest []byte, newHandler func(*Conn) Handler) bool {
		if rest != nil {
			return l.AdoptConn(nc, rest, newHandler)
		}
		return l.Adopt(descriptorOf(nc), nil, newHandler)
	}, tapDescriptor}}
}

// tapDescriptor uses a kind of socket that keeps the bytes of each write together.
func tapDescriptor(t *testing.T) (net.Conn, func() []byte) {
	ours, theirs := socketPairOf(t, unix.SOCK_SEQPACKET)
	return ours, func() []byte {
		b := make([]byte, 1<<20)
		n, err := theirs.Read(b)
		if err != nil {
			t.Fatal(err)
		}
		return b[:n]
	}
}

// descriptorOf returns nc's descriptor under a number of its own, and closes nc.
func descriptorOf(nc net.Conn) int {
	file, err := nc.(interface{ File() (*os.File, error) }).File()
	if err != nil {
		panic(err)
	}
	defer file.Close()
	defer nc.Close()
	fd, err := unix.FcntlInt(file.Fd(), unix.F_DUPFD_CLOEXEC, 0)
	if err != nil {
		panic(err)
	}
	if err := unix.SetNonblock(fd, true); err != nil { // File has made it block
		panic(err)
	}
	return fd
}

// socketPair returns the two ends of a connection.
func socketPair(t testing.TB) (ours net.Conn, theirs client) {
	t.Helper()
	a, b := socketPairOf(t, unix.SOCK_STREAM)
	return a, b
}

func socketPairOf(t testing.TB, typ int) (ours, theirs *net.UnixConn) {
	t.Helper()
	fds, err := unix.Socketpair(unix.AF_UNIX, typ|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		t.Fatal(err)
	}
	ours, theirs = unixConn(t, fds[0]), unixConn(t, fds[1])
	guard(t, theirs)
	return ours, theirs
}

func unixConn(t testing.TB, fd int) *net.UnixConn {
	t.Helper()
	file := os.NewFile(uintptr(fd), "")
	defer file.Close()
	nc, err := net.FileConn(file)
	if err != nil {
		t.Fatal(err)
	}
	return nc.(*net.UnixConn)
}

// openFiles counts the descriptors of the process.
func openFiles(t testing.TB) int {
	t.Helper()
	list, err := filepath.Glob("/proc/self/fd/*")
	if err != nil {
		t.Fatal(err)
	}
	return len(list)
}
