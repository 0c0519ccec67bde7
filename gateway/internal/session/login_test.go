package session

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stompgw/stompgw/bus"
	"github.com/stompgw/stompgw/gateway/policy"
)

// subscribes makes subscriptions by a token, empty for that of the session. Their ids are their
// destinations.
func (p *peer) subscribes(token string, destinations ...string) {
	p.t.Helper()
	for _, destination := range destinations {
		p.ask(subscribeAs(destination, destination, token))
		p.want(receipt(destination))
	}
}

// wantReceived checks which subscriptions get what is sent to destination now, and that nothing else
// comes.
func (p *peer) wantReceived(destination string, ids ...string) {
	p.t.Helper()
	p.deliver(bus.Envelope{Destination: destination})
	var got []string
	for _, frame := range p.read() {
		wantFrame(p.t, frame, "MESSAGE", "destination:"+destination)
		got = append(got, header(p.t, frame, "subscription"))
	}
	slices.Sort(got)
	slices.Sort(ids)
	if !slices.Equal(got, ids) {
		p.t.Fatalf("%s: the subscriptions %q received, want %q", destination, got, ids)
	}
}

func mustRules(t testing.TB, channels ...policy.Channel) *policy.Catalogue {
	t.Helper()
	rules := loginRules()
	rules.Channels = append(channels, rules.Channels...)
	return compile(t, rules)
}

// eachLogin runs a test on a session of member 42, for what he has subscribed to himself, and for
// what another member has with a token of his own.
func eachLogin(t *testing.T, test func(t *testing.T, member any)) {
	t.Run("of the session", func(t *testing.T) { test(t, 42) })
	t.Run("of a guest", func(t *testing.T) { test(t, "bob") })
}

// TestShortToken: what a token has subscribed to, that says more of its member than the one before,
// lasts as long as that token.
func TestShortToken(t *testing.T) {
	const admins = "/topic/admins"
	begin := func(t *testing.T, member any) (*loginRig, *peer, string) {
		r := newLoginRig(t, func(h *Host) {
			h.Rules = mustRules(t, policy.Channel{Match: admins, Subscribe: "claims.role == 'admin'"})
		})
		p := r.member(r.of(42, time.Hour))
		usual := r.of(member, time.Hour)
		p.subscribes(usual, "/topic/members/a")
		p.subscribes(r.of(member, 30*time.Second, "role", "admin"), admins)
		p.wantReceived(admins, admins)
		if p.conn.timer > 30*time.Second {
			t.Errorf("the timer is set for %s, want the expiry of the second token", p.conn.timer)
		}
		return r, p, usual
	}
	eachLogin(t, func(t *testing.T, member any) {
		t.Run("expires", func(t *testing.T) {
			r, p, _ := begin(t, member)
			r.later(p, 30*time.Second)
			if got := p.read(); len(got) == 0 || !strings.Contains(got[0], `"errorCode":1,`) {
				t.Fatalf("got %q, want to be told", got)
			}
			r.later(p, testGrace)
			p.wantReceived(admins)
			p.wantReceived("/topic/members/a")
		})
		t.Run("gives way to the usual", func(t *testing.T) {
			_, p, usual := begin(t, member)
			p.ask(sendAs("/topic/open/a", usual, "x"))
			p.wantCode(policy.CodeNotAllowed)
			p.wantReceived(admins)
			p.wantReceived("/topic/members/a", "/topic/members/a")
		})
	})
}

// TestRevokedShown: a token that was taken back ends what was subscribed to with it, once a frame
// shows it.
func TestRevokedShown(t *testing.T) {
	eachLogin(t, func(t *testing.T, member any) {
		r := newLoginRig(t)
		token := r.of(member, time.Hour)
		p := r.member(r.of(43, time.Hour))
		if member == 42 {
			p = r.member(token)
		}
		p.subscribes(token, "/topic/members/a")
		r.revoke(token)
		r.later(p, 11*time.Second)
		p.ask(sendAs("/topic/open/a", token, "x"))
		p.wantCode(policy.CodeLogin)
		p.wantReceived("/topic/members/a")
		p.ask(sendAs("/topic/open/a", r.of(member, 2*time.Hour), "x"))
		p.wantReceived("/topic/members/a", "/topic/members/a")
	})
}

