package front

import (
	"io"
	"net/http"
	"net/netip"
	"strings"
	"time"

	"github.com/stompgw/stompgw/gateway/internal/loop"
	"github.com/stompgw/stompgw/gateway/internal/sockjs"
)

const (
	pollIdle   = time.Minute // between two requests on a connection that is kept
	maxIgnored = 64 << 10    // bytes of a body that nobody has asked for
)

// receive answers a request by which a SockJS client receives, as the first on its connection or the
// next on one that is kept, without net/http: it may wait for long. It reports false if net/http
// has to word what is wrong with it.
func (v *visitor) receive(m *mount, at sockjs.Resource, r *http.Request, size int, b []byte) (taken int, ok bool) {
	plain := r.Proto == "HTTP/1.1" && isPlainHost(r.Host) && r.ContentLength == 0 && r.Header.Get("Expect") == ""
	if at.Kind != sockjs.Receive || !plain || !v.door.admitsTo(m, r, at) {
		return 0, false
	}
	rc, refusal := m.NewReceiver(r, at, v.door.next())
	if refusal != nil {
		return 0, false
	}
	own := v.sock.Loop()
	switch l := m.Place(rc, own, v.host(), v.sock.Remote, v.door.isFull); l {
	case nil:
		return 0, false
	case own:
		v.sock.Handle(rc.Begin(v.sock))
		return size, true
	default:
		v.sock.Move(l, size, b, rc.Begin)
		return len(b), true
	}
}

// isPlainHost reports whether a Host header is one beyond doubt; net/http judges the others.
func isPlainHost(host string) bool {
	return host != "" && !strings.ContainsFunc(host, func(c rune) bool {
		return (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && (c < '0' || c > '9') && !strings.ContainsRune(".-_:[]", c)
	})
}

// next returns what handles a connection after an answer. It is nil, which closes the connection,
// on a node that stops: a proxy that kept it would send a request just as the node closes it.
func (d *Door) next() func(*loop.Conn) loop.Handler {
	if d.Stopping() {
		return nil
	}
	return d.nextVisitor
}

// receiveHTTP is visitor.receive for a request that net/http has read.
func (d *Door) receiveHTTP(w http.ResponseWriter, r *http.Request, m *mount, at sockjs.Resource) {
	if r.ProtoMajor != 1 {
		http.Error(w, "a request that waits needs HTTP/1.1, and this one came as "+r.Proto+": don't offer HTTP/2 here", http.StatusHTTPVersionNotSupported)
		return
	}
	var next func(*loop.Conn) loop.Handler // what comes next on a foreign server's connection is not ours
	if isOwn(r) {
		next = d.next()
	}
	rc, refusal := m.NewReceiver(r, at, next)
	if refusal != nil {
		refusal.Write(w)
		return
	}
	if n, err := io.Copy(io.Discard, io.LimitReader(r.Body, maxIgnored+1)); err != nil || n > maxIgnored {
		http.Error(w, "a request of this kind has no body", http.StatusRequestEntityTooLarge)
		return
	}
	var place *loop.Loop
	if h := d.house.Load(); h != nil {
		remote := func() netip.AddrPort {
			addr, _ := netip.ParseAddrPort(r.RemoteAddr) // the zero value when it has none
			return addr
		}
		l, host := h.next()
		place = m.Place(rc, l, host, remote, d.isFull)
	}
	if place == nil {
		d.refuseFull(w)
		return
	}
	nc, rest, err := hijack(w)
	if err != nil {
		http.Error(w, "this server can't let a request wait: "+err.Error(), http.StatusInternalServerError)
		return
	}
	place.AdoptConn(nc, rest, rc.Begin)
}
