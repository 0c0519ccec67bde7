package session

import (
	"context"
	"encoding/json"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/stompgw/stompgw/bus"
	"github.com/stompgw/stompgw/bus/bustest"
	"github.com/stompgw/stompgw/gateway/auth"
	"github.com/stompgw/stompgw/gateway/policy"
)

const testSecret = "a secret of thirty-two bytes or so"

const (
	testLeeway = 30 * time.Second
	testGrace  = 20 * time.Second
)

// tokens makes tokens, and is the list of those that were taken back.
type tokens struct {
	tb    testing.TB
	began time.Time

	mu      sync.Mutex
	revoked map[string]bool
	asked   int
	hold    chan struct{} // what the list waits for; nil for nothing
}

func (ts *tokens) Revoked(ctx context.Context, token string) (bool, error) {
	ts.mu.Lock()
	ts.asked++
	hold, revoked := ts.hold, ts.revoked[token]
	ts.mu.Unlock()
	if hold != nil {
		select {
		case <-hold:
		case <-ctx.Done():
			return false, ctx.Err()
		}
	}
	return revoked, nil
}

func (ts *tokens) revoke(token string) {
	ts.mu.Lock()
	defer ts.mu.Unlock()
	ts.revoked[token] = true
}

// of makes a token of a member that expires in d.
func (ts *tokens) of(member any, d time.Duration, more ...string) string {
	claims := jwt.MapClaims{"mu": member, "tu": "access", "exp": ts.began.Add(d).Unix()}
	for i := 0; i < len(more); i += 2 {
		claims[more[i]] = more[i+1]
	}
	token, err := jwt.NewWithClaims(jwt.SigningMethodHS256, claims).SignedString([]byte(testSecret))
	if err != nil {
		ts.tb.Fatal(err)
	}
	return token
}

// loginRig is a rig on which members log in, on a clock of the test.
type loginRig struct {
	*rig
	*tokens
	late atomic.Int64 // what has gone by on their clock
}

func (r *loginRig) now() time.Time { return r.began.Add(time.Duration(r.late.Load())) }

func newLoginRig(t testing.TB, configure ...func(*Host)) *loginRig {
	t.Helper()
	r := &loginRig{tokens: &tokens{tb: t, began: time.Now(), revoked: map[string]bool{}}}
	a, err := auth.New(auth.Config{
		Issuers: []auth.Issuer{{Algorithms: []string{"HS256"}, Keys: []any{[]byte(testSecret)}}},
		Leeway:  testLeeway,
		Revoked: r.tokens,
		Now:     r.now,
	})
	if err != nil {
		t.Fatal(err)
	}
	b := bustest.NewFake()
	r.rig = newRigWith(t, b, b, loginRules(), append([]func(*Host){func(h *Host) {
		h.Auth, h.Grace = a, testGrace
		h.Now = r.now
	}}, configure...)...)
	return r
}

func loginRules() policy.Rules {
	return policy.Rules{
		Channels: []policy.Channel{
			{Match: "/topic/open/{room}", Subscribe: "true", Send: "true"},
			{Match: "/topic/closed", Subscribe: "false", Send: "false"},
			{Match: "/topic/members/{room}", Subscribe: "has(claims.mu)", Send: "has(claims.mu)"},
			{Match: "/topic/of/{member}/{room}", Subscribe: "string(claims.mu) == vars.member", Send: "string(claims.mu) == vars.member"},
			{Match: "/topic/**", Subscribe: "has(claims.mu)", Patterns: true},
			{Match: "/session/queue/{name}", Subscribe: "true"},
		},
	}
}

// login lets a client connect with a token, and hear of no refusal.
func (r *loginRig) login(token string) *peer {
	r.t.Helper()
	p := r.accept()
	p.ask("CONNECT\naccept-version:1.2\nheart-beat:0,0\nAuthorization:Bearer " + token + "\n\n^@")
	p.wantOne("CONNECTED")
	return p
}

// member is login for a client that listens for refusals.
func (r *loginRig) member(token string) *peer {
	r.t.Helper()
	return r.login(token).errors()
}

// later lets time go by, of clocks and timers.
func (r *loginRig) later(p *peer, d time.Duration) time.Duration {
	r.late.Add(int64(d))
	return p.pass(d)
}