// TestNothingAfterTheEnd: a frame whose token was taken back ends its session and is not carried out.
// One whose token allows less than the last may be, before the session ends. Nothing is left of either.
func TestNothingAfterTheEnd(t *testing.T) {
	for _, end := range []struct {
		name   string
		member any // whose token counts
		brings func(r *loginRig, token string) string
	}{
		{"its token was taken back", 42, func(r *loginRig, token string) string { r.revoke(token); return token }},
		{"the session's token was taken back", 42, func(r *loginRig, token string) string { r.revoke(token); return "" }},
		{"a guest's token was taken back", "bob", func(r *loginRig, token string) string { r.revoke(token); return token }},
		{"its token allows less", 42, func(r *loginRig, _ string) string { return r.of(42, 2*time.Hour) }},
		{"a guest's token allows less", "bob", func(r *loginRig, _ string) string { return r.of("bob", 2*time.Hour) }},
	} {
		for _, frame := range []func(token string) string{
			func(token string) string { return sendAs("/topic/open/a", token, "x") },
			func(token string) string { return subscribeAs("late", "/topic/open/a", token) },
		} {
			for _, intercepted := range []bool{false, true} {
				command, _, _ := strings.Cut(frame(""), "\n")
				t.Run(fmt.Sprintf("%s/%s/intercepted=%v", end.name, command, intercepted), func(t *testing.T) {
					r := newLoginRig(t, func(h *Host) {
						h.Fallback = policy.FallbackError
						h.Rules = mustRules(t, policy.Channel{Match: "/topic/admins", Subscribe: "claims.role == 'admin'"})
					})
					token := r.of(end.member, time.Hour, "role", "admin")
					p := r.login(r.of(42, time.Hour, "role", "admin"))
					p.subscribes(token, "/topic/admins")
					var seen atomic.Int64
					if intercepted {
						p.do(func() {
							r.host.Intercept = func(context.Context, *Inspection) Outcome { seen.Add(1); return Outcome{} }
						})
					}
					r.late.Add(int64(11 * time.Second))
					p.feed(frame(end.brings(r, token)) + sendAs("/topic/open/a", "", "the next"))
					p.until("closed", func() bool { return p.conn.closed })
					r.host.Waiters.wg.Wait()
					p.wantOne("ERROR")
					p.wantClosed(ClosePolicy)
					if got := p.bus.Bodies(); (got != nil || seen.Load() > 0) && strings.Contains(end.name, "taken back") {
						t.Errorf("the bus has %q, and an interceptor saw %d frames", got, seen.Load())
					}
					p.deliver(bus.Envelope{Destination: "/topic/open/a"}) // a fakeConn panics
					if p.s.subs != nil || p.s.work != nil || len(r.book.Sessions()) != 0 {
						t.Errorf("the session has still %d subscriptions, and %v", len(p.s.subs), p.s.work)
					}
				})
			}
		}
	}
}

// TestListenerIsLookedUp: a token that only receives is looked up each minute.
func TestListenerIsLookedUp(t *testing.T) {
	eachLogin(t, func(t *testing.T, member any) {
		r := newLoginRig(t)
		p := r.member(r.of(42, time.Hour))
		token := r.of(member, time.Hour)
		p.subscribes(token, "/topic/members/a")
		asked := func() int {
			r.mu.Lock()
			defer r.mu.Unlock()
			return r.asked
		}
		for range 3 {
			if p.conn.timer == 0 || p.conn.timer > checkEvery {
				t.Fatalf("the timer is set for %s, want within a minute", p.conn.timer)
			}
			before := asked()
			r.later(p, checkEvery)
			p.until("asked", func() bool { return asked() > before })
			r.host.Checks.wg.Wait() // until it counts from when it was asked
		}
		p.wantReceived("/topic/members/a", "/topic/members/a")
		r.revoke(token)
		r.later(p, checkEvery)
		p.until("told", func() bool { return len(p.conn.out) > 0 })
		p.wantCode(policy.CodeLogin)
		p.wantReceived("/topic/members/a")
	})
}

