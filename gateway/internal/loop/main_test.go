package loop

import (
	"context"
	"io"
	"math/rand/v2"
	"net"
	"slices"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// patience is how long a test waits for what must happen; it only decides when a test has hung.
const patience = 2 * time.Minute

// plenty is an outbound limit that no test reaches by accident.
const plenty = 1 << 30

// kind is a way for a loop to serve a connection.
type kind struct {
	name  string
	adopt func(l *Loop, nc net.Conn, rest []byte, newHandler func(*Conn) Handler) bool
	// tapped returns an end for the loop, and what returns the bytes of the next write to it.
	tapped func(t *testing.T) (ours net.Conn, next func() []byte)
}

// onAll runs a test for every kind of connection there is here.
func onAll(t *testing.T, test func(t *testing.T, k kind)) {
	stream := kind{"stream", (*Loop).adoptStream, tapStream}
	for _, k := range append(descriptorKinds(), stream) {
		t.Run(k.name, func(t *testing.T) { test(t, k) })
	}
}

// eachRig is onAll for a test that wants a loop which runs, and has the limit that no test reaches.
func eachRig(t *testing.T, test func(t *testing.T, r *rig)) {
	onAll(t, func(t *testing.T, k kind) { test(t, k.start(t, plenty)) })
}

func tapStream(t *testing.T) (net.Conn, func() []byte) {
	ours, _ := socketPair(t)
	tap := &tap{ours, make(chan []byte, 100)}
	return tap, func() []byte { return receive(t, tap.writes) }
}

// tap is a net.Conn that tells of each write.
type tap struct {
	net.Conn
	writes chan []byte
}

func (c *tap) Write(b []byte) (int, error) {
	c.writes <- slices.Clone(b)
	return len(b), nil
}

// rig is a loop that runs.
type rig struct {
	t    testing.TB
	loop *Loop
	kind kind   // of the connections that are opened
	stop func() // and wait for its end
}

// start starts a loop whose connections are of that kind.
func (k kind) start(t testing.TB, limit int) *rig {
	t.Helper()
	r := start(t, limit)
	r.kind = k
	return r
}

func start(t testing.TB, limit int) *rig {
	t.Helper()
	l, err := New(limit)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- l.Run(ctx) }()
	r := &rig{t: t, loop: l, stop: sync.OnceFunc(func() {
		cancel()
		select {
		case err := <-done:
			if err != nil {
				t.Errorf("Run: %v", err)
			}
		case <-time.After(patience):
			t.Error("Run does not end")
		}
	})}
	t.Cleanup(r.stop)
	return r
}

// do runs fn on the loop and returns when it has.
func (r *rig) do(fn func()) {
	r.t.Helper()
	done := make(chan struct{})
	if !r.loop.Post(func() { defer close(done); fn() }) {
		r.t.Fatal("the loop has stopped")
	}
	select {
	case <-done:
	case <-time.After(patience):
		r.t.Fatal("the loop hangs")
	}
}

// settle returns when every turn that has begun has ended.
func (r *rig) settle() {
	r.t.Helper()
	r.do(func() {})
	r.do(func() {})
}

// until returns once ok, which is asked on the loop, is true.
func (r *rig) until(what string, ok func() bool) {
	r.t.Helper()
	hung := time.Now().Add(patience)
	for done := false; !done; {
		if r.do(func() { done = ok() }); time.Now().After(hung) {
			r.t.Fatalf("still not: %s", what)
		}
	}
}

// skip moves the loop's clock on.
func (r *rig) skip(d time.Duration) {
	r.t.Helper()
	r.do(func() {
		r.loop.start = r.loop.start.Add(-d)
		r.loop.now += d
	})
}

// open gives the loop one end of a new connection, and the test the other. setup runs on the loop
// before anything is read.
func (r *rig) open(setup func(p *probe)) (*probe, client) {
	r.t.Helper()
	ours, theirs := socketPair(r.t)
	return r.adopt(ours, nil, setup), theirs
}

func (r *rig) openTCP(setup func(p *probe)) (*probe, *net.TCPConn) {
	r.t.Helper()
	ours, theirs := tcpPair(r.t)
	return r.adopt(ours, nil, setup), theirs
}

func (r *rig) adopt(nc net.Conn, rest []byte, setup func(p *probe)) *probe {
	r.t.Helper()
	p := &probe{t: r.t}
	adopted := make(chan struct{})
	if !r.kind.adopt(r.loop, nc, rest, p.begin(setup, adopted)) {
		r.t.Fatal("the loop has stopped")
	}
	<-adopted
	return p
}

// probe is a Handler that remembers what it is told, and does what a test wants. It belongs to the
// loop, as all Handlers do.
type probe struct {
	*Conn
	t         testing.TB
	got       []byte
	timeouts  int
	overflows int
	ends      []error // what Closed was called with
	over      bool    // the test has ended the connection: no more calls

	onFeed     func(b []byte) int // nil takes all
	onTimeout  func()
	onOverflow func()
}

// begin is what Adopt wants; it closes done, if there is one.
func (p *probe) begin(setup func(p *probe), done chan<- struct{}) func(*Conn) Handler {
	return func(c *Conn) Handler {
		if done != nil {
			defer close(done)
		}
		if p.Conn = c; setup != nil {
			setup(p)
		}
		return p
	}
}

