package probe

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/stompgw/stompgw/cmd/internal/cli"
	"github.com/stompgw/stompgw/cmd/internal/cli/clitest"
	"github.com/stompgw/stompgw/cmd/internal/config"
)

// caseRules are those of the tests of cases; they count on the numbers of lines.
const caseRules = `auth: {jwt: {secret_file: secret}}
channels:
  - match: /topic/room.*
    subscribe: "true"
  - match: /topic/of/{member}
    subscribe: string(claims.mu) == vars.member
    send: headers["x-key"] == "k"
  - {match: '/member/{member}/queue/{name}', subscribe: "true"}
  - {match: /topic/level, send: "true", schema: {type: integer}, limits: {message: 4B}}
routes:
  - match: /app/room/{n}
    allow: '"mu" in claims'
    publish: /topic/room.1
    body: '{"text": body.chat, "by": claims.mu}'
    headers: '{"x-by": string(claims.mu)}'
  - {match: /app/me, allow: "true", publish: /session/queue/me}
`

// tryCases runs policy test with a file of cases.
func tryCases(t *testing.T, cases string, more ...string) (code cli.ExitCode, stdout, stderr string) {
	t.Helper()
	clitest.TokenFiles(t)
	clitest.WriteFile(t, "t.yaml", caseRules)
	clitest.WriteFile(t, "c.yaml", cases)
	n, stdout, stderr := run(t, append([]string{"policy", "test", "--config", "t.yaml", "--cases", "c.yaml"}, more...)...)
	return cli.ExitCode(n), stdout, stderr
}

// TestCasesPass: what rules do is what cases may expect of them.
func TestCasesPass(t *testing.T) {
	code, stdout, stderr := tryCases(t, `cases:
  - {command: SUBSCRIBE, destination: /topic/room.1, expect: allow, rule: /topic/room.*, becomes: {destination: /topic/room.1}}
  - {command: subscribe, destination: /topic/of/7, expect: login, rule: "channels[1]"}
  - {command: SUBSCRIBE, destination: /topic/of/7, claims: &seven {mu: 7}, expect: allow}
  - {command: SUBSCRIBE, destination: /topic/of/8, claims: *seven, expect: not_allowed}
  - {command: SUBSCRIBE, destination: /topic/of/8, claims: *seven, expect: deny, rule: '/topic/of/{member}'}
  - {command: SUBSCRIBE, destination: /topic/of/7, token: Bearer x, expect: login}
  - {command: SUBSCRIBE, destination: /member/queue/x, claims: *seven, expect: allow, becomes: {destination: /member/7/queue/x}}
  - {command: SUBSCRIBE, destination: /session/queue/request-error, expect: allow}
  - {command: SEND, destination: /topic/of/7, headers: {x-key: k}, expect: allow}
  - {command: SEND, destination: /topic/of/7, headers: {x-key: 5}, expect: deny}
  - {command: SEND, destination: /topic/x, expect: no_rule}
  - {command: SEND, destination: /app/room/1, expect: login, body: {chat: hi}}
  - {command: SEND, destination: /app/room/1, claims: *seven, expect: allow}
  - {command: SEND, destination: /app/room/1, claims: *seven, expect: body, body: hello}
  - name: what a route makes of it
    command: SEND
    destination: /app/room/1
    claims: *seven
    body: {chat: "a\nb", more: [1]}
    headers: {x-a: b, Authorization: x}
    expect: allow
    becomes:
      destination: /topic/room.1
      body: {text: "a\nb", by: 7.0}
      headers: {x-a: b, x-by: 7, content-type: application/json, authorization: null, Authorization: null}
  - {command: SEND, destination: /app/room/1, claims: *seven, body: {chat: 1}, expect: allow, becomes: {body: '{"by":7,"text":1}'}}
  - {command: SEND, destination: /app/me, body: " as it is", expect: allow, becomes: {destination: /session/queue/me, body: " as it is"}}
  - {command: SEND, destination: /topic/level, body: 5, expect: allow}
  - {command: SEND, destination: /topic/level, body: high, expect: schema, rule: /topic/level}
  - {command: SEND, destination: /topic/level, body: 12345, expect: too_large}
`)
	if code != cli.Done || stdout != "20 cases: 20 passed, 0 failed\n" || stderr != "" {
		t.Errorf("exit code %d\n%s%s", code, stdout, stderr)
	}
}