// TestLapseOfGuest: the client hears of the destinations for which the guest's login is needed, once of
// each, and of no others.
func TestLapseOfGuest(t *testing.T) {
	for _, how := range []string{"expired", "taken back"} {
		t.Run(how, func(t *testing.T) {
			r := newLoginRig(t)
			p := r.member(r.of(42, 3*time.Hour))
			token := r.of("bob", time.Minute)
			p.subscribes(token, "/topic/open/a", "/topic/of/bob/a", "/session/queue/x")
			p.feed(subscribeAs("second", "/topic/of/bob/a", token)) // a second to the same
			p.want(receipt("second"))
			if how == "expired" {
				r.later(p, time.Minute)
			} else {
				r.revoke(token)
				r.late.Add(int64(11 * time.Second))
				p.ask(sendAs("/topic/open/a", token, "x"))
			}
			if got := p.wantRefusal("login"); !strings.Contains(got, `"destination":"/topic/of/bob/a"`) {
				t.Fatalf("got %s", got)
			}
			r.later(p, testGrace)
			p.wantReceived("/topic/of/bob/a")
			p.wantReceived("/topic/open/a", "/topic/open/a")
		})
	}
}

// TestExpiredRenewsNothing: a token that has expired, and is taken since clocks may differ, counts
// for its frame alone. The client is told once.
func TestExpiredRenewsNothing(t *testing.T) {
	for _, test := range []struct {
		name  string
		grace time.Duration
		out   bool // the grace is over
	}{
		{"in the grace", testGrace, false},
		{"after the grace", time.Second, true},
	} {
		t.Run(test.name, func(t *testing.T) {
			eachLogin(t, func(t *testing.T, member any) {
				r := newLoginRig(t, func(h *Host) { h.Grace = test.grace })
				p := r.member(r.of(42, 10*time.Second))
				if member != 42 {
					p = r.member(r.of(42, time.Hour))
				}
				old, last := r.of(member, 10*time.Second), r.of(member, 12*time.Second)
				p.subscribes(last, "/topic/members/a")
				r.later(p, 12*time.Second)
				p.wantCode(policy.CodeLogin)
				for i := range 3 {
					r.later(p, 2*time.Second)
					for _, token := range []string{last, old} {
						p.ask(sendAs("/topic/members/a", token, "x"))
						r.later(p, 0)
						p.want()
					}
					if got := len(p.bus.Bodies()); got != 2*(i+1) {
						t.Fatalf("%d were published, want %d", got, 2*(i+1))
					}
					if test.out {
						p.wantReceived("/topic/members/a")
					} else {
						p.wantReceived("/topic/members/a", "/topic/members/a")
					}
				}
				r.later(p, test.grace)
				p.wantReceived("/topic/members/a")
				p.ask(sendAs("/topic/open/a", r.of(member, time.Hour), "renewal"))
				p.wantReceived("/topic/members/a", "/topic/members/a")
			})
		})
	}
}

// TestSessionMember: session.member in a rule is whom the frame acts for, whoever has logged the
// session in.
func TestSessionMember(t *testing.T) {
	r := newLoginRig(t, func(h *Host) {
		h.Grace = time.Hour
		h.Rules = mustRules(t, policy.Channel{Match: "/topic/mine", Send: "session.member == 42"})
	})
	mine := r.of(42, time.Minute)
	for _, test := range []struct {
		name, token string
		later       time.Duration
		code        policy.Code // 0: it passes
	}{
		{"none", "", 0, 0},
		{"the session's", mine, 0, 0},
		{"bad", "bad", 0, policy.CodeLogin},
		{"expired", r.of(42, -time.Hour), 0, policy.CodeLogin},
		{"another member's", r.of("bob", time.Hour), 0, policy.CodeNotAllowed},
		{"none, after the session's has expired", "", time.Minute + testLeeway, policy.CodeLogin},
		{"the session's, which has expired", mine, time.Minute + testLeeway, policy.CodeLogin},
	} {
		t.Run(test.name, func(t *testing.T) {
			r.late.Store(0)
			p := r.member(mine)
			if r.later(p, test.later); test.later > 0 {
				p.wantCode(policy.CodeLogin)
			}
			p.wantSent("/topic/mine", test.token, test.code)
		})
	}
}
