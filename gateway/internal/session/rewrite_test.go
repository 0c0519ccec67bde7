package session

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stompgw/stompgw/bus"
	"github.com/stompgw/stompgw/bus/bustest"
	"github.com/stompgw/stompgw/gateway/policy"
	"github.com/stompgw/stompgw/gateway/stomp"
)

// newRewriteRig is a rig with routes that rewrite: /app/chat/{room} wants {"chat": …}.
func newRewriteRig(t testing.TB, configure ...func(*Host)) *rig {
	t.Helper()
	b := bustest.NewFake()
	return newRigWith(t, b, b, policy.Rules{
		Channels: []policy.Channel{{Match: "/topic/{room}", Subscribe: "true", Send: "true"}},
		Routes: []policy.Route{
			{Match: "/app/chat/{room}", Allow: "true", Publish: "/topic/{room}", Body: `{"content": body.chat}`, Headers: `{"x-room": vars.room}`},
			{Match: "/app/twice/{room}", Allow: "true", Publish: "/topic/{room}", Body: `body + body`},
		},
	}, configure...)
}

// chatOf is a SEND to /app/chat/a of a text of n letters.
func chatOf(n int, header ...string) string {
	return "SEND\ndestination:/app/chat/a\n" + strings.Join(append(header, ""), "\n") + "\n" + `{"chat":"` + strings.Repeat("x", n) + `"}^@`
}

// contentOf is what becomes of chatOf.
func contentOf(n int) string { return `{"content":"` + strings.Repeat("x", n) + `"}` }

// large is over what is evaluated on the loop.
const large = inlineBody + 1

// occupy keeps the workers busy until it is told to let go.
func (r *rig) occupy() (release func()) {
	held, released := make(chan struct{}), make(chan struct{})
	r.host.Workers.Go(func(context.Context) {
		close(held)
		<-released
	})
	<-held
	return func() { close(released) }
}

// until returns once ok, which is asked on the loop, is true.
func (r *rig) until(what string, ok func() bool) {
	r.t.Helper()
	hung := time.Now().Add(30 * time.Second)
	for done := false; !done; {
		if r.do(func() { done = ok() }); time.Now().After(hung) {
			r.t.Fatalf("still not: %s", what)
		}
	}
}

// ask sends text as feed does, and waits until the session reads on.
func (p *peer) ask(text string) {
	p.t.Helper()
	p.feed(text)
	p.resumed()
}

func (p *peer) resumed() {
	p.t.Helper()
	p.until("resumed", func() bool { return !p.s.Paused() })
}

// TestRewrite: what a route's expressions make is published, with what they don't touch.
func TestRewrite(t *testing.T) {
	for _, size := range []int{1, large} {
		t.Run(fmt.Sprint(size), func(t *testing.T) {
			p := newRewriteRig(t).connect("1.2")
			p.ask(chatOf(size, "content-type:text/x", "x-own:1", "x-room:mine", "authorization:Bearer x", "receipt:r"))
			taken := p.bus.Taken()
			if len(taken) != 1 || taken[0].Destination != "/topic/a" || string(taken[0].Body) != contentOf(size) {
				t.Fatalf("the bus has %.200q", taken)
			}
			want := []bus.Header{{Name: "x-own", Value: "1"}, {Name: "content-type", Value: "application/json"}, {Name: "x-room", Value: "a"}}
			if !slices.Equal(taken[0].Headers, want) {
				t.Errorf("headers %q, want %q", taken[0].Headers, want)
			}
			p.want()
			p.settle(0, nil)
			p.want(receipt("r"))
		})
	}
}

