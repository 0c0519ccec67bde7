package gateway_test

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"testing"
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
	c, err := policy.New(policy.Rules{
		Prefixes:         policy.DefaultPrefixes(),
		ErrorDestination: "/session/queue/request-error",
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
	if err != nil {
		t.Fatal(err)
	}
	return c
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

// TestTokensStayHere: a token that is good is in no MESSAGE, envelope, answer or log, wherever it
// stood.
func TestTokensStayHere(t *testing.T) {
	t.Parallel()
	var logs lockedBuffer
	n, b := startTap(t, withAuth(t), gateway.WithLogger(slog.New(slog.NewTextHandler(&logs, &slog.HandlerOptions{Level: slog.LevelDebug}))))
	n.mustSetRules(t, memberRules(t))
	token := tokenOf(t, 42, time.Hour)
	var seen strings.Builder
	for i, bad := range []string{token, token[:len(token)-4], token + "x", "Bearer " + token, strings.Repeat(token, 20)} {
		c := n.dialTCP(t)
		headers := ""
		for _, name := range []string{"Authorization", "authorization", "token", "x-token", "jwt", "login", "passcode", "correlation-id", "reply-to", "content-type"} {
			headers += name + ":Bearer " + bad + "\n"
		}
		c.send("CONNECT\naccept-version:1.2\n" + headers + "\n^@" + hearRefusals)
		for {
			frame, err := c.read()
			if err != nil {
				t.Fatalf("%d: %v", i, err)
			}
			seen.WriteString(strings.ReplaceAll(frame, "\nreceipt-id:"+bad, ""))
			if strings.HasPrefix(frame, "RECEIPT") || strings.HasPrefix(frame, "ERROR") {
				break
			}
		}
		c.send("SUBSCRIBE\nid:1\ndestination:/topic/open\n" + headers + "\n^@SUBSCRIBE\nid:2\ndestination:/topic/members/x\n" + headers +
			"\n^@SEND\ndestination:/topic/open\n" + headers + "\nx^@SEND\ndestination:/topic/members/a\n" + headers + "\nx^@" +
			"SEND\ndestination:/app/of/42\n" + headers + "\nx^@SEND\ndestination:/nowhere\n" + headers + "\nx^@DISCONNECT\nreceipt:end\n" + headers + "\n^@")
		for {
			frame, err := c.read()
			if err != nil {
				break
			}
			seen.WriteString(frame)
		}
	}
	n.stop()
	all := seen.String() + fmt.Sprintf("%+v", b.taken()) + logs.String()
	for _, part := range strings.Split(token, ".") {
		if strings.Contains(all, part) {
			at := strings.Index(all, part)
			t.Fatalf("a part of the token got out: …%s…", all[max(at-200, 0):min(at+100, len(all))])
		}
	}
	if !strings.Contains(logs.String(), "token not taken") || len(b.taken()) == 0 {
		t.Error("nothing was logged, or sent")
	}
}

// TestReloadEnds: of a subscription that new rules don't allow, the client hears, and no more of it.
func TestReloadEnds(t *testing.T) {
	t.Parallel()
	eachTransport(t, func(t *testing.T, dial func(*node) *client) {
		n := startMembers(t)
		c := dial(n)
		c.send("CONNECT\naccept-version:1.2\n\n^@" + hearRefusals)
		c.expect("CONNECTED")
		c.expect("RECEIPT")
		c.subscribe("1", "/topic/open")
		closed, err := policy.New(policy.Rules{
			Prefixes: policy.DefaultPrefixes(), ErrorDestination: "/session/queue/request-error",
			Channels: []policy.Channel{{Match: "/topic/open", Subscribe: "false", Send: "true"}},
		})
		if err != nil {
			t.Fatal(err)
		}
		ended := make(chan int, 1)
		if err := n.SetRules(closed, func(n int) { ended <- n }); err != nil {
			t.Fatal(err)
		}
		if got := <-ended; got != 1 {
			t.Errorf("%d subscriptions ended, want 1", got)
		}
		frame := c.expect("MESSAGE", "subscription:err")
		_, body, _ := strings.Cut(frame, "\n\n")
		var told struct {
			ClientRequestCode *string
			ErrorCode         int
			Destination       string
		}
		if err := json.Unmarshal([]byte(body), &told); err != nil || told.ClientRequestCode != nil || told.ErrorCode != 2 || told.Destination != "/topic/open" {
			t.Errorf("got %s, %v", body, err)
		}
		c.send("SEND\ndestination:/topic/open\nreceipt:r\n\nx^@")
		c.expect("RECEIPT", "receipt-id:r")
		c.wantAlive()
	})
}

// TestSetRulesOfAnotherKind: rules that give destinations another meaning are not taken, and nothing
// changes.
func TestSetRulesOfAnotherKind(t *testing.T) {
	n := start(t)
	c := n.listening(t)
	c.subscribe("1", "/topic/a")
	same := policy.Rules{Prefixes: policy.DefaultPrefixes(), ErrorDestination: "/session/queue/request-error"}
	compile := func(change func(r *policy.Rules)) *policy.Catalogue {
		r := same
		change(&r)
		other, err := policy.New(r)
		if err != nil {
			t.Fatal(err)
		}
		return other
	}
	for name, change := range map[string]func(r *policy.Rules){
		"application":       func(r *policy.Rules) { r.Prefixes.App = "/application" },
		"user":              func(r *policy.Rules) { r.Prefixes.User = "/session/queue" },
		"broker":            func(r *policy.Rules) { r.Prefixes.Broker = []string{"/queue"} },
		"error destination": func(r *policy.Rules) { r.ErrorDestination = "/session/queue/errors" },
	} {
		if err := n.SetRules(compile(change), nil); err == nil {
			t.Errorf("%s: taken", name)
		}
	}
	c.send("SEND\ndestination:/app/topic/a\n\nx^@")
	c.expect("MESSAGE", "subscription:1", "x")
	c.send("SEND\ndestination:/topic/secret/a\n\nx^@")
	c.wantRefusal(`"errorCode":2,`)
	n.mustSetRules(t, compile(func(*policy.Rules) {}))
	c.wantRefusal(`"errorCode":3,`, `"destination":"/topic/a"`)
}

// TestWithheld: what a subscription does not get because its login has gone is counted, and so is
// what becomes of tokens.
func TestWithheld(t *testing.T) {
	t.Parallel()
	n := startMembers(t, gateway.WithGrace(time.Second))
	c, other := n.dialTCP(t), n.listening(t)
	c.send("CONNECT\naccept-version:1.2\nAuthorization:Bearer " + tokenOf(t, 42, 2*time.Second) + "\n\n^@" + hearRefusals)
	c.expect("CONNECTED")
	c.expect("RECEIPT")
	c.subscribe("1", "/topic/members/a")
	c.wantRefusal(`{"clientRequestCode":null,"errorCode":1,"errorMessage":"Need Login","error":"login","retryable":false}`)
	token := tokenOf(t, 43, time.Hour)
	for n.Figures().Withheld == 0 {
		other.send("SEND\ndestination:/topic/members/a\nAuthorization:Bearer " + token + "\nreceipt:r\n\n^@")
		other.expect("RECEIPT")
	}
	if f := n.Figures(); f.Tokens.Verified != 2 {
		t.Errorf("%+v, want two that were verified", f.Tokens)
	}
}

func (n *node) mustSetRules(t testing.TB, rules *policy.Catalogue) {
	t.Helper()
	if err := n.SetRules(rules, nil); err != nil {
		t.Fatal(err)
	}
}

// TestSetIssuers: who is logged in by a key that goes is told so at once, on every loop, and by one that
// comes can log in.
func TestSetIssuers(t *testing.T) {
	n := startMembers(t)
	secrets := func(list ...string) {
		t.Helper()
		var keys []any
		for _, secret := range list {
			keys = append(keys, []byte(secret))
		}
		if err := n.SetIssuers([]auth.Issuer{{Keys: keys}}); err != nil {
			t.Fatal(err)
		}
	}
	const other = "another secret of thirty-two bytes"
	secrets(authSecret, other)
	var clients []*client
	for range 8 {
		c := n.dialTCP(t)
		c.send("CONNECT\naccept-version:1.2\nAuthorization:Bearer " + tokenOf(t, 42, time.Hour) + "\n\n^@" + hearRefusals)
		c.expect("CONNECTED")
		c.expect("RECEIPT")
		clients = append(clients, c)
	}
	if err := n.SetIssuers([]auth.Issuer{{Keys: []any{"no key"}}}); err == nil {
		t.Error("an issuer with a key that is none is taken")
	}
	secrets(other)
	token, err := jwt.NewWithClaims(jwt.SigningMethodHS256, jwt.MapClaims{"mu": 42, "exp": time.Now().Add(time.Hour).Unix()}).SignedString([]byte(other))
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range clients {
		c.wantRefusal("\n\n" + `{"clientRequestCode":null,"errorCode":1,`)
		c.send("SUBSCRIBE\nid:1\ndestination:/topic/members/a\nclient-request-code:SUBSCRIBE\nAuthorization:Bearer " + tokenOf(t, 42, 2*time.Hour) + "\n\n^@")
		c.wantRefusal("\n\n" + `{"clientRequestCode":"SUBSCRIBE","errorCode":1,`)
		c.send("SUBSCRIBE\nid:1\ndestination:/topic/members/a\nreceipt:in\nAuthorization:Bearer " + token + "\n\n^@")
		c.expect("RECEIPT", "receipt-id:in")
	}
	if err := start(t).SetIssuers(nil); err == nil {
		t.Error("a node that takes no tokens takes issuers")
	}
}
