package auth

import (
	"bytes"
	"encoding/json"
	"reflect"
	"strings"
	"testing"
)

// FuzzCheck holds of whatever an issuer signs that what is taken has been asked for: the algorithm,
// the type, an expiry to come, a member of either type, claims that are what JSON says. And that no
// token is taken with a character of it changed.
func FuzzCheck(f *testing.F) {
	for _, more := range []string{
		``, `,"rl":["ROLE_A"],"tu":"access"`, `,"mu":42,"nbf":1,"iat":1.5`, `,"mu":1e2`, `,"x":[{"y":-0}],"x":{"x":18446744073709551616}`,
	} {
		f.Add([]byte(header("HS256")), []byte(bob(noon(), more)), uint16(7), byte('A'))
	}
	f.Add([]byte(`{"alg":"none","typ":"JWT"}`), []byte(`null`), uint16(0), byte('.'))
	f.Add([]byte(`{"alg":"HS256","typ":"JWT","crit":[]}`), []byte(`{}`), uint16(0), byte('.'))
	a := newAuth(f, secret())
	f.Fuzz(func(t *testing.T, header, claims []byte, at uint16, with byte) {
		token := sign(t, "HS256", secret(), string(header), string(claims))
		changed := []byte(token)
		changed[int(at)%len(changed)] = with
		if string(changed) != token {
			if _, err := a.Check(string(changed), noon()); err == nil {
				t.Errorf("%s is taken, as %s is", changed, token)
			}
		}
		id, err := a.Check(token, noon())
		if err != nil {
			return
		}
		checkHeaderTaken(t, header)
		checkClaimsTaken(t, id, claims)
		if again, err := a.Check(token, noon()); err != nil || !reflect.DeepEqual(again.Claims, id.Claims) || again.Member != id.Member {
			t.Errorf("once more: %+v, %v; first %+v", again, err, id)
		}
	})
}

func checkHeaderTaken(t *testing.T, text []byte) {
	t.Helper()
	var said map[string]any
	if err := json.Unmarshal(text, &said); err != nil {
		t.Fatalf("header %q: %v", text, err)
	}
	kind, _ := said["typ"].(string)
	if _, crit := said["crit"]; crit || said["alg"] != "HS256" || !strings.Contains(strings.ToLower(kind), "jwt") {
		t.Errorf("header %s is taken", text)
	}
}

func checkClaimsTaken(t *testing.T, id *Identity, text []byte) {
	t.Helper()
	var said map[string]json.RawMessage
	if err := json.Unmarshal(text, &said); err != nil {
		t.Fatalf("claims %q: %v", text, err)
	}
	if !id.Expires.After(noon()) || len(said["exp"]) == 0 || said["exp"][0] == '"' {
		t.Errorf("expiry %v of %s", id.Expires, text)
	}
	var member any
	if err := json.Unmarshal([]byte(id.Member), &member); err != nil {
		t.Errorf("member %s is no JSON: %v", id.Member, err)
	}
	switch member.(type) {
	case string:
	case float64:
		if strings.ContainsAny(string(said["mu"]), ".eE") {
			t.Errorf("member %s of %s", id.Member, said["mu"])
		}
	default:
		t.Errorf("member %s", id.Member)
	}
	if len(id.Claims) != len(said) {
		t.Errorf("%d claims, want %d", len(id.Claims), len(said))
	}
	want, got := jsonOf(t, text), jsonOf(t, mustJSON(t, id.Claims))
	if !reflect.DeepEqual(got, want) {
		t.Errorf("claims %v, want %v", got, want)
	}
}

// jsonOf is what encoding/json makes of a text, with floats for all numbers.
func jsonOf(t *testing.T, text []byte) (v any) {
	t.Helper()
	if err := json.NewDecoder(bytes.NewReader(text)).Decode(&v); err != nil {
		t.Fatal(err)
	}
	return v
}

func mustJSON(t *testing.T, v any) []byte {
	t.Helper()
	text, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// FuzzToken holds of whatever a client sends that it is taken only if the issuer made it.
func FuzzToken(f *testing.F) {
	good := hs256(f, bob(noon(), ""))
	part := strings.Split(good, ".")
	for _, seed := range []string{good, part[0] + "." + part[1] + ".", "..", "", good + "\n", good + "=", part[1] + "." + part[0] + "." + part[2]} {
		f.Add(seed)
	}
	a := newAuth(f, secret())
	f.Fuzz(func(t *testing.T, token string) {
		id, err := a.Check(token, noon())
		if (err == nil) != (token == good) {
			t.Errorf("Check(%q) = %+v, %v", token, id, err)
		}
	})
}
