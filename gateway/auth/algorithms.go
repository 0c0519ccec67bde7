package auth

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
)

// Algorithms returns the algorithms (RFC 7518 section 3.1, RFC 8037) that fit the key of an Issuer,
// the one to take by default first; none for what can't be such a key. An algorithm fits one type of
// key alone: who takes a public key for the secret of an HMAC takes tokens that anybody can make.
func Algorithms(key any) []string {
	switch key := key.(type) {
	case []byte:
		return []string{"HS256", "HS384", "HS512"}
	case *rsa.PublicKey:
		return []string{"RS256", "RS384", "RS512", "PS256", "PS384", "PS512"}
	case *ecdsa.PublicKey:
		return curveAlgorithms(key.Curve)
	case ed25519.PublicKey:
		return []string{"EdDSA"}
	}
	return nil
}

func curveAlgorithms(curve elliptic.Curve) []string {
	switch curve {
	case elliptic.P256():
		return []string{"ES256"}
	case elliptic.P384():
		return []string{"ES384"}
	case elliptic.P521():
		return []string{"ES512"}
	}
	return nil
}
