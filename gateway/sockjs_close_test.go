package gateway_test

import (
	"net"
	"testing"
)

// "Handling close"
func TestSockJSHandlingClose(t *testing.T) {
	const goAway = `c[3000,"Go away!"]`
	eachWay(t, func(t *testing.T, open func(testing.TB) *browser) {
		for _, tr := range overHTTP() {
			t.Run("close frame "+tr.name, func(t *testing.T) {
				b := open(t)
				s := b.session(tr, "/close")
				for range 3 {
					s.want(goAway)
					if s.streams {
						if more, err := s.in.rest(); more != "" || err != nil {
							t.Fatalf("after the close frame: %q, %v", more, err)
						}
						s.in = nil
					}
				}
				for _, other := range overHTTP() { // whoever asks
					b.ask(other.method, s.path+other.receive, "").wantFrame(other, goAway)
				}
			})
			t.Run("close request "+tr.name, func(t *testing.T) {
				b := open(t)
				s := b.session(tr, "/echo")
				if !s.streams {
					p := b.parked(tr, s.path)
					for _, other := range overHTTP() {
						b.ask(other.method, s.path+other.receive, "").wantFrame(other, stillOpen)
					}
					s.say(`["a"]`)
					p.want(tr, `a["a"]`)
					s.say(`["b"]`)
					s.want(`a["b"]`)
					return
				}
				for _, other := range overHTTP() {
					b.ask(other.method, s.path+other.receive, "").wantFrame(other, stillOpen)
				}
				s.say(`["a"]`)
				s.want(`a["a"]`)
			})
		}
	})
}

// cuts are the ways in which a client goes.
func cuts() map[string]func(net.Conn) {
	return map[string]func(net.Conn){
		"close":      func(c net.Conn) { c.Close() },
		"reset":      func(c net.Conn) { c.(*net.TCPConn).SetLinger(0); c.Close() },
		"half-close": func(c net.Conn) { c.(*net.TCPConn).CloseWrite() },
	}
}

// wantInterrupted asks until the node has noticed that the receiver is gone. Then each answer says
// so.
func (b *browser) wantInterrupted(s *sock) {
	b.t.Helper()
	ask := &sock{browser: b, transport: xhrPolling(), path: s.path}
	eventually(b.t, "the node notices that the receiver is gone", func() bool {
		got, err := ask.frame()
		if err != nil || got != stillOpen && got != interrupted {
			b.t.Fatalf("got %q, %v", got, err)
		}
		return got == interrupted
	})
	for _, tr := range overHTTP() {
		b.ask(tr.method, s.path+tr.receive, "").wantFrame(tr, interrupted)
	}
}
