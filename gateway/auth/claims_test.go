package auth

import (
	"fmt"
	"math"
	"reflect"
	"strings"
	"testing"
	"time"
)

// TestClaims holds what is asked of a token's claims: those of bob at noon, with others behind them, of which the
// last of a name counts.
func TestClaims(t *testing.T) {
	const leeway = 30
	late := Config{Leeway: leeway * time.Second}
	audience := func(wanted ...string) Config { return Config{Issuers: []Issuer{{Audience: wanted}}} }
	named := func(name string) Config { return Config{Issuers: []Issuer{{Name: name}}} }
	at := func(name string, seconds int64) string { return fmt.Sprintf(`"%s":%d`, name, noon().Unix()+seconds) }
	for _, c := range []struct {
		name   string
		cfg    Config
		claims string
		check  string
	}{
		{"expires later", late, at("exp", 1), ""},
		{"expired, but clocks may differ", late, at("exp", 1-leeway), ""},
		{"expired at this very moment, with leeway", late, at("exp", -leeway), CheckExpiry},
		{"expired", late, at("exp", -3600), CheckExpiry},
		{"expired in 1970", late, `"exp":0`, CheckExpiry},
		{"half a second left", late, fmt.Sprintf(`"exp":%d.5`, noon().Unix()-leeway), ""},
		{"expiry is null", late, `"exp":null`, CheckExpiry},
		{"expiry is text", late, `"exp":"9999999999"`, CheckExpiry},
		{"expiry is in milliseconds", late, fmt.Sprintf(`"exp":%d`, noon().UnixMilli()+3600_000), CheckExpiry},
		{"expiry is in milliseconds, with a fraction", late, fmt.Sprintf(`"exp":%d.5`, noon().UnixMilli()+3600_000), CheckExpiry},
		{"expiry is before 1970", late, `"exp":-1`, CheckExpiry},
		{"expiry is over 63 bits", late, `"exp":9223372036854775808`, CheckExpiry},
		{"expiry is over any bits", late, `"exp":1e300`, CheckExpiry},
		{"expiry has an exponent", late, `"exp":2e9`, ""},
		{"the last expiry counts", late, at("exp", 60) + "," + at("exp", -3600), CheckExpiry},
		{"valid already", late, at("nbf", -60), ""},
		{"valid soon, but clocks may differ", late, at("nbf", leeway), ""},
		{"not valid yet", late, at("nbf", leeway+1), CheckNotBefore},
		{"nbf is text", late, `"nbf":"0"`, CheckNotBefore},
		{"nbf is null", late, `"nbf":null`, CheckNotBefore},
		{"made in the past", late, at("iat", -60), ""},
		{"made soon, but clocks may differ", late, at("iat", leeway), ""},
		{"made in the future", late, at("iat", leeway+1), CheckNotBefore},
		{"none wanted, one there", Config{}, `"aud":"x"`, ""},
		{"none wanted, none there", Config{}, ``, ""},
		{"the one", audience("a"), `"aud":"a"`, ""},
		{"in a list", audience("a"), `"aud":["x","a"]`, ""},
		{"one of two", audience("a", "b"), `"aud":["b"]`, ""},
		{"another", audience("a"), `"aud":"b"`, CheckAudience},
		{"missing", audience("a"), ``, CheckAudience},
		{"null", audience("a"), `"aud":null`, CheckAudience},
		{"empty list", audience("a"), `"aud":[]`, CheckAudience},
		{"a list in a list", audience("a"), `"aud":[["a"]]`, CheckAudience},
		{"an object", audience("a"), `"aud":{"a":"a"}`, CheckAudience},
		{"in another case", audience("a"), `"aud":"A"`, CheckAudience},
		{"the beginning of it", audience("ab"), `"aud":"a"`, CheckAudience},
		{"access", Config{}, `"tu":"access"`, ""},
		{"not said", Config{}, ``, ""},
		{"refresh for access", Config{}, `"tu":"refresh"`, CheckUsage},
		{"in another case", Config{}, `"tu":"ACCESS"`, CheckUsage},
		{"null", Config{}, `"tu":null`, CheckUsage},
		{"a list", Config{}, `"tu":["access"]`, CheckUsage},
		{"empty", Config{}, `"tu":""`, CheckUsage},
		{"another claim and word", Config{Usage: "token_use", Access: "a"}, `"token_use":"a","tu":"refresh"`, ""},
		{"another claim, refresh", Config{Usage: "token_use", Access: "a"}, `"token_use":"access"`, CheckUsage},
		{"no check", Config{Usage: "-"}, `"tu":"refresh","-":"refresh"`, ""},
		{"any", Config{}, `"iss":"whoever"`, ""},
		{"any, and none is said", Config{}, ``, ""},
		{"any, and it is no string", Config{}, `"iss":7`, ""},
		{"named", named("a"), `"iss":"a"`, ""},
		{"named, and another is said", named("a"), `"iss":"b"`, CheckIssuer},
		{"named, and none is said", named("a"), ``, CheckIssuer},
	} {
		t.Run(c.name, func(t *testing.T) {
			if c.cfg.Issuers == nil {
				c.cfg.Issuers = []Issuer{{}}
			}
			c.cfg.Issuers[0].Keys = []any{secret()}
			more := ""
			if c.claims != "" {
				more = "," + c.claims
			}
			wantCheck(t, mustNew(t, c.cfg), hs256(t, bob(noon(), more)), c.check)
		})
	}
}

