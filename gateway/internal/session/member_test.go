package session

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stompgw/stompgw/bus"
	"github.com/stompgw/stompgw/gateway/auth"
	"github.com/stompgw/stompgw/gateway/policy"
	"github.com/stompgw/stompgw/gateway/registry"
)

// inbox is what clients call their own.
const inbox = "/member/queue/x"

// newMemberRig lets everybody subscribe to his own inbox, beside rules of before that are for everything.
func newMemberRig(t *testing.T) *loginRig {
	return newLoginRig(t, func(h *Host) {
		h.Rules = mustRules(t,
			policy.Channel{Match: "/{a}/{b}/**", Subscribe: "true", Send: "true", Patterns: true},
			policy.Channel{Match: "/**", Subscribe: "true", Send: "true", Patterns: true},
			policy.Channel{Match: "/member/{member}/queue/{name}", Subscribe: "string(claims.mu) == vars.member", Send: `vars.member == "bob"`})
	})
}

// wantInbox checks which subscriptions get what is sent to a member now, by the name that the client knows.
func (p *peer) wantInbox(member string, ids ...string) {
	p.t.Helper()
	p.deliver(bus.Envelope{Destination: "/member/" + member + "/queue/x", Body: []byte(member)})
	var got []string
	for _, frame := range p.read() {
		wantFrame(p.t, frame, "MESSAGE", "destination:"+inbox)
		if !strings.HasSuffix(frame, "\n\n"+member) {
			p.t.Errorf("%s received %q", member, frame)
		}
		got = append(got, header(p.t, frame, "subscription"))
	}
	if slices.Sort(got); !slices.Equal(got, ids) {
		p.t.Fatalf("of member %s the subscriptions %q received, want %q", member, got, ids)
	}
}

// TestMember: each session receives what is its member's, and of neighbours nothing, whatever it names.
func TestMember(t *testing.T) {
	r := newMemberRig(t)
	digits, text, bob := r.member(r.of(42, time.Hour)), r.member(r.of("42", time.Hour)), r.member(r.of("bob", time.Hour))
	all := []*peer{digits, text, bob}
	for _, p := range all {
		p.subscribes("", inbox, "/**", "/*/42/queue/x", "/*/bob/*/x", "/membe?/42/**")
		p.subscribes("", "/member/queue/y")
		for _, own := range []string{"/member/42/queue/x", "/member/%3432/queue/x", "/member//42/queue/x", "/member/../42/queue/x", "/member/queue/x/"} {
			p.ask(subscribeAs(own, own, ""))
			if got := p.wantRefusal("no_rule"); !strings.Contains(got, `"destination":"`+own+`"`) {
				t.Errorf("%s: %s", own, got)
			}
		}
		for _, pattern := range []string{"/member/*/queue/x", "/member/**", "/member/queue/?"} {
			p.ask(subscribeAs(pattern, pattern, ""))
			p.wantCode(policy.CodePattern)
		}
	}
	for i, member := range []string{"42", "%342", "bob"} {
		for j, p := range all {
			var want []string
			if i == j {
				want = []string{inbox}
			}
			p.wantInbox(member, want...)
			for _, p := range all { // those who were not looked at
				p.read()
			}
		}
	}
	for _, name := range []string{"/member", "/member/", "/member/queue/x", "/member//queue/x", "/member/4%32/queue/x", "/member/*/queue/x", "/member/42/queue/x/"} {
		r.deliver(bus.Envelope{Destination: name})
		for _, p := range all {
			p.want()
		}
	}
	nobody := r.connect("1.2", "heart-beat:0,0").errors()
	nobody.ask(subscribeAs("1", inbox, ""))
	nobody.wantCode(policy.CodeLogin)

	var live []registry.Live
	r.do(func() {
		r.host.Live(context.Background(), []registry.SessionID{text.s.id}, func(all []registry.Live) { live = all })
	})
	if len(live) != 1 || !slices.Contains(live[0].Subscriptions, "/member/%342/queue/x") {
		t.Errorf("an operator sees %+v", live)
	}
	for name, want := range map[string]registry.SessionID{"/member/%342/queue/x": text.s.id, "/member/bob/queue/?": bob.s.id} {
		r.do(func() {
			r.host.Subscribers(context.Background(), name, func(ids []registry.SessionID) {
				if ids = slices.Compact(ids); !slices.Contains(ids, want) {
					t.Errorf("%s has the subscribers %v, want %v", name, ids, want)
				}
			})
		})
	}
}

