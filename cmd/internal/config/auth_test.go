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
			c := must(load(t, text))
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
		c := must(load(t, tt.text))
		if got := c.Tokens(); !reflect.DeepEqual(got, tt.want) {
			t.Errorf("%s\n got %+v\nwant %+v", tt.text, got, tt.want)
		}
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
		{"nobody", "", "", "", "default: auth.jwt: names nobody whose tokens are accepted: set auth.jwt.secret_file or auth.jwt.public_key_file"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := must(load(t, tt.text))
			got, err := c.Issuer(tt.issuer)
			if got.Name != tt.want || fmt.Sprint(err) != fmt.Sprint(map[bool]any{true: nil, false: tt.wantErr}[tt.wantErr == ""]) {
				t.Errorf("got %q, %v; want %q, %q", got.Name, err, tt.want, tt.wantErr)
			}
		})
	}
}
