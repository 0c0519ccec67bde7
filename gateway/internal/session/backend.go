package session

import (
	"crypto/rand"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/stompgw/stompgw/bus"
	"github.com/stompgw/stompgw/gateway/internal/router"
	"github.com/stompgw/stompgw/gateway/policy"
)

// What a backend is told of who sends, in headers that nobody else can write.
const (
	headerSession     = "stomp-session"     // the session's key
	headerPrincipal   = "stomp-principal"   // that an answer is addressed to
	headerDestination = "stomp-destination" // as the client named it
	// policy.HeaderMember: the member, none for nobody

	// router.HeaderCorrelation: what an answer says it is one to; it may be the sender's own
	maxCorrelation = 256 // bytes of such a one
)

// backend is where a publication goes, and what an answer will say that it is of.
type backend struct {
	to          bus.Target
	correlation string
}

// withBackend is what the rules made of a SEND with a backend: what it publishes, if it does, and what the backend gets.
func (s *Session) withBackend(p *passage) []publication {
	e, member := p.made[0].envelope, ""
	if p.Who != nil {
		member = p.Who.Inbox()
	}
	to := backend{p.to, correlationOf(e.Headers)}
	headers := make([]bus.Header, 0, len(e.Headers)+5)
	for _, h := range e.Headers {
		if h.Name != router.HeaderCorrelation {
			headers = append(headers, h)
		}
	}
	key := s.host.Node.Key(s.id)
	headers = append(headers, bus.Header{Name: router.HeaderCorrelation, Value: to.correlation}, bus.Header{Name: headerDestination, Value: p.origin.destination},
		bus.Header{Name: headerPrincipal, Value: s.Principal()}, bus.Header{Name: headerSession, Value: key})
	if member != "" {
		headers = append(headers, bus.Header{Name: policy.HeaderMember, Value: member})
		key = member
	}
	if to.to.Topic != "" && to.to.Key == "" {
		to.to.Key = key
	}
	made := publication{session: s, origin: p.origin, backend: &to, envelope: bus.Envelope{Headers: headers, Body: e.Body}}
	if e.Destination == "" {
		return []publication{made}
	}
	return append(p.made, made)
}

// correlationOf returns the sender's own, of repeated ones the first, or where it is no short text one that nobody else has.
func correlationOf(headers []bus.Header) string {
	for _, h := range headers {
		if h.Name != router.HeaderCorrelation {
			continue
		}
		if v := h.Value; v != "" && len(v) <= maxCorrelation && utf8.ValidString(v) && !strings.ContainsFunc(v, unicode.IsControl) {
			return v
		}
		break
	}
	return rand.Text()
}
