package sockjs

import (
	"github.com/stompgw/stompgw/gateway/internal/session"
	"github.com/stompgw/stompgw/gateway/internal/ws"
)

// message is SockJS in the messages of one WebSocket ("Support WebSocket protocol"). Its sessions
// live as long as their sockets: their ids mean nothing.
type message struct{ in inflow }

// NewContent makes the content of one WebSocket connection.
func (s *Service) NewContent() ws.Content {
	return &message{inflow{unpacker: unpacker{bare: true}, apart: s.Apart}}
}

// Take implements ws.Content. ws has checked that a text message is UTF-8.
func (m *message) Take(text bool, payload []byte, last bool, feed func([]byte)) error {
	if !text {
		return errBrokenJSON
	}
	if err := m.in.take(payload, feed); err != nil || !last {
		return err
	}
	if !m.in.complete() {
		return errBrokenJSON
	}
	m.in.unpacker = unpacker{bare: true} // of the next message
	return nil
}

func (m *message) Transport() string        { return "sockjs-websocket" }
func (m *message) Framing() session.Framing { return webSocketFraming{} }
func (m *message) Open() []byte             { return []byte(openFrame) }
func (m *message) Beat() []byte             { return []byte(heartbeat) }

func (m *message) Goodbye(code session.CloseCode, reason string) []byte {
	return []byte(closeFrame(int(code), reason))
}
