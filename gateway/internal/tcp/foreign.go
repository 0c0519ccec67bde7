package tcp

import "bytes"

// NoProxy tells whoever has a load balancer send a line of the PROXY protocol.
const NoProxy = "this port does not speak the PROXY protocol: turn it off at the load balancer"

// IsProxyLine reports whether a connection begins with the PROXY protocol, of version 1 or 2 less its
// leading end-of-lines.
func IsProxyLine(b []byte) bool {
	return bytes.HasPrefix(b, []byte("PROXY ")) || bytes.HasPrefix(b, []byte(proxy2))
}

const proxy2 = "\x00\r\nQUIT\n"

// foreign says why the first bytes of a connection are no STOMP, where they are of a protocol whose client
// would wait for an answer while STOMP waits for the rest of a frame; empty if they may be STOMP. known
// is false when more have to come to tell.
func foreign(b []byte) (why string, known bool) {
	word := bytes.IndexFunc(b, func(r rune) bool { return r < 'A' || r > 'Z' })
	switch {
	case word < 0: // a command that has no end yet, or nothing at all
		return "", len(b) == 0 || len(b) > longestWord
	case IsProxyLine(b):
		return NoProxy, true
	case len(b) < len(proxy2) && bytes.HasPrefix([]byte(proxy2), b):
		return "", false
	case b[word] == ' ' && word > 0: // no command of STOMP goes on after one
		return "this port speaks plain STOMP, and not HTTP: HTTP and WebSocket have a port of their own", true
	case b[0] == 0x16: // a handshake, RFC 8446 section 5.1
		return "this port speaks plain STOMP without TLS", true
	}
	return "", true
}

// longestWord is as long as the name of a method of HTTP may be to be recognised, in bytes.
const longestWord = 20