// TestRewriteElsewhere: while a large body is away, its session waits, and no other does.
func TestRewriteElsewhere(t *testing.T) {
	r := newRewriteRig(t)
	p, other := r.connect("1.2", "heart-beat:0,1000"), r.connect("1.2")
	release := r.occupy()
	p.feed(chatOf(large) + "SEND\ndestination:/topic/b\nreceipt:2\n\nsecond^@SUBSCRIBE\nid:1\ndesti")
	if !p.conn.paused || !p.s.Paused() {
		t.Fatal("the session reads on")
	}
	p.feed("nation:/topic/c\nreceipt:sub\n\n^@") // the transport had it already
	p.conn.heard = time.Hour
	p.do(func() { p.s.Timeout() })
	p.wantOpen()
	p.do(p.s.Unblock) // of an earlier wait for the bus
	if !p.conn.paused {
		t.Fatal("resumed by the bus")
	}
	other.feed(chatOf(1))
	other.wantOpen()
	if got := r.bus.Bodies(); !slices.Equal(got, []string{contentOf(1)}) {
		t.Fatalf("the bus has %.100q", got)
	}

	release()
	p.resumed()
	if p.conn.paused {
		t.Error("the connection is not read")
	}
	if got := r.bus.Bodies(); !slices.Equal(got, []string{contentOf(1), contentOf(large), "second"}) {
		t.Fatalf("the bus has %.100q", got)
	}
	p.want(receipt("sub"))
	r.settle(2, nil)
	p.want(receipt("2"))
}

// TestRewriteRefused: a message that a route does not work on is a refusal, whose log says why
// without a word of it.
func TestRewriteRefused(t *testing.T) {
	for _, test := range []struct{ name, frame, word, reason string }{
		{"no such key", "SEND\ndestination:/app/chat/a\nreceipt:r\n\n" + `{"secret":"secret"}^@`, "body", "routes[0].body: no such key"},
		{"not JSON", "SEND\ndestination:/app/chat/a\nreceipt:r\n\nsecret^@", "body", "routes[0].body: the body is not JSON"},
		{"not JSON, large", "SEND\ndestination:/app/chat/a\nreceipt:r\n\n" + strings.Repeat("secret", large) + "^@", "body", "routes[0].body: the body is not JSON"},
		{"a large result", "SEND\ndestination:/app/twice/a\nreceipt:r\n\n" + `"` + strings.Repeat("secret", 8000) + `"^@`, "too_large", "routes[1].body: the result is too large"},
	} {
		t.Run(test.name, func(t *testing.T) {
			p := newRewriteRig(t).connect("1.2").errors()
			p.ask(test.frame)
			if body := p.wantRefusal(test.word); !strings.Contains(body, `"retryable":false,"receiptId":"r"`) {
				t.Errorf("refusal %s", body)
			}
			if got := p.bus.Bodies(); len(got) != 0 {
				t.Errorf("the bus has %.100q", got)
			}
			if log := p.logs.String(); !strings.Contains(log, test.reason) || strings.Contains(log, "secret") || !strings.Contains(log, "level=DEBUG") {
				t.Errorf("log: %s", log)
			}
			p.feed(chatOf(1))
			if got := p.bus.Bodies(); len(got) != 1 {
				t.Errorf("the session does not go on: %q", got)
			}
		})
	}
}

// TestRewriteFallback: an ERROR ends the session, wherever the body was looked at.
func TestRewriteFallback(t *testing.T) {
	for _, size := range []int{1, large} {
		p := newRewriteRig(t, func(h *Host) { h.Fallback = policy.FallbackError }).connect("1.2")
		p.feed("SEND\ndestination:/app/chat/a\nreceipt:r\n\n" + strings.Repeat("x", size) + "^@" + chatOf(1))
		p.until("closed", func() bool { return p.conn.closed })
		p.wantOne("ERROR", "receipt-id:r")
		if got := p.bus.Bodies(); len(got) != 0 {
			t.Errorf("after the end the bus has %q", got)
		}
	}
}

