package natsbus

import (
	"fmt"
	"net/url"
	"strings"

	"github.com/stompgw/stompgw/bus"
)

// A destination becomes a subject token by token. The first says whether the destination begins
// with a slash ("d") or not ("r"); then follows one for each part between slashes. In a token the
// bytes A-Z a-z 0-9 _ - stand for themselves, every other byte is =HH with upper-case hex digits,
// and an empty part is a lone "=". So each destination has exactly one subject, and each such
// subject one destination:
//
//	/topic/chat       d.topic.chat
//	/topic/a.b/c      d.topic.a=2Eb.c
//	/x//y/            d.x.=.y.=
//	a/                r.a.=

// maxSubject is the longest subject in bytes, less on a server that takes shorter lines (limits.go). A
// server's control line holds 4,096 by default, and next to the subject stand a verb, a subscription id
// and sizes.
const maxSubject = 3500

const hexDigits = "0123456789ABCDEF"

// What appendToken writes for the parts of a watch that stand for any.
const oneEscaped, restEscaped = "=2A", "=2A=2A"

// appendSubject appends prefix and the subject of destination.
func appendSubject(dst []byte, prefix, destination string) []byte {
	dst = append(dst, prefix...)
	rest, absolute := strings.CutPrefix(destination, "/")
	if absolute {
		dst = append(dst, ".d"...)
	} else {
		dst = append(dst, ".r"...)
	}
	for more := true; more; {
		var part string
		part, rest, more = strings.Cut(rest, "/")
		dst = appendToken(append(dst, '.'), part)
	}
	return dst
}

// watchSubject returns the subject to subscribe to for a watch. In it, what stands for any part is a
// wildcard, which no token of a destination is: a part "*" is a lone "*", a last "**" a lone ">".
func watchSubject(prefix, watch string) string {
	subject := string(appendSubject(nil, prefix, watch))
	if !bus.Wide(watch) {
		return subject
	}
	tokens := strings.Split(subject[len(prefix):], ".")
	for i := range tokens {
		if tokens[i] == oneEscaped {
			tokens[i] = "*"
		}
	}
	if end := len(tokens) - 1; tokens[end] == restEscaped {
		tokens[end] = ">"
	}
	return prefix + strings.Join(tokens, ".")
}

// appendToken appends one part of a destination, or a node's name, as one token.
func appendToken(dst []byte, part string) []byte {
	if part == "" {
		return append(dst, '=')
	}
	for i := range len(part) {
		if c := part[i]; isPlainByte(c) {
			dst = append(dst, c)
		} else {
			dst = append(dst, '=', hexDigits[c>>4], hexDigits[c&15])
		}
	}
	return dst
}

func isPlainByte(c byte) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || c == '-' || c == '_'
}

// nodeSubject returns the subject of what is meant for the principals of node.
func nodeSubject(prefix, node string) string {
	return string(appendToken([]byte(prefix+".n."), node))
}

// historySubject returns the subject to which the server publishes what the stream has stored of destination, which
// begins with a slash.
func historySubject(prefix, destination string) string {
	subject := appendSubject(nil, prefix, destination)
	subject[len(prefix)+1] = 'h'
	return string(subject)
}

// inboxSubject returns what the subjects begin with on which answers come to node.
func inboxSubject(prefix, node string) string {
	return string(appendToken([]byte(prefix+".i."), node))
}

// decodeSubject returns the destination of subject. ok is false for anything that appendSubject
// does not write, such as an escape of a byte that needs none.
func decodeSubject(prefix, subject string) (destination string, ok bool) {
	rest, _ := strings.CutPrefix(subject, prefix+".")
	root, rest, _ := strings.Cut(rest, ".")
	tokens := strings.Split(rest, ".")
	for i, token := range tokens {
		if token == "=" {
			tokens[i] = ""
		} else if part, err := url.PathUnescape(strings.ReplaceAll(token, "=", "%")); err == nil {
			tokens[i] = part
		}
	}
	destination = strings.Join(tokens, "/")
	if root == "d" {
		destination = "/" + destination
	}
	var memory [128]byte
	if string(appendSubject(memory[:0], prefix, destination)) != subject {
		return "", false
	}
	return destination, true
}

// tooLong is about a subject of n bytes; what is the destination or the principal that it is made of.
func tooLong(what string, n, limit int) error {
	return fmt.Errorf("%w: %.40q... takes %d bytes as a NATS subject, at most %d are possible; bytes other than A-Z a-z 0-9 _ - / take three each",
		bus.ErrDestination, what, n, limit)
}

// checkPrefix refuses a prefix that is no subject, or that leaves too little for destinations.
func checkPrefix(prefix string) error {
	for token := range strings.SplitSeq(prefix, ".") {
		if token == "" || strings.ContainsAny(token, " \t\r\n*>") {
			return fmt.Errorf("%q is not the beginning of a NATS subject: write it like stomp or acme.stomp", prefix)
		}
	}
	if len(prefix) > 256 {
		return fmt.Errorf("has %d bytes: want 256 at most", len(prefix))
	}
	return nil
}
