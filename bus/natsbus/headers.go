package natsbus

import (
	"maps"
	"net/url"
	"slices"
	"strings"

	"github.com/nats-io/nats.go"

	"github.com/stompgw/stompgw/bus"
)

// A header entry travels as the NATS header of the same name and value, so that any NATS client
// can read and set it. What NATS headers can't say is told by five headers of ours:
//
//	Stomp-Escaped: <name>:<value>  an entry whose name is no token, is reserved, or makes NATS
//	                               clients take a message for a server's word (Status), or whose
//	                               value NATS would change (control bytes, blanks at an end);
//	                               both parts with %HH as in a URL
//	Stomp-Order: <name> <name>...  the NATS headers in the sender's order, for NATS clients keep
//	                               it only within one name; left out when it is that of the
//	                               sorted names
//	Stomp-Principal: <principal>   of an individual envelope, with %HH
//	Stomp-Destination: <dest>      of an individual envelope, with %HH
//	Stomp-Member: <member>         who sent it, where subscribers see that, with %HH
//
// Names that begin with Nats- make a server act (trace, deduplicate), so a client's go escaped,
// and a foreign publisher's are not passed on. Prefixes match in any case.
const (
	escapedHeader     = "Stomp-Escaped"
	orderHeader       = "Stomp-Order"
	principalHeader   = "Stomp-Principal"
	destinationHeader = "Stomp-Destination"
	memberHeader      = "Stomp-Member"
)

// headerEncoder makes the NATS headers of one envelope after the other in the same memory.
type headerEncoder struct {
	header nats.Header
	names  []string // in the sender's order
	values []string // what the lists in header are cut from
}

// encode returns the NATS headers of e, nil when it needs none. They are valid until the next call.
func (enc *headerEncoder) encode(e *bus.Envelope) nats.Header {
	if len(e.Headers) == 0 && e.Principal == "" && e.Member == "" {
		return nil
	}
	enc.reset()
	for _, entry := range e.Headers {
		name, value := wireEntry(entry)
		enc.names = append(enc.names, name)
		enc.add(name, value)
	}
	if !slices.IsSorted(enc.names) {
		enc.add(orderHeader, strings.Join(enc.names, " "))
	}
	if e.Principal != "" {
		enc.add(principalHeader, escape(e.Principal))
		enc.add(destinationHeader, escape(e.Destination))
	}
	if e.Member != "" {
		enc.add(memberHeader, escape(e.Member))
	}
	return enc.header
}

func (enc *headerEncoder) reset() {
	if enc.header == nil {
		enc.header = make(nats.Header)
	}
	clear(enc.header)
	enc.names, enc.values = enc.names[:0], enc.values[:0]
}

func (enc *headerEncoder) add(name, value string) {
	if earlier, ok := enc.header[name]; ok {
		enc.header[name] = append(earlier, value)
		return
	}
	n := len(enc.values)
	enc.values = append(enc.values, value)
	enc.header[name] = enc.values[n : n+1 : n+1] // a list of one, which an append moves away
}

// encodeForBackend returns the NATS headers of what goes to a backend: those of the gateway, which begin with "stomp-" and which nobody else
// can write, go as they are, others as ever, and the order is of no use. They are valid until the next call.
func (enc *headerEncoder) encodeForBackend(headers []bus.Header) nats.Header {
	enc.reset()
	for _, entry := range headers {
		if strings.HasPrefix(entry.Name, "stomp-") && isToken(entry.Name) && isPlainValue(entry.Value) {
			enc.add(entry.Name, entry.Value)
		} else {
			enc.add(wireEntry(entry))
		}
	}
	return enc.header
}

// wireEntry returns the NATS header that carries entry.
func wireEntry(entry bus.Header) (name, value string) {
	if isToken(entry.Name) && !isReserved(entry.Name) && !isStatus(entry.Name) && isPlainValue(entry.Value) {
		return entry.Name, entry.Value
	}
	return escapedHeader, escape(entry.Name) + ":" + escape(entry.Value)
}

