package session

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stompgw/stompgw/bus"
	"github.com/stompgw/stompgw/bus/bustest"
	"github.com/stompgw/stompgw/gateway/policy"
)

// hold has an interceptor keep the frames that come now until release.
func (p *peer) hold() (release func()) {
	held := make(chan struct{})
	p.do(func() {
		p.host.Intercept = func(ctx context.Context, _ *Inspection) Outcome {
			select {
			case <-held:
			case <-ctx.Done():
			}
			return Outcome{}
		}
	})
	return func() { close(held) }
}

// TestLapseWhileIntercepted: what becomes of a token while an interceptor has its frame, counts.
func TestLapseWhileIntercepted(t *testing.T) {
	const room = "/topic/members/a"
	subscribe := func(token string) string { return subscribeAs("1", room, token) }
	send := func(token string) string { return sendAs(room, token, "x") }
	const lapsed, expired, asked = time.Minute + testGrace, time.Minute + testLeeway, 11 * time.Second
	for _, test := range []struct {
		name    string
		frame   func(token string) string
		member  any           // 42: it brings no token; another: his, which is taken back
		wait    time.Duration // lapsed: the time of grace is over, but clocks may differ
		refused bool
	}{
		{"SUBSCRIBE, lapsed", subscribe, 42, lapsed, false},
		{"SUBSCRIBE, expired", subscribe, 42, expired, true},
		{"SUBSCRIBE, taken back", subscribe, "bob", asked, true},
		{"SEND, lapsed", send, 42, lapsed, false},
		{"SEND, expired", send, 42, expired, true},
		{"SEND, taken back", send, "bob", asked, true},
	} {
		t.Run(test.name, func(t *testing.T) {
			r := newLoginRig(t)
			p := r.member(r.of(42, time.Minute))
			token := ""
			if test.member != 42 {
				token = r.of(test.member, time.Hour)
				p.ask(sendAs("/topic/open/a", token, "it is known"))
			}
			before := len(p.bus.Bodies())
			release := p.hold()
			p.feed(test.frame(token))
			r.revoke(token)
			if r.later(p, test.wait); test.member == 42 {
				p.wantCode(policy.CodeLogin)
			}
			release()
			p.resumed()
			switch command, _, _ := strings.Cut(test.frame(""), "\n"); {
			case test.refused:
				p.wantCode(policy.CodeLogin)
			case command == "SUBSCRIBE":
				p.want(receipt("1"))
			default:
				p.want()
				before++
			}
			if got := p.bus.Bodies(); len(got) != before {
				t.Errorf("the bus has %q", got)
			}
			p.wantReceived(room)
			r.later(p, time.Hour)
			p.read() // bob's session may expire
			p.wantReceived(room)
		})
	}
}

// TestEndWhileIntercepted: a frame that an interceptor has let pass is not carried out if its token
// ends the session then.
func TestEndWhileIntercepted(t *testing.T) {
	r := newLoginRig(t, func(h *Host) { h.Fallback = policy.FallbackError })
	token := r.of(42, time.Hour)
	p := r.login(token)
	release := p.hold()
	p.feed(sendAs("/topic/open/a", "", "x"))
	r.revoke(token)
	r.late.Add(int64(11 * time.Second))
	release()
	p.until("closed", func() bool { return p.conn.closed })
	p.wantOne("ERROR")
	if got := p.bus.Bodies(); got != nil {
		t.Errorf("the bus has %q", got)
	}
}

// TestInterceptedInTransaction: a SEND that an interceptor or a handler refuses is missing from its
// transaction; one that is dropped is not missed.
func TestInterceptedInTransaction(t *testing.T) {
	decide := func(_ context.Context, in *Inspection) (o Outcome) {
		switch string(in.Frame.Body) {
		case "refuse":
			o.Refusal = policy.Refuse(policy.CodeNotAllowed)
		case "drop":
			o.Drop = true
		}
		return o
	}
	for name, configure := range map[string]func(h *Host){
		"interceptor": func(h *Host) { h.Intercept = decide },
		"handler": func(h *Host) {
			h.Handler = func(string) Handler {
				return func(ctx context.Context, in *Inspection) Reaction {
					return Reaction{Outcome: decide(ctx, in), Publish: []bus.Envelope{{Destination: "/topic/a", Body: in.Frame.Body}}}
				}
			}
		},
	} {
		for _, second := range []string{"refuse", "drop", "pass"} {
			t.Run(name+"/"+second, func(t *testing.T) {
				r := newRig(t)
				p := r.connect("1.2").errors()
				p.do(func() { configure(r.host) })
				p.ask(begin("t") + sendIn("t", "pass") + sendIn("t", second))
				if second == "refuse" {
					p.wantRefusal("not_allowed")
				}
				p.feed("COMMIT\ntransaction:t\nreceipt:commit\n\n^@")
				p.want()
				for i := range p.bus.Taken() {
					r.settle(i, nil)
				}
				if second == "refuse" {
					p.wantRefusal("transaction_incomplete")
				} else {
					p.want(receipt("commit"))
				}
			})
		}
	}
}

