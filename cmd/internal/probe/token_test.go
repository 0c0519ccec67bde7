package probe

import (
	"bytes"
	"encoding/json"
	"errors"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"

	"github.com/stompgw/stompgw/cmd/internal/cli"
	"github.com/stompgw/stompgw/cmd/internal/cli/clitest"
	"github.com/stompgw/stompgw/gateway/auth"
)

// gen makes a token.
func gen(t *testing.T, args ...string) string {
	t.Helper()
	code, stdout, stderr := run(t, append([]string{"token", "gen"}, args...)...)
	if code != 0 || stderr != "" || strings.Count(stdout, "\n") != 1 {
		t.Fatalf("token gen %q: exit code %d, %q, %q", args, code, stdout, stderr)
	}
	return strings.TrimSuffix(stdout, "\n")
}

// check returns what token check prints of one, as JSON.
func check(t *testing.T, file, token string) (v verdict) {
	t.Helper()
	code, stdout, stderr := runOn(t, token+"\n", "token", "check", "-o", "json", "--config", file, "-")
	if stderr != "" {
		t.Errorf("stderr %q", stderr)
	}
	if err := json.Unmarshal([]byte(stdout), &v); err != nil {
		t.Fatalf("%v in %q", err, stdout)
	}
	if want := map[bool]cli.ExitCode{true: cli.Done, false: cli.NotAllowed}[v.accepted()]; code != int(want) {
		t.Errorf("exit code %d, want %d", code, want)
	}
	return v
}

// TestTokenGen: tokens of all kinds are taken by a node that has the key, and say what was asked for.
func TestTokenGen(t *testing.T) {
	clitest.TokenFiles(t)
	clitest.WriteFile(t, "hs.yaml", "auth: {jwt: {secret_file: secret, issuer: me, audience: [chat, mail]}}\n")
	clitest.WriteFile(t, "hs512.yaml", "auth: {jwt: {secret_file: secret, algorithms: [HS512]}}\n")
	clitest.WriteFile(t, "sub.yaml", "auth: {jwt: {secret_file: secret, usage: a}, claims: {member: sub, roles: r, usage: u}}\n")
	clitest.WriteFile(t, "any.yaml", "auth: {jwt: {secret_file: secret}, claims: {usage: ''}}\n")
	clitest.WriteFile(t, "rsa.yaml", "auth: {jwt: {public_key_file: rsa.pub}}\n")
	clitest.WriteFile(t, "pss.yaml", "auth: {jwt: {public_key_file: rsa.pub, algorithms: [PS384]}}\n")
	clitest.WriteFile(t, "ec.yaml", "auth: {jwt: {public_key_file: ec.pub}}\n")
	clitest.WriteFile(t, "two.yaml", "auth: {issuers: [{issuer: a, secret_file: secret}, {issuer: b, public_key_file: ed.pub}]}\n")
	claims := func(names ...string) []string { return append(names, "exp", "iat") }
	for _, tt := range []struct {
		name, file string
		args       []string
		member     string
		roles      []string
		claims     []string // their names
	}{
		{"secret of the configuration", "hs.yaml", []string{"--config", "hs.yaml", "--member", "42"}, "42", nil, claims("mu", "tu", "iss", "aud")},
		{"secret of a flag", "hs512.yaml", []string{"--secret-file", "secret", "--alg", "HS512", "--member", "42"}, "42", nil, claims("mu", "tu")},
		{"algorithm of the configuration", "hs512.yaml", []string{"--config", "hs512.yaml", "--member", "42"}, "42", nil, claims("mu", "tu")},
		{"names of the configuration", "sub.yaml", []string{"--config", "sub.yaml", "--member", "42", "--role", "A"}, "42", []string{"A"}, claims("sub", "u", "r")},
		{"RSA", "rsa.yaml", []string{"--config", "rsa.yaml", "--key", "rsa.key", "--member", "42"}, "42", nil, claims("mu", "tu")},
		{"RSA without a configuration", "rsa.yaml", []string{"--key", "rsa.key", "--alg", "PS256", "--member", "42"}, "42", nil, claims("mu", "tu")},
		{"RSA, pinned to another algorithm", "pss.yaml", []string{"--config", "pss.yaml", "--key", "rsa.key", "--member", "42"}, "42", nil, claims("mu", "tu")},
		{"elliptic curve", "ec.yaml", []string{"--key", "ec.key", "--member", "42"}, "42", nil, claims("mu", "tu")},
		{"Ed25519, one of two", "two.yaml", []string{"--config", "two.yaml", "--key", "ed.key", "--issuer", "b", "--member", "42"}, "42", nil, claims("mu", "tu", "iss")},
		{"secret, one of two", "two.yaml", []string{"--config", "two.yaml", "--issuer", "a", "--member", "42"}, "42", nil, claims("mu", "tu", "iss")},
		{"issuer of a flag", "two.yaml", []string{"--secret-file", "secret", "--issuer", "a", "--member", "42"}, "42", nil, claims("mu", "tu", "iss")},

		{"member that is text", "hs.yaml", []string{"--config", "hs.yaml", "--member", "bob"}, `"bob"`, nil, claims("mu", "tu", "iss", "aud")},
		{"member of digits that is text", "hs.yaml", []string{"--config", "hs.yaml", "--member", `"42"`}, `"42"`, nil, claims("mu", "tu", "iss", "aud")},
		{"member that only looks like a number", "hs.yaml", []string{"--config", "hs.yaml", "--member", "042"}, `"042"`, nil, claims("mu", "tu", "iss", "aud")},
		{"member below zero", "hs.yaml", []string{"--config", "hs.yaml", "--member=-7"}, "-7", nil, claims("mu", "tu", "iss", "aud")},
		{"member of another claim", "hs.yaml", []string{"--config", "hs.yaml", "--claim", "mu=7"}, "7", nil, claims("mu", "tu", "iss", "aud")},
		{"roles", "hs.yaml", []string{"--config", "hs.yaml", "--member", "1", "--role", "ROLE_A", "--role", "ROLE_B"}, "1", []string{"ROLE_A", "ROLE_B"}, claims("mu", "rl", "tu", "iss", "aud")},
		{"other claims", "hs.yaml", []string{"--config", "hs.yaml", "--member", "1", "--claim", "org=7", "--claim", "name=bob=x", "--claim", `list=["a"]`, "--claim", "aud=mail"}, "1", nil,
			claims("mu", "tu", "iss", "aud", "org", "name", "list")},
		{"a claim less", "hs.yaml", []string{"--config", "hs.yaml", "--member", "1", "--claim", "tu=null"}, "1", nil, claims("mu", "iss", "aud")},
		{"no claim for the usage", "any.yaml", []string{"--config", "any.yaml", "--member", "1", "--usage", "refresh"}, "1", nil, claims("mu")},
		{"no usage", "hs.yaml", []string{"--config", "hs.yaml", "--member", "1", "--usage", ""}, "1", nil, claims("mu", "iss", "aud")},
	} {
		t.Run(tt.name, func(t *testing.T) {
			v := check(t, tt.file, gen(t, tt.args...))
			if !v.accepted() || string(v.Member) != tt.member || !slices.Equal(v.Roles, tt.roles) {
				t.Errorf("it is %+v", v)
			}
			slices.Sort(tt.claims)
			if got := slices.Sorted(maps.Keys(v.Claims)); !slices.Equal(got, tt.claims) {
				t.Errorf("it has the claims %v, want %v", got, tt.claims)
			}
			if v.Expires != nil && (time.Until(*v.Expires) > time.Hour || time.Until(*v.Expires) < time.Hour-clitest.Patience) {
				t.Errorf("it expires %s, want in an hour", v.Expires)
			}
		})
	}
}

