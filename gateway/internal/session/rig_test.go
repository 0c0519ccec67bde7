package session

import (
	"bytes"
	"cmp"
	"context"
	"log/slog"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stompgw/stompgw/bus"
	"github.com/stompgw/stompgw/bus/bustest"
	"github.com/stompgw/stompgw/gateway/internal/loop"
	"github.com/stompgw/stompgw/gateway/internal/router"
	"github.com/stompgw/stompgw/gateway/policy"
	"github.com/stompgw/stompgw/gateway/registry"
	"github.com/stompgw/stompgw/gateway/stomp"
)

// rig is one loop with its part of a router, over a bus whose answers the test decides. Sessions
// on it have connections without sockets, and hear and see time pass as the test says.
type rig struct {
	t      testing.TB
	loop   *loop.Loop
	bus    *bustest.Fake
	router *router.Router
	book   *registry.Memory
	host   *Host
	logs   *bustest.Log
	end    func() // of the loop; waits for it
}

func newRig(t testing.TB, configure ...func(*Host)) *rig {
	b := bustest.NewFake()
	return newRigOn(t, b, b, configure...)
}

// newRigOn is newRig for a bus that has b below it.
func newRigOn(t testing.TB, b *bustest.Fake, outer bus.Bus, configure ...func(*Host)) *rig {
	t.Helper()
	return newRigWith(t, b, outer, policy.Rules{
		Channels: []policy.Channel{
			{Match: "/topic/closed", Subscribe: "false", Send: "false"},
			{Match: "/topic/{room}", Subscribe: "true", Send: "true"},
			{Match: "/session/queue/{name}", Subscribe: "true", Send: "true"},
		},
		Routes: []policy.Route{{Match: "/app/topic/{channel}", Allow: "true", Publish: "/topic/{channel}"}},
	}, configure...)
}

func newRigWith(t testing.TB, b *bustest.Fake, outer bus.Bus, catalogue policy.Rules, configure ...func(*Host)) *rig {
	t.Helper()
	rules := compile(t, catalogue)
	l := loop.NewPortable(1 << 20) // which a synctest bubble sees waiting
	node := registry.NewNode(time.Now())
	rt := router.New(node, outer, rules, []*loop.Loop{l}, slog.New(slog.DiscardHandler))
	limits := stomp.DefaultLimits()
	r := &rig{t: t, loop: l, bus: b, router: rt, book: registry.NewMemory(), logs: &bustest.Log{}}
	r.host = &Host{
		Local: rt.Local(0), Rules: rules,
		Naming: Naming{Node: node, Server: "stompgw/test", Registry: r.book},
		Access: Access{Blocks: new(Blocks), Now: time.Now},
		Bounds: Bounds{Limits: &limits, Outbound: 1 << 20, HeartBeat: stomp.HeartBeat{Send: 10 * time.Second, Receive: 10 * time.Second},
			ConnectTimeout: 10 * time.Second, Ledger: NewLedger()},
		Records: Records{Fallback: policy.FallbackDrop, Stats: new(Stats), Lines: new(Lines),
			Log: slog.New(slog.NewTextHandler(r.logs, &slog.HandlerOptions{Level: slog.LevelDebug}))},
		Pools: &Pools{NewWorkers(1), NewWorkers(8), NewWorkers(8)},
	}
	for _, c := range configure {
		c(r.host)
	}
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	r.end = func() { cancel(); wg.Wait() }
	t.Cleanup(func() {
		r.end()
		r.host.Pools.Close()
		for _, line := range r.host.Lines.All() {
			line.Close()
		}
	})
	wg.Go(func() { l.Run(ctx) })
	wg.Go(func() { rt.Run(ctx) })
	<-b.Receiving
	return r
}

