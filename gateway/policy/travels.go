package policy

import (
	"bytes"
	"strings"
)

// Travels reports whether a header entry of a message may reach subscribers and brokers. What STOMP
// itself means by a header stays behind, since MESSAGE has its own; and so does, in any case of
// letters, what proves who sent it, or looks like that. It may be called from any goroutine.
func Travels(name string, value []byte) bool {
	return !IsReserved(name) && !IsSecret(name) && !looksLikeToken([]byte(name)) && !looksLikeToken(value)
}

// IsReserved reports whether STOMP itself gives a header of that name a meaning.
func IsReserved(name string) bool {
	switch name {
	case "destination", "content-length", "receipt", "transaction", "ack", "subscription", "message-id", "heart-beat",
		"accept-version", "receipt-id":
		return true
	}
	return false
}

// IsSecret reports whether a header of that name is there to prove who sent it, in any case of
// letters.
func IsSecret(name string) bool {
	switch strings.ToLower(strings.TrimSpace(name)) {
	case "authorization", "proxy-authorization", "x-authorization", "login", "passcode", "password",
		"cookie", "cookie2", "set-cookie", "set-cookie2", "client-request-code",
		"access-token", "x-access-token", "x-auth-token", "x-api-key", "api-key":
		return true
	}
	return false
}

// looksLikeToken reports whether text holds a bearer token or a JWT, under whatever name.
func looksLikeToken(text []byte) bool {
	const bearer = "bearer" // in any case of letters, RFC 7235 section 2.1
	if len(text) <= len(bearer) {
		return false
	}
	before := false // the word before was "bearer"
	for word := range bytes.FieldsFuncSeq(text, endsToken) {
		if before || isJWT(word) {
			return true
		}
		before = len(word) == len(bearer) && strings.EqualFold(string(word), bearer)
	}
	return false
}

// isJWT: three parts when it is signed, five when encrypted.
func isJWT(word []byte) bool {
	dots := bytes.Count(word, []byte{'.'})
	return (dots == 2 || dots == 4) && bytes.HasPrefix(word, []byte(jwtStart))
}

// jwtStart is {" in base64, which is how a JSON Web Token begins (RFC 7519 section 3).
const jwtStart = "eyJ"

// endsToken reports whether c stands in no JSON Web Token.
func endsToken(c rune) bool {
	alphanumeric := c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9'
	return !alphanumeric && c != '-' && c != '_' && c != '.'
}