// TestCasesFail: each case that ends otherwise is told, with what is wanted, what comes, and the rule that decides.
func TestCasesFail(t *testing.T) {
	cases := `cases:
  - name: guests post
    command: SEND
    destination: /app/room/1
    expect: allow
  - command: SEND
    destination: /app/room/1
    claims: {mu: 7}
    body: {chat: "a\nb"}
    expect: allow
    rule: /topic/room.*
    becomes:
      destination: /topic/room.2
      body: {text: "a\nb", by: 8}
      headers: {x-by: "8", x-none: a, content-type: null}
  - {command: SUBSCRIBE, destination: /topic/nowhere, expect: login, rule: "channels[0]"}
  - {command: SUBSCRIBE, destination: /topic/room.1, expect: deny}
  - {command: SUBSCRIBE, destination: /topic/of/7, token: x, expect: allow}
  - {command: SUBSCRIBE, destination: /topic/room.1, expect: allow}
`
	code, stdout, stderr := tryCases(t, cases)
	want := `c.yaml:2: guests post (SEND /app/room/1)
  expect
    - want  allow
    + got   login
  rule       routes[0], t.yaml:12
  match      /app/room/{n}
  allow      "mu" in claims
c.yaml:6: SEND /app/room/1
  rule
    - want  /topic/room.*
    + got   /app/room/{n} (routes[0])
  becomes.destination
    - want  /topic/room.2
    + got   /topic/room.1
  becomes.body
    - want  {"text":"a\nb","by":8}
    + got   {"by":7,"text":"a\nb"}
  becomes.headers.content-type
    - want  none
    + got   application/json
  becomes.headers.x-by
    - want  8
    + got   7
  becomes.headers.x-none
    - want  a
    + got   none
  rule       routes[0], t.yaml:12
  match      /app/room/{n}
  allow      "mu" in claims
c.yaml:16: SUBSCRIBE /topic/nowhere
  expect
    - want  login
    + got   no_rule
  rule
    - want  channels[0]
    + got   none
c.yaml:17: SUBSCRIBE /topic/room.1
  expect
    - want  deny
    + got   allow
  rule       channels[0], t.yaml:4
  match      /topic/room.*
  subscribe  true
c.yaml:18: SUBSCRIBE /topic/of/7
  expect
    - want  allow
    + got   login
  reason     channels[1].subscribe: no such key, line 1 column 14
  token      the token is refused (form: the token is no JWT: want three parts of base64url, the first two of them JSON objects), so the frame is nobody's
  rule       channels[1], t.yaml:6
  match      /topic/of/{member}
  subscribe  string(claims.mu) == vars.member
6 cases: 1 passed, 5 failed
`
	if code != cli.Missed || stdout != want || stderr != "" {
		t.Errorf("exit code %d, %s got\n%swant\n%s", code, stderr, stdout, want)
	}
	code, stdout, _ = tryCases(t, cases, "-o", "json")
	var told caseReport
	if err := json.Unmarshal([]byte(stdout), &told); err != nil || code != cli.Missed || told.Passed != 1 || told.Failed != 5 || len(told.Cases) != 6 {
		t.Fatalf("exit code %d, %v in\n%s", code, err, stdout)
	}
	second := told.Cases[1]
	if second.Passed || second.Where != "c.yaml:6" || len(second.Differences) != 6 || second.Got.Verdict != allow || *second.Got.Body != `{"by":7,"text":"a\nb"}` || second.Got.Headers["x-by"] != "7" {
		t.Errorf("got %+v", second)
	}
	if last := told.Cases[5]; !last.Passed || last.Differences != nil || last.Got.Body != nil {
		t.Errorf("got %+v", last)
	}
}