func subscribeAs(id, destination, token string) string {
	if token != "" {
		token = "Authorization:Bearer " + token + "\n"
	}
	return "SUBSCRIBE\nid:" + id + "\ndestination:" + destination + "\nclient-request-code:SUBSCRIBE\nreceipt:" + id + "\n" + token + "\n^@"
}

func sendAs(destination, token, body string) string {
	if token != "" {
		token = "Authorization:Bearer " + token + "\n"
	}
	return "SEND\ndestination:" + destination + "\n" + token + "\n" + body + "^@"
}

// wantCode checks that one refusal came, of that code.
func (p *peer) wantCode(code policy.Code) {
	p.t.Helper()
	var body refusal
	if err := json.Unmarshal([]byte(p.wantRefusal("")), &body); err != nil || body.ErrorCode != code {
		p.t.Fatalf("got %+v, %v; want code %d", body, err, code)
	}
}

// wantSent checks that a SEND reaches the bus if code is 0, and is refused with it if not.
func (p *peer) wantSent(destination, token string, code policy.Code) {
	p.t.Helper()
	before := len(p.bus.Bodies())
	p.ask(sendAs(destination, token, "x"))
	if code != 0 {
		p.wantCode(code)
	} else {
		p.want()
	}
	if sent := len(p.bus.Bodies())-before == 1; sent != (code == 0) {
		p.t.Errorf("sent: %v", sent)
	}
}

// TestPageFlow is what the page of the replaced system does: it connects with a token that is none,
// is refused, logs in, and is let in.
func TestPageFlow(t *testing.T) {
	r := newLoginRig(t)
	p := r.member("aa")
	p.ask(subscribeAs("1", "/topic/members/a", "aa"))
	if got := p.wantRefusal("login"); !strings.HasPrefix(got, `{"clientRequestCode":"SUBSCRIBE","errorCode":1,"errorMessage":"Need Login",`) {
		t.Fatalf("got %s", got)
	}
	p.ask(subscribeAs("1", "/topic/members/a", r.of(42, time.Hour)))
	p.want(receipt("1"))
	if got := r.book.Sessions(); len(got) != 1 || got[0].Member != "42" {
		t.Errorf("the book has %+v", got)
	}
	p.feed(sendAs("/topic/members/a", "", "of the session's member"))
	if got := p.bus.Bodies(); len(got) != 1 {
		t.Errorf("the bus has %q", got)
	}
}

// TestTokens: which token counts for a frame.
func TestTokens(t *testing.T) {
	r := newLoginRig(t)
	mine, other := r.of(42, time.Hour), r.of("bob", time.Hour)
	for _, test := range []struct {
		name, destination, token string
		code                     policy.Code // 0: it passes
	}{
		{"none, where the session's does", "/topic/of/42/a", "", 0},
		{"none, where the session's does not", "/topic/of/bob/a", "", policy.CodeNotAllowed},
		{"the same", "/topic/of/42/a", mine, 0},
		{"another of the same member", "/topic/of/42/a", r.of(42, 2*time.Hour), 0},
		{"another member's", "/topic/of/bob/a", other, 0},
		{"another member's, where only the session's does", "/topic/of/42/a", other, policy.CodeNotAllowed},
		{"a member of that name in text", "/topic/of/42/a", r.of("42", time.Hour), 0},
		{"bad, where a login is needed", "/topic/of/42/a", "bad", policy.CodeLogin},
		{"bad, where nobody may", "/topic/closed", "bad", policy.CodeNotAllowed},
		{"bad, where everybody may", "/topic/open/a", "bad", 0},
		{"expired", "/topic/of/42/a", r.of(42, -time.Hour), policy.CodeLogin},
		{"two words", "/topic/of/42/a", mine + " x", policy.CodeLogin},
	} {
		t.Run(test.name, func(t *testing.T) {
			p := r.member(mine)
			p.wantSent(test.destination, test.token, test.code)
			p.feed(sendAs("/topic/of/42/a", "", "the session is whose it was"))
			p.want()
		})
	}
}