func TestMember(t *testing.T) {
	for _, c := range []struct{ name, claim, want string }{
		{"integer", `42`, `42`},
		{"text of the same digits is another member", `"42"`, `"42"`},
		{"zero", `0`, `0`},
		{"minus zero is zero", `-0`, `0`},
		{"negative", `-7`, `-7`},
		{"over 2^53", `9007199254740993`, `9007199254740993`},
		{"largest", `9223372036854775807`, `9223372036854775807`},
		{"over 63 bits", `9223372036854775808`, ``},
		{"far over 64 bits", `123456789012345678901234567890`, ``},
		{"fraction", `42.0`, ``},
		{"exponent", `1e2`, ``},
		{"text", `"bob"`, `"bob"`},
		{"text with escapes", `"b\u006fb\n\"\u003c"`, `"bob\n\"\u003c"`},
		{"text that would end the JSON", `"\",\"x\":\""`, `"\",\"x\":\""`},
		{"other letters", `"böb"`, `"böb"`},
		{"empty", `""`, ``},
		{"256 bytes", `"` + strings.Repeat("a", maxMember) + `"`, `"` + strings.Repeat("a", maxMember) + `"`},
		{"257 bytes", `"` + strings.Repeat("a", maxMember+1) + `"`, ``},
		{"half a surrogate pair", `"bob\ud800"`, ``},
		{"null", `null`, ``},
		{"true", `true`, ``},
		{"list", `[42]`, ``},
		{"object", `{"id":42}`, ``},
	} {
		t.Run(c.name, func(t *testing.T) {
			a := mustNew(t, Config{Issuers: []Issuer{{Keys: []any{secret()}}}, Member: "sub"})
			id, err := a.Check(hs256(t, bob(noon(), `,"sub":`+c.claim)), noon())
			if c.want == "" {
				wantFault(t, err, CheckMember)
			} else if err != nil || id.Member != c.want {
				t.Errorf("identity %+v, %v; want member %s", id, err, c.want)
			}
		})
	}
	wantCheck(t, mustNew(t, Config{Issuers: []Issuer{{Keys: []any{secret()}}}, Member: "sub"}), hs256(t, bob(noon(), "")), CheckMember)
}

