package cmd

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"

	"github.com/stompgw/stompgw/gateway/auth"
)

// tokenFiles fills a new current folder with keys, in pairs x.key and x.pub, and secrets.
func tokenFiles(t *testing.T) {
	t.Helper()
	t.Chdir(t.TempDir())
	rsaKey, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	ecKey, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	_, edKey, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	writeKeys(t, "rsa", rsaKey, rsaKey.Public())
	writeKeys(t, "ec", ecKey, ecKey.Public())
	writeKeys(t, "ed", edKey, edKey.Public())
	writeFile(t, "secret", "a secret of thirty-two characters\n")
	writeFile(t, "other", "another secret of some thirty characters")
}

func writeKeys(t *testing.T, name string, private, public any) {
	t.Helper()
	der, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	writeFile(t, name+".key", string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})))
	if der, err = x509.MarshalPKIXPublicKey(public); err != nil {
		t.Fatal(err)
	}
	writeFile(t, name+".pub", string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})))
}

// runOn is run with a standard input.
func runOn(t *testing.T, stdin string, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	var out, errs bytes.Buffer
	p := process(args...)
	p.Stdin, p.Stdout, p.Stderr = strings.NewReader(stdin), &out, &errs
	code = Main(t.Context(), p)
	return code, out.String(), errs.String()
}

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
	if want := map[bool]exitCode{true: done, false: notAllowed}[v.accepted()]; code != int(want) {
		t.Errorf("exit code %d, want %d", code, want)
	}
	return v
}

// TestTokenGen: tokens of all kinds are taken by a node that has the key, and say what was asked for.
func TestTokenGen(t *testing.T) {
	tokenFiles(t)
	writeFile(t, "hs.yaml", "auth: {jwt: {secret_file: secret, issuer: me, audience: [chat, mail]}}\n")
	writeFile(t, "hs512.yaml", "auth: {jwt: {secret_file: secret, algorithms: [HS512]}}\n")
	writeFile(t, "sub.yaml", "auth: {jwt: {secret_file: secret, usage: a}, claims: {member: sub, roles: r, usage: u}}\n")
	writeFile(t, "any.yaml", "auth: {jwt: {secret_file: secret}, claims: {usage: ''}}\n")
	writeFile(t, "rsa.yaml", "auth: {jwt: {public_key_file: rsa.pub}}\n")
	writeFile(t, "pss.yaml", "auth: {jwt: {public_key_file: rsa.pub, algorithms: [PS384]}}\n")
	writeFile(t, "ec.yaml", "auth: {jwt: {public_key_file: ec.pub}}\n")
	writeFile(t, "two.yaml", "auth: {issuers: [{issuer: a, secret_file: secret}, {issuer: b, public_key_file: ed.pub}]}\n")
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
			if v.Expires != nil && (time.Until(*v.Expires) > time.Hour || time.Until(*v.Expires) < time.Hour-patience) {
				t.Errorf("it expires %s, want in an hour", v.Expires)
			}
		})
	}
}

// TestTokenClaims: values are as JSON has them, and else text.
func TestTokenClaims(t *testing.T) {
	tokenFiles(t)
	token := gen(t, "--secret-file", "secret", "--member", "1", "--claim", "a=7", "--claim", "b=1.0", "--claim", `c="7"`, "--claim", "d=x y", "--claim", "e=", "--claim", "f=true",
		"--claim", "exp=8", "--claim", "iat=null")
	const want = `{"a":7,"b":1.0,"c":"7","d":"x y","e":"","exp":8,"f":true,"mu":1,"tu":"access"}`
	if got := string(payload(token)); got != want {
		t.Errorf("\n got %s\nwant %s", got, want)
	}
}

// TestTokenCheck: of a token that is refused, the check that has failed is named.
func TestTokenCheck(t *testing.T) {
	tokenFiles(t)
	writeFile(t, "hs.yaml", "auth: {jwt: {secret_file: secret, issuer: me, audience: [chat]}}\n")
	writeFile(t, "rsa.yaml", "auth: {jwt: {public_key_file: rsa.pub}}\n")
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
	tokenFiles(t)
	redis := miniredis.RunT(t)
	writeFile(t, "t.yaml", "auth: {jwt: {secret_file: secret}, revocation: {prefix: 'p:'}}\nredis: {addrs: ['"+redis.Addr()+"']}\n")
	good, bad := gen(t, "--config", "t.yaml", "--member", "1"), gen(t, "--config", "t.yaml", "--member", "2")
	redis.Set("p:Bearer_"+bad, "1")
	for _, tt := range []struct {
		token string
		args  []string
		code  exitCode
		want  string
	}{
		{good, []string{"--revocation"}, done, "accepted\n"},
		{bad, []string{"--revocation"}, notAllowed, "refused  revocation: "},
		{bad, nil, done, "accepted\n"},
	} {
		code, stdout, stderr := run(t, append([]string{"token", "check", "--config", "t.yaml", tt.token}, tt.args...)...)
		if code != int(tt.code) || stderr != "" || !strings.HasPrefix(stdout, tt.want) {
			t.Errorf("%d, %s%s; want %d, %s", code, stdout, stderr, tt.code, tt.want)
		}
	}
	closed := closedAddr(t)
	code, stdout, stderr := run(t, "token", "check", "--config", "t.yaml", "--revocation", "--redis", closed, good)
	if wantLine(t, stderr, "stompgw: redis "+closed+" (redis.addrs, --redis) does not answer: connection refused; start it, or name another with --redis ADDRESS"); code != int(unreachable) || stdout != "" {
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
		if v.accepted() != (err == nil) || !v.accepted() && (codeOf(err) != notAllowed || !errors.Is(err, errTold)) {
			t.Errorf("%s: %v", name, err)
		}
		golden(t, name, out.String())
	}
}

// TestTokenTooLong: standard input is read up to a bound.
func TestTokenTooLong(t *testing.T) {
	code, stdout, stderr := runOn(t, strings.Repeat("x", maxToken+1), "token", "check", "-")
	if wantLine(t, stderr, "stompgw: standard input is too long for a token: want it alone"); code != int(failed) || stdout != "" {
		t.Errorf("%d, %q", code, stdout)
	}
}
