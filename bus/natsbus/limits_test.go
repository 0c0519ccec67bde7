package natsbus

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"log"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/nats-io/jwt/v2"
	"github.com/nats-io/nats-server/v2/server"

	"github.com/stompgw/stompgw/bus"
	"github.com/stompgw/stompgw/bus/bustest"
	"github.com/stompgw/stompgw/bus/bustest/servers"
)

// configured is a server with a configuration that changes while it runs.
type configured struct {
	url    string
	reload func(conf string)
}

// eachServer runs test with the NATS server of this machine, which is an old one, and with the one that is
// linked in, each a process of its own: a server that loads other limits races with its own readers.
func eachServer(t *testing.T, conf string, test func(t *testing.T, s configured)) {
	for name, start := range map[string]func(*testing.T, string) *servers.Process{"old": oldServer, "new": newServer} {
		t.Run(name, func(t *testing.T) {
			t.Parallel() // they wait for looks
			file := filepath.Join(t.TempDir(), "nats.conf")
			rewrite(t, file, conf)
			p := start(t, file)
			test(t, configured{"nats://" + p.Addr, func(conf string) { reload(t, p, file, conf) }})
		})
	}
}

func oldServer(t *testing.T, file string) *servers.Process { return servers.NATS(t, 0, "-c", file) }

// serverFile names, in the environment of this test's own program, the configuration of the server that it
// is to be, and serverPort where that listens.
const serverFile, serverPort = "NATSBUS_SERVER_FILE", "NATSBUS_SERVER_PORT"

func newServer(t *testing.T, file string) *servers.Process {
	port := strconv.Itoa(servers.FreePort(t))
	addr := net.JoinHostPort("127.0.0.1", port)
	return servers.Run(t, servers.Program{
		Addr: addr,
		Path: os.Args[0],
		Env:  []string{serverFile + "=" + file, serverPort + "=" + port},
		Answers: func(ctx context.Context) error {
			conn, err := new(net.Dialer).DialContext(ctx, "tcp", addr)
			if err == nil {
				conn.Close()
			}
			return err
		},
	})
}

// beServer is the whole program where the environment asks for it: then it does not return.
func beServer() {
	file := os.Getenv(serverFile)
	if file == "" {
		return
	}
	opts, err := server.ConfigureOptions(flag.NewFlagSet("nats-server", flag.ExitOnError),
		[]string{"-c", file, "-a", "127.0.0.1", "-p", os.Getenv(serverPort)}, nil, nil, nil)
	if err != nil {
		log.Fatal(err)
	}
	s, err := server.NewServer(opts)
	if err != nil {
		log.Fatal(err)
	}
	s.ConfigureLogger()
	s.Start()
	s.WaitForShutdown()
	os.Exit(0)
}

func reload(t *testing.T, p *servers.Process, file, conf string) {
	t.Helper()
	const reloaded = "Reloaded server configuration"
	before := strings.Count(p.Output(), reloaded)
	rewrite(t, file, conf)
	p.Signal(t, syscall.SIGHUP)
	bustest.Eventually(t, "the server says so", func() bool { return strings.Count(p.Output(), reloaded) > before })
}

func rewrite(t *testing.T, file, conf string) {
	t.Helper()
	checkErr(t, os.WriteFile(file, []byte(conf), 0o600), nil)
}

// ask publishes n bytes to destination, and returns what becomes of it.
func ask(b *Bus, destination string, n int) error {
	return outcome(b, bus.Envelope{Destination: destination, Body: make([]byte, n)})
}

// outcome publishes e, and returns what becomes of it.
func outcome(b *Bus, e bus.Envelope) error {
	answer := make(chan error, 1)
	if err := b.Publish(e, func(err error) { answer <- err }); err != nil {
		return err
	}
	return <-answer
}

// watchFor watches destination, and returns what is made of that.
func watchFor(b *Bus, destination string) error {
	return <-listen(b, destination)
}

// listen watches destination, and returns where it is heard what is made of that, and of it later.
func listen(b *Bus, destination string) chan error {
	ready := make(chan error, 3)
	b.Watch(destination, func(err error) { ready <- err })
	return ready
}

