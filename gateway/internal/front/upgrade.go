package front

import (
	"net/http"

	"github.com/stompgw/stompgw/gateway/internal/loop"
	"github.com/stompgw/stompgw/gateway/internal/session"
	"github.com/stompgw/stompgw/gateway/internal/sockjs"
	"github.com/stompgw/stompgw/gateway/internal/ws"
)

// upgrade returns the answer to a request for a WebSocket that is as it should be, nil for any other.
func (d *Door) upgrade(m *mount, at sockjs.Resource, r *http.Request) []byte {
	if !m.wantsUpgrade(r, at) || !d.admitsTo(m, r, at) {
		return nil
	}
	answer, _ := ws.Accept(r) // a refusal is for net/http to write
	return answer
}

// upgradeHTTP moves an upgrade that came after another request on a kept-alive connection, or to
// somebody else's server, onto a loop. It also words what is wrong with any other request to the
// endpoint.
func (d *Door) upgradeHTTP(w http.ResponseWriter, r *http.Request, m *mount, at sockjs.Resource) {
	if d.isFull() {
		d.refuseFull(w)
		return
	}
	answer, refusal := ws.Accept(r)
	switch {
	case refusal == nil && !d.admitsTo(m, r, at):
		refusal = d.refusePage(r)
	case refusal != nil && at.Kind == sockjs.WebSocket:
		refusal = reword(refusal, r)
	}
	if refusal != nil {
		refusal.Write(w)
		return
	}
	nc, rest, err := hijack(w)
	if err != nil {
		http.Error(w, "this server can't upgrade: "+err.Error(), http.StatusInternalServerError)
		return
	}
	l, host := d.house.Load().next()
	l.AdoptConn(nc, rest, func(c *loop.Conn) loop.Handler {
		c.Queue(answer)
		return d.newWebSocket(m, at, host, c)
	})
}

// newWebSocket makes the Handler of a connection whose upgrade has been answered.
func (d *Door) newWebSocket(m *mount, at sockjs.Resource, host *session.Host, c *loop.Conn) loop.Handler {
	open := func(c session.Conn) session.Peer { return m.Application(host, c) }
	switch {
	case at.Kind == sockjs.WebSocket:
		return ws.New(c, open, m.NewContent(), &m.periods)
	case m.echo:
		return ws.NewEcho(c, &d.Periods)
	}
	return ws.New(c, open, nil, &d.Periods)
}

// reword makes the refusal of an upgrade what SockJS wants at a session's own path
// ("WebsocketHttpErrors").
func reword(refusal *ws.Refusal, r *http.Request) *ws.Refusal {
	switch {
	case refusal.Status == http.StatusMethodNotAllowed:
		return &ws.Refusal{Status: refusal.Status, Allow: refusal.Allow}
	case refusal.Status == http.StatusUpgradeRequired && r.Header.Get("Upgrade") == "":
		return &ws.Refusal{Status: http.StatusBadRequest, Reason: `Can "Upgrade" only to "WebSocket".`}
	}
	return refusal
}
