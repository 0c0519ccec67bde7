//go:build unix

package cli

import (
	"io"
	"os"
	"sync"

	"golang.org/x/sys/unix"
)

// WatchReader calls left when nobody reads any more what is written to w, where that is a pipe or a
// socket. Who only waits learns it from no write. stop ends the watch, and returns when it has ended.
func WatchReader(w io.Writer, left func()) (stop func()) {
	f, ok := bare(w).(*os.File)
	if !ok {
		return func() {}
	}
	info, err := f.Stat()
	if err != nil || info.Mode()&(os.ModeNamedPipe|os.ModeSocket) == 0 {
		return func() {}
	}
	ended, end, err := os.Pipe()
	if err != nil { // then a write will tell
		return func() {}
	}
	var wg sync.WaitGroup
	wg.Go(func() {
		fds := []unix.PollFd{{Fd: int32(f.Fd())}, {Fd: int32(ended.Fd()), Events: unix.POLLIN}}
		_, err := unix.Poll(fds, -1)
		for err == unix.EINTR {
			_, err = unix.Poll(fds, -1)
		}
		if err == nil && fds[0].Revents != 0 {
			left()
		}
	})
	return func() {
		end.Close()
		wg.Wait()
		ended.Close()
	}
}