// TestCasesMistakes: a file that can't be meant is told line by line, and nothing is tried.
func TestCasesMistakes(t *testing.T) {
	for cases, want := range map[string]string{
		"":                        "c.yaml:1: it is empty",
		"cases: []":               "c.yaml:1: cases: there is none: want some, each with a command, a destination and what to expect",
		"cases:\n- command: SEND": "c.yaml:2: cases[0]: has no destination: every item of this list needs command, destination, expect\nstompgw: c.yaml:2: cases[0]: has no expect: every item of this list needs command, destination, expect",
		"cases:\n- {command: SEND, destination: /a, expect: deny, expct: a}":                         "c.yaml:2: cases[0].expct: there is no such key; did you mean cases[0].expect?",
		"cases:\n- {command: ACK, destination: /a, expect: deny}":                                    `c.yaml:2: cases[0].command: "ACK" is neither SUBSCRIBE nor SEND, which are all that rules are about`,
		"cases:\n- {command: SEND, destination: /a, expect: no}":                                     "c.yaml:2: cases[0].expect: \"no\" is neither allow, nor deny, nor the word of a code, such as not_allowed: `stompgw explain` lists them",
		"cases:\n- {command: SEND, destination: /a, expect: deny, token: x, claims: {}}":             "c.yaml:2: cases[0].claims: a frame has one bearer: leave the claims out, or the token",
		"cases:\n- {command: SEND, destination: /a, expect: deny, claims: []}":                       "c.yaml:2: cases[0].claims: want a section, such as {mu: 42}",
		"cases:\n- {command: SEND, destination: /a, expect: deny, claims: {mu: 1.5}}":                `c.yaml:2: cases[0].claims: member: the claim "mu" is neither an integer of 64 bits nor a string`,
		"cases:\n- {command: SEND, destination: /a, expect: deny, headers: [a]}":                     "c.yaml:2: cases[0].headers: want names with texts, such as {x-room: a}",
		"cases:\n- {command: SEND, destination: /a, expect: deny, headers: {a: null}}":               "c.yaml:2: cases[0].headers: a is no text",
		"cases:\n- {command: SEND, destination: /a, expect: allow, becomes: {headers: {a: [b]}}}":    "c.yaml:2: cases[0].becomes.headers: a is no text",
		"cases:\n- {command: SEND, destination: /a, expect: deny, becomes: {body: a}}":               "c.yaml:2: cases[0].becomes: a frame that is refused becomes nothing: leave it out, or expect allow",
		"cases:\n- {command: SUBSCRIBE, destination: /a, expect: deny, body: a}":                     "c.yaml:2: cases[0].body: a SUBSCRIBE has none: leave it out",
		"cases:\n- {command: SUBSCRIBE, destination: /a, expect: allow, becomes: {body: a}}":         "c.yaml:2: cases[0].becomes.body: a SUBSCRIBE has none: leave it out",
		"cases:\n- {command: SUBSCRIBE, destination: /a, expect: allow, becomes: {headers: {a: b}}}": "c.yaml:2: cases[0].becomes.headers: what a SUBSCRIBE becomes has none: leave them out",
	} {
		if code, stdout, stderr := tryCases(t, cases); code != cli.Usage || stdout != "" || stderr != "stompgw: "+want+"\n" {
			t.Errorf("%s\nexit code %d, got %s%swant %s", cases, code, stdout, stderr, want)
		}
	}
}

