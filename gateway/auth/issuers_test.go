package auth

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"math/big"
	"strings"
	"testing"
	"time"
)

func TestNewRefuses(t *testing.T) {
	key := newKey(t, "EdDSA").(ed25519.PrivateKey)
	p224, err := ecdsa.GenerateKey(elliptic.P224(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	p256 := &newKey(t, "ES256").(*ecdsa.PrivateKey).PublicKey
	small := &rsa.PublicKey{N: new(big.Int).Lsh(big.NewInt(1), 1023), E: 65537}
	for _, c := range []struct {
		name string
		cfg  Config
		want string // in the error; empty for none
	}{
		{"nothing", Config{}, ""},
		{"a secret", Config{Issuers: []Issuer{{Keys: []any{secret()}}}}, ""},
		{"several keys", Config{Issuers: []Issuer{{Keys: []any{secret(), key.Public(), p256}, Algorithms: []string{"EdDSA", "HS512", "ES256"}}}}, ""},
		{"a bad key among several", Config{Issuers: []Issuer{{Keys: []any{secret(), []byte{}}}}}, "the secret is empty"},
		{"a key for none of the algorithms", Config{Issuers: []Issuer{{Keys: []any{secret(), p256}, Algorithms: []string{"HS256"}}}}, "a key is for none of the algorithms HS256: add one of ES256"},
		{"too many keys", Config{Issuers: []Issuer{{Keys: make([]any, 17)}}}, "there are 17 keys: want 16 at most"},
		{"empty secret", Config{Issuers: []Issuer{{Keys: []any{[]byte{}}}}}, "the secret is empty"},
		{"no secret", Config{Issuers: []Issuer{{Keys: []any{[]byte(nil)}}}}, "the secret is empty"},
		{"no key", Config{Issuers: []Issuer{{}}}, "there is no key"},
		{"no RSA key", Config{Issuers: []Issuer{{Keys: []any{(*rsa.PublicKey)(nil)}}}}, "there is no key"},
		{"no ECDSA key", Config{Issuers: []Issuer{{Keys: []any{(*ecdsa.PublicKey)(nil)}}}}, "there is no key"},
		{"a secret that is a string", Config{Issuers: []Issuer{{Keys: []any{"text"}}}}, "no algorithm is known for a key of type string"},
		{"a public key as a secret", Config{Issuers: []Issuer{{Keys: []any{[]byte("\n-----BEGIN PUBLIC KEY-----\n")}}}}, "the secret is a PEM file"},
		{"a private key", Config{Issuers: []Issuer{{Keys: []any{key}}}}, "the key is a private one"},
		{"a short RSA key", Config{Issuers: []Issuer{{Keys: []any{small}}}}, "the RSA key has 1024 bits: want 2048 or more"},
		{"another curve", Config{Issuers: []Issuer{{Keys: []any{&p224.PublicKey}}}}, "the key is on the curve P-224"},
		{"a short Ed25519 key", Config{Issuers: []Issuer{{Keys: []any{ed25519.PublicKey("short")}}}}, "the Ed25519 key has 5 bytes"},
		{"an unknown algorithm", Config{Issuers: []Issuer{{Keys: []any{secret()}, Algorithms: []string{"HS1"}}}}, `the algorithm "HS1" is not for this key: want HS256, HS384, HS512`},
		{"none", Config{Issuers: []Issuer{{Keys: []any{secret()}, Algorithms: []string{"HS256", "none"}}}}, `the algorithm "none" is not for this key`},
		{"an algorithm in another case", Config{Issuers: []Issuer{{Keys: []any{secret()}, Algorithms: []string{"hs256"}}}}, `the algorithm "hs256"`},
		{"a key for another kind", Config{Issuers: []Issuer{{Name: "a", Keys: []any{key.Public()}, Algorithms: []string{"HS256"}}}}, `issuer "a": the algorithm "HS256" is not for this key: want EdDSA`},
		{"a key on another curve", Config{Issuers: []Issuer{{Keys: []any{p256}, Algorithms: []string{"ES384"}}}}, `the algorithm "ES384" is not for this key: want ES256`},
		{"an empty audience", Config{Issuers: []Issuer{{Keys: []any{secret()}, Audience: []string{""}}}}, "an audience is empty"},
		{"one name twice", Config{Issuers: []Issuer{{Name: "a", Keys: []any{secret()}}, {Name: "a", Keys: []any{key.Public()}}}}, `issuer "a": "a" is the name of another issuer`},
		{"no name among several", Config{Issuers: []Issuer{{Name: "a", Keys: []any{secret()}}, {Keys: []any{key.Public()}}}}, "an issuer among several has no name"},
		{"negative leeway", Config{Leeway: -time.Second}, "the leeway is negative"},
	} {
		t.Run(c.name, func(t *testing.T) {
			a, err := New(c.cfg)
			switch {
			case c.want == "" && (err != nil || a == nil):
				t.Errorf("New: %v", err)
			case c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)):
				t.Errorf("error %v, want one with %q", err, c.want)
			}
		})
	}
}

