package gateway_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/stompgw/stompgw/gateway"
	"github.com/stompgw/stompgw/gateway/auth"
	"github.com/stompgw/stompgw/gateway/policy"
)

const authSecret = "a secret of thirty-two bytes or so"

// tokenOf makes a token of a member.
func tokenOf(t testing.TB, member any, expires time.Duration) string {
	t.Helper()
	claims := jwt.MapClaims{"mu": member, "rl": []string{"ROLE_USER"}, "exp": time.Now().Add(expires).Unix()}
	token, err := jwt.NewWithClaims(jwt.SigningMethodHS256, claims).SignedString([]byte(authSecret))
	if err != nil {
		t.Fatal(err)
	}
	return token
}

func withAuth(t testing.TB) gateway.Option {
	t.Helper()
	a, err := auth.New(auth.Config{Issuers: []auth.Issuer{{Algorithms: []string{"HS256"}, Keys: []any{[]byte(authSecret)}}}})
	if err != nil {
		t.Fatal(err)
	}
	return gateway.WithAuth(a)
}

// memberRules lets members into their rooms, alone.
func memberRules(t testing.TB) *policy.Catalogue {
	t.Helper()
	return compile(t, policy.Rules{
		Channels: []policy.Channel{
			{Match: "/topic/members/{room}", Subscribe: "has(claims.mu)", Send: "has(claims.mu)", Patterns: true},
			{Match: "/topic/of/{member}", Subscribe: "string(claims.mu) == vars.member", Patterns: true},
			{Match: "/topic/{room}", Subscribe: "true", Send: "true"},
			{Match: "/topic/**", Subscribe: "has(claims.mu)", Patterns: true},
			{Match: "/session/queue/{name}", Subscribe: "true"},
		},
		Routes: []policy.Route{{
			Match: "/app/of/{member}", Allow: "has(claims.mu)", Publish: "/topic/of/{member}",
			Headers: `{"x-from": string(claims.mu), "x-session": session.key}`,
		}},
	})
}

// startMembers runs a node on which members log in.
func startMembers(t testing.TB, opts ...gateway.Option) *node {
	t.Helper()
	n := start(t, append([]gateway.Option{withAuth(t)}, opts...)...)
	n.mustSetRules(t, memberRules(t))
	return n
}

// TestRoutesKnowTheSender: what a route says of the sender comes from the token, not from headers.
func TestRoutesKnowTheSender(t *testing.T) {
	n := startMembers(t)
	c := n.dialTCP(t)
	c.send("CONNECT\naccept-version:1.2\nAuthorization:Bearer " + tokenOf(t, 42, time.Hour) + "\n\n^@")
	c.expect("CONNECTED")
	c.subscribe("1", "/topic/of/42")
	c.send("SEND\ndestination:/app/of/42\nx-from:43\n\nx^@")
	c.expect("MESSAGE", "x-from:42", "x-session:"+n.name.Key(n.sessions.Sessions()[0].ID))
}

func (n *node) mustSetRules(t testing.TB, rules *policy.Catalogue) {
	t.Helper()
	if err := n.SetRules(rules, nil); err != nil {
		t.Fatal(err)
	}
}

