package config

import (
	"crypto/ecdsa"
	"crypto/rsa"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/stompgw/stompgw/gateway/auth"
	"github.com/stompgw/stompgw/gateway/policy"
)

// TestTokens: what the file says of tokens reaches who checks them.
func TestTokens(t *testing.T) {
	type issuer struct {
		name, algorithms, audience string
		keys                       []any // of which only the type counts, but for a secret
	}
	rsaKey, ecKey := (*rsa.PublicKey)(nil), (*ecdsa.PublicKey)(nil)
	const allRSA = "RS256 RS384 RS512 PS256 PS384 PS512"
	for _, tt := range []struct {
		name, text string
		env        map[string]string
		want       []issuer
	}{
		{"nothing", "", nil, nil},
		{"what holds for all alone", "jwt: {leeway: 1s, usage: a}", nil, nil},
		{"secret", "jwt: {secret_file: secret}", nil, []issuer{{"", "HS256", "", []any{[]byte(secret)}}}},
		{"secret of the environment", "", map[string]string{"STOMPGW_AUTH_JWT_SECRET": "e, f"}, []issuer{{"", "HS256", "", []any{[]byte("e, f")}}}},
		{"it wins over the file", "jwt: {secret_file: none}", map[string]string{"STOMPGW_AUTH_JWT_SECRET": "e"}, []issuer{{"", "HS256", "", []any{[]byte("e")}}}},
		{"algorithms of a secret", "jwt: {secret_file: secret, algorithms: [HS512, HS256]}", nil, []issuer{{"", "HS512 HS256", "", []any{[]byte(secret)}}}},
		{"RSA", "jwt: {public_key_file: rsa.pem, issuer: i, audience: [a, b]}", nil, []issuer{{"i", allRSA, "a b", []any{rsaKey}}}},
		{"RSA, pinned", "jwt: {public_key_file: rsa.pem, algorithms: [RS256]}", nil, []issuer{{"", "RS256", "", []any{rsaKey}}}},
		{"elliptic curve", "jwt: {public_key_file: ec.pem}", nil, []issuer{{"", "ES384", "", []any{ecKey}}}},
		{"certificate", "jwt: {public_key_file: cert.pem}", nil, []issuer{{"", "ES256", "", []any{ecKey}}}},
		{"several secrets", "jwt: {secret_file: [secret, short]}", nil, []issuer{{"", "HS256", "", []any{[]byte(secret), []byte("hunter2")}}}},
		{"a list of one", "jwt: {secret_file: [secret]}", nil, []issuer{{"", "HS256", "", []any{[]byte(secret)}}}},
		{"several secrets in the environment", "", map[string]string{"STOMPGW_AUTH_JWT_SECRET_FILE": "short, secret"}, []issuer{{"", "HS256", "", []any{[]byte("hunter2"), []byte(secret)}}}},
		{"no files", "jwt: {secret_file: '', public_key_file: []}", nil, nil},
		{"several public keys", "jwt: {public_key_file: [rsa.pem, ec.pem]}", nil, []issuer{{"", allRSA + " ES384", "", []any{rsaKey, ecKey}}}},
		{"several public keys in a file", "issuers: [{issuer: a, public_key_file: both.pem, algorithms: [ES384, RS256]}]", nil,
			[]issuer{{"a", "ES384 RS256", "", []any{rsaKey, ecKey}}}},
		{"issuers alone", "issuers: [{issuer: a, secret_file: secret}, {issuer: b, public_key_file: ec.pem, audience: [c], algorithms: [ES384]}]", nil,
			[]issuer{{"a", "HS256", "", []any{[]byte(secret)}}, {"b", "ES384", "c", []any{ecKey}}}},
		{"issuers beside", "jwt: {issuer: a, secret_file: secret}\n  issuers: [{issuer: b, public_key_file: rsa.pem}]", nil,
			[]issuer{{"a", "HS256", "", []any{[]byte(secret)}}, {"b", allRSA, "", []any{rsaKey}}}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			for name, value := range tt.env {
				t.Setenv(name, value)
			}
			text := ""
			if tt.text != "" {
				text = "auth:\n  " + tt.text + "\n"
			}
			c, err := load(t, text)
			if err != nil {
				t.Fatal(err)
			}
			var got []issuer
			for _, i := range c.Tokens().Issuers {
				for n, key := range i.Keys {
					if _, ok := key.([]byte); !ok {
						i.Keys[n] = reflect.Zero(reflect.TypeOf(key)).Interface()
					}
				}
				got = append(got, issuer{i.Name, strings.Join(i.Algorithms, " "), strings.Join(i.Audience, " "), i.Keys})
			}
			if !reflect.DeepEqual(got, tt.want) {
				t.Errorf("\n got %v\nwant %v", got, tt.want)
			}
			if c.HasIssuer() != (len(tt.want) > 0) {
				t.Errorf("HasIssuer is %t", c.HasIssuer())
			}
			if _, err := auth.New(c.Tokens()); err != nil {
				t.Error(err)
			}
			if text := fmt.Sprintf("%v %+v", c.Auth, c.Auth); strings.Contains(text, secret) {
				t.Error("the secret is shown")
			}
		})
	}
}

