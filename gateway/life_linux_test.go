package gateway_test

import (
	"bufio"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"
	"golang.org/x/sys/unix"

	"github.com/stompgw/stompgw/bus/bustest"
	"github.com/stompgw/stompgw/bus/membus"
	"github.com/stompgw/stompgw/gateway"
	"github.com/stompgw/stompgw/gateway/internal/ws"
	"github.com/stompgw/stompgw/gateway/registry"
)

// descriptors is how many this process has open.
func descriptors(t *testing.T) int {
	t.Helper()
	return len(openFiles(t))
}

func openFiles(t *testing.T) []os.DirEntry {
	t.Helper()
	open, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	return open
}

// connections is how many sockets this process has open that are no listeners.
func connections(t *testing.T) (n int) {
	t.Helper()
	for _, file := range openFiles(t) {
		fd, _ := strconv.Atoi(file.Name())
		if listens, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_ACCEPTCONN); err == nil && listens == 0 {
			n++
		}
	}
	return n
}

// TestNothingIsLeft opens and closes 5,000 connections, in every way there is.
func TestNothingIsLeft(t *testing.T) {
	start(t).stop() // opens what the runtime keeps
	goroutines, before := goleak.IgnoreCurrent(), descriptors(t)
	n := start(t, pages(), shortly(50*time.Millisecond), quick(func(p *ws.Periods) { p.Close, p.Linger = 200*time.Millisecond, 200*time.Millisecond }))

	visits := []func(net.Conn) error{
		func(c net.Conn) error { return say(c, "") },
		func(c net.Conn) error { return say(c, "GET /st") },
		func(c net.Conn) error { return hear(c, "\x16\x03", "HTTP/1.1 400 ") },
		func(c net.Conn) error { return hear(c, pageRequest, "GET /page") },
		func(c net.Conn) error { return hear(c, "GET /stomp HTTP/1.1\r\nHost: t\r\n\r\n", "\r\n\r\nWelcome") },
		func(c net.Conn) error { return hear(c, "GET /stomp HTTP/1.0\r\n\r\n", "\r\n\r\nWelcome") },
		func(c net.Conn) error { return hear(c, strings.Replace(upgradeRequest("t"), "13", "8", 1), " 426 ") },
		func(c net.Conn) error {
			return hear(c, upgradeRequest("t")+frame(text, connectFrame), "CONNECTED\n")
		},
		func(c net.Conn) error {
			return hear(c, pageRequest+upgradeRequest("t")+frame(text, connectFrame), "CONNECTED\n")
		},
		func(c net.Conn) error {
			return hear(c, upgradeRequest("t")+frame(text, connectFrame+"DISCONNECT\n\n\x00"), "\x88\x02\x03\xe8")
		},
		func(c net.Conn) error {
			return hear(c, upgradeRequest("t")+frame(text, connectFrame)+closeFrame(1000, ""), "\x88\x02\x03\xe8")
		},
		func(c net.Conn) error {
			return hear(c, upgradeRequest("t")+frame(0x83, ""), "\x88")
		},
		func(c net.Conn) error {
			err := hear(c, upgradeRequest("t")+frame(text, connectFrame), "CONNECTED\n")
			c.(*net.TCPConn).SetLinger(0) // a reset
			return err
		},
	}
	for _, service := range []string{"/stomp", "/echo", "/close"} {
		for _, tr := range overHTTP() {
			for _, before := range []string{"", pageRequest} {
				visits = append(visits, func(c net.Conn) error {
					path := newPath(service)
					return hear(c, before+request(tr.method, path+tr.receive, "")+request("POST", path+"/xhr_send", encode(connectFrame, "DISCONNECT\n\n\x00")), "o")
				})
			}
		}
	}
	var wg sync.WaitGroup
	places := make(chan struct{}, 100)
	for i := range 5000 {
		places <- struct{}{}
		wg.Go(func() {
			defer func() { <-places }()
			conn, err := net.Dial("tcp", n.web)
			if err != nil {
				t.Error(err)
				return
			}
			defer conn.Close()
			conn.SetDeadline(time.Now().Add(patience))
			if err := visits[i%len(visits)](conn); err != nil {
				t.Errorf("visit %d: %v", i%len(visits), err)
			}
		})
	}
	wg.Wait()

	fewer := func(what string, open func(*testing.T) int, most int) {
		t.Helper()
		for deadline := time.Now().Add(patience); open(t) > most; runtime.Gosched() {
			if time.Now().After(deadline) {
				t.Fatalf("%d %s are open, want %d", open(t), what, most)
			}
		}
	}
	fewer("connections", connections, 0)
	n.wantNothingLeft(t)
	n.stop()
	fewer("descriptors", descriptors, before) // the last are closed when those who read them have noticed
	goleak.VerifyNone(t, goroutines)
}