// TestDefaultAlgorithm holds that an issuer without algorithms signs with the first that fits.
func TestDefaultAlgorithm(t *testing.T) {
	a := newAuth(t, secret())
	wantCheck(t, a, sign(t, "HS512", secret(), header("HS512"), bob(noon(), "")), CheckAlgorithm)
	wantCheck(t, a, hs256(t, bob(noon(), "")), "")
}

// TestNewCopies holds that who changes a Config later changes nothing.
func TestNewCopies(t *testing.T) {
	cfg := Config{Issuers: []Issuer{{Keys: []any{secret()}, Algorithms: []string{"HS256"}, Audience: []string{"chat"}}}}
	a := mustNew(t, cfg)
	cfg.Issuers[0].Keys[0].([]byte)[0]++
	cfg.Issuers[0].Algorithms[0] = "none"
	cfg.Issuers[0].Audience[0] = "other"
	wantCheck(t, a, hs256(t, bob(noon(), `,"aud":"chat"`)), "")
}

// TestSeveralKeys holds that any key of an issuer may have signed, each by its own algorithms.
func TestSeveralKeys(t *testing.T) {
	other := []byte("another secret, of as many bytes")
	ed, p256 := newKey(t, "EdDSA"), newKey(t, "ES256")
	a := mustNew(t, Config{Issuers: []Issuer{{Keys: []any{secret(), other, ed.Public(), p256.Public()}}}})
	for _, c := range []struct {
		name, algorithm string
		key             any
		check           string
	}{
		{"the first", "HS256", secret(), ""},
		{"another of the same kind", "HS256", other, ""},
		{"another kind", "EdDSA", ed, ""},
		{"the last", "ES256", p256, ""},
		{"a secret that is none of them", "HS256", []byte("none of these, in as many bytes."), CheckSignature},
		{"a key that is none of them", "EdDSA", newKey(t, "EdDSA"), CheckSignature},
		{"an algorithm that is not the first of its key", "HS512", other, CheckAlgorithm},
	} {
		_, err := a.Check(sign(t, c.algorithm, c.key, header(c.algorithm), bob(noon(), "")), noon())
		t.Run(c.name, func(t *testing.T) { wantFault(t, err, c.check) })
	}
}