// TestHandledInTransaction: what a handler publishes for a SEND of a transaction has room in it, or
// is refused as a whole. The SEND has one answer.
func TestHandledInTransaction(t *testing.T) {
	for _, test := range []struct {
		name  string
		sizes []int
		fits  bool
	}{
		{"fits", []int{100, 100}, true},
		{"the first does not fit", []int{2000, 1}, false},
		{"the last does not fit", []int{1, 1, 2000}, false},
		{"no one fits", []int{2000, 2000}, false},
		{"together they don't fit", []int{600, 600}, false},
		{"too many", make([]int, maxEnlisted+1), false},
	} {
		for _, fallback := range []policy.Fallback{policy.FallbackDrop, policy.FallbackError} {
			t.Run(fmt.Sprintf("%s/%s", test.name, fallback), func(t *testing.T) {
				r := newRig(t, func(h *Host) {
					h.Fallback, h.Outbound = fallback, 1000
					if len(test.sizes) > maxEnlisted {
						h.Outbound = 1 << 20
					}
					h.Handler = func(string) Handler {
						return func(context.Context, *Inspection) (re Reaction) {
							for _, n := range test.sizes {
								re.Publish = append(re.Publish, bus.Envelope{Destination: "/topic/a", Body: make([]byte, n)})
							}
							return re
						}
					}
				})
				p := r.connect("1.2")
				if fallback == policy.FallbackDrop {
					p.errors()
				}
				p.feed(begin("t") + "SEND\ndestination:/app/x\ntransaction:t\nreceipt:send\n\n^@")
				if fallback == policy.FallbackError && !test.fits {
					p.until("closed", func() bool { return p.conn.closed })
					p.wantOne("ERROR", "receipt-id:send")
					p.wantClosed(ClosePolicy)
					return
				}
				p.resumed()
				if test.fits {
					p.want()
				} else if got := p.wantRefusal("too_large"); !strings.Contains(got, `"receiptId":"send"`) {
					t.Errorf("got %s", got)
				}
				p.feed("COMMIT\ntransaction:t\nreceipt:commit\n\n^@")
				if !test.fits {
					p.wantRefusal("transaction_incomplete")
					if got := p.bus.Taken(); got != nil {
						t.Errorf("%d messages were published", len(got))
					}
					return
				}
				p.want()
				for i := range test.sizes {
					p.want()
					r.settle(i, nil)
				}
				p.want(receipt("send"), receipt("commit"))
			})
		}
	}
}

// TestHandledReceipt: a SEND that has become several messages gets its RECEIPT when the bus has all
// of them, and none if the bus refuses one.
func TestHandledReceipt(t *testing.T) {
	down := bus.ErrUnknown
	for _, test := range []struct {
		name     string
		outcomes []error
	}{
		{"all", []error{nil, nil, nil}},
		{"not the first", []error{down, nil, nil}},
		{"not the last", []error{nil, nil, down}},
		{"none", []error{down, down, down}},
	} {
		for _, tx := range []string{"", "t"} {
			t.Run(test.name+"/"+tx, func(t *testing.T) {
				r := newRig(t, func(h *Host) {
					h.Handler = func(string) Handler {
						return func(context.Context, *Inspection) Reaction {
							return Reaction{Publish: slices.Repeat([]bus.Envelope{{Destination: "/topic/a"}}, len(test.outcomes))}
						}
					}
				})
				p := r.connect("1.2").errors()
				if tx == "" {
					p.feed("SEND\ndestination:/app/x\nreceipt:send\n\n^@")
				} else {
					p.feed(begin(tx) + "SEND\ndestination:/app/x\ntransaction:t\nreceipt:send\n\n^@COMMIT\ntransaction:t\nreceipt:commit\n\n^@")
				}
				p.resumed()
				var got []string
				want := map[string]int{`"outcome_unknown"`: 0, `"receiptId":"send"`: 0, "receipt-id:send": 1, "receipt-id:commit": len(tx), "transaction_incomplete": 0}
				for i, err := range test.outcomes {
					if strings.Contains(strings.Join(got, ""), "RECEIPT") {
						t.Errorf("after %d of %d outcomes: got %q", i, len(test.outcomes), got)
					}
					if err != nil {
						want[`"outcome_unknown"`]++
						want[`"receiptId":"send"`]++
						want["receipt-id:send"], want["receipt-id:commit"], want["transaction_incomplete"] = 0, 0, len(tx)
					}
					r.settle(i, err)
					got = append(got, p.read()...)
				}
				for text, n := range want {
					if strings.Count(strings.Join(got, ""), text) != n {
						t.Errorf("got %q, want %s in it %d times", got, text, n)
					}
				}
			})
		}
	}
	t.Run("refused at once", func(t *testing.T) {
		r := newRig(t, func(h *Host) {
			h.Fallback = policy.FallbackError
			h.Handler = func(string) Handler {
				return func(context.Context, *Inspection) Reaction {
					return Reaction{Publish: make([]bus.Envelope, 3)}
				}
			}
		})
		p := r.connect("1.2")
		r.bus.RefuseWith(bus.ErrDown)
		p.feed("SEND\ndestination:/app/x\nreceipt:send\n\n^@")
		p.until("closed", func() bool { return p.conn.closed })
		p.wantOne("ERROR", "receipt-id:send")
	})
}