// TestTokenChecks: what is checked of every token.
func TestTokenChecks(t *testing.T) {
	for _, tt := range []struct {
		text string
		want auth.Config
	}{
		{"", auth.Config{Member: "mu", Roles: "rl", Usage: "tu", Access: "access", Leeway: 30 * time.Second}},
		{"auth: {jwt: {leeway: 1m, usage: a}, claims: {member: sub, roles: r, usage: u}}\n",
			auth.Config{Member: "sub", Roles: "r", Usage: "u", Access: "a", Leeway: time.Minute}},
		{"auth: {claims: {usage: ''}}\n", auth.Config{Member: "mu", Roles: "rl", Usage: "-", Access: "access", Leeway: 30 * time.Second}},
		{"auth: {jwt: {usage: '', leeway: 0s}}\n", auth.Config{Member: "mu", Roles: "rl", Usage: "-"}},
	} {
		c, err := load(t, tt.text)
		if err != nil {
			t.Fatal(err)
		}
		if got := c.Tokens(); !reflect.DeepEqual(got, tt.want) {
			t.Errorf("%s\n got %+v\nwant %+v", tt.text, got, tt.want)
		}
	}
}

// TestTokenErrors holds what is wrong with whose tokens are taken, and where.
func TestTokenErrors(t *testing.T) {
	for _, tt := range []struct{ name, text, want string }{
		{"no key", "jwt:\n    issuer: a", "t.yaml:2: auth.jwt: has no key: set auth.jwt.secret_file or auth.jwt.public_key_file"},
		{"no key, with an audience", "jwt: {audience: [a]}", "t.yaml:2: auth.jwt: has no key: set auth.jwt.secret_file or auth.jwt.public_key_file"},
		{"no key of one of several", "issuers:\n    - issuer: a", "t.yaml:3: auth.issuers[0]: has no key: set auth.issuers[0].secret_file or auth.issuers[0].public_key_file"},
		{"two keys", "jwt:\n    secret_file: secret\n    public_key_file: ec.pem", "t.yaml:4: auth.jwt.public_key_file: stands beside a secret (t.yaml:3): leave one, by which the issuer signs"},
		{"secret in the file", "jwt:\n    secret: hunter2", "t.yaml:3: auth.jwt.secret: must not stand in this file: write it to a file of its own, name that with auth.jwt.secret_file, or set STOMPGW_AUTH_JWT_SECRET"},
		{"secret of one of several", "issuers:\n    - issuer: a\n      secret: hunter2", "t.yaml:4: auth.issuers[0].secret: there is no such key; here stand issuer, secret_file, public_key_file, audience, algorithms"},
		{"secret that is not there", "jwt: {secret_file: none}", "t.yaml:2: auth.jwt.secret_file: none can't be read: no such file or directory"},
		{"empty secret", "jwt: {secret_file: /dev/null}", "t.yaml:2: auth.jwt.secret_file: /dev/null is empty: want the secret in it"},
		{"public key as a secret", "jwt: {secret_file: rsa.pem}", `t.yaml:2: auth.jwt: issuer "": the secret is a PEM file: if it is the issuer's public key, give it as that`},
		{"key that is not there", "jwt: {public_key_file: none}", "t.yaml:2: auth.jwt.public_key_file: none can't be read: no such file or directory"},
		{"one of several that is not there", "jwt:\n    public_key_file:\n      - rsa.pem\n      - none", "t.yaml:5: auth.jwt.public_key_file[1]: none can't be read: no such file or directory"},
		{"a second key that is cut off", "jwt: {public_key_file: cut.pem}", "t.yaml:2: auth.jwt.public_key_file: cut.pem: holds 2 blocks of PEM, of which 1 can be read: is it whole?"},
		{"one of several secrets that is not there", "issuers: [{issuer: a, secret_file: [secret, none]}]", "t.yaml:2: auth.issuers[0].secret_file[1]: none can't be read: no such file or directory"},
		{"files that are a section", "jwt: {secret_file: {a: b}}", "t.yaml:2: auth.jwt.secret_file: is a section: want the name of a file, or a list of them"},
		{"algorithms for one of two keys", "jwt: {public_key_file: [rsa.pem, ec.pem], algorithms: [RS256]}", `t.yaml:2: auth.jwt: issuer "": a key is for none of the algorithms RS256: add one of ES384`},
		{"key that is none", "jwt: {public_key_file: short}", "t.yaml:2: auth.jwt.public_key_file: short: holds no key: want PEM text, which begins with -----BEGIN"},
		{"private key", "jwt: {public_key_file: key.pem}", "t.yaml:2: auth.jwt.public_key_file: key.pem: holds a private key, which only the issuer should have: make the public one of it with `openssl pkey -pubout`"},
		{"algorithm none", "jwt:\n    secret_file: secret\n    algorithms: [HS256, none]", `t.yaml:4: auth.jwt.algorithms[1]: "none" is not for this key: want HS256, HS384, HS512`},
		{"algorithm of another key", "jwt: {public_key_file: ec.pem, algorithms: [RS256]}", `t.yaml:2: auth.jwt.algorithms[0]: "RS256" is not for this key: want ES384`},
		{"secret for a public key's", "issuers: [{issuer: a, public_key_file: rsa.pem, algorithms: [HS256]}]", `t.yaml:2: auth.issuers[0].algorithms[0]: "HS256" is not for this key: want RS256, RS384, RS512, PS256, PS384, PS512`},
		{"algorithms that are no list", "jwt: {secret_file: secret, algorithms: HS256}", `t.yaml:2: auth.jwt.algorithms: is a single value: want a list, such as ["HS256"]`},
		{"audience that is no list", "issuers: [{issuer: a, secret_file: secret, audience: a}]", `t.yaml:2: auth.issuers[0].audience: is a single value: want a list, such as ["a"]`},
		{"nameless beside others", "jwt: {secret_file: secret}\n  issuers: [{issuer: a, public_key_file: ec.pem}]", `t.yaml:2: auth.jwt: has no issuer, but is not the only one: set auth.jwt.issuer to what the claim "iss" says`},
		{"nameless among others", "issuers: [{public_key_file: ec.pem}]", "t.yaml:2: auth.issuers[0]: has no issuer: every item of this list needs issuer"},
		{"name twice", "jwt: {issuer: a, secret_file: secret}\n  issuers:\n    - issuer: a\n      public_key_file: ec.pem", "t.yaml:4: auth.issuers[0].issuer: a is that of auth.jwt too (t.yaml:2): want each once"},
		{"issuers that are no list", "issuers: {issuer: a}", "t.yaml:2: auth.issuers: is a section: want a list, each item beginning with `- issuer:`"},
		{"mistyped", "jwt: {secrets_file: secret}", "t.yaml:2: auth.jwt.secrets_file: there is no such key; did you mean auth.jwt.secret_file?"},
		{"at a wrong place", "secret_file: secret", "t.yaml:2: auth.secret_file: there is no such key; did you mean auth.jwt.secret_file?"},
		{"nobody can connect", "anonymous: refuse", "t.yaml:2: auth.anonymous: is refuse, but nobody's tokens are taken, so that nobody could connect: set auth.jwt.secret_file or auth.jwt.public_key_file"},
		{"anonymous", "anonymous: maybe", `t.yaml:2: auth.anonymous: "maybe" is none of allow, refuse`},
		{"no member", "claims: {member: ''}", "t.yaml:2: auth.claims.member: is empty: want the name of a claim"},
		{"no roles", "claims: {roles: ''}", "t.yaml:2: auth.claims.roles: is empty: want the name of a claim"},
		{"leeway without a unit", "jwt: {leeway: 30}", "t.yaml:2: auth.jwt.leeway: 30 has no unit: write 30s, or one of ms, m, h, d"},
		{"revocation", "revocation: {enabled: 1}", `t.yaml:2: auth.revocation.enabled: "1" is neither true nor false`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := load(t, "auth:\n  "+tt.text+"\n")
			if err == nil || err.Error() != tt.want {
				t.Errorf("\n got %v\nwant %s", err, tt.want)
			}
			if err != nil && strings.Contains(err.Error(), password) {
				t.Error("the error shows a secret")
			}
		})
	}
}

