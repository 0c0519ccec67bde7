package sockjs

import (
	"github.com/stompgw/stompgw/gateway/internal/session"
	"github.com/stompgw/stompgw/gateway/internal/ws"
)

// message is SockJS in the messages of one WebSocket ("Support WebSocket protocol"). Its sessions
// live as long as their sockets: their ids mean nothing.
type message struct {
	in    inflow
	apart bool
}

// NewContent makes the content of one WebSocket connection.
func (s *Service) NewContent() ws.Content {
	m := &message{apart: s.Apart}
	m.begin()
	return m
}

// begin begins the next message.
func (m *message) begin() {
	m.in = inflow{unpacker: unpacker{bare: true}, apart: m.apart, max: maxApart}
}

// Take implements ws.Content. ws has checked that a text message is UTF-8.
func (m *message) Take(text bool, payload []byte, last bool, feed func([]byte)) error {
	if !text {
		return errBrokenJSON
	}
	if err := m.in.take(payload, feed); err != nil {
		return err
	}
	if !last {
		return nil
	}
	if !m.in.complete() {
		return errBrokenJSON
	}
	m.begin()
	return nil
}

func (m *message) Transport() string        { return "sockjs-websocket" }
func (m *message) Framing() session.Framing { return webSocketFraming{} }
func (m *message) Open() []byte             { return []byte(openFrame) }
func (m *message) Beat() []byte             { return []byte(heartbeat) }

func (m *message) Goodbye(code session.CloseCode, reason string) []byte {
	return []byte(closeFrame(int(code), reason))
}
