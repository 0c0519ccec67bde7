package auth

import (
	"cmp"
	"crypto/ecdsa"
	"encoding/base64"
	"errors"
	"math/big"
	"strings"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

// maxToken is how long a token may be, in bytes. A longer one isn't looked at.
const maxToken = 8 << 10

// verdict is what a check of a token has found: an identity or a fault.
type verdict struct {
	id    *Identity
	fault *Error
	until time.Time // when it is forgotten; of a check alone, when the fault will be none, or zero
	by    *issuers  // of a fault: who found it, as others might not; nil of a check alone
}

func tooLong() *Error {
	return fault(CheckForm, "the token is longer than %d bytes", maxToken)
}

// check judges a token at now by itself. Nothing that it says of keys (the headers kid, jku, jwk,
// x5u, x5c) is looked at: the claim "iss" chooses among the configured ones, and no file or address
// is opened for it.
func (a *Authenticator) check(all issuers, token string, now time.Time) verdict {
	if len(token) > maxToken {
		return verdict{fault: tooLong()}
	}
	// The decoder of base64 skips line ends: with one added, the token would be as good, but not the
	// one that the list of revocations has. WithStrictDecoding is for the same reason.
	if strings.ContainsAny(token, "\r\n") {
		return verdict{fault: fault(CheckForm, "the token has line ends in it")}
	}
	said := &claims{}
	by, signer, signature, f := a.verifySignature(all, token, said)
	if f != nil {
		return verdict{fault: f}
	}
	if token[0] != 'e' { // of a brace: with blanks before, it would not look like a token to whoever keeps tokens back
		return verdict{fault: fault(CheckForm, "the header does not begin with a brace")}
	}
	id := &Identity{Claims: said.values, token: token, by: a, issuer: by.name, key: signer, standing: &standing{}}
	if public, ok := signer.value.(*ecdsa.PublicKey); ok && a.cfg.Revoked != nil {
		id.twin = twinOf(token, signature, public)
	}
	return a.judge(id, said, by, now)
}

// verifySignature reads a token into said, and returns whose it is and which key has signed it.
func (a *Authenticator) verifySignature(all issuers, token string, said *claims) (by *issuer, signer *key, signature []byte, f *Error) {
	t, parts, err := a.parser.ParseUnverified(token, said)
	if err != nil {
		return nil, nil, nil, faultOf(err)
	}
	if by, f = all.of(said.values["iss"]); f == nil {
		f = by.checkHeader(t)
	}
	if f == nil {
		signer, f = by.signer(t.Method, token[:len(token)-len(parts[2])-1], t.Signature)
	}
	return by, signer, t.Signature, f
}

// checkHeader checks what has to be right before the signature means anything. The parser finds the
// method by the token's own word, which counts only if the issuer is pinned to it; New has seen that
// the key is of that method's type, and so does the method.
func (i *issuer) checkHeader(t *jwt.Token) *Error {
	if !i.pins(t.Method.Alg()) {
		return fault(CheckAlgorithm, "the header \"alg\" is not %s, by which this issuer signs", strings.Join(i.algorithms, " or "))
	}
	switch kind, _ := t.Header["typ"].(string); {
	case strings.EqualFold(kind, "JWT"):
	case strings.EqualFold(kind, "at+jwt"), strings.EqualFold(kind, "application/at+jwt"): // RFC 9068 section 4
	default:
		return fault(CheckType, "the header \"typ\" is not JWT")
	}
	if _, ok := t.Header["crit"]; ok {
		// RFC 7515 section 4.1.11: none of the extensions that it may name is understood here.
		return fault(CheckForm, "the header \"crit\" asks for an extension, and none is known")
	}
	return nil
}

// faultOf says what the parser has found. Its own words may quote the token.
func faultOf(err error) *Error {
	var f *Error
	switch {
	case errors.As(err, &f):
		return f
	case errors.Is(err, jwt.ErrTokenUnverifiable):
		return fault(CheckAlgorithm, "the header \"alg\" is missing, or names no algorithm that is known")
	}
	return fault(CheckForm, "the token is no JWT: want three parts of base64url, the first two of them JSON objects")
}

// judge fills in the identity of a token that by has signed, if what it says lets it be taken. Of several faults
// the first counts.
func (a *Authenticator) judge(id *Identity, said *claims, by *issuer, now time.Time) (v verdict) {
	var faults [6]*Error
	var from time.Time
	id.Expires, faults[0] = said.expires(now, a.cfg.Leeway)
	from, faults[1] = said.begun(now, a.cfg.Leeway)
	faults[2] = said.audience(by.audience)
	faults[3] = said.usage(a.cfg.Usage, a.cfg.Access)
	id.Member, faults[4] = said.member(a.cfg.Member)
	id.Roles, faults[5] = said.roles(a.cfg.Roles)
	switch v.fault = cmp.Or(faults[:]...); v.fault {
	case nil:
		v.id = id
	case faults[1]:
		v.until = from
	}
	return v
}

// twinOf returns another token with the same claims that is as good: where (r, s) is an ECDSA
// signature, (r, n-s) is one too, and anybody can compute it. Who takes a token back takes back both.
func twinOf(token string, signature []byte, key *ecdsa.PublicKey) string {
	half := len(signature) / 2
	s := new(big.Int).SetBytes(signature[half:])
	s.Sub(key.Curve.Params().N, s)
	other := append(signature[:half:half], s.FillBytes(make([]byte, half))...)
	return token[:strings.LastIndexByte(token, '.')+1] + base64.RawURLEncoding.EncodeToString(other)
}
