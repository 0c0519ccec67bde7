package auth

import (
	"bytes"
	"crypto"
	"crypto/ecdh"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"reflect"
	"slices"
	"strings"
	"testing"
)

func pemOf(kind string, der []byte) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der})
}

// must is for what can't fail.
func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

func TestParsePublicKeys(t *testing.T) {
	rsaKey := newKey(t, "RS256").(*rsa.PrivateKey)
	ec := map[string]*ecdsa.PrivateKey{}
	for _, name := range []string{"ES256", "ES384", "ES512"} {
		ec[name] = newKey(t, name).(*ecdsa.PrivateKey)
	}
	ed := newKey(t, "EdDSA").(ed25519.PrivateKey)
	p224 := must(ecdsa.GenerateKey(elliptic.P224(), rand.Reader))
	x25519 := must(ecdh.X25519().GenerateKey(rand.Reader))
	small := &rsa.PublicKey{N: new(big.Int).Lsh(big.NewInt(1), 1023), E: 65537}
	der := func(key any) []byte { return must(x509.MarshalPKIXPublicKey(key)) }
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "t"}}
	certificate := must(x509.CreateCertificate(rand.Reader, template, template, ed.Public(), ed))
	certify := func(name string, public any, by *x509.Certificate) *x509.Certificate {
		template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name}, IsCA: true, BasicConstraintsValid: true}
		if by == nil {
			by = template
		}
		return must(x509.ParseCertificate(must(x509.CreateCertificate(rand.Reader, template, by, public, ed))))
	}
	first, second := pemOf("PUBLIC KEY", der(ed.Public())), pemOf("PUBLIC KEY", der(&rsaKey.PublicKey))
	authority := certify("authority", ed.Public(), nil)
	leaf := certify("signer", &rsaKey.PublicKey, authority)
	for _, c := range []struct {
		name string
		text []byte
		keys []any  // nil for an error
		want string // the algorithms of the first key, or in the error
	}{
		{"RSA", pemOf("PUBLIC KEY", der(&rsaKey.PublicKey)), []any{&rsaKey.PublicKey}, "RS256 RS384 RS512 PS256 PS384 PS512"},
		{"RSA, PKCS #1", pemOf("RSA PUBLIC KEY", x509.MarshalPKCS1PublicKey(&rsaKey.PublicKey)), []any{&rsaKey.PublicKey}, "RS256 RS384 RS512 PS256 PS384 PS512"},
		{"P-256", pemOf("PUBLIC KEY", der(&ec["ES256"].PublicKey)), []any{&ec["ES256"].PublicKey}, "ES256"},
		{"P-384", pemOf("PUBLIC KEY", der(&ec["ES384"].PublicKey)), []any{&ec["ES384"].PublicKey}, "ES384"},
		{"P-521", pemOf("PUBLIC KEY", der(&ec["ES512"].PublicKey)), []any{&ec["ES512"].PublicKey}, "ES512"},
		{"Ed25519", pemOf("PUBLIC KEY", der(ed.Public())), []any{ed.Public()}, "EdDSA"},
		{"certificate", pemOf("CERTIFICATE", certificate), []any{ed.Public()}, "EdDSA"},
		{"text before", append([]byte("Key of the issuer\n"), pemOf("PUBLIC KEY", der(ed.Public()))...), []any{ed.Public()}, "EdDSA"},

		{"empty", nil, nil, "holds no PEM"},
		{"DER", der(ed.Public()), nil, "holds no PEM"},
		{"truncated", pemOf("PUBLIC KEY", der(ed.Public()))[:60], nil, "holds 1 blocks of PEM, of which 0 can be read"},
		{"broken", pemOf("PUBLIC KEY", []byte("x")), nil, "its PUBLIC KEY can't be read"},
		{"private", pemOf("PRIVATE KEY", must(x509.MarshalPKCS8PrivateKey(ed))), nil, "holds a private key, which only the issuer should have"},
		{"private, RSA", pemOf("RSA PRIVATE KEY", x509.MarshalPKCS1PrivateKey(rsaKey)), nil, "holds a private key"},
		{"private, OpenSSH", pemOf("OPENSSH PRIVATE KEY", []byte("x")), nil, "holds a private key"},
		{"a request", pemOf("CERTIFICATE REQUEST", []byte("x")), nil, "holds a CERTIFICATE REQUEST: want a PUBLIC KEY"},
		{"a short RSA key", pemOf("PUBLIC KEY", der(small)), nil, "the RSA key has 1024 bits: want 2048 or more"},
		{"another curve", pemOf("PUBLIC KEY", der(&p224.PublicKey)), nil, "the key is on the curve P-224"},
		{"a key to agree on others", pemOf("PUBLIC KEY", der(x25519.PublicKey())), nil, "no algorithm is known for a key of type *ecdh.PublicKey"},

		{"two keys", slices.Concat(first, []byte("the old one\n"), second), []any{ed.Public(), &rsaKey.PublicKey}, "EdDSA"},
		{"a key and a certificate", slices.Concat(second, pemOf("CERTIFICATE", authority.Raw)), []any{&rsaKey.PublicKey, ed.Public()}, "RS256 RS384 RS512 PS256 PS384 PS512"},
		{"a second that is bad", slices.Concat(first, pemOf("PUBLIC KEY", []byte("x"))), nil, "its PUBLIC KEY can't be read"},
		{"a second that is cut off", slices.Concat(first, second[:len(second)-30]), nil, "holds 2 blocks of PEM, of which 1 can be read"},
		{"a first that is broken", slices.Concat(bytes.Replace(first, []byte("\nM"), []byte("\n*"), 1), second), nil, "holds 2 blocks of PEM, of which 1 can be read"},
		{"a private key beside", slices.Concat(first, pemOf("PRIVATE KEY", nil)), nil, "holds a private key"},
		{"a chain", slices.Concat(pemOf("CERTIFICATE", leaf.Raw), pemOf("CERTIFICATE", authority.Raw)), nil, "its certificate 2 has signed its certificate 1"},
	} {
		t.Run(c.name, func(t *testing.T) {
			keys, err := ParsePublicKeys(c.text)
			switch {
			case c.keys == nil && (err == nil || !strings.Contains(err.Error(), c.want)):
				t.Errorf("error %v, want one with %q", err, c.want)
			case c.keys != nil && (err != nil || !reflect.DeepEqual(keys, c.keys)):
				t.Errorf("keys %v, %v; want %v", keys, err, c.keys)
			case c.keys != nil && !slices.Equal(Algorithms(keys[0]), strings.Fields(c.want)):
				t.Errorf("algorithms %s, want %s", Algorithms(keys[0]), c.want)
			}
		})
	}
}

