package bench

import (
	"bytes"
	"io"
	"net"
	"net/http"
	"slices"
	"sync"
	"testing"

	"github.com/gobwas/ws"
	"github.com/gobwas/ws/wsutil"
	"github.com/spf13/cobra"
	"go.uber.org/goleak"

	"github.com/stompgw/stompgw/cmd/internal/cli/clitest"
	"github.com/stompgw/stompgw/gateway/stomp"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func run(t *testing.T, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	return clitest.Room(func() []*cobra.Command { return []*cobra.Command{Command()} }).Run(t, nil, args...)
}

// server is a STOMP server as good or bad as a test wants it.
type server struct {
	t      *testing.T
	answer func(p *peer, f *stomp.Frame) bool               // takes a frame, or leaves it to the server
	relay  func(s stamp, body []byte, deliver func([]byte)) // of each SEND to each subscriber; nil delivers

	mu    sync.Mutex
	peers map[*peer][]string // subscribers, and to what
	wg    sync.WaitGroup
}

// peer is a connection of a server.
type peer struct {
	mu    sync.Mutex
	nc    net.Conn
	write func([]byte) error
}

func (p *peer) say(command, head string, body []byte) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.write(append(append([]byte(command+"\n"+head+"\n"), body...), 0)) // it fails when the client has gone
}

// url serves and returns where.
func (s *server) url(scheme string) string {
	s.peers = map[*peer][]string{}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() { ln.Close(); s.wg.Wait() })
	s.wg.Go(func() {
		for {
			nc, err := ln.Accept()
			if err != nil {
				return
			}
			s.wg.Go(func() { s.serve(nc, scheme == "ws") })
		}
	})
	return scheme + "://" + ln.Addr().String()
}

func (s *server) serve(nc net.Conn, socket bool) {
	defer nc.Close()
	p := &peer{nc: nc, write: func(b []byte) error { _, err := nc.Write(b); return err }}
	in := io.Reader(nc)
	if socket {
		if _, err := (ws.Upgrader{Protocol: func(p []byte) bool { return string(p) == "v12.stomp" }}).Upgrade(nc); err != nil {
			s.t.Error(err)
			return
		}
		in = &messages{nc}
		p.write = func(b []byte) error { // in two frames, with a ping between
			head, tail := b[:len(b)/3], b[len(b)/3:]
			ws.WriteFrame(nc, ws.NewFrame(ws.OpText, false, head))
			ws.WriteFrame(nc, ws.NewPingFrame([]byte("x")))
			return ws.WriteFrame(nc, ws.NewFrame(ws.OpContinuation, true, tail))
		}
	}
	limits := frameLimits(1 << 20)
	dec := stomp.NewDecoder(limits)
	buf := make([]byte, 16<<10)
	for {
		n, err := in.Read(buf)
		if err != nil {
			break
		}
		dec.Feed(buf[:n])
		var f stomp.Frame
		for dec.Next(&f) == nil {
			s.frame(p, &f)
		}
	}
	s.mu.Lock()
	delete(s.peers, p)
	s.mu.Unlock()
}

// messages reads what is in the messages of a WebSocket client.
type messages struct{ nc net.Conn }

func (m *messages) Read(b []byte) (int, error) {
	for {
		text, op, err := wsutil.ReadClientData(m.nc)
		if err != nil {
			return 0, err
		}
		if op == ws.OpText {
			return copy(b, text), nil
		}
	}
}

func (s *server) frame(p *peer, f *stomp.Frame) {
	if s.answer != nil && s.answer(p, f) {
		return
	}
	destination, _ := f.Header.Get(stomp.HeaderDestination)
	switch f.Command {
	case stomp.CommandConnect:
		p.say("CONNECTED", "version:1.2\n", nil)
	case stomp.CommandSubscribe:
		s.mu.Lock()
		s.peers[p] = append(s.peers[p], string(destination))
		s.mu.Unlock()
	case stomp.CommandDisconnect:
		p.say("RECEIPT", "receipt-id:goodbye\n", nil)
	case stomp.CommandSend:
		s.send(string(destination), bytes.Clone(f.Body))
	}
}

func (s *server) send(destination string, body []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for p, to := range s.peers {
		if !slices.Contains(to, destination) {
			continue
		}
		deliver := func(body []byte) {
			p.say("MESSAGE", "message-id:1\nsubscription:0\ndestination:"+destination+"\n", body)
		}
		if m, _ := readStamp(body); s.relay != nil && m.seq > 0 {
			s.relay(m, body, deliver)
		} else {
			deliver(body)
		}
	}
}

// notFound is a server that knows no STOMP.
func notFound(t *testing.T) string {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := &http.Server{Handler: http.NotFoundHandler()}
	var wg sync.WaitGroup
	wg.Go(func() { server.Serve(ln) })
	t.Cleanup(func() { server.Close(); wg.Wait() })
	return "ws://" + ln.Addr().String() + "/stomp"
}