// until calls try until it returns nil.
func until(t *testing.T, try func() error) {
	t.Helper()
	bustest.Eventually(t, "it is taken", func() bool {
		err := try()
		if err != nil && !errors.Is(err, bus.ErrDestination) && !errors.Is(err, bus.ErrTooLarge) && !errors.Is(err, bus.ErrCrowded) {
			t.Fatal(err)
		}
		return err == nil
	})
}

func wantReconnects(t *testing.T, b *Bus, want uint64) {
	t.Helper()
	if n := b.Figures().Reconnects; n != want {
		t.Errorf("%d reconnects, want %d", n, want)
	}
}

// TestPayloadLimitChanges: an envelope over a max_payload that was lowered while the node is connected is
// refused, and no other one suffers; one over a limit that was raised passes after a while.
func TestPayloadLimitChanges(t *testing.T) {
	eachServer(t, "max_payload: 1000", func(t *testing.T, s configured) {
		b, log := open(t, Config{URL: s.url})
		log.await("bus connected")
		checkErr(t, ask(b, "/a", 900), nil)
		s.reload("max_payload: 500")
		small, large, other := publish(t, b, "/a", "x"), publish(t, b, "/a", strings.Repeat("x", 600)), publish(t, b, "/b", "x")
		checkErr(t, <-small, nil)
		checkErr(t, <-large, bus.ErrTooLarge)
		checkErr(t, <-other, nil)
		log.await("bus disconnected")
		if line := log.await("bus connected"); !strings.Contains(line, "gap=") {
			t.Errorf("logged %s", line)
		}
		checkErr(t, ask(b, "/a", 501), bus.ErrTooLarge)
		checkErr(t, ask(b, "/a", 500), nil)
		wantReconnects(t, b, 1)
		s.reload("max_payload: 2000")
		until(t, func() error { return ask(b, "/a", 2000) })
		wantReconnects(t, b, 2)
	})
}

// long returns a destination whose subject has n bytes.
func long(n int) string {
	const rest = "stomp.d.long."
	return "/long/" + strings.Repeat("x", n-len(rest))
}

// TestControlLineLimit: no destination is so long that it costs a node its connection, and the node knows
// to the byte what is possible, when the limit has changed too.
func TestControlLineLimit(t *testing.T) {
	const limit = 1024 - lineRest
	eachServer(t, "max_control_line: 1024", func(t *testing.T, s configured) {
		b, log := open(t, Config{URL: s.url})
		arrived := collect(t, b)
		log.await("short control lines")
		for _, n := range []int{limit + 1, 2000, maxSubject} {
			checkErr(t, watchFor(b, long(n)), bus.ErrDestination)
			checkErr(t, ask(b, long(n), 1), bus.ErrDestination)
		}
		checkErr(t, watchFor(b, long(limit)), nil)
		e := bus.Envelope{Destination: long(limit), Headers: []bus.Header{{Name: "a", Value: strings.Repeat("b", 10_000)}}, Body: make([]byte, 100_000)}
		checkErr(t, b.Publish(e, func(error) {}), nil)
		if got := <-arrived; got.Destination != long(limit) {
			t.Errorf("%q arrived", got.Destination)
		}
		wantReconnects(t, b, 0)

		s.reload("max_control_line: 4096")
		until(t, func() error { return ask(b, long(2000), 1) })
		ready := listen(b, long(2000))
		checkErr(t, <-ready, nil)
		wantReconnects(t, b, 1)

		s.reload("max_control_line: 1024")
		before, over, behind := publish(t, b, "/a", "1"), publish(t, b, long(1500), "2"), publish(t, b, "/a", "3")
		checkErr(t, <-before, nil)
		checkErr(t, <-over, bus.ErrDestination)
		checkErr(t, <-behind, nil)
		checkErr(t, <-ready, bus.ErrDestination)
		checkErr(t, watchFor(b, long(1500)), bus.ErrDestination)
		wantReconnects(t, b, 2)
	})
}