// decodeHeaders returns the header entries that h carries, and takes h apart.
func decodeHeaders(h nats.Header) []bus.Header {
	if len(h) == 0 {
		return nil
	}
	entries := make([]bus.Header, 0, len(h))
	take := func(name string) {
		values := h[name]
		if len(values) == 0 || isReserved(name) && name != escapedHeader {
			return
		}
		h[name] = values[1:]
		if entry, ok := entryOf(name, values[0]); ok {
			entries = append(entries, entry)
		}
	}
	for name := range strings.FieldsSeq(h.Get(orderHeader)) {
		take(name)
	}
	var memory [16]string
	names := slices.AppendSeq(memory[:0], maps.Keys(h))
	slices.Sort(names)
	for _, name := range names { // without an order, or added on the way
		for range h[name] {
			take(name)
		}
	}
	return entries
}

// entryOf undoes wireEntry. ok is false for an escaped entry that is none.
func entryOf(name, value string) (entry bus.Header, ok bool) {
	if name != escapedHeader {
		return bus.Header{Name: name, Value: value}, true
	}
	name, value, ok = strings.Cut(value, ":")
	name, errName := url.PathUnescape(name)
	value, errValue := url.PathUnescape(value)
	return bus.Header{Name: name, Value: value}, ok && errName == nil && errValue == nil
}

// addressee returns whom an individual message is for, and on which destination.
func addressee(h nats.Header) (principal, destination string, ok bool) {
	principal, errPrincipal := url.PathUnescape(h.Get(principalHeader))
	destination, errDestination := url.PathUnescape(h.Get(destinationHeader))
	ok = errPrincipal == nil && errDestination == nil && principal != "" && destination != ""
	return principal, destination, ok
}

// memberOf returns who sent a message, empty for nobody that it tells.
func memberOf(h nats.Header) string {
	member, _ := url.PathUnescape(h.Get(memberHeader)) // empty after an error
	return member
}

// headerSize returns the bytes that h takes on the wire: a version line, a line for each value,
// and an empty line.
func headerSize(h nats.Header) int {
	if len(h) == 0 {
		return 0
	}
	size := len("NATS/1.0\r\n\r\n")
	for name, values := range h {
		for _, value := range values {
			size += len(name) + len(": \r\n") + len(value)
		}
	}
	return size
}

// isToken reports whether name is a token of RFC 9110, section 5.6.2, which every NATS client
// takes as a header name.
func isToken(name string) bool {
	return name != "" && !strings.ContainsFunc(name, func(r rune) bool {
		return r >= 0x7f || !isPlainByte(byte(r)) && !strings.ContainsRune("!#$%&'*+.^`|~", r)
	})
}

func isReserved(name string) bool {
	return hasPrefixFold(name, "Nats-") || hasPrefixFold(name, "Stomp-")
}

// isStatus reports whether NATS clients take a message of that header, without a body, for what a server says.
func isStatus(name string) bool {
	return strings.EqualFold(name, "Status") || strings.EqualFold(name, "Description")
}

func hasPrefixFold(s, prefix string) bool {
	return len(s) >= len(prefix) && strings.EqualFold(s[:len(prefix)], prefix)
}

// isPlainValue reports whether value passes NATS clients and servers unchanged: they trim blanks
// at its ends, and end it at a line break.
func isPlainValue(value string) bool {
	return strings.Trim(value, " ") == value && !strings.ContainsFunc(value, func(r rune) bool { return r < ' ' || r == 0x7f })
}

// escape writes every byte of s as %HH that is not visible ASCII, or that means something here.
// url.PathUnescape undoes it.
func escape(s string) string {
	dst := make([]byte, 0, len(s)+8)
	for i := range len(s) {
		if c := s[i]; c <= ' ' || c >= 0x7f || c == '%' || c == ':' {
			dst = append(dst, '%', hexDigits[c>>4], hexDigits[c&15])
		} else {
			dst = append(dst, c)
		}
	}
	return string(dst)
}
