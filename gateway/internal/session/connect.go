package session

import (
	"encoding/json"
	"strings"
	"time"

	"github.com/stompgw/stompgw/gateway/auth"
	"github.com/stompgw/stompgw/gateway/registry"
	"github.com/stompgw/stompgw/gateway/stomp"
)

// connect answers CONNECT or STOMP ("CONNECT or STOMP Frame"). A host header is not asked for:
// stomp.js 2 sends none, and there are no virtual hosts.
func (s *Session) connect(f *stomp.Frame, who *auth.Identity) error {
	accept, present := f.Header.Get("accept-version")
	version, err := stomp.NegotiateVersion(accept, present)
	if err != nil {
		return err
	}
	if version > stomp.V10 && len(f.Body) > 0 {
		return faultf("Body", "%s must not have a body", f.Command)
	}
	var client stomp.HeartBeat
	if value, ok := f.Header.Get("heart-beat"); ok {
		if client, err = stomp.ParseHeartBeat(value); err != nil && version > stomp.V10 { // which has no such header
			return err
		}
	}
	if who == nil && s.host.LoginOnly {
		s.turnAway(receiptOf(f), "log in: CONNECT needs an Authorization header with a token that is good")
		return nil
	}
	answer := s.host.HeartBeat.Answer(client)
	agreed := answer.Agree(client)
	s.sendEvery, s.recvEvery = agreed.Send, agreed.Receive

	now := time.Now()
	s.version, s.state, s.connected = version, open, now.UnixMilli()
	s.dec.SetVersion(version)
	s.id = s.host.Local.Join(s)
	s.host.Stats.Open.Add(1)
	s.enroll()
	_, named, _ := tokenOf(f)
	s.greet(answer, who, named)
	s.conn.SetTimer(s.untilDue(0))
	return nil
}

// enroll publishes the session, or what has changed of it.
func (s *Session) enroll() {
	entry := registry.Session{
		ID:          s.id,
		ConnectedAt: time.UnixMilli(s.connected),
		Transport:   s.conn.Transport(),
		Remote:      s.conn.Remote(),
		Version:     s.version.String(),
	}
	if s.login != nil {
		entry.Member, entry.Expires = s.login.who.Member, s.login.who.Expires
	}
	s.host.Registry.Add(entry)
}

// greet sends CONNECTED, whose header is never escaped ("Value Encoding"). It says who the session is of, or
// what became of the token that the client has brought.
func (s *Session) greet(answer stomp.HeartBeat, who *auth.Identity, named bool) {
	const unescaped = stomp.Version(0)
	out := stomp.AppendCommand(s.host.out[:0], "CONNECTED")
	out = stomp.AppendEntry(out, unescaped, "version", s.version.String())
	out = stomp.AppendEntry(out, unescaped, "heart-beat", answer.String())
	out = stomp.AppendEntry(out, unescaped, "user-name", s.Principal())
	out = stomp.AppendEntry(out, unescaped, "session", s.host.Node.Key(s.id))
	out = stomp.AppendEntry(out, unescaped, "server", s.host.Server)
	switch {
	case who != nil:
		if id := idOf(who.Member); !strings.ContainsAny(id, "\r\n\x00") {
			out = stomp.AppendEntry(out, unescaped, "member", id)
		}
	case named && s.late:
		out = stomp.AppendEntry(out, unescaped, "token", "expired")
	case named:
		out = stomp.AppendEntry(out, unescaped, "token", "refused")
	}
	s.queue(stomp.AppendEnd(out))
}

// idOf is a member's id as people write it: the number, or the text, that the JSON says.
func idOf(member string) string {
	var text string
	if json.Unmarshal([]byte(member), &text) != nil {
		return member // a number
	}
	return text
}