// TestRewriteInTransaction: SENDs are rewritten as they come and published at COMMIT, in order.
func TestRewriteInTransaction(t *testing.T) {
	t.Run("published", func(t *testing.T) {
		p := newRewriteRig(t).connect("1.2").errors()
		p.ask("BEGIN\ntransaction:t\n\n^@" + chatOf(large, "transaction:t") + chatOf(1, "transaction:t"))
		if got := p.bus.Bodies(); len(got) != 0 {
			t.Fatalf("before COMMIT the bus has %.100q", got)
		}
		p.feed("COMMIT\ntransaction:t\nreceipt:c\n\n^@")
		if got := p.bus.Bodies(); !slices.Equal(got, []string{contentOf(large), contentOf(1)}) {
			t.Fatalf("the bus has %.100q", got)
		}
		p.settle(0, nil)
		p.settle(1, nil)
		p.want(receipt("c"))
	})
	for _, bad := range []string{"x", strings.Repeat("x", large)} {
		t.Run(fmt.Sprintf("refused, %d bytes", len(bad)), func(t *testing.T) {
			p := newRewriteRig(t).connect("1.2").errors()
			p.ask("BEGIN\ntransaction:t\n\n^@" + chatOf(1, "transaction:t") + "SEND\ndestination:/app/chat/a\ntransaction:t\n\n" + bad + "^@")
			p.wantRefusal("body")
			p.feed("COMMIT\ntransaction:t\nreceipt:c\n\n^@")
			p.settle(0, nil)
			p.wantRefusal("transaction_incomplete")
		})
	}
}

// TestRewriteThenDisconnect: what came before DISCONNECT is answered before it.
func TestRewriteThenDisconnect(t *testing.T) {
	p := newRewriteRig(t).connect("1.2")
	release := p.occupy()
	p.feed(chatOf(large, "receipt:r") + "DISCONNECT\nreceipt:bye\n\n^@")
	p.want()
	release()
	p.until("published", func() bool { return len(p.bus.Taken()) == 1 })
	p.want()
	p.settle(0, nil)
	p.want(receipt("r"), receipt("bye"))
	p.wantClosed(CloseNormal)
}

// TestRewriteMeetsAFullBus: the session waits for the one and then for the other.
func TestRewriteMeetsAFullBus(t *testing.T) {
	p := newRewriteRig(t).connect("1.2").errors()
	release := p.occupy()
	p.feed(chatOf(large) + "SEND\ndestination:/topic/b\n\nnext^@")
	p.bus.RefuseWith(bus.ErrFull)
	release()
	p.until("stalled", func() bool { return len(p.s.work.stalled) == 1 })
	if !p.conn.paused || !p.s.Paused() {
		t.Fatal("resumed while the bus is full")
	}
	p.bus.RefuseWith(nil)
	p.do(p.s.Unblock)
	if got := p.bus.Bodies(); p.conn.paused || !slices.Equal(got, []string{contentOf(large), "next"}) {
		t.Fatalf("paused: %v, the bus has %.100q", p.conn.paused, got)
	}
}

// TestRewriteOfAClosedSession: what is made for one that is gone is not begun, or dropped.
func TestRewriteOfAClosedSession(t *testing.T) {
	t.Run("before its turn", func(t *testing.T) {
		p := newRewriteRig(t).connect("1.2")
		release := p.occupy()
		p.feed(chatOf(large))
		cancelled := false
		p.do(func() {
			cancel := p.s.work.cancel
			p.s.work.cancel = func() { cancelled = true; cancel() }
			p.s.Closed(errors.New("reset"))
		})
		if !cancelled {
			t.Error("the work goes on")
		}
		release()
		p.host.Workers.wg.Wait()
		p.do(func() {})
		if got := p.bus.Taken(); len(got) != 0 {
			t.Errorf("the bus has %.100q", got)
		}
	})
	t.Run("with the result on its way", func(t *testing.T) {
		p := newRewriteRig(t).connect("1.2")
		release := p.occupy()
		defer release()
		p.feed(chatOf(large))
		p.do(func() {
			p.s.Drain()
			p.s.unpark(&passage{
				next: act, Inspection: Inspection{Frame: stomp.Frame{Command: "SEND"}},
				made: []publication{{session: p.s, envelope: bus.Envelope{Destination: "/topic/a"}}},
			})
		})
		if got := p.bus.Taken(); len(got) != 0 {
			t.Errorf("the bus has %.100q", got)
		}
	})
}