// TestSlowToAnswer: that a server does not answer in time is no sign that it takes shorter lines alone.
func TestSlowToAnswer(t *testing.T) {
	server, b := meet(t, Config{})
	server.greet().expectProbe()
	server.log.await("bus unreachable")
	if err := b.Healthy(); err == nil || !strings.Contains(err.Error(), context.DeadlineExceeded.Error()) {
		t.Errorf("Healthy says %v", err)
	}
	if n := server.greet().expectProbe(); n != maxSubject+lineRest {
		t.Errorf("the next line has %d bytes", n)
	}
}

// TestLooksForSizesAlone: nobody looks at the server's limits for what no limit would let pass.
func TestLooksForSizesAlone(t *testing.T) {
	b := newBus(t, Config{URL: "nats://127.0.0.1:1"}, "1/a", nil)
	for _, e := range []bus.Envelope{
		{Principal: "nobody's", Destination: "/queue/a"},
		{Destination: "/" + strings.Repeat("x", maxSubject)},
	} {
		if err := b.Publish(e, func(error) { t.Error("it was taken") }); err == nil || len(b.refusedByLimit) > 0 {
			t.Errorf("to %.20s: got %v, looks: %d", e.Destination, err, len(b.refusedByLimit))
		}
	}
	b.maxPayload.Store(10)
	if err := b.Publish(bus.Envelope{Destination: "/a", Body: make([]byte, 11)}, nil); !errors.Is(err, bus.ErrTooLarge) || len(b.refusedByLimit) != 1 {
		t.Errorf("a large one: got %v, looks: %d", err, len(b.refusedByLimit))
	}
}

// TestLostIsSortedOut: what a server had not confirmed when it closed the connection over a line is told
// from what it has not read, and that is written to the next connection.
func TestLostIsSortedOut(t *testing.T) {
	for _, tt := range []struct {
		name   string
		told   int   // by the next connection
		before error // what the one before the culprit hears
		most   int   // bytes that can be published then
	}{
		{"a limit that the server tells", 500, nil, 500},
		{"a hidden limit", 1 << 20, bus.ErrUnknown, 300},
	} {
		t.Run(tt.name, func(t *testing.T) {
			server, b := meet(t, Config{})
			conn := server.accept()
			large := strings.Repeat("x", 600)
			answers := []<-chan error{publish(t, b, "/a", "1"), publish(t, b, "/a", large), publish(t, b, "/a", "3"), publish(t, b, "/a", "4")}
			for _, body := range []string{"1", large, "3", "4"} {
				for line := ""; line != pub("stomp.d.a", body); line = conn.line() {
					if line != "" && line != "PING" {
						t.Fatalf("the server got %q", line)
					}
				}
			}
			server.maxPayload = tt.told
			conn.refuse("Maximum Payload Violation")
			conn = server.accept()
			conn.expectAnswering(pub("stomp.d.a", "3"))
			conn.expectAnswering(pub("stomp.d.a", "4"))
			go conn.answerAll()
			for i, want := range []error{tt.before, bus.ErrTooLarge, nil, nil} {
				checkErr(t, <-answers[i], want)
			}
			checkErr(t, ask(b, "/a", tt.most+1), bus.ErrTooLarge)
			checkErr(t, ask(b, "/a", tt.most), nil)
			if n := b.Figures().Queued; n != 0 {
				t.Errorf("%d are counted as queued", n)
			}
		})
	}
}

// TestComesBack: whatever a server says when it closes the connection, the node makes another one.
func TestComesBack(t *testing.T) {
	t.Parallel() // it waits before each
	server, b, conn := talk(t, Config{})
	for _, words := range []string{
		"", "Stale Connection", "Maximum Connections Exceeded", "maximum account active connections exceeded",
		"User Authentication Expired", "User Authentication Revoked", "Account Authentication Expired", "Authorization Violation",
		"Unknown Protocol Operation", "Maximum Payload Violation", "maximum control line exceeded", "Invalid Subject",
		"Invalid Publish Subject", "Parser Error", "Server Shutdown", "Connection throttling is active. Please try again later.",
		"something that nobody has heard of",
	} {
		if words == "" {
			conn.Close()
		} else {
			conn.refuse(words)
		}
		if line := server.log.await("bus disconnected"); !strings.Contains(strings.ToLower(line), strings.ToLower(strings.TrimPrefix(words, "User "))) {
			t.Errorf("%q: logged %s", words, line)
		}
		conn = server.accept()
		answer := publish(t, b, "/a", words)
		conn.expectAnswering(pub("stomp.d.a", words))
		conn.answer()
		checkErr(t, <-answer, nil)
		server.log.await("bus connected")
	}
}

