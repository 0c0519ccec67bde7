package auth

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"strings"
)

// minRSA is the smallest RSA key, in bits (RFC 7518 section 3.3).
const minRSA = 2048

// ParsePublicKeys returns all public keys in a PEM file, bare or in certificates, for Issuer.Keys. It does
// not check that a certificate is valid: the file is trusted, not the signer. The signer's certificate must
// not be in the file: its key signs certificates, not tokens.
func ParsePublicKeys(text []byte) (keys []any, err error) {
	if err := CheckPEM(text); err != nil {
		return nil, err
	}
	var certificates []*x509.Certificate
	for block, rest := nextBlock(text); block != nil; block, rest = nextBlock(rest) {
		key, certificate, err := parsePublicKey(block)
		if err != nil {
			return nil, err
		}
		if certificate != nil {
			certificates = append(certificates, certificate)
		}
		keys = append(keys, key)
	}
	if len(keys) == 0 {
		return nil, errNoKey
	}
	return keys, checkNoChain(certificates)
}

func parsePublicKey(block *pem.Block) (key any, certificate *x509.Certificate, err error) {
	switch block.Type {
	case "PUBLIC KEY":
		key, err = x509.ParsePKIXPublicKey(block.Bytes)
	case "RSA PUBLIC KEY":
		key, err = x509.ParsePKCS1PublicKey(block.Bytes)
	case "CERTIFICATE":
		if certificate, err = x509.ParseCertificate(block.Bytes); err == nil {
			key = certificate.PublicKey
		}
	default:
		if strings.HasSuffix(block.Type, "PRIVATE KEY") {
			return nil, nil, errors.New("holds a private key, which only the issuer should have: make the public one of it with `openssl pkey -pubout`")
		}
		return nil, nil, fmt.Errorf("holds a %s: want a PUBLIC KEY, RSA PUBLIC KEY or CERTIFICATE", block.Type)
	}
	if err != nil {
		return nil, nil, fmt.Errorf("its %s can't be read: %w", block.Type, err)
	}
	_, err = algorithmsOf(key)
	return key, certificate, err
}

// checkNoChain refuses a certificate together with the one that signed it.
func checkNoChain(certificates []*x509.Certificate) error {
	for i, c := range certificates {
		for k, above := range certificates {
			if i != k && !c.Equal(above) && c.CheckSignatureFrom(above) == nil {
				return fmt.Errorf("its certificate %d has signed its certificate %d: leave those alone whose keys sign tokens, without the chain above them", k+1, i+1)
			}
		}
	}
	return nil
}

// ParsePrivateKey returns the first private key in a PEM file, for making tokens: PKCS #8, PKCS #1 or
// SEC 1, not encrypted.
func ParsePrivateKey(text []byte) (crypto.Signer, error) {
	block, _ := nextBlock(text)
	if block == nil {
		return nil, errNoKey
	}
	var key any
	var err error
	switch {
	case block.Type == "ENCRYPTED PRIVATE KEY" || block.Headers["DEK-Info"] != "":
		return nil, errors.New("holds an encrypted key: decrypt it with `openssl pkey`")
	case block.Type == "PRIVATE KEY":
		key, err = x509.ParsePKCS8PrivateKey(block.Bytes)
	case block.Type == "RSA PRIVATE KEY":
		key, err = x509.ParsePKCS1PrivateKey(block.Bytes)
	case block.Type == "EC PRIVATE KEY":
		key, err = x509.ParseECPrivateKey(block.Bytes)
	default:
		return nil, fmt.Errorf("holds a %s: want a PRIVATE KEY, RSA PRIVATE KEY or EC PRIVATE KEY", block.Type)
	}
	if err != nil {
		return nil, fmt.Errorf("its %s can't be read: %w", block.Type, err)
	}
	signer, ok := key.(crypto.Signer)
	if !ok {
		return nil, fmt.Errorf("holds a key that can't sign (%T)", key)
	}
	if _, err := algorithmsOf(signer.Public()); err != nil {
		return nil, err
	}
	return signer, nil
}

var errNoKey = errors.New("holds no key in PEM, which begins with -----BEGIN")

// nextBlock returns the first block of a PEM text, and the text behind it; nil at the end. The
// parameters that openssl ecparam puts before a key are passed over.
func nextBlock(text []byte) (block *pem.Block, rest []byte) {
	block, rest = pem.Decode(text)
	for block != nil && block.Type == "EC PARAMETERS" {
		block, rest = pem.Decode(rest)
	}
	return block, rest
}

// CheckPEM refuses a text without PEM, and one with a block that is cut off or broken, which pem.Decode skips: the file
// may still be being written. The error is meant to follow the file's name.
func CheckPEM(text []byte) error {
	blocks := 0
	for block, rest := pem.Decode(text); block != nil; block, rest = pem.Decode(rest) {
		blocks++
	}
	switch begun := bytes.Count(text, []byte("-----BEGIN ")); {
	case begun == 0:
		return errors.New("holds no PEM, which begins with -----BEGIN")
	case blocks < begun:
		return fmt.Errorf("holds %d blocks of PEM, of which %d can be read: is it whole?", begun, blocks)
	}
	return nil
}

// Algorithms returns the algorithms (RFC 7518 section 3.1, RFC 8037) that fit the key of an Issuer, the
// default first; none if key can't be one. An algorithm fits only one type of key: if a public key passed
// for the secret of an HMAC, anybody could make tokens.
func Algorithms(key any) []string {
	algorithms, _ := algorithmsOf(key)
	return algorithms
}

// algorithmsOf is Algorithms, and why a key can't be that of an issuer though they fit its type.
func algorithmsOf(key any) (fit []string, err error) {
	switch key := key.(type) {
	case []byte:
		fit = []string{"HS256", "HS384", "HS512"}
		switch {
		case len(key) == 0:
			err = errors.New("the secret is empty")
		case bytes.HasPrefix(bytes.TrimSpace(key), []byte("-----BEGIN ")):
			// A public key is known to all, so anybody could make tokens with it as a secret.
			err = errors.New("the secret is a PEM file: if it is the issuer's public key, give it as that")
		}
	case *rsa.PublicKey:
		fit = []string{"RS256", "RS384", "RS512", "PS256", "PS384", "PS512"}
		switch {
		case key == nil || key.N == nil:
			err = errNone
		case key.N.BitLen() < minRSA:
			err = fmt.Errorf("the RSA key has %d bits: want %d or more", key.N.BitLen(), minRSA)
		}
	case *ecdsa.PublicKey:
		if key == nil || key.Curve == nil {
			return nil, errNone
		}
		switch key.Curve {
		case elliptic.P256():
			fit = []string{"ES256"}
		case elliptic.P384():
			fit = []string{"ES384"}
		case elliptic.P521():
			fit = []string{"ES512"}
		default:
			err = fmt.Errorf("the key is on the curve %s: want P-256, P-384 or P-521", key.Curve.Params().Name)
		}
	case ed25519.PublicKey:
		fit = []string{"EdDSA"}
		if len(key) != ed25519.PublicKeySize {
			err = fmt.Errorf("the Ed25519 key has %d bytes: want %d", len(key), ed25519.PublicKeySize)
		}
	case nil:
		err = errNone
	case crypto.Signer:
		err = errors.New("the key is a private one: give the public one")
	default:
		err = fmt.Errorf("no algorithm is known for a key of type %T: want RSA, ECDSA or Ed25519", key)
	}
	return fit, err
}

var errNone = errors.New("there is no key")