// TestTokenClaims: values are as JSON has them, and else text.
func TestTokenClaims(t *testing.T) {
	clitest.TokenFiles(t)
	token := gen(t, "--secret-file", "secret", "--member", "1", "--claim", "a=7", "--claim", "b=1.0", "--claim", `c="7"`, "--claim", "d=x y", "--claim", "e=", "--claim", "f=true",
		"--claim", "exp=8", "--claim", "iat=null")
	const want = `{"a":7,"b":1.0,"c":"7","d":"x y","e":"","exp":8,"f":true,"mu":1,"tu":"access"}`
	if got := string(payload(token)); got != want {
		t.Errorf("\n got %s\nwant %s", got, want)
	}
}

// TestTokenCheck: of a token that is refused, the check that has failed is named.
func TestTokenCheck(t *testing.T) {
	clitest.TokenFiles(t)
	clitest.WriteFile(t, "hs.yaml", "auth: {jwt: {secret_file: secret, issuer: me, audience: [chat]}}\n")
	clitest.WriteFile(t, "rsa.yaml", "auth: {jwt: {public_key_file: rsa.pub}}\n")
	hs := func(args ...string) []string {
		return append([]string{"--config", "hs.yaml", "--member", "1"}, args...)
	}
	for _, tt := range []struct {
		check, file string
		args        []string
	}{
		{auth.CheckSignature, "hs.yaml", hs("--secret-file", "other")},
		{auth.CheckAlgorithm, "rsa.yaml", hs()},
		{auth.CheckAlgorithm, "hs.yaml", hs("--alg", "HS384")},
		{auth.CheckExpiry, "hs.yaml", hs("--ttl=-1m")},
		{auth.CheckExpiry, "hs.yaml", hs("--claim", "exp=null")},
		{auth.CheckNotBefore, "hs.yaml", hs("--claim", "nbf=9999999999")},
		{auth.CheckIssuer, "hs.yaml", hs("--secret-file", "secret", "--issuer", "you")},
		{auth.CheckAudience, "hs.yaml", hs("--audience", "mail")},
		{auth.CheckUsage, "hs.yaml", hs("--usage", "refresh")},
		{auth.CheckMember, "hs.yaml", hs("--claim", "mu=null")},
		{auth.CheckMember, "hs.yaml", hs("--claim", "mu=1.5")},
		{auth.CheckRoles, "hs.yaml", hs("--claim", "rl=7")},
	} {
		t.Run(tt.check, func(t *testing.T) {
			if v := check(t, tt.file, gen(t, tt.args...)); v.accepted() || v.Check != tt.check || v.Reason == "" || v.Claims != nil || v.Unproven == nil {
				t.Errorf("it is %+v", v)
			}
		})
	}
	if v := check(t, "hs.yaml", "no token"); v.Check != auth.CheckForm || v.Unproven != nil {
		t.Errorf("it is %+v", v)
	}
	if v := check(t, "hs.yaml", "bearer "+gen(t, hs()...)); !v.accepted() {
		t.Errorf("as a header has it, it is %+v", v)
	}
	if code, stdout, _ := run(t, "token", "check", "--config", "hs.yaml", gen(t, hs()...)); code != 0 || !strings.HasPrefix(stdout, "accepted\nmember   1\n") {
		t.Errorf("as an argument: %d, %s", code, stdout)
	}
}

