package probe

import (
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/stompgw/stompgw/cmd/internal/cli"
	"github.com/stompgw/stompgw/cmd/internal/cli/clitest"
	"github.com/stompgw/stompgw/cmd/internal/config"
	"github.com/stompgw/stompgw/gateway/auth"
)

// policyRules are those of TestPolicyTest; tests count on the numbers of lines.
const policyRules = `auth: {jwt: {secret_file: secret}}
channels:
  - match: /topic/open/{room}
    subscribe: "true"
    send: headers["x-key"] == "k" && !("x-api-key" in headers)
    patterns: true
  - match: /topic/of/{member}
    subscribe: string(claims.mu) == vars.member
  - match: /topic/admin
    subscribe: >-
      "ROLE_ADMIN" in claims.rl &&
      session.transport == "websocket"
  - match: /topic/us
    subscribe: session.member == 42
routes:
  - {match: "/app/open/{room}", allow: "true", publish: "/topic/open/{room}", body: '{"a": text}'}
  - match: /app/me
    allow: '"mu" in claims && claims.n == 9007199254740993'
    publish: /session/queue/me
`

// memberRules are those of TestPolicyTestMembers.
const memberRules = `auth:
  jwt: {issuer: main, secret_file: secret}
  issuers: [{issuer: shop, secret_file: secret, name: x}, {issuer: other, secret_file: secret}]
channels:
  - {match: "/**", subscribe: "true", send: "true", patterns: true}
  - match: /member/{member}/queue/{name}
    subscribe: string(claims.mu) == vars.member
`

// TestPolicyTestMembers: what a client says below the prefix of members is its own, by its issuer.
func TestPolicyTestMembers(t *testing.T) {
	clitest.TokenFiles(t)
	clitest.WriteFile(t, "t.yaml", memberRules)
	token := gen(t, "--config", "t.yaml", "--issuer", "shop", "--member", "a/b")
	for _, tt := range []struct {
		args, want string // a line
		code       cli.ExitCode
	}{
		{`--claims {"mu":7,"iss":"main"} SUBSCRIBE /member/queue/x`, "on the bus /member/7/queue/x", cli.Done},
		{`--claims {"mu":"7","iss":"shop"} SUBSCRIBE /member/queue/x`, "on the bus /member/x:%37/queue/x", cli.Done},
		{"--token " + token + " SUBSCRIBE /member/queue/x", "on the bus /member/x:a%2Fb/queue/x", cli.Done},
		{`--claims {"mu":7,"iss":"other"} SUBSCRIBE /member/queue/x`, "refused: code 2, not_allowed: Not allowed", cli.NotAllowed},
		{`--claims {"mu":7} SUBSCRIBE /member/queue/x`, "refused: code 2, not_allowed: Not allowed", cli.NotAllowed},
		{`--claims {"mu":7,"iss":"main"} SUBSCRIBE /member/8/queue/x`, "refused: code 3, no_rule: No channel or route has this destination", cli.NotAllowed},
		{`--claims {"mu":7,"iss":"main"} SUBSCRIBE /member/*/queue/x`, "reason     nobody receives by pattern what is a member's", cli.NotAllowed},
		{"SUBSCRIBE /member/queue/x", "refused: code 1, login: Need Login", cli.NotAllowed},
		{"SEND /member/7/queue/x", "send       (says nothing, which is no)", cli.NotAllowed},
		{"SEND /member/%2f/queue/x", `reason     "%2f" names no member: write %2F`, cli.NotAllowed},
	} {
		code, stdout, stderr := run(t, append([]string{"policy", "test", "--config", "t.yaml"}, strings.Fields(tt.args)...)...)
		if code != int(tt.code) || !strings.Contains(stdout, tt.want+"\n") {
			t.Errorf("%s: %d, got\n%s%swant %s", tt.args, code, stdout, stderr, tt.want)
		}
	}
}