// TestSetRules: rules that give destinations another meaning are not taken, and nothing changes. Of a subscription
// that new ones don't allow, the client hears, and the caller how many ended.
func TestSetRules(t *testing.T) {
	n := start(t)
	c := n.listening(t)
	c.subscribe("1", "/topic/a")
	for name, change := range map[string]func(r *policy.Rules){
		"application":       func(r *policy.Rules) { r.Prefixes.App = "/application" },
		"user":              func(r *policy.Rules) { r.Prefixes.User = "/session/queue" },
		"broker":            func(r *policy.Rules) { r.Prefixes.Broker = []string{"/queue"} },
		"member":            func(r *policy.Rules) { r.Prefixes.Member = "" },
		"error destination": func(r *policy.Rules) { r.ErrorDestination = "/session/queue/errors" },
	} {
		r := policy.Rules{Prefixes: policy.DefaultPrefixes()}
		change(&r)
		if err := n.SetRules(compile(t, r), nil); err == nil {
			t.Errorf("%s: taken", name)
		}
	}
	c.send("SEND\ndestination:/app/topic/a\n\nx^@")
	c.expect("MESSAGE", "subscription:1", "x")
	ended := make(chan int, 1)
	if err := n.SetRules(compile(t, policy.Rules{}), func(n int) { ended <- n }); err != nil {
		t.Fatal(err)
	}
	if got := <-ended; got != 1 {
		t.Errorf("%d subscriptions ended, want 1", got)
	}
	c.wantRefusal(`"errorCode":3,`, `"destination":"/topic/a"`)
}

// TestWithheld: what a subscription does not get because its login has gone is counted, and so is
// what becomes of tokens.
func TestWithheld(t *testing.T) {
	inBubble(t, false, func(t *testing.T, b *bubble) {
		b.mustSetRules(t, memberRules(t))
		c, other := b.dialTCP(t), b.listening(t)
		c.logIn(tokenOf(t, 42, time.Minute))
		c.subscribe("1", "/topic/members/a")
		c.wantRefusal(`{"clientRequestCode":null,"errorCode":1,"errorMessage":"Need Login","error":"login","retryable":false}`)
		time.Sleep(31 * time.Second) // the grace
		other.ask("SEND\ndestination:/topic/members/a\nAuthorization:Bearer " + tokenOf(t, 43, time.Hour) + "\nreceipt:r\n\n^@")
		synctest.Wait()
		if f := b.Figures(); f.Withheld != 1 || f.Delivered != 1 || f.Tokens.Verified != 2 { // delivered is the refusal
			t.Errorf("%d messages were withheld and %d delivered, of tokens %+v; want one each, and two that were verified", f.Withheld, f.Delivered, f.Tokens)
		}
	}, withAuth(t))
}

// logIn connects as a member, and listens for refusals.
func (c *client) logIn(token string) {
	c.t.Helper()
	c.send("CONNECT\naccept-version:1.2\nheart-beat:0,0\nAuthorization:Bearer " + token + "\n\n^@" + hearRefusals)
	c.expect("CONNECTED")
	c.expect("RECEIPT")
}

// TestSetIssuers: who is logged in by a key that goes is told so at once, on every loop, and by one that
// comes can log in.
func TestSetIssuers(t *testing.T) {
	n := startMembers(t)
	secrets := func(list ...any) error { return n.SetIssuers([]auth.Issuer{{Keys: list}}, nil) }
	const other = "another secret of thirty-two bytes"
	if err := secrets([]byte(authSecret), []byte(other)); err != nil {
		t.Fatal(err)
	}
	var clients []*client
	for range 8 {
		c := n.dialTCP(t)
		c.logIn(tokenOf(t, 42, time.Hour))
		clients = append(clients, c)
	}
	if err := secrets("no key"); err == nil {
		t.Error("an issuer with a key that is none is taken")
	}
	if err := secrets([]byte(other)); err != nil {
		t.Fatal(err)
	}
	token, err := jwt.NewWithClaims(jwt.SigningMethodHS256, jwt.MapClaims{"mu": 42, "exp": time.Now().Add(time.Hour).Unix()}).SignedString([]byte(other))
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range clients {
		c.wantRefusal("\n\n" + `{"clientRequestCode":null,"errorCode":1,`)
		c.send("SUBSCRIBE\nid:1\ndestination:/topic/members/a\nreceipt:in\nAuthorization:Bearer " + token + "\n\n^@")
		c.expect("RECEIPT", "receipt-id:in")
	}
	if err := start(t).SetIssuers(nil, nil); err == nil {
		t.Error("a node that takes no tokens takes issuers")
	}
}
