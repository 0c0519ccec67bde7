package auth

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"
)

func TestEveryAlgorithm(t *testing.T) {
	rsaKey := newKey(t, "RS256")
	for _, algorithm := range []string{
		"HS256", "HS384", "HS512", "RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA",
	} {
		t.Run(algorithm, func(t *testing.T) {
			var private, public any = secret(), secret()
			switch algorithm[:2] {
			case "RS", "PS":
				private, public = rsaKey, rsaKey.Public()
			case "ES", "Ed":
				key := newKey(t, algorithm)
				private, public = key, key.Public()
			}
			token := sign(t, algorithm, private, header(algorithm), bob(noon(), ""))
			id, err := newAuth(t, public, algorithm).Check(token, noon())
			if err != nil || id.Member != `"bob"` || !id.Expires.Equal(noon().Add(time.Hour)) {
				t.Errorf("identity %+v, %v", id, err)
			}
			other := "HS512"
			if algorithm == other {
				other = "HS256"
			}
			wantCheck(t, newAuth(t, secret(), other), token, CheckAlgorithm)
		})
	}
}

// TestAlgorithmPinned holds that the token's own word on how it is signed never counts.
func TestAlgorithmPinned(t *testing.T) {
	rsaKey := newKey(t, "RS256").(*rsa.PrivateKey)
	pkix, err := x509.MarshalPKIXPublicKey(&rsaKey.PublicKey)
	if err != nil {
		t.Fatal(err)
	}
	public := pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: pkix})
	unsigned := func(alg string) string {
		encode := base64.RawURLEncoding.EncodeToString
		return encode([]byte(header(alg))) + "." + encode([]byte(bob(noon(), ""))) + "."
	}
	good := sign(t, "RS256", rsaKey, header("RS256"), bob(noon(), ""))
	a := newAuth(t, &rsaKey.PublicKey, "RS256")
	for name, c := range map[string]struct{ token, check string }{
		"good":                             {good, ""},
		"none":                             {unsigned("none"), CheckAlgorithm},
		"None":                             {unsigned("None"), CheckAlgorithm},
		"NONE":                             {unsigned("NONE"), CheckAlgorithm},
		"none, with the signature":         {unsigned("none") + good[strings.LastIndexByte(good, '.')+1:], CheckAlgorithm},
		"no algorithm":                     {sign(t, "RS256", rsaKey, `{"typ":"JWT"}`, bob(noon(), "")), CheckAlgorithm},
		"a list of algorithms":             {sign(t, "RS256", rsaKey, `{"typ":"JWT","alg":["RS256"]}`, bob(noon(), "")), CheckAlgorithm},
		"HS256 by the public key's PEM":    {sign(t, "HS256", public, header("HS256"), bob(noon(), "")), CheckAlgorithm},
		"HS256 by the public key's DER":    {sign(t, "HS256", pkix, header("HS256"), bob(noon(), "")), CheckAlgorithm},
		"another of the key's":             {sign(t, "PS256", rsaKey, header("PS256"), bob(noon(), "")), CheckAlgorithm},
		"signed otherwise than it says":    {sign(t, "RS512", rsaKey, header("RS256"), bob(noon(), "")), CheckSignature},
		"the pinned one, empty signature":  {unsigned("RS256"), CheckSignature},
		"the name in another case":         {sign(t, "RS256", rsaKey, header("rs256"), bob(noon(), "")), CheckAlgorithm},
		"two names, of which the last one": {sign(t, "RS256", rsaKey, `{"alg":"none","typ":"JWT","alg":"RS256"}`, bob(noon(), "")), ""},
	} {
		t.Run(name, func(t *testing.T) {
			wantCheck(t, a, c.token, c.check)
		})
	}
}