// TestPolicyTest holds the verdict, the rule and its place for each kind of answer.
// TestPolicyTestPresence: what tells of a room is judged by that, and by a rule that takes from it.
func TestPolicyTestPresence(t *testing.T) {
	clitest.TokenFiles(t)
	clitest.WriteFile(t, "t.yaml", `auth: {jwt: {secret_file: secret}}
channels:
  - {match: '/topic/{room}', subscribe: 'true', presence: true}
  - {match: '/queue/{room}', subscribe: 'true', presence: count}
  - {match: '/other/{room}', subscribe: 'true'}
  - {match: '/presence/topic/staff', subscribe: '"mu" in claims'}
`)
	for _, tt := range []struct {
		args, want string // in what is printed
		code       cli.ExitCode
	}{
		{"SUBSCRIBE /presence/topic/a", "allowed\nrule       channels[0], t.yaml:3\nmatch      /topic/{room}\nsubscribe  true\ntells      who is subscribed to /topic/a\n", cli.Done},
		{"SUBSCRIBE /presence/queue/a", "tells      how many are subscribed to /queue/a\n", cli.Done},
		{"SUBSCRIBE /presence/other/a", "refused: code 3, no_rule: No channel or route has this destination\nreason     its channel has no presence\n" +
			"rule       channels[2], t.yaml:5\nmatch      /other/{room}\npresence   (says nothing, which is no)\n", cli.NotAllowed},
		{"SUBSCRIBE /presence/topic/staff", "refused: code 1, login: Need Login\n", cli.NotAllowed},
		{`SUBSCRIBE /presence/topic/staff --claims {"mu":1}`, "tells      who is subscribed to /topic/staff\n", cli.Done},
		{"SUBSCRIBE /presence/topic/*", "reason     nobody sees by pattern who is present\n", cli.NotAllowed},
		{"SEND /presence/topic/a", "refused: code 3, no_rule: No channel or route has this destination\n", cli.NotAllowed},
	} {
		code, stdout, stderr := run(t, append([]string{"policy", "test", "--config", "t.yaml"}, strings.Fields(tt.args)...)...)
		if code != int(tt.code) || !strings.Contains(stdout, tt.want) {
			t.Errorf("%s: exit code %d\n%s%swant %d\n%s", tt.args, code, stdout, stderr, tt.code, tt.want)
		}
	}
}

func TestPolicyTest(t *testing.T) {
	clitest.TokenFiles(t)
	clitest.WriteFile(t, "t.yaml", policyRules)
	good := gen(t, "--secret-file", "secret", "--member", "42")
	bad := gen(t, "--secret-file", "other", "--member", "42")
	const ofMember = "rule       channels[1], t.yaml:8\nmatch      /topic/of/{member}\nsubscribe  string(claims.mu) == vars.member\n"
	const open = "rule       channels[0], t.yaml:4\nmatch      /topic/open/{room}\nsubscribe  true\n"
	const openSend = "rule       channels[0], t.yaml:5\nmatch      /topic/open/{room}\nsend       headers[\"x-key\"] == \"k\" && !(\"x-api-key\" in headers)\n"
	const admin = "rule       channels[2], t.yaml:10\nmatch      /topic/admin\nsubscribe  \"ROLE_ADMIN\" in claims.rl && session.transport == \"websocket\"\n"
	const me = "rule       routes[1], t.yaml:18\nmatch      /app/me\nallow      \"mu\" in claims && claims.n == 9007199254740993\n"
	for _, tt := range []struct {
		name, args, want string // of several lines; "…" is anything up to the line's end
		code             cli.ExitCode
	}{
		{"a literal yes", "SUBSCRIBE /topic/open/a", "allowed\n" + open, cli.Done},
		{"in lower case", "subscribe /topic/open/a", "allowed\n" + open, cli.Done},
		{"a header", "SEND /topic/open/a -H x-key:k", "allowed\n" + openSend + "goes to    /topic/open/a\n", cli.Done},
		{"no header", "SEND /topic/open/a", "refused: code 2, not_allowed: Not allowed\n…" + openSend, cli.NotAllowed},
		{"a header that never arrives", "SEND /topic/open/a -H x-key:k -H x-api-key:x", "allowed\n" + openSend + "goes to    /topic/open/a\n", cli.Done},
		{"a pattern", "SUBSCRIBE /topic/open/*", "allowed\n" + open + "but        each message has to pass the rule of its own destination\n", cli.Done},
		{"a pattern that the rule does not let in", "SUBSCRIBE /topic/of/*", "refused: code 4, pattern: Subscriptions by pattern are not allowed here\nrule       channels[1], t.yaml:7\n" +
			"match      /topic/of/{member}\npatterns   (says nothing, which is no)\n", cli.NotAllowed},
		{"a pattern that no rule covers", "SUBSCRIBE /topic/**", "refused: code 4, pattern: Subscriptions by pattern are not allowed here\n", cli.NotAllowed},
		{"the member", "SUBSCRIBE /topic/of/42 --token " + good, "allowed\n" + ofMember, cli.Done},
		{"another member", "SUBSCRIBE /topic/of/43 --token " + good, "refused: code 2, not_allowed: Not allowed\n" + ofMember, cli.NotAllowed},
		{"nobody", "SUBSCRIBE /topic/of/42", "refused: code 1, login: Need Login\n…" + ofMember, cli.NotAllowed},
		{"a bad token", "SUBSCRIBE /topic/of/42 --token " + bad, "refused: code 1, login: Need Login\n…" + ofMember, cli.NotAllowed},
		{"claims", `SUBSCRIBE /topic/admin --claims {"rl":["ROLE_ADMIN"]}`, "allowed\n" + admin, cli.Done},
		{"claims without the role", `SUBSCRIBE /topic/admin --claims {"rl":[]}`, "refused: code 2, not_allowed: Not allowed\n" + admin, cli.NotAllowed},
		{"the session's member", "SUBSCRIBE /topic/us --token " + good, "allowed\nrule       channels[3], t.yaml:14\nmatch      /topic/us\nsubscribe  session.member == 42\n", cli.Done},
		{"the session's member by claims", `SUBSCRIBE /topic/us --claims {"mu":42}`, "allowed\nrule       channels[3], t.yaml:14\nmatch      /topic/us\nsubscribe  session.member == 42\n", cli.Done},
		{"a large number", `SEND /app/me --claims {"mu":"a","n":9007199254740993}`, "allowed\n" + me + "goes to    /session/queue/me of the sender's own session\n", cli.Done},
		{"another one", `SEND /app/me --claims {"mu":"a","n":9007199254740992}`, "refused: code 2, not_allowed: Not allowed\n" + me, cli.NotAllowed},
		{"a route", "SEND /app/open/a", "allowed\nrule       routes[0], t.yaml:16\nmatch      /app/open/{room}\nallow      true\ngoes to    /topic/open/a, rewritten\n", cli.Done},
		{"a field that is left out", "SEND /topic/admin", "refused: code 2, not_allowed: Not allowed\nrule       channels[2], t.yaml:9\nmatch      /topic/admin\nsend       (says nothing, which is no)\n", cli.NotAllowed},
		{"no rule", "SEND /topic/x", "refused: code 3, no_rule: No channel or route has this destination\n", cli.NotAllowed},
		{"the error destination", "SUBSCRIBE /session/queue/request-error", "allowed\nbecause    the error destination is open to everybody\n", cli.Done},
	} {
		t.Run(tt.name, func(t *testing.T) {
			code, stdout, stderr := run(t, append([]string{"policy", "test", "--config", "t.yaml"}, strings.Fields(tt.args)...)...)
			if code != int(tt.code) {
				t.Errorf("exit code %d, want %d", code, tt.code)
			}
			if before, after, any := strings.Cut(tt.want, "…"); stdout != tt.want && !(any && strings.HasPrefix(stdout, before) && strings.HasSuffix(stdout, after)) {
				t.Errorf("got\n%swant\n%s", stdout, tt.want)
			}
			if told := strings.Contains(stderr, "the token is refused (signature: "); told != strings.Contains(tt.args, bad) || !told && stderr != "" {
				t.Errorf("stderr %q", stderr)
			}
		})
	}
}