// TestSchemes: what is no bearer token makes a frame anonymous, and an empty header is none.
func TestSchemes(t *testing.T) {
	r := newLoginRig(t)
	mine := r.of(42, time.Hour)
	for header, passes := range map[string]bool{
		"Authorization:Bearer " + mine:     true,
		"authorization:bearer " + mine:     true,
		"AUTHORIZATION:BEARER  " + mine:    true,
		"Authorization:":                   true,
		"Authorization:" + mine:            false,
		"Authorization:Basic " + mine:      false,
		"Authorization:Bearer":             false,
		"Authorization:Bearer " + mine[1:]: false,
	} {
		p := r.member(mine)
		p.ask("SEND\ndestination:/topic/of/42/a\n" + header + "\n\n^@")
		if !passes {
			p.wantCode(policy.CodeLogin)
		} else if got := p.read(); len(got) != 0 {
			t.Errorf("%.30s: %q", header, got)
		}
	}
}

// TestLoginOnly: where anonymous sessions are not let in, CONNECT is answered with an ERROR.
func TestLoginOnly(t *testing.T) {
	r := newLoginRig(t, func(h *Host) { h.LoginOnly = true })
	for _, header := range []string{"", "Authorization:Bearer aa\n", "Authorization:Bearer " + r.of(42, -time.Hour) + "\n"} {
		p := r.accept()
		p.feed("CONNECT\naccept-version:1.2\n" + header + "\n^@")
		p.until("answered", func() bool { return len(p.conn.out) > 0 })
		p.wantOne("ERROR", "message:log in: CONNECT needs an Authorization header with a token that is good")
		p.wantClosed(ClosePolicy)
	}
	r.member(r.of(42, time.Hour)).wantOpen()
}

// TestExpiry: the client is told when its token expires, and receives for the time of grace; not a
// moment longer what needs a login, and for ever what does not. A renewal brings the rest back.
func TestExpiry(t *testing.T) {
	const members, open = "/topic/members/a", "/topic/open/a"
	r := newLoginRig(t)
	p := r.member(r.of(42, 30*time.Second))
	p.subscribes("", members, open)
	wantBoth := func() {
		t.Helper()
		p.wantReceived(members, members)
		p.wantReceived(open, open)
	}
	next := p.conn.timer
	if next <= 28*time.Second || next > 30*time.Second {
		t.Fatalf("the timer is set for %s, want the expiry", next)
	}
	next = r.later(p, next-time.Millisecond)
	p.want()
	wantBoth()
	next = r.later(p, next)
	p.wantCode(policy.CodeLogin)
	if next <= testGrace-time.Second || next > testGrace {
		t.Fatalf("the next is in %s, want the end of the grace", next)
	}
	wantBoth()
	r.later(p, next-time.Millisecond)
	wantBoth()
	if next = r.later(p, time.Millisecond); next != 0 {
		t.Errorf("the next is in %s, want none", next) // the list is not asked about a login that is over
	}
	p.wantReceived(members)
	p.wantReceived(open, open)
	if n := r.host.Stats.Withheld.Load(); n != 1 {
		t.Errorf("%d messages are counted as withheld, want 1", n)
	}
	p.ask(sendAs("/topic/of/42/a", r.of("bob", 2*time.Hour), "another member's token"))
	p.wantCode(policy.CodeNotAllowed)
	p.wantReceived(members)
	p.ask(sendAs("/topic/of/42/a", r.of(42, 2*time.Hour), "the renewal"))
	wantBoth()
	if next = r.later(p, publishAfter); next <= testGrace {
		t.Errorf("the timer is set for %s, want the new expiry", next)
	}
}

// TestExpiryOfFrames: a token is good for frames until it has expired and clocks may differ, whether
// they bring it or leave it to the session.
func TestExpiryOfFrames(t *testing.T) {
	r := newLoginRig(t, func(h *Host) { h.Grace = time.Hour })
	token := r.of(42, time.Minute)
	p := r.member(token)
	r.later(p, time.Minute+testLeeway-2*time.Second)
	p.wantCode(policy.CodeLogin) // the expiry
	for _, with := range []string{"", token} {
		p.ask(sendAs("/topic/of/42/a", with, "x"))
		p.want()
	}
	r.later(p, 3*time.Second)
	p.feed(sendAs("/topic/of/42/a", "", "x"))
	p.wantCode(policy.CodeLogin)
}

// TestExpiredWithinLeeway: what had expired when it came is told at once.
func TestExpiredWithinLeeway(t *testing.T) {
	r := newLoginRig(t)
	p := r.member(r.of(42, -5*time.Second))
	if p.conn.timer > time.Millisecond {
		t.Errorf("the timer is set for %s, want none to be waited for", p.conn.timer)
	}
	p.pass(p.conn.timer)
	p.wantCode(policy.CodeLogin)
}