// TestIssuersOfTheEnvironment: they are a list, which only a file can hold.
func TestIssuersOfTheEnvironment(t *testing.T) {
	t.Setenv("STOMPGW_AUTH_ISSUERS", "x")
	const want = "STOMPGW_AUTH_ISSUERS: issuers can only stand in the file: use --config"
	if _, err := Load(Source{Drivers: drivers()}); err == nil || err.Error() != want {
		t.Errorf("\n got %v\nwant %s", err, want)
	}
}

// TestShortSecret: it works, and is warned of.
func TestShortSecret(t *testing.T) {
	const want = "t.yaml:2: auth.jwt.secret_file: the secret has 7 bytes, and one so short can be guessed: want 32 or more, such as `openssl rand -base64 32` makes"
	c, err := load(t, "auth:\n  jwt: {secret_file: short}\n")
	if err != nil {
		t.Fatal(err)
	}
	if got := c.Warnings(); len(got) != 1 || got[0] != want {
		t.Errorf("\n got %q\nwant %q", got, want)
	}
	if c, err = load(t, "auth:\n  jwt: {secret_file: secret}\n"); err != nil || len(c.Warnings()) > 0 {
		t.Errorf("%v, %q; want nothing", err, c.Warnings())
	}
}

// TestRulesForLogins: with an issuer, rules may ask who is logged in.
func TestRulesForLogins(t *testing.T) {
	c, err := load(t, "auth: {jwt: {secret_file: secret}}\nchannels: [{match: /topic/a, subscribe: claims.mu == 42}]\n")
	if err != nil {
		t.Fatal(err)
	}
	r := &policy.Request{Destination: "/topic/a", Claims: map[string]any{"mu": int64(42)}}
	if grant, refusal := c.Rules().JudgeSubscribe(r); refusal != nil || !grant.Login {
		t.Errorf("%+v, %+v", grant, refusal)
	}
}