// TestCasesWithoutTokens need no key of the configuration.
func TestCasesWithoutTokens(t *testing.T) {
	t.Chdir(t.TempDir())
	clitest.WriteFile(t, "t.yaml", strings.Replace(caseRules, "secret_file: secret", "secret_file: none", 1))
	clitest.WriteFile(t, "c.yaml", "cases: [{command: SUBSCRIBE, destination: /topic/of/7, claims: {mu: 7}, expect: allow}]\n")
	if code, stdout, stderr := run(t, "policy", "test", "--config", "t.yaml", "--cases", "c.yaml"); code != 0 || stdout != "1 case: 1 passed, 0 failed\n" {
		t.Errorf("exit code %d, %s%s", code, stdout, stderr)
	}
	clitest.WriteFile(t, "c.yaml", "cases: [{command: SUBSCRIBE, destination: /topic/of/7, token: x, expect: deny}]\n")
	if code, _, stderr := run(t, "policy", "test", "--config", "t.yaml", "--cases", "c.yaml"); code != int(cli.Configuration) || !strings.Contains(stderr, "none can't be read") {
		t.Errorf("exit code %d, %s", code, stderr)
	}
}

// TestSameBody: JSON is compared by what it means, and a text letter by letter.
func TestSameBody(t *testing.T) {
	for _, tt := range []struct {
		want, got string
		same      bool
	}{
		{`{"a":1,"b":[true,null]}`, `{ "b": [true, null], "a": 1.0 }`, true},
		{`{"a":1}`, `{"a":2}`, false},
		{`{"a":1}`, `{"a":1} {}`, false},
		{`{"a":1}`, `text`, false},
		{`9007199254740993`, `9007199254740993`, true},
		{`9007199254740993`, `9007199254740992`, false},
		{`1`, `1e0`, true},
		{`"1"`, `1`, true},
		{`"{\"a\": 1}"`, `{"a":1}`, false},
		{`""`, ``, true},
		{`[]`, `{}`, false},
	} {
		if sameBody(config.Any(tt.want), tt.got) != tt.same {
			t.Errorf("%s and %s: want %t", tt.want, tt.got, tt.same)
		}
	}
}

// TestPolicyTestJSON: one frame is told to programs as cases are.
func TestPolicyTestJSON(t *testing.T) {
	clitest.TokenFiles(t)
	clitest.WriteFile(t, "t.yaml", caseRules)
	for args, want := range map[string]caseAnswer{
		"SUBSCRIBE /topic/room.1":                 {Verdict: "allow", Rule: "channels[0]", Where: "t.yaml:4", Match: "/topic/room.*", Field: "subscribe", Expression: "true", Destination: "/topic/room.1"},
		`SEND /app/room/1 --claims {"mu":1}`:      {Verdict: "allow", Rule: "routes[0]", Where: "t.yaml:12", Match: "/app/room/{n}", Field: "allow", Expression: `"mu" in claims`, Destination: "/topic/room.1"},
		`SUBSCRIBE /topic/of/7 --claims {"mu":1}`: {Verdict: "not_allowed", Code: 2, Message: "Not allowed", Rule: "channels[1]", Where: "t.yaml:6", Match: "/topic/of/{member}", Field: "subscribe", Expression: "string(claims.mu) == vars.member"},
		"SEND /topic/x":                           {Verdict: "no_rule", Code: 3, Message: "No channel or route has this destination"},
	} {
		code, stdout, stderr := run(t, append([]string{"policy", "test", "--config", "t.yaml", "-o", "json"}, strings.Fields(args)...)...)
		var got caseAnswer
		if err := json.Unmarshal([]byte(stdout), &got); err != nil || got.Verdict != want.Verdict || got.Code != want.Code || got.Message != want.Message || got.Rule != want.Rule ||
			got.Where != want.Where || got.Match != want.Match || got.Field != want.Field || got.Expression != want.Expression || got.Destination != want.Destination {
			t.Errorf("%s: %v, %s got\n%+v, want\n%+v", args, err, stderr, got, want)
		}
		if want := map[bool]cli.ExitCode{true: cli.Done, false: cli.NotAllowed}[want.Code == 0]; code != int(want) {
			t.Errorf("%s: exit code %d, want %d", args, code, want)
		}
	}
}
