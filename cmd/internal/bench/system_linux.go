package bench

import (
	"fmt"
	"io"
	"net"
	"slices"
	"sync"
	"time"

	"github.com/prometheus/procfs"
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

// ownCPU is the processor time that this process has used.
func ownCPU() time.Duration {
	var use unix.Rusage
	unix.Getrusage(unix.RUSAGE_SELF, &use) // it fails for no valid argument
	return time.Duration(use.Utime.Nano() + use.Stime.Nano())
}

// usageOf reads what processes use, their descendants included.
func usageOf(pids []int) (u usage, err error) {
	procs, err := procfs.AllProcs()
	if err != nil {
		return u, err
	}
	stats := map[int]procfs.ProcStat{}
	for _, p := range procs {
		if stat, err := p.Stat(); err == nil { // it may have ended meanwhile
			stats[p.PID] = stat
		}
	}
	for _, pid := range pids {
		if _, runs := stats[pid]; !runs {
			return u, fmt.Errorf("there is no process %d", pid)
		}
	}
	for _, p := range procs {
		stat := stats[p.PID]
		if !descends(stat, pids, stats) {
			continue
		}
		u.cpu += time.Duration(stat.CPUTime() * float64(time.Second))
		if memory, err := p.ProcSMapsRollup(); err == nil { // not everybody may read it
			u.memory += int64(memory.Pss)
		}
	}
	return u, nil
}

func descends(stat procfs.ProcStat, from []int, stats map[int]procfs.ProcStat) bool {
	for ; stat.PID > 0; stat = stats[stat.PPID] {
		if slices.Contains(from, stat.PID) {
			return true
		}
	}
	return false
}

// checkFiles refuses more connections than the process may have files open.
func checkFiles(n int) error {
	var limit unix.Rlimit
	if unix.Getrlimit(unix.RLIMIT_NOFILE, &limit) == nil && uint64(n)+50 > limit.Cur {
		return fmt.Errorf("%d connections: this process may have %d files open; use fewer --clients, or raise the limit with ulimit -n", n, limit.Cur)
	}
	return nil
}
