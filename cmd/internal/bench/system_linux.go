package bench

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"

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

// ticks is how many clock ticks a second has in /proc: USER_HZ, which is the same on every Linux that Go runs on.
const ticks = 100

// usageOf reads what processes use, their descendants included.
func usageOf(pids []int) (usage, error) {
	parents, err := processes()
	if err != nil {
		return usage{}, err
	}
	var u usage
	for pid := range parents {
		if !descends(pid, pids, parents) {
			continue
		}
		stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
		if err != nil {
			continue // it has ended meanwhile
		}
		fields := statFields(stat)
		user, _ := strconv.ParseInt(fields[11], 10, 64)
		system, _ := strconv.ParseInt(fields[12], 10, 64)
		u.cpu += time.Duration(user+system) * time.Second / ticks
		u.memory += memoryOf(pid)
	}
	for _, pid := range pids {
		if _, runs := parents[pid]; !runs {
			return u, fmt.Errorf("there is no process %d", pid)
		}
	}
	return u, nil
}

// processes are those of the machine, with their parents.
func processes() (parents map[int]int, err error) {
	entries, err := os.ReadDir("/proc")
	if err != nil {
		return nil, err
	}
	parents = map[int]int{}
	for _, e := range entries {
		pid, err := strconv.Atoi(e.Name())
		if err != nil {
			continue
		}
		if stat, err := os.ReadFile("/proc/" + e.Name() + "/stat"); err == nil {
			parents[pid], _ = strconv.Atoi(statFields(stat)[1])
		}
	}
	return parents, nil
}

// statFields are those of /proc/PID/stat behind the command's name: state, parent, and so on, see proc_pid_stat(5).
func statFields(stat []byte) []string {
	_, rest, _ := strings.Cut(string(stat[strings.LastIndexByte(string(stat), ')'):]), " ")
	return append(strings.Fields(rest), make([]string, 13)...)
}

func descends(pid int, from []int, parents map[int]int) bool {
	for ; pid > 0; pid = parents[pid] {
		for _, p := range from {
			if p == pid {
				return true
			}
		}
	}
	return false
}

// memoryOf is the proportional set size of a process in bytes; 0 where that may not be read.
func memoryOf(pid int) int64 {
	file, err := os.Open(fmt.Sprintf("/proc/%d/smaps_rollup", pid))
	if err != nil {
		return 0
	}
	defer file.Close() // nothing was written
	for lines := bufio.NewScanner(file); lines.Scan(); {
		if kib, ok := strings.CutPrefix(lines.Text(), "Pss:"); ok {
			n, _ := strconv.ParseInt(strings.Fields(kib)[0], 10, 64)
			return n << 10
		}
	}
	return 0
}

// checkFiles refuses more connections than the process may have files open.
func checkFiles(n int) error {
	var limit unix.Rlimit
	if unix.Getrlimit(unix.RLIMIT_NOFILE, &limit) == nil && uint64(n)+50 > limit.Cur {
		return fmt.Errorf("%d connections: this process may have %d files open; take fewer --clients, or raise the limit with ulimit -n", n, limit.Cur)
	}
	return nil
}