// TestUserChanges: a server that knows the node's user no more, and then does again, has it back.
func TestUserChanges(t *testing.T) {
	const users = "authorization { users: [{user: %s, password: hunter2}] }"
	eachServer(t, fmt.Sprintf(users, "gateway"), func(t *testing.T, s configured) {
		b, log := open(t, Config{URL: s.url, User: "gateway", Password: "hunter2"})
		log.await("bus connected")
		s.reload(fmt.Sprintf(users, "somebody"))
		log.await("bus disconnected")
		bustest.Eventually(t, "it names the handshake", func() bool { return strings.Contains(fmt.Sprint(b.Healthy()), "handshake") })
		s.reload(fmt.Sprintf(users, "gateway"))
		log.await("bus connected")
		checkErr(t, ask(b, "/a", 1), nil)
	})
}

// TestLimitOfAccount: what is over the limit of the node's account, of which not every server tells, is
// refused, and what is not passes.
func TestLimitOfAccount(t *testing.T) {
	o := newOperator(t, func(claims *jwt.AccountClaims) { claims.Limits.Payload = 500 })
	conf := fmt.Sprintf("operator: %s\nresolver: MEMORY\nresolver_preload: { %s: %s }", o.jwt, o.account, o.accountJWT)
	eachServer(t, conf, func(t *testing.T, s configured) {
		b, log := open(t, Config{URL: s.url, Creds: o.creds})
		log.await("bus connected")
		for range 3 {
			checkErr(t, ask(b, "/a", 300), nil)
			for n := 800; n > 500; n -= 50 {
				checkErr(t, ask(b, "/a", n), bus.ErrTooLarge)
			}
		}
		if n := b.Figures().Reconnects; n > 1 {
			t.Errorf("%d reconnects", n)
		}
	})
}

// TestFatalSubscription: whatever a server has against a subscription, so that nats.go closes the connection,
// it is found by a few connections, and not by an answer to each that it may be. Others go on, what had its
// answer before is never one of them, and it is not subscribed again.
func TestFatalSubscription(t *testing.T) {
	const others = 1000
	server, b, conn := talk(t, Config{})
	first := listen(b, "/first")
	conn.expect("SUB stomp.d.first  2")
	conn.answer()
	checkErr(t, <-first, nil)
	granted, bad := make(chan error, 2*others), make(chan error, 2)
	for n := range others {
		b.Watch(fmt.Sprint("/", n), func(err error) { granted <- err })
	}
	b.Watch("/bad", func(err error) { bad <- err })
	var closed, answers atomic.Int64
	go func() {
		for ; conn.answerBut("SUB stomp.d.bad ", &answers); conn = server.accept() {
			closed.Add(1)
		}
	}()
	checkErr(t, <-bad, bus.ErrDestination)
	for range others {
		checkErr(t, <-granted, nil)
	}
	if closed.Load() > 5 || answers.Load() > 300 {
		t.Errorf("it took %d connections and %d answers", closed.Load(), answers.Load())
	}
	server.log.await("closes the connection over a subscription")
	checkErr(t, watchFor(b, "/bad"), bus.ErrDestination)
	if len(first) > 0 {
		t.Errorf("what was granted heard %v", <-first)
	}
}