// TestSendToMember: a SEND names the member, and needs a rule that says the prefix.
func TestSendToMember(t *testing.T) {
	r := newMemberRig(t)
	p, bob := r.member(r.of(42, time.Hour)), r.member(r.of("bob", time.Hour))
	bob.subscribes("", inbox)
	p.wantSent("/member/bob/queue/x", "", 0)
	if to := p.bus.Taken()[0].Destination; to != "/member/bob/queue/x" {
		t.Errorf("it went to %s", to)
	}
	p.wantSent("/member/42/queue/x", "", policy.CodeNotAllowed)
	p.wantSent("/member/bob/other", "", policy.CodeNoRule)
	p.wantSent("/member/b%6Fb/queue/x", "", policy.CodeDestination)
	p.wantSent("/member", "", policy.CodeDestination)
}

// TestMemberLapses: what is subscribed to as a member pauses with the login, and goes on with a new token,
// as any subscription that a login lets in.
func TestMemberLapses(t *testing.T) {
	eachLogin(t, func(t *testing.T, member any) {
		r := newMemberRig(t)
		name := map[any]string{42: "42", "bob": "bob"}[member]
		token := r.of(member, time.Minute)
		p := r.member(r.of(42, time.Hour))
		if member == 42 {
			p = r.member(token)
		}
		p.subscribes(token, inbox)
		p.ask(subscribeAs("other", inbox, r.of("carol", time.Hour))) // a guest, too
		p.want(receipt("other"))
		p.wantInbox(name, inbox)
		p.wantInbox("carol", "other")
		r.later(p, time.Minute)
		p.wantCode(policy.CodeLogin)
		r.later(p, testGrace-time.Second)
		p.wantInbox(name, inbox)
		r.later(p, time.Second)
		p.wantInbox(name)
		p.wantInbox("carol", "other")
		p.ask(sendAs("/topic/open/a", r.of(member, 2*time.Hour), "x"))
		p.wantInbox(name, inbox)

		r.do(func() { r.host.Reload(mustRules(t), func(int) {}) })
		for _, frame := range p.read() {
			if !strings.Contains(frame, `"errorCode":3,`) || !strings.Contains(frame, `"destination":"`+inbox+`"`) {
				t.Errorf("got %q, want to be told that no rule has %s any more", frame, inbox)
			}
		}
		p.wantInbox(name)
	})
}

// issue makes issuers count, and returns how many subscriptions ended; the secret of those without a key is the one that the rig signs with.
func (r *loginRig) issue(t *testing.T, issuers ...auth.Issuer) (ended int) {
	t.Helper()
	for i := range issuers {
		if issuers[i].Keys == nil {
			issuers[i].Keys = []any{[]byte(testSecret)}
		}
	}
	if _, err := r.host.Auth.SetIssuers(issuers); err != nil {
		t.Fatal(err)
	}
	r.do(func() { r.host.IssuersSet(func(n int) { ended = n }) })
	return ended
}