// TestTokenCheckRevocation asks Redis, and says so when it can't.
func TestTokenCheckRevocation(t *testing.T) {
	clitest.TokenFiles(t)
	redis := miniredis.RunT(t)
	clitest.WriteFile(t, "t.yaml", "auth: {jwt: {secret_file: secret}, revocation: {prefix: 'p:'}}\nredis: {addrs: ['"+redis.Addr()+"']}\n")
	good, bad := gen(t, "--config", "t.yaml", "--member", "1"), gen(t, "--config", "t.yaml", "--member", "2")
	redis.Set("p:Bearer_"+bad, "1")
	for _, tt := range []struct {
		token string
		args  []string
		code  cli.ExitCode
		want  string
	}{
		{good, []string{"--revocation"}, cli.Done, "accepted\n"},
		{bad, []string{"--revocation"}, cli.NotAllowed, "refused  revocation: "},
		{bad, nil, cli.Done, "accepted\n"},
	} {
		code, stdout, stderr := run(t, append([]string{"token", "check", "--config", "t.yaml", tt.token}, tt.args...)...)
		if code != int(tt.code) || stderr != "" || !strings.HasPrefix(stdout, tt.want) {
			t.Errorf("%d, %s%s; want %d, %s", code, stdout, stderr, tt.code, tt.want)
		}
	}
	closed := clitest.ClosedAddr(t)
	code, stdout, stderr := run(t, "token", "check", "--config", "t.yaml", "--revocation", "--redis", closed, good)
	if clitest.WantLine(t, stderr, "stompgw: redis "+closed+" (redis.addrs, --redis) does not answer: connection refused; start it, or name another with --redis ADDRESS"); code != int(cli.Unreachable) || stdout != "" {
		t.Errorf("%d, %q", code, stdout)
	}
}

// TestVerdict holds what a person reads.
func TestVerdict(t *testing.T) {
	now := time.Date(2025, 2, 3, 5, 8, 18, 0, time.UTC)
	until := now.Add(90 * time.Second)
	past := now.Add(-10 * time.Second) // within the leeway
	for name, v := range map[string]verdict{
		"token.accepted.golden": {Verdict: accepted, Member: json.RawMessage(`"bob"`), Roles: []string{"ROLE_A", "ROLE\x1b[B"}, Expires: &until, Claims: map[string]any{"mu": "bob", "rl": "\x1b"}},
		"token.leeway.golden":   {Verdict: accepted, Member: json.RawMessage(`42`), Expires: &past, Claims: map[string]any{"mu": 42}},
		"token.refused.golden":  {Verdict: refused, Check: "expiry", Reason: "the token expired 42s ago", Unproven: json.RawMessage(`{"mu":42}`)},
		"token.form.golden":     {Verdict: refused, Check: "form", Reason: "the token is no JWT"},
	} {
		var out bytes.Buffer
		err := v.print(&out, "text", now)
		if v.accepted() != (err == nil) || !v.accepted() && (cli.CodeOf(err) != cli.NotAllowed || !errors.Is(err, cli.ErrTold)) {
			t.Errorf("%s: %v", name, err)
		}
		clitest.Golden(t, name, out.String())
	}
}

// TestTokenTooLong: standard input is read up to a bound.
func TestTokenTooLong(t *testing.T) {
	code, stdout, stderr := runOn(t, strings.Repeat("x", cli.MaxToken+1), "token", "check", "-")
	if clitest.WantLine(t, stderr, "stompgw: standard input is too long for a token: want only the token"); code != int(cli.Failed) || stdout != "" {
		t.Errorf("%d, %q", code, stdout)
	}
}