// TestSubscriptionLimit: of more watches than a server has room for on a connection, which does not say
// which one it refuses, as many hear yes as there is room for, and these bring what is published; others
// hear no, at once or later. One that ends makes room.
func TestSubscriptionLimit(t *testing.T) {
	const limit, asked = 10, 40
	eachServer(t, fmt.Sprintf("max_subscriptions: %d", limit), func(t *testing.T, s configured) {
		b := newBus(t, Config{URL: s.url, Linger: time.Millisecond}, "1/a", nil)
		arrived := collect(t, b)
		heard := make([]chan error, asked)
		var published []<-chan error
		for n := range heard {
			published = append(published, publish(t, b, "/topic/a", "x"))
			heard[n] = listen(b, fmt.Sprint("/topic/", n))
		}
		for _, answer := range published {
			checkErr(t, <-answer, nil)
		}
		var granted []string
		for n := range heard {
			if err := <-heard[n]; err == nil {
				granted = append(granted, fmt.Sprint("/topic/", n))
			} else {
				checkErr(t, err, bus.ErrCrowded)
			}
		}
		if len(granted) != limit-1 { // and the node's own
			t.Fatalf("%d of %d watches are granted: %v", len(granted), asked, granted)
		}
		for _, destination := range granted {
			arrives(t, b, bus.Envelope{Destination: destination}, arrived)
		}
		wantReconnects(t, b, 1)
		checkErr(t, watchFor(b, "/more"), bus.ErrCrowded)
		b.Unwatch(granted[0])
		until(t, func() error { return watchFor(b, "/more") })
		arrives(t, b, bus.Envelope{Destination: "/more"}, arrived)
		wantReconnects(t, b, 1)
		for n := range heard {
			if len(heard[n]) > 0 {
				t.Errorf("watch %d heard %v too", n, <-heard[n])
			}
		}
	})
}

// TestSubscriptionLimitOfNext: on a connection to a server that takes fewer than the one before, what is too
// much is taken back, and never the node's own subject. When there is more room later, it is used.
func TestSubscriptionLimitOfNext(t *testing.T) {
	const limit, asked = 10, 40
	first := startServer(t, 0)
	b := newBus(t, Config{URL: first.ClientURL()}, "1/a", nil)
	arrived := collect(t, b)
	heard := make([]chan error, asked)
	for n := range heard {
		heard[n] = listen(b, fmt.Sprint("/topic/", n))
		checkErr(t, <-heard[n], nil)
	}
	stopServer(first)
	port := portOf(t, first.ClientURL())
	second := startServer(t, port, func(o *server.Options) { o.MaxSubs = limit })
	arrives(t, b, bus.Envelope{Destination: "/queue/x", Principal: "1/a/session/now"}, arrived)
	told := func() (n int) {
		for _, c := range heard {
			n += len(c)
		}
		return n
	}
	bustest.Eventually(t, "all that is too much is taken back", func() bool { return told() == asked-(limit-1) })
	for n := range heard {
		if len(heard[n]) > 0 {
			checkErr(t, <-heard[n], bus.ErrCrowded)
		} else {
			arrives(t, b, bus.Envelope{Destination: fmt.Sprint("/topic/", n)}, arrived)
		}
	}
	checkErr(t, b.Healthy(), nil)
	stopServer(second)
	startServer(t, port, func(o *server.Options) { o.MaxSubs = 2 * limit })
	for n := range limit {
		until(t, func() error { return watchFor(b, fmt.Sprint("/more/", n)) })
	}
}

// TestCrowdedHistory: a node whose connection is full of watches has room for what JetStream says, and keeps it.
func TestCrowdedHistory(t *testing.T) {
	url := startServer(t, 0, withJetStream(t.TempDir()), func(o *server.Options) { o.MaxSubs = 20 }).ClientURL()
	b := remember(t, Config{URL: url}, "1/a", 10)
	var granted, crowded int
	for i := range 40 {
		switch err := watchFor(b.Bus, fmt.Sprint("/queue/", i)); {
		case err == nil:
			granted++
		case errors.Is(err, bus.ErrCrowded):
			crowded++
		}
	}
	if granted == 0 || granted+crowded != 40 {
		t.Errorf("%d were granted, %d were told that there is no room", granted, crowded)
	}
	bustest.Eventually(t, "it takes what has history", func() bool { return <-publish(t, b.Bus, "/topic/a", "1") == nil })
	before := b.Figures().Reconnects
	for range 10 {
		send(t, b.Bus, "2")
		b.history.refresh()
		b.healthy(t)
	}
	if n := b.Figures().Reconnects; n != before || n > 2 {
		t.Errorf("it made %d connections anew, %d of them after the limit was met", n, n-before)
	}
}
