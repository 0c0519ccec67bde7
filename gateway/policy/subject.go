package policy

import (
	"fmt"
	"strings"
	"unicode"

	"github.com/stompgw/stompgw/gateway/destination"
)

// subject is a subject of NATS with places for what the variables of a match are bound to.
type subject []piece

// piece is a text, or a variable by its place among the Bindings.
type piece struct {
	text     string
	variable int // noVariable for a text
}

const (
	noVariable = -1
	maxSubject = 512 // bytes that a rule says
)

// newSubject reads a subject in which the variables of m may stand, anywhere in a part but the first: a sender can't choose what is the
// server's own, such as _INBOX, nor what nodes tell each other.
func newSubject(said string, m *destination.Matcher) (s subject, err error) {
	if len(said) > maxSubject {
		return nil, fmt.Errorf("has %d bytes: want %d at most", len(said), maxSubject)
	}
	for rest := said; rest != ""; {
		text, behind, begins := strings.Cut(rest, "{")
		name, after, ends := strings.Cut(behind, "}")
		switch {
		case begins != ends || strings.Contains(text, "}"):
			return nil, fmt.Errorf("%q: a variable is a name in braces, such as {room}", said)
		case begins && m.Index(name) < 0:
			return nil, fmt.Errorf("match has no variable {%s}", name)
		case strings.ContainsAny(text, "*>") || strings.ContainsFunc(text, func(r rune) bool { return unicode.IsSpace(r) || !unicode.IsPrint(r) }):
			return nil, fmt.Errorf("%q is no subject to publish to: it holds a blank, * or >", said)
		}
		if text != "" {
			s = append(s, piece{text, noVariable})
		}
		if begins {
			s = append(s, piece{variable: m.Index(name)})
		}
		rest = after
	}
	parts := strings.Split(s.pattern(), ".")
	for _, part := range parts {
		if part == "" {
			return nil, fmt.Errorf("%q has an empty part: write it like orders.in", said)
		}
	}
	switch first := parts[0]; {
	case first == "*":
		return nil, fmt.Errorf("%q begins with a variable: begin it with a part of your own, such as orders", said)
	case first[0] == '$' || first == "_INBOX":
		return nil, fmt.Errorf("%q is a subject of the server's own", said)
	}
	return s, nil
}

// pattern is the subject with "*" for each part that holds a variable.
func (s subject) pattern() string {
	const place = "\x00" // which no text holds
	var whole strings.Builder
	for _, p := range s {
		if p.variable == noVariable {
			whole.WriteString(p.text)
		} else {
			whole.WriteString(place)
		}
	}
	parts := strings.Split(whole.String(), ".")
	for i, part := range parts {
		if strings.Contains(part, place) {
			parts[i] = "*"
		}
	}
	return strings.Join(parts, ".")
}

// expand returns the subject in which variables are what they are bound to. Letters, digits, _ and - stand for themselves, and every other
// byte is =HH, as in subjects of destinations: no sender can write a dot, or a wildcard.
func (s subject) expand(b *destination.Bindings) string {
	const hexDigits = "0123456789ABCDEF"
	dst := make([]byte, 0, 128) // on the stack
	for _, p := range s {
		if p.variable == noVariable {
			dst = append(dst, p.text...)
			continue
		}
		for _, c := range []byte(b[p.variable]) {
			if 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || c == '-' || c == '_' {
				dst = append(dst, c)
			} else {
				dst = append(dst, '=', hexDigits[c>>4], hexDigits[c&15])
			}
		}
	}
	return string(dst)
}