// TestKeysOfTheToken holds that a token can't say which key it is to be checked with: nothing is
// opened, looked up or taken from it.
func TestKeysOfTheToken(t *testing.T) {
	own := newKey(t, "EdDSA").(ed25519.PrivateKey)
	jwk := `{"kty":"OKP","crv":"Ed25519","x":"` + base64.RawURLEncoding.EncodeToString(own.Public().(ed25519.PublicKey)) + `"}`
	a := newAuth(t, newKey(t, "EdDSA").Public())
	empty := newAuth(t, secret())
	for name, said := range map[string]string{
		"kid traversal": `"kid":"../../../../dev/null"`, "kid SQL": `"kid":"' UNION SELECT 'key"`, "kid command": `"kid":"|id"`,
		"jku": `"jku":"http://127.0.0.1:1/keys"`, "x5u": `"x5u":"http://127.0.0.1:1/cert"`, "jwk": `"jwk":` + jwk, "x5c": `"x5c":["AA"]`,
	} {
		t.Run(name, func(t *testing.T) {
			wantCheck(t, a, sign(t, "EdDSA", own, `{"alg":"EdDSA","typ":"JWT",`+said+`}`, bob(noon(), "")), CheckSignature)
			// What /dev/null holds, as a secret.
			wantCheck(t, empty, sign(t, "HS256", []byte{}, `{"alg":"HS256","typ":"JWT",`+said+`}`, bob(noon(), "")), CheckSignature)
			wantCheck(t, empty, sign(t, "HS256", secret(), `{"alg":"HS256","typ":"JWT",`+said+`}`, bob(noon(), "")), "")
		})
	}
}

func TestHeader(t *testing.T) {
	a := newAuth(t, secret())
	for _, c := range []struct{ name, header, check string }{
		{"JWT", `{"alg":"HS256","typ":"JWT"}`, ""},
		{"in any case", `{"alg":"HS256","typ":"jwt"}`, ""},
		{"an access token of RFC 9068", `{"alg":"HS256","typ":"at+jwt"}`, ""},
		{"its long name", `{"alg":"HS256","typ":"application/AT+JWT"}`, ""},
		{"no typ", `{"alg":"HS256"}`, CheckType},
		{"empty typ", `{"alg":"HS256","typ":""}`, CheckType},
		{"a typ of another kind", `{"alg":"HS256","typ":"dpop+jwt"}`, CheckType},
		{"typ is no string", `{"alg":"HS256","typ":["JWT"]}`, CheckType},
		{"typ with a space", `{"alg":"HS256","typ":"JWT "}`, CheckType},
		{"Typ is another name", `{"alg":"HS256","Typ":"JWT"}`, CheckType},
		{"crit", `{"alg":"HS256","typ":"JWT","crit":["exp"],"exp":1}`, CheckForm},
		{"crit that names nothing", `{"alg":"HS256","typ":"JWT","crit":[]}`, CheckForm},
		{"crit is null", `{"alg":"HS256","typ":"JWT","crit":null}`, CheckForm},
		{"no object", `"HS256"`, CheckForm},
		{"a list", `["HS256"]`, CheckForm},
		{"null", `null`, CheckAlgorithm},
		{"empty", ``, CheckForm},
		{"no JSON", `{"alg":"HS256"`, CheckForm},
		{"more after it", `{"alg":"HS256","typ":"JWT"}{}`, CheckForm},
	} {
		t.Run(c.name, func(t *testing.T) { wantCheck(t, a, sign(t, "HS256", secret(), c.header, bob(noon(), "")), c.check) })
	}
}

