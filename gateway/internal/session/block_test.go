package session

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/stompgw/stompgw/gateway/policy"
)

// block keeps members out for d, by the rig's clock.
func (r *loginRig) block(d time.Duration, members ...string) {
	until := map[string]time.Time{}
	for _, m := range members {
		until[m] = r.now().Add(d)
	}
	r.host.Blocks.Set(until, r.now())
}

// ended waits for the end of a session that may still be paused.
func (p *peer) ended() {
	p.t.Helper()
	p.until("ended", func() bool { return p.conn.closed })
}

// wantBlocked checks that the session has ended with an ERROR that says for how long its member is
// blocked.
func (p *peer) wantBlocked(left string, lines ...string) {
	p.t.Helper()
	p.ended()
	p.wantOne("ERROR", append(lines, "message:This member may not connect for the next "+left, "error-code:16", "content-type:text/plain",
		"Code 16. Connect again after that, or ask whoever runs this gateway.")...)
	p.wantClosed(ClosePolicy)
	if p.conn.reason != "blocked" {
		p.t.Errorf("closed with %q", p.conn.reason)
	}
}

func connectWith(token string) string {
	return "CONNECT\naccept-version:1.2\nheart-beat:0,0\nreceipt:c\nAuthorization:Bearer " + token + "\n\n^@"
}

// TestBlockedConnect: a blocked member has no session, until the time has passed or the block is
// taken back.
func TestBlockedConnect(t *testing.T) {
	for _, member := range []any{42, "bob", `b"ø`} {
		text := map[any]string{42: "42", "bob": `"bob"`, `b"ø`: `"b\"ø"`}[member]
		r := newLoginRig(t)
		token := r.of(member, time.Hour)
		r.block(10*time.Minute, `"42x"`, text, "7", `"43"`)
		for i, known := range []bool{false, true} {
			p := r.accept()
			p.feed(connectWith(token))
			p.wantBlocked("10 minutes", "receipt-id:c", "retry-after-ms:600000")
			if n := r.host.Stats.Blocked.Load(); n != uint64(i+1) || r.host.Stats.Open.Load() != 0 || len(r.book.Sessions()) != 0 {
				t.Errorf("known=%v: %d were blocked, the book has %v", known, n, r.book.Sessions())
			}
		}
		r.member(r.of(43, time.Hour))
		r.member(r.of("42", time.Hour)) // a number and a text are two members
		r.connect("1.2")                // is nobody
		r.late.Add(int64(10*time.Minute - time.Millisecond))
		p := r.accept()
		p.feed(connectWith(token))
		p.wantBlocked("1 second", "retry-after-ms:1")
		r.late.Add(int64(time.Millisecond))
		r.member(token)
		r.block(time.Minute, text)
		p = r.accept()
		p.feed(connectWith(token))
		p.wantBlocked("60 seconds")
		r.block(time.Minute, "7")
		r.member(token)
		if n := r.host.Stats.Blocked.Load(); n != 4 {
			t.Errorf("%d were blocked", n)
		}
	}
}

// TestBlockedLogin: who has a session without a login can't log in as a blocked member, by whatever
// frame, and that is its end.
func TestBlockedLogin(t *testing.T) {
	for name, frame := range map[string]func(token string) string{
		"SEND": func(token string) string {
			return strings.Replace(sendAs("/topic/open/a", token, "x"), "\n", "\nreceipt:r\n", 1)
		},
		"SUBSCRIBE": func(token string) string { return subscribeAs("r", "/topic/open/a", token) },
	} {
		t.Run(name, func(t *testing.T) {
			r := newLoginRig(t)
			p := r.connect("1.2")
			r.block(3*time.Hour, "42")
			p.feed(frame(r.of(42, time.Hour)) + sendAs("/topic/open/a", "", "the next"))
			p.wantBlocked("3 hours", "receipt-id:r")
			if len(r.bus.Taken()) != 0 || len(r.book.Sessions()) != 0 || len(r.subscribers("/topic/open/a")) != 0 {
				t.Errorf("the bus has %q, the book %v", r.bus.Bodies(), r.book.Sessions())
			}
		})
	}
}

// TestBlockedMemberStays: the sessions that a blocked member has stay, and may renew their tokens.
func TestBlockedMemberStays(t *testing.T) {
	r := newLoginRig(t)
	p := r.member(r.of(42, time.Minute))
	r.block(time.Hour, "42")
	for _, token := range []string{"", r.of(42, time.Minute), r.of(42, time.Hour)} {
		p.ask(sendAs("/topic/of/42/a", token, "x"))
	}
	r.later(p, 2*time.Minute)
	p.subscribes("", "/topic/members/a")
	p.wantReceived("/topic/members/a", "/topic/members/a")
	if n := len(r.bus.Taken()); n != 3 || r.host.Stats.Blocked.Load() != 0 {
		t.Errorf("%d were published, %d blocked", n, r.host.Stats.Blocked.Load())
	}
}

