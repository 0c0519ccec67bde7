package auth

import (
	"fmt"
	"math"
	"reflect"
	"strings"
	"testing"
	"time"
)

func TestTimes(t *testing.T) {
	const leeway = 30
	a := mustNew(t, Config{Issuers: []Issuer{{Keys: []any{secret()}}}, Leeway: leeway * time.Second})
	at := func(name string, seconds int64) string { return fmt.Sprintf(`"%s":%d`, name, noon().Unix()+seconds) }
	later := at("exp", 60) + ","
	for _, c := range []struct{ name, claims, check string }{
		{"expires later", at("exp", 1), ""},
		{"expired, but clocks may differ", at("exp", 1-leeway), ""},
		{"expired at this very moment, with leeway", at("exp", -leeway), CheckExpiry},
		{"expired", at("exp", -3600), CheckExpiry},
		{"expired in 1970", `"exp":0`, CheckExpiry},
		{"half a second left", fmt.Sprintf(`"exp":%d.5`, noon().Unix()-leeway), ""},
		{"never expires", `"nbf":0`, CheckExpiry},
		{"expiry is null", `"exp":null`, CheckExpiry},
		{"expiry is text", `"exp":"9999999999"`, CheckExpiry},
		{"expiry is in milliseconds", fmt.Sprintf(`"exp":%d`, noon().UnixMilli()+3600_000), CheckExpiry},
		{"expiry is in milliseconds, with a fraction", fmt.Sprintf(`"exp":%d.5`, noon().UnixMilli()+3600_000), CheckExpiry},
		{"expiry is before 1970", `"exp":-1`, CheckExpiry},
		{"expiry is over 63 bits", `"exp":9223372036854775808`, CheckExpiry},
		{"expiry is over any bits", `"exp":1e300`, CheckExpiry},
		{"expiry has an exponent", `"exp":2e9`, ""},
		{"the last expiry counts", at("exp", 60) + "," + at("exp", -3600), CheckExpiry},
		{"valid already", later + at("nbf", -60), ""},
		{"valid soon, but clocks may differ", later + at("nbf", leeway), ""},
		{"not valid yet", later + at("nbf", leeway+1), CheckNotBefore},
		{"nbf is text", later + `"nbf":"0"`, CheckNotBefore},
		{"nbf is null", later + `"nbf":null`, CheckNotBefore},
		{"made in the past", later + at("iat", -60), ""},
		{"made soon, but clocks may differ", later + at("iat", leeway), ""},
		{"made in the future", later + at("iat", leeway+1), CheckNotBefore},
	} {
		t.Run(c.name, func(t *testing.T) { wantCheck(t, a, hs256(t, `{"mu":1,`+c.claims+`}`), c.check) })
	}
}

func TestExpiryTold(t *testing.T) {
	_, err := newAuth(t, secret()).Check(hs256(t, fmt.Sprintf(`{"mu":1,"exp":%d}`, noon().Unix()-42)), noon())
	if want := "expiry: the token expired 42s ago, by this node's clock"; err == nil || err.Error() != want {
		t.Errorf("error %v, want %s", err, want)
	}
}

func TestAudience(t *testing.T) {
	for _, c := range []struct {
		name   string
		wanted []string
		claim  string
		check  string
	}{
		{"none wanted, one there", nil, `,"aud":"x"`, ""},
		{"none wanted, none there", nil, ``, ""},
		{"the one", []string{"a"}, `,"aud":"a"`, ""},
		{"in a list", []string{"a"}, `,"aud":["x","a"]`, ""},
		{"one of two", []string{"a", "b"}, `,"aud":["b"]`, ""},
		{"another", []string{"a"}, `,"aud":"b"`, CheckAudience},
		{"missing", []string{"a"}, ``, CheckAudience},
		{"null", []string{"a"}, `,"aud":null`, CheckAudience},
		{"empty list", []string{"a"}, `,"aud":[]`, CheckAudience},
		{"a list in a list", []string{"a"}, `,"aud":[["a"]]`, CheckAudience},
		{"an object", []string{"a"}, `,"aud":{"a":"a"}`, CheckAudience},
		{"in another case", []string{"a"}, `,"aud":"A"`, CheckAudience},
		{"the beginning of it", []string{"ab"}, `,"aud":"a"`, CheckAudience},
	} {
		t.Run(c.name, func(t *testing.T) {
			a := mustNew(t, Config{Issuers: []Issuer{{Keys: []any{secret()}, Audience: c.wanted}}})
			wantCheck(t, a, hs256(t, bob(noon(), c.claim)), c.check)
		})
	}
}

