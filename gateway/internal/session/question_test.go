package session

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stompgw/stompgw/bus"
	"github.com/stompgw/stompgw/bus/bustest"
	"github.com/stompgw/stompgw/gateway/policy"
)

// backends is a bus that brings what is for them, and keeps what it was given.
type backends struct {
	*bustest.Fake
	got []bus.Envelope // owned by the loop
}

// Aim implements bus.Forwarder.
func (b *backends) Aim([]bus.Target) error { return nil }

// Forward implements bus.Forwarder.
func (b *backends) Forward(_ bus.Target, e bus.Envelope, done func(error)) error {
	b.got = append(b.got, e)
	done(nil)
	return nil
}

// asking is a rig whose clients ask a backend, and the time as the test says.
type asking struct {
	*rig
	backends *backends
	now      time.Time // changed on the loop
}

func newAsking(t *testing.T) *asking {
	a := &asking{backends: &backends{Fake: bustest.NewFake()}, now: time.Unix(1_000_000, 0)}
	a.rig = newRigWith(t, a.backends.Fake, a.backends, policy.Rules{
		Channels: []policy.Channel{{Match: "/session/queue/{name}", Subscribe: "true"}},
		Routes:   []policy.Route{{Match: "/app/ask", Allow: "true", To: policy.To{Topic: "questions"}}},
	}, func(h *Host) { h.Now = func() time.Time { return a.now } })
	return a
}

// listening is a session that hears answers.
func (a *asking) listening() *peer {
	p := a.connect("1.2")
	p.feed("SUBSCRIBE\nid:1\ndestination:/session/queue/answers\n\n^@")
	return p
}

// ask sends a question, and returns by what it is to be answered.
func (a *asking) ask(p *peer, headers string) (correlation string) {
	a.t.Helper()
	p.feed("SEND\ndestination:/app/ask\n" + headers + "\n^@")
	a.do(func() {
		e := a.backends.got[len(a.backends.got)-1]
		for _, h := range e.Headers {
			switch h.Name {
			case "correlation-id":
				correlation = h.Value
			case "client-request-code":
				a.t.Error("a code leaves the gateway")
			}
		}
	})
	return correlation
}

// answer is what p receives of an answer: its client-request-code, "" for none.
func (a *asking) answer(p *peer, correlation string) string {
	a.t.Helper()
	a.deliver(bus.Envelope{Destination: "/queue/answers", Principal: p.s.Principal(), Headers: []bus.Header{{Name: "correlation-id", Value: correlation}}, Body: []byte("x")})
	got := p.read()
	if len(got) != 1 || !strings.Contains(got[0], "\ncorrelation-id:"+correlation+"\n") {
		a.t.Fatalf("got %q, want an answer to %s", got, correlation)
	}
	_, code, _ := strings.Cut(got[0], "\nclient-request-code:")
	code, _, _ = strings.Cut(code, "\n")
	return code
}

func (a *asking) want(p *peer, correlation, code string) {
	a.t.Helper()
	if got := a.answer(p, correlation); got != code {
		a.t.Errorf("an answer to %s has the code %q, want %q", correlation, got, code)
	}
}

// TestAnswer: an answer tells the client the code of its question, as often as it comes, and nobody else.
func TestAnswer(t *testing.T) {
	a := newAsking(t)
	p, other := a.listening(), a.listening()
	first := a.ask(p, "client-request-code:A:1\n")
	second := a.ask(p, "client-request-code:B\ncorrelation-id:mine\n")
	if second != "mine" {
		t.Errorf("the sender's own is %s", second)
	}
	third := a.ask(p, "")
	a.want(p, second, "B")
	a.want(p, first, `A\c1`)
	a.want(p, first, `A\c1`)
	a.want(p, third, "")
	a.want(p, "unknown", "")
	a.want(other, first, "")
	a.ask(p, "client-request-code:C\ncorrelation-id:mine\n")
	a.want(p, "mine", "C")
	if n := a.host.Stats.Asked.Load(); n != 2 {
		t.Errorf("%d are remembered, want 2", n)
	}
	a.want(p, a.ask(p, "client-request-code:"+strings.Repeat("a", 257)+"\n"), "")
	a.deliver(bus.Envelope{Destination: "/queue/answers", Principal: p.s.Principal()})
	if got := p.read(); len(got) != 1 || strings.Contains(got[0], "client-request-code") {
		t.Errorf("a message that answers nothing is %q", got)
	}
}

// TestAnswerBounds: what is remembered is bounded in number and time, of a session and of a node, and ends with the session.
func TestAnswerBounds(t *testing.T) {
	a := newAsking(t)
	p := a.listening()
	var ids []string
	for i := range maxQuestions + 1 {
		ids = append(ids, a.ask(p, fmt.Sprintf("client-request-code:%d\n", i)))
	}
	a.want(p, ids[0], "")
	a.want(p, ids[1], "1")
	a.want(p, ids[maxQuestions], fmt.Sprint(maxQuestions))
	a.do(func() { a.now = a.now.Add(answerTime - 1) })
	a.want(p, ids[1], "1")
	a.do(func() { a.now = a.now.Add(1) })
	a.want(p, ids[1], "")
	late := a.ask(p, "client-request-code:late\n")
	a.want(p, late, "late")
	if n := a.host.Stats.Asked.Load(); n != 1 {
		t.Errorf("%d are remembered, want 1", n)
	}
	a.host.Stats.Asked.Add(maxAsked - 1)
	a.want(p, a.ask(p, "client-request-code:more\n"), "")
	a.want(p, late, "late")
	a.do(func() { p.s.Drain() })
	if n := a.host.Stats.Asked.Load(); n != maxAsked-1 {
		t.Errorf("%d are remembered of a session that is gone", n-(maxAsked-1))
	}
}