func say(c net.Conn, wire string) error {
	_, err := io.WriteString(c, wire)
	return err
}

// hear reads until what was wanted has come.
func hear(c net.Conn, wire, want string) error {
	if err := say(c, wire); err != nil {
		return err
	}
	var got strings.Builder
	for buf := make([]byte, 4096); !strings.Contains(got.String(), want); {
		n, err := c.Read(buf)
		if got.Write(buf[:n]); err != nil && !strings.Contains(got.String(), want) {
			return fmt.Errorf("waiting for %q after %q: %w", want, got.String(), err)
		}
	}
	return nil
}

// TestSocketIsReset holds that a client which keeps its side open does not keep the server's.
func TestSocketIsReset(t *testing.T) {
	n := start(t, quick(func(p *ws.Periods) { p.Linger = 100 * time.Millisecond }))
	c := n.session(t)
	c.write(closeFrame(1000, ""))
	c.wantClose(1000)
	raw, err := c.conn.(*net.TCPConn).SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	if err := raw.Control(func(fd uintptr) {
		waiting := []unix.PollFd{{Fd: int32(fd)}} // for POLLERR and POLLHUP alone
		for {
			n, err := unix.Poll(waiting, int(patience.Milliseconds()))
			if err == unix.EINTR {
				continue
			}
			if n != 1 || waiting[0].Revents&unix.POLLERR == 0 {
				t.Errorf("no reset came (%v, %#x)", err, waiting[0].Revents)
			}
			return
		}
	}); err != nil {
		t.Fatal(err)
	}
}

// startLate runs a node whose first client has connected to the STOMP port before the node looked at it, as clients do
// that come back while it starts.
func startLate(t *testing.T) (*node, *client) {
	t.Helper()
	web, tcp := listen(t), listen(t)
	dial := dialer(t)
	first := newClient(t, dial(tcp.Addr().String()))
	name := registry.NewNode(time.Now())
	n := serve(t, name, membus.NewCluster().Bus(name.String()), gateway.Listener{Listener: web}, gateway.Listener{Listener: tcp})
	n.web, n.tcp, n.dial = web.Addr().String(), tcp.Addr().String(), dial
	return n, first.connect()
}

// TestKeepAlive holds that TCP asks whether a client without heart-beats is still there.
func TestKeepAlive(t *testing.T) {
	n, first := startLate(t)
	for _, c := range []*client{first, n.dialTCP(t).connect()} {
		bustest.Eventually(t, "the server's socket has the timer of keep-alive", func() bool { // 01 until the client's system has acknowledged all
			return timerOf(t, c.conn.RemoteAddr(), c.conn.LocalAddr()) == "02"
		})
	}
}

// TestNoDelay holds that the server's side of a connection sends small frames at once.
func TestNoDelay(t *testing.T) {
	n, first := startLate(t)
	for name, c := range map[string]net.Conn{"early": first.conn, "TCP": n.dialTCP(t).connect().conn, "WebSocket": n.session(t).conn} {
		fd := descriptorOf(t, c.LocalAddr())
		if on, err := unix.GetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_NODELAY); err != nil || on == 0 {
			t.Errorf("%s: TCP_NODELAY is %d, %v", name, on, err)
		}
	}
}

