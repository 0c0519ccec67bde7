package policy

import (
	"bytes"
	"strings"
)

// Travels reports whether a header entry of a message may reach subscribers and brokers. What STOMP
// itself means by a header stays behind, since MESSAGE has its own; and so does, in any case of
// letters, what proves who sent it, or looks like that. It may be called from any goroutine.
func Travels(name string, value []byte) bool {
	return name == "content-type" || !IsReserved(name) && !IsSecret(name) && !looksLikeToken(value)
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

// IsSecret reports whether a header of that name proves who sent it, in any case of letters.
func IsSecret(name string) bool {
	switch strings.ToLower(strings.TrimSpace(name)) {
	case "authorization", "proxy-authorization", "cookie", "login", "passcode", "client-request-code":
		return true
	}
	return false
}

// looksLikeToken reports whether value is a bearer token under whatever name, or holds a JWT.
func looksLikeToken(value []byte) bool {
	const bearer = "Bearer" // in any case of letters, RFC 7235 section 2.1
	value = bytes.TrimSpace(value)
	if len(value) > len(bearer) && bytes.EqualFold(value[:len(bearer)], []byte(bearer)) && endsToken(rune(value[len(bearer)])) {
		return true
	}
	if !bytes.Contains(value, []byte(jwtStart)) {
		return false
	}
	for word := range bytes.FieldsFuncSeq(value, endsToken) {
		// Three parts when it is signed, five when encrypted.
		if dots := bytes.Count(word, []byte{'.'}); bytes.HasPrefix(word, []byte(jwtStart)) && (dots == 2 || dots == 4) {
			return true
		}
	}
	return false
}

// jwtStart is {" in base64, which is how a JSON Web Token begins (RFC 7519 section 3).
const jwtStart = "eyJ"

// endsToken reports whether c stands in no JSON Web Token.
func endsToken(c rune) bool {
	alphanumeric := c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9'
	return !alphanumeric && c != '-' && c != '_' && c != '.'
}
