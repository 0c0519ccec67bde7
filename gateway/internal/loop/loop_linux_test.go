package loop

import (
	"errors"
	"io"
	"net"
	"os"
	"slices"
	"testing"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// steer runs a turn with what the kernel has to tell, and others until every task has run: on a busy
// machine one turn's time may not be enough for many.
func (l *Loop) steer(t testing.TB) {
	t.Helper()
	l.ask(t)
	for l.turn(); len(l.todo) > 0; {
		l.turn()
	}
}

func (l *Loop) ask(t testing.TB) {
	t.Helper()
	if err := l.poller.collect(); err != nil {
		t.Fatal(err)
	}
}

// Of many connections with more to read than a turn may, none gets a second share before all have
// had their first.
func TestReadySharesTurns(t *testing.T) {
	const conns = 60
	for _, test := range []struct {
		name string
		now  time.Duration // of the turn: far from now, so that only one limit counts
		most int           // bytes
	}{
		{"bytes", time.Hour, turnBytes + readBudget - 1},
		{"time", -time.Hour, 15 * readBudget},
	} {
		t.Run(test.name, func(t *testing.T) {
			l := still(t, plenty)
			var shares, left [conns]int
			for i := range conns {
				ours, theirs := socketPairOf(t, unix.SOCK_STREAM)
				left[i] = fill(t, theirs)
				p := &probe{t: t, onFeed: func(b []byte) int {
					shares[i]++
					left[i] -= len(b)
					return len(b)
				}}
				l.Adopt(descriptorOf(ours), nil, p.begin(nil, nil))
			}
			l.steer(t)
			l.ask(t)
			for sum(left[:]) > 0 {
				before := sum(left[:])
				l.now = test.now
				l.read()
				if read := before - sum(left[:]); read == 0 || read > test.most {
					t.Fatalf("a turn has read %d bytes, want %d at most", read, test.most)
				}
				for i := range conns {
					if left[i] > 0 && shares[i]+1 < slices.Max(shares[:]) {
						t.Fatalf("a connection was read %d times, others %d times", shares[i], slices.Max(shares[:]))
					}
				}
			}
		})
	}
}

// A loop with something to do must not sleep, whatever that is and whoever knows of it.
func TestWaitDoesNotSleepWithWork(t *testing.T) {
	for name, prepare := range map[string]func(l *Loop, p *probe, theirs *net.UnixConn){
		"task":       func(l *Loop, _ *probe, _ *net.UnixConn) { l.Post(func() {}) },
		"tasks left": func(l *Loop, _ *probe, _ *net.UnixConn) { l.todo = []func(){func() {}} },
		"readable":   func(_ *Loop, _ *probe, theirs *net.UnixConn) { write(t, theirs, []byte("x")) },
		"resumed":    func(_ *Loop, p *probe, _ *net.UnixConn) { p.Pause(); p.Resume() },
		"writable": func(l *Loop, p *probe, theirs *net.UnixConn) {
			p.Queue(make([]byte, 4<<20))
			l.turn()
			wantRead(t, theirs, make([]byte, 4<<20-p.Queued()))
		},
	} {
		t.Run(name, func(t *testing.T) {
			l := still(t, plenty)
			ours, theirs := socketPairOf(t, unix.SOCK_STREAM)
			p := &probe{t: t}
			l.Adopt(descriptorOf(ours), nil, p.begin(nil, nil))
			l.steer(t)
			l.steer(t) // takes the events of a new connection
			prepare(l, p, theirs)
			woken := make(chan error)
			go func() { woken <- l.wait() }()
			if err := receive(t, woken); err != nil {
				t.Error(err)
			}
		})
	}
}

// fill writes until the socket takes no more, and returns how many bytes it has taken.
func fill(t testing.TB, nc *net.UnixConn) (n int) {
	t.Helper()
	raw, err := nc.SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	block := make([]byte, 4096)
	raw.Write(func(fd uintptr) bool {
		for {
			written, err := unix.Write(int(fd), block)
			if err != nil {
				return true
			}
			n += written
		}
	})
	return n
}

func sum(list []int) (n int) {
	for _, x := range list {
		n += x
	}
	return n
}

// The descriptor of a closed connection lives on while somebody else holds it, and so do its events.
// They must not reach the connection that has its slot by then.
func TestStaleEvents(t *testing.T) {
	const conns = 100
	r := descriptorKinds()[0].start(t, plenty)
	var old [conns]*probe
	var oldClients [conns]client
	for i := range conns {
		old[i], oldClients[i] = r.open(nil)
	}
	var dups [conns]int
	var fresh [conns]*probe
	var freshClients [conns]client
	r.do(func() {
		for i, p := range old {
			dup, err := unix.FcntlInt(uintptr(p.fd), unix.F_DUPFD_CLOEXEC, 0)
			if err != nil {
				t.Fatal(err)
			}
			dups[i] = dup
			p.abort()
		}
		for i := range fresh { // all within the turn that has closed the others
			ours, theirs := socketPair(t)
			fresh[i], freshClients[i] = &probe{t: t}, theirs
			r.loop.adopt(descriptorOf(ours), nil, fresh[i].begin(nil, nil))
		}
		for _, p := range fresh {
			if p.slot >= conns {
				t.Error("a new connection has no old slot: this test shows nothing")
			}
		}
		for _, c := range oldClients {
			write(t, c, []byte("stale"))
		}
		if err := r.loop.poller.collect(); err != nil {
			t.Error(err)
		}
		for _, p := range fresh {
			if p.queued || p.peer >= hung {
				t.Error("an event of a closed connection has reached another one")
			}
		}
	})
	for i, p := range fresh {
		write(t, freshClients[i], []byte("fresh"))
		r.wantGot(p, []byte("fresh"))
	}
	for i, p := range old {
		if len(p.got) > 0 {
			t.Errorf("an aborted connection was fed %q", p.got)
		}
		unix.Close(dups[i])
	}
}

// The kernel reports nothing more of a descriptor that was given away, though it is still open.
func TestDetachedDescriptorIsForgotten(t *testing.T) {
	l := still(t, plenty)
	ours, theirs := socketPair(t)
	p := &probe{t: t}
	var gift <-chan given
	l.Adopt(descriptorOf(ours), nil, p.begin(func(p *probe) { gift = giveAway(p, 0) }, nil))
	l.steer(t)
	write(t, theirs, []byte("x"))
	l.steer(t)
	nc := receive(t, gift).mustRest(t, "x")
	write(t, theirs, []byte("y"))
	if n, err := unix.EpollWait(l.poller.(*epoll).fd, make([]unix.EpollEvent, 1), 0); n != 0 || err != nil {
		t.Errorf("%d events, %v; want none", n, err)
	}
	wantRead(t, nc, []byte("y"))
}

// When all its events are spent, nothing but the loop itself can say that there is more to read.
func TestWriteErrorWithMuchUnread(t *testing.T) {
	l := still(t, plenty)
	ours, theirs := socketPair(t)
	p := &probe{t: t}
	want := noise(readBudget + 7)
	write(t, theirs, want)
	l.Adopt(descriptorOf(ours), nil, p.begin(nil, nil))
	l.steer(t)
	l.steer(t)
	if len(p.got) != readBudget {
		t.Fatalf("a turn has read %d bytes, want %d", len(p.got), readBudget)
	}
	theirs.CloseRead()
	l.ask(t)
	p.Queue([]byte("to nobody"))
	l.flush()
	for range 3 {
		l.steer(t)
	}
	wantSame(t, p.got, want)
	if len(p.ends) != 1 || p.ends[0] != io.EOF {
		t.Errorf("Closed was called with %v, want EOF", p.ends)
	}
}

// What epoll does not take is closed, and its Handler told why.
func TestAdoptOfWhatIsNoSocket(t *testing.T) {
	r := start(t, plenty)
	before := openFiles(t)
	fd, err := unix.Open(os.DevNull, unix.O_RDWR|unix.O_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	p := &probe{t: t}
	r.loop.Adopt(fd, nil, p.begin(nil, nil))
	r.settle()
	if len(p.ends) != 1 || !errors.Is(p.ends[0], unix.EPERM) {
		t.Errorf("Closed was called with %v, want EPERM", p.ends)
	}
	if after := openFiles(t); after != before || r.loop.Len() != 0 {
		t.Errorf("%d descriptors and %d connections are left", after-before, r.loop.Len())
	}
}

// An idle connection is a Conn, its slot, and what its Handler has. 128 bytes are a size class of Go's
// memory.
func TestConnSize(t *testing.T) {
	if size := unsafe.Sizeof(Conn{}); size > 128 {
		t.Errorf("a Conn has %d bytes, want 128 at most", size)
	}
}

// nullConns returns n connections that take all that is written to them.
func nullConns(t testing.TB, l *Loop, n int) []*Conn {
	t.Helper()
	list := make([]*Conn, n)
	for i := range list {
		fd, err := unix.Open(os.DevNull, unix.O_WRONLY|unix.O_CLOEXEC, 0)
		if err != nil {
			t.Fatal(err)
		}
		list[i] = &Conn{fd: int32(fd)}
		l.begin(list[i], nil, (&probe{t: t}).begin(nil, nil))
	}
	return list
}

func TestFanOutAllocs(t *testing.T) {
	for _, frames := range []int{1, 8} {
		l := still(t, plenty)
		conns := nullConns(t, l, 1000)
		shared := make([][]byte, frames)
		for i := range shared {
			shared[i] = numbered(i, 300)
		}
		turn := func() {
			for _, frame := range shared {
				for _, c := range conns {
					c.Queue(frame)
				}
			}
			l.turn()
		}
		turn() // makes room for the list of connections
		if n := testing.AllocsPerRun(20, turn); n > float64(frames) {
			t.Errorf("%d frames to %d connections: %v allocations, want one for each frame", frames, len(conns), n)
		}
	}
}

func TestOutstanding(t *testing.T) {
	r := descriptorKinds()[0].start(t, plenty)
	p, c := r.openTCP(nil)
	r.do(func() { p.Queue(noise(64 << 20)) })
	r.until("the system has something to send", func() bool { return p.Queued() == 0 && p.Outstanding() > 0 || p.Outstanding() > p.Queued() })
	go io.Copy(io.Discard, c)
	r.until("all is sent", func() bool { return p.Outstanding() == 0 })
}
