package sockjs

import (
	"time"

	"github.com/stompgw/stompgw/gateway/internal/session"
)

// Echo is the Application of services for protocol test suites: each message goes back.
func Echo(_ *session.Host, c session.Conn) session.Peer { return echo{c} }

type echo struct{ conn session.Conn }

func (e echo) Feed(b []byte)          { e.conn.Queue(e.conn.Framing().Append(nil, true, b, nil)) }
func (e echo) Paused() bool           { return false }
func (e echo) Timeout() time.Duration { return 0 }
func (e echo) Overflow()              { e.conn.Close(session.ClosePolicy, "too slow") }
func (e echo) Drained()               {}
func (e echo) Drain()                 { e.conn.Close(session.CloseGoingAway, "the node is stopping") }
func (e echo) Closed(error)           {}

// GoAway is the Application of a service that closes every session at once.
func GoAway(_ *session.Host, c session.Conn) session.Peer {
	c.Close(codeGone, "Go away!")
	return echo{c}
}