// TestIssuer: which of several is meant.
func TestIssuer(t *testing.T) {
	const one, two = "auth: {jwt: {secret_file: secret}}\n", "auth: {issuers: [{issuer: a, secret_file: secret}, {issuer: b, public_key_file: ec.pem}]}\n"
	for _, tt := range []struct{ name, text, issuer, want, wantErr string }{
		{"the only one, by no name", one, "", "", ""},
		{"the only one, which takes any name", one, "x", "", ""},
		{"one of two", two, "b", "b", ""},
		{"none of two", two, "c", "", `there is no issuer "c", only a, b`},
		{"no name of two", two, "", "", "there are several issuers: want one of a, b"},
		{"nobody", "", "", "", "default: auth.jwt: names nobody whose tokens are taken: set auth.jwt.secret_file or auth.jwt.public_key_file"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c, err := load(t, tt.text)
			if err != nil {
				t.Fatal(err)
			}
			got, err := c.Issuer(tt.issuer)
			if got.Name != tt.want || fmt.Sprint(err) != fmt.Sprint(map[bool]any{true: nil, false: tt.wantErr}[tt.wantErr == ""]) {
				t.Errorf("got %q, %v; want %q, %q", got.Name, err, tt.want, tt.wantErr)
			}
		})
	}
}