func TestForm(t *testing.T) {
	a := newAuth(t, secret())
	good := hs256(t, bob(noon(), ""))
	part := strings.Split(good, ".")
	for _, c := range []struct{ name, token, check string }{
		{"good", good, ""},
		{"empty", "", CheckForm},
		{"dots", "..", CheckForm},
		{"one part", part[0], CheckForm},
		{"two parts", part[0] + "." + part[1], CheckForm},
		{"four parts", good + ".", CheckForm},
		{"five parts, as encrypted ones have", good + "." + part[0] + "." + part[1], CheckForm},
		{"no signature", part[0] + "." + part[1] + ".", CheckSignature},
		{"truncated by three characters", good[:len(good)-3], CheckSignature},
		{"truncated to a length of no base64", good[:len(good)-2], CheckForm},
		{"truncated claims", part[0] + "." + part[1][:8] + "." + part[2], CheckForm},
		{"padding", good + "=", CheckForm},
		{"space before", " " + good, CheckForm},
		{"space after", good + " ", CheckForm},
		{"zero byte", good + "\x00", CheckForm},
		{"no ASCII", good + "é", CheckForm},
		{"line end after", good + "\n", CheckForm},
		{"line end in the signature", good[:len(good)-3] + "\r\n" + good[len(good)-3:], CheckForm},
		{"8 KiB", hs256(t, pad(t, maxToken)), ""},
		{"one byte over 8 KiB", strings.Repeat("a", maxToken+1), CheckForm},
		{"1 MB", hs256(t, bob(noon(), `,"pad":"`+strings.Repeat("a", 1<<20)+`"`)), CheckForm},
		{"1 MB of dots", strings.Repeat(".", 1<<20), CheckForm},
		{"another's claims", part[0] + "." + base64.RawURLEncoding.EncodeToString([]byte(bob(noon(), `,"rl":["ROLE_ADMIN"]`))) + "." + part[2], CheckSignature},
		{"another's secret", sign(t, "HS256", []byte("another"), header("HS256"), bob(noon(), "")), CheckSignature},
	} {
		t.Run(c.name, func(t *testing.T) { wantCheck(t, a, c.token, c.check) })
	}
}

// pad returns claims with which a token is as long as wanted.
func pad(t *testing.T, length int) string {
	t.Helper()
	for n := length / 2; n < length; n++ {
		if claims := bob(noon(), `,"pad":"`+strings.Repeat("a", n)+`"`); len(hs256(t, claims)) == length {
			return claims
		}
	}
	t.Fatalf("no claims make a token of %d bytes", length)
	return ""
}

// TestOneTextAToken holds that nobody can make another token of one, for the list of revocations
// knows tokens by their text.
func TestOneTextAToken(t *testing.T) {
	for _, algorithm := range []string{"HS256", "RS256", "PS256", "EdDSA"} {
		t.Run(algorithm, func(t *testing.T) {
			var private, public any = secret(), secret()
			if algorithm != "HS256" {
				key := newKey(t, algorithm)
				private, public = key, key.Public()
			}
			a := newAuth(t, public, algorithm)
			good := sign(t, algorithm, private, header(algorithm), bob(noon(), ""))
			if _, err := a.Check(good, noon()); err != nil {
				t.Fatal(err)
			}
			const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_=+/. \r\n"
			for _, c := range alphabet {
				last := good[:len(good)-1] + string(c)
				for _, other := range []string{last, good + string(c), string(c) + good} {
					if _, err := a.Check(other, noon()); err == nil && other != good {
						t.Errorf("with %q, the token is another and as good", c)
					}
				}
			}
		})
	}
}

// TestTwin holds that the one other text that an ECDSA token has is known, and is each other's.
func TestTwin(t *testing.T) {
	for _, algorithm := range []string{"ES256", "ES384", "ES512"} {
		t.Run(algorithm, func(t *testing.T) {
			key := newKey(t, algorithm).(*ecdsa.PrivateKey)
			a := mustNew(t, Config{Issuers: []Issuer{{Keys: []any{&key.PublicKey}}}, Revoked: &fakeList{}})
			token := sign(t, algorithm, key, header(algorithm), bob(noon(), ""))
			id, err := a.Check(token, noon())
			if err != nil {
				t.Fatal(err)
			}
			if id.twin == token {
				t.Fatal("the twin is the token itself")
			}
			twin, err := a.Check(id.twin, noon())
			if err != nil {
				t.Fatalf("the twin is not taken: %v", err)
			}
			if twin.twin != token {
				t.Errorf("the twin's twin is %s, want %s", twin.twin, token)
			}
		})
	}
}