// TestGuest: what a token of another member has subscribed to lasts as long as that one's tokens.
func TestGuest(t *testing.T) {
	r := newLoginRig(t)
	p := r.member(r.of(42, 3*time.Hour))
	const mine, bobs = "/topic/of/42/a", "/topic/of/bob/a"
	p.subscribes("", mine)
	p.subscribes(r.of("bob", time.Minute), bobs)
	p.wantReceived(bobs, bobs)
	r.later(p, time.Minute)
	if got := p.wantRefusal("login"); !strings.Contains(got, `"destination":"/topic/of/bob/a"`) {
		t.Fatalf("got %s, want the destination that is meant", got)
	}
	p.wantReceived(bobs, bobs)
	r.later(p, testGrace)
	p.wantReceived(bobs)
	p.wantReceived(mine, mine)
	p.ask(sendAs("/topic/open/a", r.of("bob", 2*time.Hour), "renewal"))
	p.wantReceived(bobs, bobs)
}

// TestPattern: a subscription by pattern receives what the rules of each destination let its member
// have.
func TestPattern(t *testing.T) {
	r := newLoginRig(t)
	p := r.member(r.of(42, time.Minute))
	p.subscribes("", "/topic/**")
	wantAdmitted := func(passes bool) {
		t.Helper()
		for _, destination := range []string{"/topic/of/42/a", "/topic/members/a", "/topic/of/42/a"} {
			if passes {
				p.wantReceived(destination, "/topic/**")
			} else {
				p.wantReceived(destination)
			}
		}
		p.wantReceived("/topic/of/43/a")
		p.wantReceived("/topic/closed")
	}
	wantAdmitted(true)
	r.later(p, time.Minute)
	p.wantCode(policy.CodeLogin)
	r.later(p, testGrace)
	wantAdmitted(false)
	p.ask(sendAs("/topic/open/a", r.of(42, time.Hour), "renewal"))
	wantAdmitted(true)
	for _, pattern := range []string{"/topic/of/*/a", "/topic/of/43/*", "/topic/members/*"} {
		p.feed(subscribeAs("2", pattern, ""))
		p.wantCode(policy.CodePattern)
	}
}

// TestReload: new rules end what they don't allow, and let the rest be.
func TestReload(t *testing.T) {
	r := newLoginRig(t)
	p := r.member(r.of(42, time.Hour))
	p.feed(subscribeAs("1", "/topic/members/a", "") + subscribeAs("2", "/topic/open/a", "") + subscribeAs("3", "/topic/**", ""))
	p.want(receipt("1"), receipt("2"), receipt("3"))
	rules := loginRules()
	rules.Channels[1].Subscribe = "true"                // /topic/closed
	rules.Channels[2].Subscribe = "claims.mu == 43"     // /topic/members/{room}
	rules.Channels[3].Subscribe = "claims.mu == 'none'" // /topic/of/{member}/{room}
	catalogue := compile(t, rules)
	r.deliver(bus.Envelope{Destination: "/topic/of/42/a"}) // the verdict is known
	p.wantOne("MESSAGE", "subscription:3")
	p.do(func() { r.host.Reload(catalogue, func(int) {}) })
	if got := p.wantRefusal("not_allowed"); !strings.Contains(got, `"clientRequestCode":null`) || !strings.Contains(got, `"destination":"/topic/members/a"`) {
		t.Fatalf("got %s", got)
	}
	for _, destination := range []string{"/topic/members/a", "/topic/open/a", "/topic/closed", "/topic/of/42/a"} {
		r.deliver(bus.Envelope{Destination: destination})
	}
	got := p.read()
	if len(got) != 3 {
		t.Fatalf("got %q, want /topic/open/a twice or by both, and /topic/closed", got)
	}
	wantFrame(t, got[0], "MESSAGE", "destination:/topic/open/a")
	wantFrame(t, got[1], "MESSAGE", "destination:/topic/open/a")
	wantFrame(t, got[2], "MESSAGE", "subscription:3", "destination:/topic/closed")
	p.feed("UNSUBSCRIBE\nid:1\n\n^@")
	p.wantCode(policy.CodeNotSubscribed)
}
