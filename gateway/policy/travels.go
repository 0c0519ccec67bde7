package policy

import (
	"bytes"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Travels reports whether a header entry of a message may reach subscribers and brokers. Headers of STOMP itself stay
// behind, since MESSAGE has its own, and so do those that IsOurs reports. So does, ignoring case, what proves who sent
// it, or looks as if it did. It may be called from any goroutine.
func Travels(name string, value []byte) bool {
	return !IsReserved(name) && !IsSecret(name) && !looksLikeToken([]byte(name)) && !looksLikeToken(value)
}

// Headers that only the gateway writes, since it alone knows what they say, and their readers trust them.
const (
	// HeaderPosition is the position of a message in the history of its destination.
	HeaderPosition = "x-position"

	// HeaderMember says who sent a message, on channels that show it, by the member's name in its destinations: 7 in
	// /member/7/queue/x.
	HeaderMember = "stomp-member"

	ours = "stomp-" // what all others begin with
)

// IsOurs reports whether only the gateway writes headers of that name: HeaderPosition, or any name that begins with
// "stomp-", ignoring case and blanks around it. If anybody else writes one, it is removed.
func IsOurs(name string) bool {
	name = strings.TrimSpace(name)
	return beginsFold(name, ours) || strings.EqualFold(name, HeaderPosition)
}

// beginsFold reports whether name begins with prefix, in any case of letters: ſ, which in capitals is S, counts as one.
func beginsFold(name, prefix string) bool {
	for _, want := range prefix {
		r, size := utf8.DecodeRuneInString(name)
		if r != want && unicode.ToUpper(r) != unicode.ToUpper(want) {
			return false
		}
		name = name[size:]
	}
	return true
}

// IsReserved reports whether STOMP itself, or the gateway, gives a header of that name a meaning.
func IsReserved(name string) bool {
	switch name {
	case "destination", "content-length", "receipt", "transaction", "ack", "subscription", "message-id", "heart-beat",
		"accept-version", "receipt-id":
		return true
	}
	return IsOurs(name)
}

// IsSecret reports whether a header of that name, ignoring case, is there to prove who sent it.
func IsSecret(name string) bool {
	switch strings.ReplaceAll(strings.ToLower(strings.TrimSpace(name)), "_", "-") {
	case "authorization", "proxy-authorization", "x-authorization", "x-forwarded-authorization", "login", "passcode", "password",
		"cookie", "cookie2", "set-cookie", "set-cookie2", "client-request-code",
		"token", "x-token", "access-token", "x-access-token", "id-token", "refresh-token", "auth-token", "x-auth-token", "x-amz-security-token", "x-api-key", "api-key":
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

// isJWT reports whether word holds a JSON Web Token (RFC 7519 section 3): three parts when it is
// signed, five when encrypted, of which the first is a JSON object in base64.
func isJWT(word []byte) bool {
	for i := range word {
		if beginsObject(word[i:]) && bytes.Count(word[i:], []byte{'.'}) >= 2 {
			return true
		}
	}
	return false
}

// beginsObject reports whether base64 begins with a brace and a quotation mark or blank.
func beginsObject(b []byte) bool {
	if len(b) < 3 || b[0] != 'e' {
		return false
	}
	switch c := b[2]; b[1] {
	case 'y':
		return 'A' <= c && c <= 'L'
	case 'w':
		return 'k' <= c && c <= 'r' || '0' <= c && c <= '3'
	}
	return false
}

// Discreet returns text or, if it holds what looks like a token, words that say so. It is for logs and
// answers.
func Discreet(text string) string {
	if looksLikeToken([]byte(text)) {
		return "(looks like a token)"
	}
	return text
}

// endsToken reports whether c stands in no JSON Web Token.
func endsToken(c rune) bool {
	alphanumeric := c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9'
	return !alphanumeric && c != '-' && c != '_' && c != '.'
}