// TestMemberIssuers: when the label of an issuer changes, what its members have subscribed to ends, since it is
// another's now. They are told, and subscribe anew where they have an inbox.
func TestMemberIssuers(t *testing.T) {
	other := auth.Issuer{Name: "b", Main: true, Keys: []any{[]byte(otherSecret)}}
	eachLogin(t, func(t *testing.T, member any) {
		r := newMemberRig(t)
		r.issue(t, auth.Issuer{Name: "a"})
		name := map[any]string{42: "42", "bob": "bob"}[member]
		token := r.of(member, time.Minute, "iss", "a")
		p := r.member(r.of(42, time.Hour, "iss", "a"))
		p.subscribes(token, inbox)
		p.wantInbox(name, inbox)
		if ended := r.issue(t, other, auth.Issuer{Name: "a", Label: "x"}); ended != 1 {
			t.Errorf("%d subscriptions ended, want 1", ended)
		}
		p.wantCode(policy.CodeEnded)
		p.wantInbox(name)
		p.subscribes(token, inbox)
		p.wantInbox("x:"+name, inbox)
		r.issue(t, other, auth.Issuer{Name: "a", Label: "x"}) // as before
		p.wantInbox("x:"+name, inbox)

		r.later(p, time.Minute)
		r.later(p, testGrace)
		p.read()
		r.issue(t, other, auth.Issuer{Name: "a"})
		p.wantCode(policy.CodeEnded) // though its login is out
		p.ask(subscribeAs(inbox, inbox, r.of(member, time.Hour, "iss", "a")))
		p.wantCode(policy.CodeNotAllowed)
	})
	t.Run("another takes the place", func(t *testing.T) {
		r := newMemberRig(t)
		r.issue(t, auth.Issuer{Name: "a"})
		p := r.member(r.of(42, time.Hour, "iss", "a"))
		p.subscribes("", inbox)
		r.issue(t, other)
		p.read() // to log in, and that it has ended
		p.wantInbox("42")
	})
	t.Run("the rules refused it meanwhile", func(t *testing.T) {
		r := newMemberRig(t)
		load := func(subscribe string) {
			rules := mustRules(t, policy.Channel{Match: "/**", Subscribe: "true", Send: "true"},
				policy.Channel{Match: "/member/{member}/queue/{name}", Subscribe: subscribe})
			r.do(func() { r.host.Reload(rules, func(int) {}) })
		}
		load(`claims.vip == "1"`)
		r.issue(t, auth.Issuer{Name: "a", Main: true}, auth.Issuer{Name: "b", Label: "y", Keys: []any{[]byte(otherSecret)}})
		p := r.member(r.of(42, time.Hour, "iss", "a", "vip", "1"))
		p.subscribes("", inbox)
		p.ask(sendAs("/topic/open/a", r.of(42, 2*time.Hour, "iss", "a"), "x"))
		p.read()
		if _, err := r.host.Auth.SetIssuers([]auth.Issuer{other, {Name: "a", Label: "x", Keys: []any{[]byte(testSecret)}}}); err != nil {
			t.Fatal(err)
		}
		load("true") // before IssuersSet has come to this session
		p.wantCode(policy.CodeEnded)
		p.wantInbox("42")
	})
	t.Run("the session ends with the first", func(t *testing.T) {
		r := newMemberRig(t)
		r.do(func() { r.host.Fallback = policy.FallbackError })
		r.issue(t, auth.Issuer{Name: "a", Main: true}, auth.Issuer{Name: "c", Label: "x"})
		p := r.accept()
		p.ask("CONNECT\naccept-version:1.2\nAuthorization:Bearer " + r.of(42, time.Hour, "iss", "a") + "\n\n^@")
		p.ask(subscribeAs("1", inbox, ""))
		p.ask(subscribeAs("2", inbox, r.of("bob", time.Hour, "iss", "c")))
		p.read()
		r.issue(t, auth.Issuer{Name: "a"}, auth.Issuer{Name: "c", Label: "y"})
		p.wantOne("ERROR")
		r.do(func() {
			if n := r.host.Local.Count("/member/x:bob/queue/x") + r.host.Local.Count("/member/42/queue/x"); n > 0 {
				t.Errorf("%d of its subscriptions are left", n)
			}
		})
	})
}

// TestMemberNames: a client knows its own names alone, wherever one is looked for.
func TestMemberNames(t *testing.T) {
	r := newMemberRig(t)
	p := r.accept()
	p.ask("CONNECT\naccept-version:1.0\nAuthorization:Bearer " + r.of(42, time.Hour) + "\n\n^@")
	p.wantOne("CONNECTED")
	for i, command := range []string{"SUBSCRIBE", "UNSUBSCRIBE", "SUBSCRIBE"} {
		p.feed(fmt.Sprintf("%s\ndestination:%s\nreceipt:%d\n\n^@", command, inbox, i))
		p.want(receipt(strconv.Itoa(i)))
	}
	r.do(func() { p.s.Receive(r.host.Local.Message(bus.Envelope{Destination: inbox, Body: []byte("a reply")})) })
	if got := p.wantOne("MESSAGE", "destination:"+inbox); !strings.HasSuffix(got, "a reply") {
		t.Errorf("got %q", got)
	}
	p.feed("SUBSCRIBE\ndestination:" + inbox + "\n\n^@")
	p.wantOne("ERROR", "message:the session is subscribed to \""+inbox+"\" already: give each subscription an id header of its own")
}
