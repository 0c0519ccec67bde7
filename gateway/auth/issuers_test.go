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
		{"a secret", Config{Issuers: []Issuer{{Key: secret()}}}, ""},
		{"empty secret", Config{Issuers: []Issuer{{Key: []byte{}}}}, "the secret is empty"},
		{"no secret", Config{Issuers: []Issuer{{Key: []byte(nil)}}}, "the secret is empty"},
		{"no key", Config{Issuers: []Issuer{{}}}, "there is no key"},
		{"no RSA key", Config{Issuers: []Issuer{{Key: (*rsa.PublicKey)(nil)}}}, "there is no key"},
		{"no ECDSA key", Config{Issuers: []Issuer{{Key: (*ecdsa.PublicKey)(nil)}}}, "there is no key"},
		{"a secret that is a string", Config{Issuers: []Issuer{{Key: "text"}}}, "no algorithm is known for a key of type string"},
		{"a public key as a secret", Config{Issuers: []Issuer{{Key: []byte("\n-----BEGIN PUBLIC KEY-----\n")}}}, "the secret is a PEM file"},
		{"a private key", Config{Issuers: []Issuer{{Key: key}}}, "the key is a private one"},
		{"a short RSA key", Config{Issuers: []Issuer{{Key: small}}}, "the RSA key has 1024 bits: want 2048 or more"},
		{"another curve", Config{Issuers: []Issuer{{Key: &p224.PublicKey}}}, "the key is on the curve P-224"},
		{"a short Ed25519 key", Config{Issuers: []Issuer{{Key: ed25519.PublicKey("short")}}}, "the Ed25519 key has 5 bytes"},
		{"an unknown algorithm", Config{Issuers: []Issuer{{Key: secret(), Algorithms: []string{"HS1"}}}}, `the algorithm "HS1" is not for this key: want HS256, HS384, HS512`},
		{"none", Config{Issuers: []Issuer{{Key: secret(), Algorithms: []string{"HS256", "none"}}}}, `the algorithm "none" is not for this key`},
		{"an algorithm in another case", Config{Issuers: []Issuer{{Key: secret(), Algorithms: []string{"hs256"}}}}, `the algorithm "hs256"`},
		{"a key for another kind", Config{Issuers: []Issuer{{Name: "a", Key: key.Public(), Algorithms: []string{"HS256"}}}}, `issuer "a": the algorithm "HS256" is not for this key: want EdDSA`},
		{"a key on another curve", Config{Issuers: []Issuer{{Key: p256, Algorithms: []string{"ES384"}}}}, `the algorithm "ES384" is not for this key: want ES256`},
		{"an empty audience", Config{Issuers: []Issuer{{Key: secret(), Audience: []string{""}}}}, "an audience is empty"},
		{"one name twice", Config{Issuers: []Issuer{{Name: "a", Key: secret()}, {Name: "a", Key: key.Public()}}}, `there are two issuers "a"`},
		{"no name among several", Config{Issuers: []Issuer{{Name: "a", Key: secret()}, {Key: key.Public()}}}, "an issuer among several has no name"},
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
	_, err := a.Check(sign(t, "HS512", secret(), header("HS512"), bob(noon(), "")), noon())
	wantFault(t, err, CheckAlgorithm)
	_, err = a.Check(hs256(t, bob(noon(), "")), noon())
	wantFault(t, err, "")
}

// TestNewCopies holds that who changes a Config later changes nothing.
func TestNewCopies(t *testing.T) {
	cfg := Config{Issuers: []Issuer{{Key: secret(), Algorithms: []string{"HS256"}, Audience: []string{"chat"}}}}
	a := mustNew(t, cfg)
	cfg.Issuers[0].Key.([]byte)[0]++
	cfg.Issuers[0].Algorithms[0] = "none"
	cfg.Issuers[0].Audience[0] = "other"
	_, err := a.Check(hs256(t, bob(noon(), `,"aud":"chat"`)), noon())
	wantFault(t, err, "")
}