// TestBlockedGuest: in the session of another member, what a blocked one asks for is refused, and the
// session stays.
func TestBlockedGuest(t *testing.T) {
	r := newLoginRig(t)
	bob := r.of("bob", time.Hour)
	p := r.member(r.of(42, time.Hour))
	r.block(time.Minute, `"bob"`)
	for i, frame := range []string{sendAs("/topic/open/a", bob, "x"), subscribeAs("1", "/topic/members/a", bob)} {
		p.ask(frame)
		if body := p.wantRefusal("blocked"); !strings.Contains(body, `"errorCode":16,`) || !strings.Contains(body, `"retryable":true,"retryAfterMs":60000,`) {
			t.Errorf("got %s", body)
		}
		if n := r.host.Stats.Blocked.Load(); n != uint64(i+1) || r.host.Stats.Refused[policy.CodeBlocked].Load() != n {
			t.Errorf("%d were blocked", n)
		}
	}
	send := func(tx, token string) string {
		return strings.Replace(sendAs("/topic/open/a", token, "x"), "\n", "\ntransaction:"+tx+"\n", 1)
	}
	p.feed(begin("t") + send("t", "") + send("t", bob))
	p.wantRefusal("blocked")
	p.feed(send("no such transaction", bob))
	p.wantRefusal("blocked")
	p.feed("COMMIT\ntransaction:t\nreceipt:no\n\n^@")
	r.settle(0, nil)
	p.wantRefusal("transaction_incomplete")
	if n := len(r.bus.Taken()); n != 1 {
		t.Errorf("%d were published, want what the member sent", n)
	}
	if got := r.subscribers("/topic/members/a"); len(got) != 0 {
		t.Errorf("%v are subscribed", got)
	}
}

// TestBlockedMeanwhile: a block counts for the frame that an interceptor has, and for the CONNECT whose
// token is being looked at.
func TestBlockedMeanwhile(t *testing.T) {
	t.Run("interceptor, a guest", func(t *testing.T) {
		r := newLoginRig(t)
		p, bob := r.member(r.of(42, time.Hour)), r.of("bob", time.Hour)
		p.ask(sendAs("/topic/open/a", bob, "before"))
		let := p.hold()
		p.feed(sendAs("/topic/open/a", bob, "x"))
		r.block(time.Minute, `"bob"`)
		let()
		p.resumed()
		p.wantRefusal("blocked")
		if got := r.bus.Bodies(); len(got) != 1 {
			t.Errorf("the bus has %q", got)
		}
	})
	t.Run("interceptor", func(t *testing.T) {
		r := newLoginRig(t)
		p := r.accept()
		asked, let := make(chan struct{}), p.hold()
		hold := r.host.Intercept
		p.do(func() {
			r.host.Intercept = func(ctx context.Context, in *Inspection) Outcome { close(asked); return hold(ctx, in) }
		})
		p.feed(connectWith(r.of(42, time.Hour)))
		<-asked
		r.block(time.Minute, "42")
		let()
		p.wantBlocked("60 seconds", "receipt-id:c")
		if len(r.book.Sessions()) != 0 || r.host.Stats.Open.Load() != 0 {
			t.Errorf("the book has %v", r.book.Sessions())
		}
	})
	t.Run("token", func(t *testing.T) {
		r := newLoginRig(t)
		hold := make(chan struct{})
		r.tokens.hold = hold
		p := r.accept()
		p.feed(connectWith(r.of(42, time.Hour)))
		r.block(time.Minute, "42")
		close(hold)
		p.wantBlocked("60 seconds")
	})
}

// TestBlocks: what is given is copied, what has passed is not kept, and an empty list costs nothing.
func TestBlocks(t *testing.T) {
	now := time.Now()
	var b Blocks
	given := map[string]time.Time{"1": now, "2": now.Add(-time.Hour), "3": now.Add(time.Second)}
	b.Set(given, now)
	given["4"] = now.Add(time.Hour)
	for member, want := range map[string]bool{"1": false, "2": false, "3": true, "4": false, "5": false} {
		if got := b.Left(member, now); got > 0 != want {
			t.Errorf("%s: %s", member, got)
		}
	}
	if kept := *b.until.Load(); len(kept) != 1 {
		t.Errorf("it keeps %v", kept)
	}
	for _, none := range []map[string]time.Time{nil, {}, {"1": now}} {
		b.Set(given, now)
		if b.Set(none, now); b.until.Load() != nil {
			t.Errorf("%v: it keeps %v", none, *b.until.Load())
		}
	}
}

func TestInWords(t *testing.T) {
	for d, want := range map[time.Duration]string{
		time.Nanosecond:            "1 second",
		time.Second:                "1 second",
		time.Second + 1:            "2 seconds",
		2 * time.Minute:            "120 seconds",
		2*time.Minute + 1:          "3 minutes",
		2 * time.Hour:              "120 minutes",
		2*time.Hour + time.Minute:  "3 hours",
		48 * time.Hour:             "48 hours",
		48*time.Hour + time.Second: "3 days",
		365*24*time.Hour + 1:       "366 days",
	} {
		if got := inWords(d); got != want {
			t.Errorf("%s: %s, want %s", d, got, want)
		}
	}
}