func TestSeveralIssuers(t *testing.T) {
	key := newKey(t, "EdDSA").(ed25519.PrivateKey)
	a := mustNew(t, Config{Issuers: []Issuer{
		{Name: "secret.example", Keys: []any{secret()}},
		{Name: "key.example", Keys: []any{key.Public()}, Audience: []string{"chat"}},
	}})
	by := func(algorithm string, key any, iss string) string {
		return sign(t, algorithm, key, header(algorithm), bob(noon(), `,"aud":"chat"`+iss))
	}
	for _, c := range []struct{ name, token, check string }{
		{"the first's", by("HS256", secret(), `,"iss":"secret.example"`), ""},
		{"the second's", by("EdDSA", key, `,"iss":"key.example"`), ""},
		{"the first's key for the second's name", by("HS256", secret(), `,"iss":"key.example"`), CheckAlgorithm},
		{"the second's key for the first's name", by("EdDSA", key, `,"iss":"secret.example"`), CheckAlgorithm},
		{"the second's public key as a secret", by("HS256", []byte(key.Public().(ed25519.PublicKey)), `,"iss":"key.example"`), CheckAlgorithm},
		{"nobody's", by("HS256", secret(), `,"iss":"other.example"`), CheckIssuer},
		{"no issuer", by("HS256", secret(), ``), CheckIssuer},
		{"empty issuer", by("HS256", secret(), `,"iss":""`), CheckIssuer},
		{"a list of issuers", by("HS256", secret(), `,"iss":["secret.example"]`), CheckIssuer},
		{"another case", by("HS256", secret(), `,"iss":"Secret.example"`), CheckIssuer},
		{"one more character", by("HS256", secret(), `,"iss":"secret.example/"`), CheckIssuer},
		{"two names, of which the last counts", by("HS256", secret(), `,"iss":"key.example","iss":"secret.example"`), ""},
	} {
		t.Run(c.name, func(t *testing.T) { wantCheck(t, a, c.token, c.check) })
	}
	wantCheck(t, mustNew(t, Config{}), hs256(t, bob(noon(), "")), CheckIssuer)
}

// TestErrorsQuoteNothing holds that an error can be logged, whatever the token says.
func TestErrorsQuoteNothing(t *testing.T) {
	const mark = "hunter2"
	a := mustNew(t, Config{Issuers: []Issuer{{Name: "me", Keys: []any{secret()}, Audience: []string{"chat"}}}})
	at := noon().Unix()
	good := fmt.Sprintf(`"iss":"me","aud":"chat","mu":1,"exp":%d`, at+60)
	for name, token := range map[string]string{
		"form":       mark + "." + mark + "." + mark,
		"header":     sign(t, "HS256", secret(), `{"`+mark, `{}`),
		"claims":     sign(t, "HS256", secret(), header("HS256"), `{"a":hunter2}`),
		"algorithm":  sign(t, "HS256", secret(), header(mark), `{`+good+`}`),
		"type":       sign(t, "HS256", secret(), `{"alg":"HS256","typ":"`+mark+`"}`, `{`+good+`}`),
		"issuer":     hs256(t, `{"iss":"`+mark+`"}`),
		"signature":  sign(t, "HS256", []byte(mark), header("HS256"), `{`+good+`}`),
		"expiry":     hs256(t, `{`+good+`,"exp":"`+mark+`"}`),
		"not before": hs256(t, `{`+good+`,"nbf":"`+mark+`"}`),
		"audience":   hs256(t, `{`+good+`,"aud":"`+mark+`"}`),
		"usage":      hs256(t, `{`+good+`,"tu":"`+mark+`"}`),
		"member":     hs256(t, `{`+good+`,"mu":["`+mark+`"]}`),
		"roles":      hs256(t, `{`+good+`,"rl":{"`+mark+`":1}}`),
		"number":     hs256(t, `{`+good+`,"`+mark+`":1e999}`),
	} {
		t.Run(name, func(t *testing.T) {
			_, err := a.Check(token, noon())
			if err == nil {
				t.Fatal("taken")
			}
			if strings.Contains(err.Error(), mark) {
				t.Errorf("the error quotes the token: %v", err)
			}
		})
	}
	id, err := a.Check(hs256(t, `{`+good+`,"rl":["ROLE_A"],"org":{"id":9007199254740993}}`), noon())
	want := map[string]any{
		"iss": "me", "aud": "chat", "mu": int64(1), "exp": at + 60, "rl": []any{"ROLE_A"},
		"org": map[string]any{"id": int64(9007199254740993)},
	}
	if err != nil || !reflect.DeepEqual(id.Claims, want) || !reflect.DeepEqual(id.Roles, []string{"ROLE_A"}) {
		t.Errorf("identity %+v, %v; want claims %v", id, err, want)
	}
}