func TestUsage(t *testing.T) {
	for _, c := range []struct{ name, usage, access, claim, check string }{
		{"access", "", "", `,"tu":"access"`, ""},
		{"not said", "", "", ``, ""},
		{"refresh for access", "", "", `,"tu":"refresh"`, CheckUsage},
		{"in another case", "", "", `,"tu":"ACCESS"`, CheckUsage},
		{"null", "", "", `,"tu":null`, CheckUsage},
		{"a list", "", "", `,"tu":["access"]`, CheckUsage},
		{"empty", "", "", `,"tu":""`, CheckUsage},
		{"another claim and word", "token_use", "a", `,"token_use":"a","tu":"refresh"`, ""},
		{"another claim, refresh", "token_use", "a", `,"token_use":"access"`, CheckUsage},
		{"no check", "-", "", `,"tu":"refresh","-":"refresh"`, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			a := mustNew(t, Config{Issuers: []Issuer{{Keys: []any{secret()}}}, Usage: c.usage, Access: c.access})
			wantCheck(t, a, hs256(t, bob(noon(), c.claim)), c.check)
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

// TestClaimsOfWhatIsTooMuch: the reason is the right one where numbers and times go beyond Go's.
func TestClaimsOfWhatIsTooMuch(t *testing.T) {
	for _, c := range []struct{ name, text, want string }{
		{"number", bob(noon(), `,"x":1e400`), "form: a claim holds a number that is too large: they go up to 1.8e308"},
		{"number in a list", bob(noon(), `,"x":[{"y":-1e400}]`), "form: a claim holds a number that is too large: they go up to 1.8e308"},
		{"expiry", `{"mu":"bob","exp":1e400}`, "form: a claim holds a number that is too large: they go up to 1.8e308"},
		{"not UTF-8", bob(noon(), ",\"x\":\"\xff\""), "form: the claims are not UTF-8"},
		{"the year 9999", bob(noon(), `,"nbf":253402300799`), `not before: the claim "nbf" is over 100 years ahead of this node's clock`},
	} {
		t.Run(c.name, func(t *testing.T) {
			if _, err := newAuth(t, secret()).Check(hs256(t, c.text), noon()); err == nil || err.Error() != c.want {
				t.Errorf("\n got %v\nwant %s", err, c.want)
			}
		})
	}
}

func TestClaimsThatAreNone(t *testing.T) {
	for _, c := range []struct{ name, text, check string }{
		{"null", `null`, CheckExpiry},
		{"list", `[]`, CheckForm},
		{"text", `"a"`, CheckForm},
		{"empty", ``, CheckForm},
		{"truncated", `{"mu":1`, CheckForm},
		{"more after it", bob(noon(), "") + `{"mu":"eve"}`, CheckForm},
		{"a number without bounds", bob(noon(), `,"x":1e999`), CheckForm},
		{"the same in a list", bob(noon(), `,"x":[{"y":1e999}]`), CheckForm},
		{"not UTF-8", bob(noon(), ",\"x\":\"\xff\""), CheckForm},
		{"UTF-8 in two bytes that one would do for", bob(noon(), ",\"x\":\"\xc0\xaf\""), CheckForm},
		{"a name that is not UTF-8", bob(noon(), ",\"\xff\":1"), CheckForm},
		{"a mark of the byte order", "\ufeff" + bob(noon(), ""), CheckForm},
	} {
		t.Run(c.name, func(t *testing.T) { wantCheck(t, newAuth(t, secret()), hs256(t, c.text), c.check) })
	}
}