// TestSetIssuers holds what other issuers mean to tokens and to whoever is known by them.
func TestSetIssuers(t *testing.T) {
	other := []byte("another secret, of as many bytes")
	ed := newKey(t, "EdDSA").Public()
	was := []Issuer{{Name: "a", Keys: []any{secret(), ed}, Audience: []string{"chat"}}}
	token := hs256(t, bob(noon(), `,"iss":"a","aud":"chat"`))
	by := sign(t, "HS256", other, header("HS256"), bob(noon(), `,"iss":"a","aud":"chat"`))
	for _, c := range []struct {
		name  string
		is    []Issuer
		gone  int
		check string // why the token is not taken any more; empty if it is
	}{
		{"the same", was, 0, ""},
		{"a key more, and another order", []Issuer{{Name: "a", Keys: []any{ed, other, secret()}, Audience: []string{"chat"}}}, 0, ""},
		{"another key gone", []Issuer{{Name: "a", Keys: []any{secret()}, Audience: []string{"chat"}}}, 1, ""},
		{"an issuer more", append([]Issuer{{Name: "b", Keys: []any{other}}}, was...), 0, ""},
		{"its key gone", []Issuer{{Name: "a", Keys: []any{ed, other}, Audience: []string{"chat"}}}, 1, CheckSignature},
		{"its issuer gone", []Issuer{{Name: "b", Keys: []any{secret(), ed}, Audience: []string{"chat"}}}, 2, CheckIssuer},
		{"another audience", []Issuer{{Name: "a", Keys: []any{secret(), ed}, Audience: []string{"mail"}}}, 2, CheckAudience},
		{"an audience more", []Issuer{{Name: "a", Keys: []any{secret(), ed}, Audience: []string{"chat", "mail"}}}, 2, "renewed"},
		{"another algorithm", []Issuer{{Name: "a", Keys: []any{secret(), ed}, Algorithms: []string{"HS512", "EdDSA"}, Audience: []string{"chat"}}}, 1, CheckAlgorithm},
		{"no issuer", nil, 2, CheckIssuer},
	} {
		t.Run(c.name, func(t *testing.T) {
			now := noon()
			a := mustNew(t, Config{Issuers: was, Leeway: time.Minute, Now: func() time.Time { return now }})
			id, err := a.Verify(t.Context(), token)
			wantFault(t, err, "")
			wantVerify(t, a, by, CheckSignature)
			now = now.Add(time.Second)
			gone, err := a.SetIssuers(c.is)
			if err != nil || gone != c.gone {
				t.Errorf("%d keys are gone, %v; want %d", gone, err, c.gone)
			}
			stays := c.check == ""
			if got, _, known := a.Known([]byte(token), now); known != stays || stays && got != id {
				t.Errorf("it is known: %t (%v)", known, got)
			}
			if id.KeyGone() == stays || id.Ends().Equal(id.Expires) != stays || !stays && !id.Ends().Equal(now) {
				t.Errorf("gone %t, ends %s", id.KeyGone(), id.Ends())
			}
			again, err := a.Verify(t.Context(), token)
			if c.check == "renewed" {
				if err != nil || again == id || again.KeyGone() {
					t.Errorf("brought again it is %v, %v", again, err)
				}
			} else {
				wantFault(t, err, c.check)
			}
			if !a.Fresh(id, now.Add(time.Minute-1)) || a.Fresh(id, now.Add(time.Minute)) != stays {
				t.Error("an identity is not as fresh as it would be if its token had expired")
			}
			if now = now.Add(time.Minute); !stays {
				_, err = a.Recheck(t.Context(), id)
				wantFault(t, err, CheckSignature)
			}
			if _, _, known := a.Known([]byte(by), now); known {
				t.Error("the fault of a token is known that may be none now")
			}
		})
	}
	a := mustNew(t, Config{Issuers: was})
	if _, err := a.SetIssuers([]Issuer{{Keys: []any{"text"}}}); err == nil {
		t.Error("a key that is none is taken")
	}
	wantCheck(t, a, token, "")
}

// TestKeyThatComes holds that a token which was refused is taken at once when its key comes.
func TestKeyThatComes(t *testing.T) {
	a := mustNew(t, Config{Issuers: []Issuer{{Keys: []any{[]byte("another secret, of as many bytes")}}}, Now: noon})
	token := hs256(t, bob(noon(), ""))
	wantVerify(t, a, token, CheckSignature)
	if _, err := a.SetIssuers([]Issuer{{Keys: []any{secret()}}}); err != nil {
		t.Fatal(err)
	}
	if _, _, known := a.Known([]byte(token), noon()); known {
		t.Error("the old verdict is remembered")
	}
	wantVerify(t, a, token, "")
}
