package auth

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"encoding/base64"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// noon is when tokens are checked, where no clock runs.
func noon() time.Time { return time.Date(2025, 2, 3, 12, 0, 0, 0, time.UTC) }

func secret() []byte { return []byte("a secret of thirty-two bytes ...") }

// header is that of a token, the usual one but for its algorithm.
func header(algorithm string) string { return `{"alg":"` + algorithm + `","typ":"JWT"}` }

// bob are claims of a token that expires an hour after now, with more after them.
func bob(now time.Time, more string) string {
	return fmt.Sprintf(`{"mu":"bob","exp":%d%s}`, now.Add(time.Hour).Unix(), more)
}

// sign makes a token of JSON texts, whatever is in them.
func sign(t testing.TB, algorithm string, key any, header, claims string) string {
	t.Helper()
	text := base64.RawURLEncoding.EncodeToString([]byte(header)) + "." + base64.RawURLEncoding.EncodeToString([]byte(claims))
	signature, err := jwt.GetSigningMethod(algorithm).Sign(text, key)
	if err != nil {
		t.Fatal(err)
	}
	return text + "." + base64.RawURLEncoding.EncodeToString(signature)
}

// hs256 makes a token of the secret.
func hs256(t testing.TB, claims string) string {
	t.Helper()
	return sign(t, "HS256", secret(), header("HS256"), claims)
}

// newAuth returns an Authenticator of one issuer without a name.
func newAuth(t testing.TB, key any, algorithms ...string) *Authenticator {
	t.Helper()
	return mustNew(t, Config{Issuers: []Issuer{{Keys: []any{key}, Algorithms: algorithms}}})
}

func mustNew(t testing.TB, cfg Config) *Authenticator {
	t.Helper()
	a, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// newKey makes a private key for an algorithm.
func newKey(t testing.TB, algorithm string) crypto.Signer {
	t.Helper()
	switch algorithm {
	case "ES256":
		return must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader))
	case "ES384":
		return must(ecdsa.GenerateKey(elliptic.P384(), rand.Reader))
	case "ES512":
		return must(ecdsa.GenerateKey(elliptic.P521(), rand.Reader))
	case "EdDSA":
		return ed25519.NewKeyFromSeed([]byte(rand.Text() + rand.Text())[:ed25519.SeedSize])
	default:
		return must(rsa.GenerateKey(rand.Reader, minRSA))
	}
}

// wantFault fails unless err is an Error of that check; an empty one wants none.
func wantFault(t *testing.T, err error, check string) {
	t.Helper()
	var f *Error
	switch {
	case check == "" && err != nil:
		t.Errorf("refused: %v", err)
	case check != "" && err == nil:
		t.Errorf("taken, want a fault of %s", check)
	case check != "" && (!errors.As(err, &f) || f.Check != check):
		t.Errorf("error %v, want one of %s", err, check)
	}
}

// wantCheck is wantFault for what Check says of a token at noon.
func wantCheck(t *testing.T, a *Authenticator, token, check string) {
	t.Helper()
	_, err := a.Check(token, noon())
	wantFault(t, err, check)
}