// TestChecksHaveTheirOwnTurn: code of the embedder's that works for long keeps no token
// from being looked at.
func TestChecksHaveTheirOwnTurn(t *testing.T) {
	begun := make(chan struct{})
	r := newLoginRig(t, func(h *Host) {
		h.Waiters = NewWorkers(1)
		h.Handler = func(destination string) Handler {
			if destination != "/app/slow" {
				return nil
			}
			return func(ctx context.Context, _ *Inspection) Reaction {
				close(begun)
				<-ctx.Done()
				return Reaction{}
			}
		}
	})
	slow := r.member(r.of(42, time.Hour))
	slow.feed("SEND\ndestination:/app/slow\n\n^@")
	<-begun
	other := r.member(r.of(43, time.Hour))
	other.ask(sendAs("/topic/of/43/a", r.of(43, 2*time.Hour), "x"))
	if got := r.bus.Bodies(); len(got) != 1 {
		t.Errorf("the bus has %q", got)
	}
}

// TestTokenInDestination: what looks like a token is neither logged nor sent back, where a client
// has put it into a destination.
func TestTokenInDestination(t *testing.T) {
	token := (&tokens{tb: t, began: time.Now()}).of(42, time.Hour)
	b := bustest.NewFakeNarrower()
	r := newRigWith(t, b.Fake, b, policy.Rules{
		Channels: []policy.Channel{{Match: "/topic/{room}", Subscribe: "true", Send: "false"}},
		Routes:   []policy.Route{{Match: "/app/{room}", Allow: "true", Publish: "/topic/{room}", Body: `body.none`}},
	})
	p := r.connect("1.2").errors()
	for _, test := range []struct {
		name, frame string
		then        func()
	}{
		{"no rule", "SEND\ndestination:/nowhere/" + token + "\n\n^@", nil},
		{"not allowed", "SEND\ndestination:/topic/" + token + "\n\n^@", nil},
		{"under another name", "SEND\ndestination:/nowhere/Bearer_" + token + "\n\n^@", nil},
		{"not rewritten", "SEND\ndestination:/app/" + token + "\n\n{}^@", nil},
		{"SUBSCRIBE", "SUBSCRIBE\nid:1\ndestination:/nowhere/" + token + "\n\n^@", nil},
		{"UNSUBSCRIBE", "UNSUBSCRIBE\nid:1\ndestination:/nowhere/" + token + "\n\n^@", nil},
		{"the bus can't", "SUBSCRIBE\nid:1\ndestination:/topic/" + token + "\n\n^@", func() {
			r.watched(b, "/topic/"+token, bus.ErrContent)
		}},
		{"reload", "SUBSCRIBE\nid:1\ndestination:/topic/" + token + "\n\n^@", func() {
			r.watched(b, "/topic/"+token, nil)
			p.do(func() { r.host.Reload(mustRules(t), func(int) {}) })
		}},
	} {
		t.Run(test.name, func(t *testing.T) {
			p.feed(test.frame)
			if test.then != nil {
				test.then()
			}
			if got := p.wantRefusal(""); strings.Contains(got, token[:10]) || !strings.Contains(got, `"destination":"`) {
				t.Errorf("the client is told %s", got)
			}
			if logs := r.logs.String(); strings.Contains(logs, token[:10]) || !strings.Contains(logs, "refused") {
				t.Errorf("the log says\n%s", logs)
			}
		})
	}
}