func (p *probe) Feed(b []byte) int {
	p.called("Feed")
	n := len(b)
	if n == 0 {
		p.t.Error("Feed was called with nothing")
	}
	if p.onFeed != nil {
		n = p.onFeed(b)
	}
	p.got = append(p.got, b[:n]...)
	for i := range b[:n] {
		b[i] = 0xEE // what is taken is the Handler's to change
	}
	return n
}

func (p *probe) Timeout() {
	p.called("Timeout")
	if p.timeouts++; p.onTimeout != nil {
		p.onTimeout()
	}
}

func (p *probe) Overflow() {
	p.called("Overflow")
	if p.overflows++; p.onOverflow != nil {
		p.onOverflow()
	}
}

func (p *probe) Closed(err error) {
	p.called("Closed")
	p.ends = append(p.ends, err)
}

func (p *probe) called(what string) {
	if p.over {
		p.t.Errorf("%s was called after the Handler had ended the connection", what)
	}
	if len(p.ends) > 0 {
		p.t.Errorf("%s was called after Closed", what)
	}
}

func (p *probe) finish(linger time.Duration) {
	p.over = true
	p.Finish(linger)
}

func (p *probe) abort() {
	p.over = true
	p.Abort()
}

// client is the test's end of a connection.
type client interface {
	net.Conn
	CloseRead() error
	CloseWrite() error
}

// tcpPair returns the two ends of a connection over the loopback interface.
func tcpPair(t testing.TB) (ours net.Conn, theirs *net.TCPConn) {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	dialed, err := net.Dial("tcp", ln.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	if ours, err = ln.Accept(); err != nil {
		t.Fatal(err)
	}
	guard(t, dialed)
	return ours, dialed.(*net.TCPConn)
}

// guard closes nc after the test, and lets no test hang in it.
func guard(t testing.TB, nc net.Conn) {
	t.Cleanup(func() { nc.Close() })
	nc.SetDeadline(time.Now().Add(patience))
}

func receive[T any](t testing.TB, ch <-chan T) T {
	t.Helper()
	select {
	case x := <-ch:
		return x
	case <-time.After(patience):
		t.Fatal("nothing comes")
		panic("unreachable")
	}
}

func write(t testing.TB, nc net.Conn, b []byte) {
	t.Helper()
	if _, err := nc.Write(b); err != nil {
		t.Fatal(err)
	}
}

// readAll returns what comes before the end, which must be a peaceful one.
func readAll(t testing.TB, nc net.Conn) []byte {
	t.Helper()
	b, err := io.ReadAll(nc)
	if err != nil {
		t.Fatalf("after %d bytes: %v", len(b), err)
	}
	return b
}

func wantRead(t testing.TB, nc net.Conn, want []byte) {
	t.Helper()
	got := make([]byte, len(want))
	if n, err := io.ReadFull(nc, got); err != nil {
		t.Fatalf("after %d of %d bytes: %v", n, len(want), err)
	}
	wantSame(t, got, want)
}

// wantSame compares long byte strings.
func wantSame(t testing.TB, got, want []byte) {
	t.Helper()
	if slices.Equal(got, want) {
		return
	}
	at := 0
	for at < min(len(got), len(want)) && got[at] == want[at] {
		at++
	}
	t.Errorf("got %d bytes, want %d; they differ at %d", len(got), len(want), at)
}

// wantGot waits until the probe has been fed want.
func (r *rig) wantGot(p *probe, want []byte) {
	r.t.Helper()
	r.until("all bytes have been fed", func() bool { return len(p.got) >= len(want) })
	r.do(func() { wantSame(r.t, p.got, want) })
}

// wantGone waits until the loop has no connection left.
func (r *rig) wantGone() {
	r.t.Helper()
	r.until("the connection is gone", func() bool { return r.loop.Len() == 0 })
	r.settle()
}

// wantEnds wants Closed to have been called with these errors.
func (r *rig) wantEnds(p *probe, want ...error) {
	r.t.Helper()
	r.do(func() {
		if !slices.Equal(p.ends, want) {
			r.t.Errorf("Closed was called with %v, want %v", p.ends, want)
		}
	})
}

// dice returns a source of chance that is the same in every run.
func dice(seed uint64) *rand.Rand { return rand.New(rand.NewPCG(seed, 0)) }

// still returns a loop that runs only as the test calls turn.
func still(t testing.TB, limit int) *Loop {
	t.Helper()
	l, err := New(limit)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ended, cancel := context.WithCancel(context.Background())
		cancel()
		if err := l.Run(ended); err != nil {
			t.Error(err)
		}
	})
	return l
}

// noise returns n bytes of which no two stretches are alike.
func noise(n int) []byte {
	b := make([]byte, n)
	rand.NewChaCha8([32]byte{1}).Read(b)
	return b
}

// keepsFiles returns the check that as many descriptors are open as were when it was called.
func keepsFiles(t testing.TB) func() {
	t.Helper()
	before := openFiles(t)
	return func() {
		t.Helper()
		if after := openFiles(t); after != before {
			t.Errorf("%d descriptors are open, %d were before", after, before)
		}
	}
}