// TestPolicyTestInput: a token may come over standard input.
func TestPolicyTestInput(t *testing.T) {
	clitest.TokenFiles(t)
	clitest.WriteFile(t, "t.yaml", policyRules)
	token := gen(t, "--secret-file", "secret", "--member", "42")
	if code, stdout, stderr := runOn(t, "Bearer "+token+"\n", "policy", "test", "--config", "t.yaml", "--token", "-", "SUBSCRIBE", "/topic/of/42"); code != 0 || stderr != "" {
		t.Errorf("%d, %s%s", code, stdout, stderr)
	}
}

// TestParseClaims: claims are those of a token that says the same.
func TestParseClaims(t *testing.T) {
	clitest.TokenFiles(t)
	clitest.WriteFile(t, "t.yaml", "auth: {jwt: {secret_file: secret}}\n")
	cfg, err := config.Load(config.Source{File: "t.yaml", Drivers: drivers()})
	if err != nil {
		t.Fatal(err)
	}
	a, err := auth.New(cfg.Tokens())
	if err != nil {
		t.Fatal(err)
	}
	token := gen(t, "--config", "t.yaml", "--member", "안녕", "--claim", "a=9223372036854775807", "--claim", "b=9223372036854775808",
		"--claim", "c=1.0", "--claim", "d=-0", "--claim", "e=1e2", "--claim", `f={"g":[1,null,true,"x",{}]}`)
	who, err := a.Check(token, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	assumed, err := cfg.Tokens().Assume(payload(token))
	if err != nil || !reflect.DeepEqual(assumed.Claims, who.Claims) || assumed.Member != who.Member {
		t.Errorf("%v\n got %#v\nwant %#v", err, assumed, who)
	}
	for _, text := range []string{"", "[]", "null", "{} {}", "{} ]", "{", `{"a":1e999}`, `{"a":[1e999]}`, `{"mu":1.5}`, `{"mu":""}`} {
		if who, err := cfg.Tokens().Assume([]byte(text)); err == nil {
			t.Errorf("%q is read as %v", text, who.Claims)
		}
	}
}