// compile makes a catalogue with the prefixes, and the error destination, of all tests, unless rules have others.
func compile(t testing.TB, rules policy.Rules) *policy.Catalogue {
	t.Helper()
	if rules.Prefixes.App == "" {
		rules.Prefixes = policy.DefaultPrefixes()
	}
	rules.ErrorDestination = cmp.Or(rules.ErrorDestination, "/session/queue/request-error")
	c, err := policy.New(rules)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// do runs fn on the loop, and returns when it and all it has posted have run.
func (r *rig) do(fn func()) {
	for _, task := range []func(){fn, func() {}, func() {}} {
		ran := make(chan struct{})
		r.loop.Post(func() { task(); close(ran) })
		<-ran
	}
}

// deliver is what a node of the cluster has published.
func (r *rig) deliver(e bus.Envelope) {
	r.bus.Deliver(e)
	r.do(func() {})
}

// accept makes a session whose client has said nothing yet.
func (r *rig) accept() *peer {
	p := &peer{rig: r, conn: &fakeConn{}}
	r.do(func() {
		p.s = New(r.host, p.conn)
	})
	return p
}

// connect makes a session of a version, and reads its CONNECTED.
func (r *rig) connect(version string, header ...string) *peer {
	r.t.Helper()
	p := r.accept()
	p.feed("CONNECT\naccept-version:" + version + "\n" + strings.Join(append(header, ""), "\n") + "\n^@")
	if got := p.read(); len(got) != 1 || !strings.HasPrefix(got[0], "CONNECTED\nversion:"+version+"\n") {
		r.t.Fatalf("CONNECT was answered with %q", got)
	}
	return p
}

// peer is a session together with the test's end of its connection.
type peer struct {
	*rig
	s    *Session
	conn *fakeConn
}

// feed sends text, with ^@ for NUL, in memory that the transport uses again.
func (p *peer) feed(text string) {
	b := []byte(strings.ReplaceAll(text, "^@", "\x00"))
	p.do(func() {
		p.s.Feed(b)
		for i := range b {
			b[i] = '#'
		}
	})
}

// read returns the frames that came since the last read, without their NULs. A heart-beat is "\n".
func (p *peer) read() (frames []string) {
	p.do(func() {
		for _, packed := range p.conn.out {
			frames = append(frames, strings.TrimSuffix(string(packed), "\x00"))
		}
		p.conn.out = nil
	})
	return frames
}

// want checks that just these frames came since the last read.
func (p *peer) want(frames ...string) {
	p.t.Helper()
	if got := p.read(); !slices.Equal(got, frames) {
		p.t.Fatalf("got  %q\nwant %q", got, frames)
	}
}

// wantOne checks that one frame came since the last read, and that it holds the lines.
func (p *peer) wantOne(command string, lines ...string) string {
	p.t.Helper()
	got := p.read()
	if len(got) != 1 {
		p.t.Fatalf("got %q, want one %s", got, command)
	}
	wantFrame(p.t, got[0], command, lines...)
	return got[0]
}

func wantFrame(t testing.TB, frame, command string, lines ...string) {
	t.Helper()
	if !strings.HasPrefix(frame, command+"\n") {
		t.Fatalf("got %q, want %s", frame, command)
	}
	for _, line := range lines {
		if !strings.Contains(frame+"\n", "\n"+line+"\n") {
			t.Fatalf("got %q, want a line %q", frame, line)
		}
	}
}

// wantClosed checks that the session has closed its connection, with that code.
func (p *peer) wantClosed(code CloseCode) {
	p.t.Helper()
	if !p.conn.closed || p.conn.code != code {
		p.t.Fatalf("closed: %v, code %d; want code %d", p.conn.closed, p.conn.code, code)
	}
}

func (p *peer) wantOpen() {
	p.t.Helper()
	if p.conn.closed {
		p.t.Fatalf("closed with code %d, %q", p.conn.code, p.conn.reason)
	}
}

// errors subscribes to the error channel.
func (p *peer) errors() *peer {
	p.t.Helper()
	p.feed("SUBSCRIBE\nid:err\ndestination:/session/queue/request-error\nreceipt:err\n\n^@")
	p.want(receipt("err"))
	return p
}

// wantRefusal checks that one refusal came on the error channel, for any reason if word is empty,
// and returns its body.
func (p *peer) wantRefusal(word string) string {
	p.t.Helper()
	frame := p.wantOne("MESSAGE", "destination:/session/queue/request-error", "subscription:err")
	_, body, _ := strings.Cut(frame, "\n\n")
	if word != "" && !strings.Contains(body, `"error":"`+word+`"`) {
		p.t.Fatalf("got %s, want the refusal %s", body, word)
	}
	p.wantOpen()
	return body
}

func receipt(id string) string { return "RECEIPT\nreceipt-id:" + id + "\n\n" }

// fakeConn is a connection of the test.
type fakeConn struct {
	out          [][]byte
	heard, wrote time.Duration
	timer        time.Duration
	paused       bool
	awaited      bool
	closed       bool
	code         CloseCode
	reason       string
}

func (c *fakeConn) Transport() string        { return "tcp" }
func (c *fakeConn) Framing() Framing         { return bare{} }
func (c *fakeConn) Remote() netip.AddrPort   { return netip.MustParseAddrPort("192.0.2.1:61613") }
func (c *fakeConn) Queued() int              { return len(bytes.Join(c.out, nil)) }
func (c *fakeConn) AwaitDrain()              { c.awaited = true }
func (c *fakeConn) Heard() time.Duration     { return c.heard }
func (c *fakeConn) Wrote() time.Duration     { return c.wrote }
func (c *fakeConn) SetTimer(d time.Duration) { c.timer = d }
func (c *fakeConn) Pause()                   { c.paused = true }
func (c *fakeConn) Resume()                  { c.paused, c.heard = false, 0 }

func (c *fakeConn) Queue(packed []byte) {
	if c.closed {
		panic("a frame after Close")
	}
	c.out = append(c.out, packed)
}

func (c *fakeConn) Close(code CloseCode, reason string) {
	if c.closed {
		panic("closed twice")
	}
	c.closed, c.code, c.reason = true, code, reason
}

// bare packs nothing.
type bare struct{}

func (bare) Append(dst []byte, _ bool, head, rest []byte) []byte {
	return append(append(dst, head...), rest...)
}
func (bare) Overhead() int { return 0 }

// settle answers the envelope of that index.
func (r *rig) settle(i int, err error) {
	r.bus.Settle(i, err)
	r.do(func() {})
}
