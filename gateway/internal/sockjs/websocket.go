package sockjs

import (
	"github.com/stompgw/stompgw/gateway/internal/session"
	"github.com/stompgw/stompgw/gateway/internal/ws"
)

// message is SockJS in the messages of one WebSocket ("Support WebSocket protocol"). Its sessions
// live as long as their sockets: their ids mean nothing.
type message struct {
	max   int
	begun []byte // of a message that goes on; nil for none
}

// NewContent makes the content of one WebSocket connection.
func (s *Service) NewContent() ws.Content { return &message{max: s.MaxPayload} }

// Take implements ws.Content.
func (m *message) Take(_ bool, payload []byte, last bool, feed func([]byte)) error {
	if len(m.begun)+len(payload) > m.max {
		return ws.ErrTooBig
	}
	if !last || len(m.begun) > 0 {
		m.begun = append(m.begun, payload...)
		payload = m.begun
	}
	if !last {
		return nil
	}
	m.begun = nil
	texts, err := parseMessage(payload)
	for _, text := range texts {
		feed([]byte(text))
	}
	return err
}

func (m *message) Transport() string        { return "sockjs-websocket" }
func (m *message) Framing() session.Framing { return webSocketFraming{} }
func (m *message) Open() []byte             { return []byte(openFrame) }
func (m *message) Beat() []byte             { return []byte(heartbeat) }

func (m *message) Goodbye(code session.CloseCode, reason string) []byte {
	return []byte(closeFrame(int(code), reason))
}