// descriptorOf is the descriptor of this process that is connected to a client.
func descriptorOf(t *testing.T, client net.Addr) int {
	t.Helper()
	open, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	port := client.(*net.TCPAddr).Port
	for _, entry := range open {
		fd, err := strconv.Atoi(entry.Name())
		if err != nil {
			t.Fatal(err)
		}
		peer, _ := unix.Getpeername(fd) // most are no sockets
		if addr, ok := peer.(*unix.SockaddrInet4); ok && addr.Port == port {
			return fd
		}
	}
	t.Fatal("the server's socket is not open")
	return -1
}

// timerOf is the kind of timer that a TCP socket of this machine has, as proc(5) tells.
func timerOf(t *testing.T, local, remote net.Addr) string {
	t.Helper()
	sockets, err := os.ReadFile("/proc/net/tcp")
	if err != nil {
		t.Fatal(err)
	}
	port := func(a net.Addr) string { return fmt.Sprintf(":%04X", a.(*net.TCPAddr).Port) }
	for line := range strings.Lines(string(sockets)) {
		fields := strings.Fields(line)
		if strings.HasSuffix(fields[1], port(local)) && strings.HasSuffix(fields[2], port(remote)) {
			kind, _, _ := strings.Cut(fields[5], ":")
			return kind
		}
	}
	t.Fatal("the server's socket is not listed")
	return ""
}

// childOf runs a test of this binary in a process of its own. Its output ends when stop has run.
func childOf(t *testing.T, test, env string) (out *bufio.Scanner, stop func()) {
	t.Helper()
	cmd := exec.Command(os.Args[0], "-test.run=^"+test+"$")
	cmd.Env = append(os.Environ(), env)
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	pipe, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	cmd.Stderr = os.Stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	out = bufio.NewScanner(pipe)
	stop = sync.OnceFunc(func() {
		in.Close()
		for out.Scan() {
		}
		if err := cmd.Wait(); err != nil {
			t.Errorf("the node's process: %v", err)
		}
	})
	t.Cleanup(stop)
	return out, stop
}

// TestDescriptorsRunOut holds that a node without descriptors makes new clients wait, and takes
// them when others have left.
func TestDescriptorsRunOut(t *testing.T) {
	const env, spare = "STOMPGW_TEST_DESCRIPTORS", 4
	if os.Getenv(env) != "" {
		serveWithFewDescriptors(t, spare)
		return
	}
	out, stop := childOf(t, "TestDescriptorsRunOut", env+"=1")
	if !out.Scan() {
		t.Fatal("no address")
	}
	n := &node{tcp: out.Text(), dial: dialer(t)}
	var clients []*client
	for range 3 * spare {
		clients = append(clients, n.dialTCP(t)) // the kernel takes them all
	}
	for !strings.Contains(out.Text(), "can't accept connections") {
		if !out.Scan() {
			t.Fatal("the node does not say what is wrong")
		}
	}
	for _, c := range clients {
		c.connect().subscribe("0", "/topic/x")
		c.conn.Close() // makes room for another
	}
	stop()
}

// serveWithFewDescriptors prints a node's STOMP address, and its log, until the standard input ends.
func serveWithFewDescriptors(t *testing.T, spare int) {
	n := start(t, gateway.WithLogger(slog.New(slog.NewTextHandler(os.Stdout, nil))))
	open := descriptors(t) - 1 // less the one that counts them
	limit := unix.Rlimit{Cur: uint64(open + spare), Max: uint64(open + spare)}
	if err := syscall.Setrlimit(unix.RLIMIT_NOFILE, (*syscall.Rlimit)(&limit)); err != nil {
		t.Fatal(err)
	}
	fmt.Println(n.tcp)
	io.Copy(io.Discard, os.Stdin)
}