func TestParsePrivateKey(t *testing.T) {
	rsaKey := newKey(t, "RS256").(*rsa.PrivateKey)
	ec := newKey(t, "ES256").(*ecdsa.PrivateKey)
	ed := newKey(t, "EdDSA").(ed25519.PrivateKey)
	x25519 := must(ecdh.X25519().GenerateKey(rand.Reader))
	pkcs8 := func(key any) []byte {
		return pemOf("PRIVATE KEY", must(x509.MarshalPKCS8PrivateKey(key)))
	}
	sec1 := pemOf("EC PRIVATE KEY", must(x509.MarshalECPrivateKey(ec)))
	encrypted := pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Headers: map[string]string{"Proc-Type": "4,ENCRYPTED", "DEK-Info": "AES-128-CBC,00"}, Bytes: []byte("x")})
	for _, c := range []struct {
		name string
		text []byte
		key  crypto.Signer // nil for an error
		want string        // in the error
	}{
		{"RSA", pkcs8(rsaKey), rsaKey, ""},
		{"RSA, PKCS #1", pemOf("RSA PRIVATE KEY", x509.MarshalPKCS1PrivateKey(rsaKey)), rsaKey, ""},
		{"ECDSA", pkcs8(ec), ec, ""},
		{"ECDSA, SEC 1", sec1, ec, ""},
		{"ECDSA, as openssl ecparam writes it", append(pemOf("EC PARAMETERS", []byte("x")), sec1...), ec, ""},
		{"Ed25519", pkcs8(ed), ed, ""},

		{"empty", nil, nil, "holds no key"},
		{"parameters alone", pemOf("EC PARAMETERS", []byte("x")), nil, "holds no key"},
		{"broken", pemOf("PRIVATE KEY", []byte("x")), nil, "its PRIVATE KEY can't be read"},
		{"public", pemOf("PUBLIC KEY", []byte("x")), nil, "holds a PUBLIC KEY: want a PRIVATE KEY"},
		{"encrypted", pemOf("ENCRYPTED PRIVATE KEY", []byte("x")), nil, "holds an encrypted key"},
		{"encrypted, of old", encrypted, nil, "holds an encrypted key"},
		{"a key to agree on others", pkcs8(x25519), nil, "can't sign"},
	} {
		t.Run(c.name, func(t *testing.T) {
			key, err := ParsePrivateKey(c.text)
			switch {
			case c.key == nil && (err == nil || !strings.Contains(err.Error(), c.want)):
				t.Errorf("error %v, want one with %q", err, c.want)
			case c.key != nil && (err != nil || !reflect.DeepEqual(key.Public(), c.key.Public())):
				t.Errorf("key %v, %v", key, err)
			}
		})
	}
}

// FuzzParsePublicKeys holds that what is read are keys that New takes, and no private one.
func FuzzParsePublicKeys(f *testing.F) {
	ed := newKey(f, "EdDSA")
	der := must(x509.MarshalPKIXPublicKey(ed.Public()))
	private := must(x509.MarshalPKCS8PrivateKey(ed))
	f.Add(pemOf("PUBLIC KEY", der))
	f.Add(pemOf("PRIVATE KEY", private))
	f.Add(append(pemOf("EC PARAMETERS", nil), pemOf("CERTIFICATE", der)...))
	f.Fuzz(func(t *testing.T, text []byte) {
		keys, err := ParsePublicKeys(text)
		if err != nil {
			return
		}
		for _, key := range keys {
			if _, private := key.(crypto.Signer); private {
				t.Errorf("a private key of type %T", key)
			}
			if _, err := New(Config{Issuers: []Issuer{{Keys: []any{key}}}}); err != nil {
				t.Errorf("New: %v", err)
			}
		}
	})
}