func TestRoles(t *testing.T) {
	for _, c := range []struct {
		name, claim string
		want        []string
		check       string
	}{
		{"list", `,"rl":["ROLE_A","ROLE_B"]`, []string{"ROLE_A", "ROLE_B"}, ""},
		{"lone", `,"rl":"ROLE_A"`, []string{"ROLE_A"}, ""},
		{"empty list", `,"rl":[]`, []string{}, ""},
		{"missing", ``, nil, ""},
		{"null", `,"rl":null`, nil, ""},
		{"number", `,"rl":7`, nil, CheckRoles},
		{"number in a list", `,"rl":["ROLE_A",7]`, nil, CheckRoles},
		{"object", `,"rl":{"ROLE_A":true}`, nil, CheckRoles},
	} {
		t.Run(c.name, func(t *testing.T) {
			id, err := newAuth(t, secret()).Check(hs256(t, bob(noon(), c.claim)), noon())
			wantFault(t, err, c.check)
			if c.check == "" && !reflect.DeepEqual(id.Roles, c.want) {
				t.Errorf("roles %q, want %q", id.Roles, c.want)
			}
		})
	}
}

func TestClaimsAsGoHasThem(t *testing.T) {
	for _, c := range []struct {
		text string
		want any
	}{
		{`1`, int64(1)}, {`-1`, int64(-1)}, {`-0`, int64(0)}, {`18446744073709551615`, uint64(math.MaxUint64)},
		{`18446744073709551616`, float64(18446744073709551616)}, {`1.0`, 1.0}, {`1e2`, 100.0}, {`"1"`, "1"}, {`true`, true}, {`null`, nil},
		{`[1,[2.5,{"a":3}]]`, []any{int64(1), []any{2.5, map[string]any{"a": int64(3)}}}},
		{`{"a":1,"a":2}`, map[string]any{"a": int64(2)}},
	} {
		t.Run(c.text, func(t *testing.T) {
			id, err := newAuth(t, secret()).Check(hs256(t, bob(noon(), `,"x":`+c.text)), noon())
			if err != nil || !reflect.DeepEqual(id.Claims["x"], c.want) {
				t.Errorf("identity %+v, %v; want x %v", id, err, c.want)
			}
		})
	}
}

// TestClaimsAsText holds what claims may be as a whole, and that the reason is the right one where numbers and times
// go beyond Go's.
func TestClaimsAsText(t *testing.T) {
	for _, c := range []struct{ name, text, want string }{
		{"null", `null`, CheckExpiry},
		{"list", `[]`, CheckForm},
		{"text", `"a"`, CheckForm},
		{"empty", ``, CheckForm},
		{"truncated", `{"mu":1`, CheckForm},
		{"more after it", bob(noon(), "") + `{"mu":"eve"}`, CheckForm},
		{"UTF-8 in two bytes that one would do for", bob(noon(), ",\"x\":\"\xc0\xaf\""), CheckForm},
		{"a name that is not UTF-8", bob(noon(), ",\"\xff\":1"), CheckForm},
		{"a mark of the byte order", "\ufeff" + bob(noon(), ""), CheckForm},
		{"never expires", `{"mu":1,"nbf":0}`, CheckExpiry},
		{"expired", fmt.Sprintf(`{"mu":1,"exp":%d}`, noon().Unix()-42), "expiry: the token expired 42s ago, by this node's clock"},
		{"number", bob(noon(), `,"x":1e400`), "form: a claim holds a number that is too large: they go up to 1.8e308"},
		{"number in a list", bob(noon(), `,"x":[{"y":-1e400}]`), "form: a claim holds a number that is too large: they go up to 1.8e308"},
		{"expiry", `{"mu":"bob","exp":1e400}`, "form: a claim holds a number that is too large: they go up to 1.8e308"},
		{"not UTF-8", bob(noon(), ",\"x\":\"\xff\""), "form: the claims are not UTF-8"},
		{"the year 9999", bob(noon(), `,"nbf":253402300799`), `not before: the claim "nbf" is over 100 years ahead of this node's clock`},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := newAuth(t, secret()).Check(hs256(t, c.text), noon())
			if err == nil || err.Error() != c.want && !strings.HasPrefix(err.Error(), c.want+": ") {
				t.Errorf("\n got %v\nwant %s", err, c.want)
			}
		})
	}
}
