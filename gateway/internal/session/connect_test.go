package session

import (
	"runtime"
	"strings"
	"testing"
	"time"
	"weak"

	"github.com/stompgw/stompgw/gateway/registry"
)

func TestConnected(t *testing.T) {
	for _, version := range []string{"1.0", "1.1", "1.2"} {
		p := newRig(t).accept()
		p.feed("CONNECT\naccept-version:" + version + "\n\n^@")
		id := p.s.id
		// CONNECTED is the same in all versions, and never escaped.
		p.want("CONNECTED\nversion:" + version + "\nheart-beat:10000,10000\nuser-name:" + p.s.Principal() +
			"\nsession:" + p.host.Node.Key(id) + "\nserver:stompgw/test\n\n")
		if want := p.host.Node.Principal(id, time.UnixMilli(p.s.connected)); p.s.Principal() != want {
			t.Errorf("principal %s, want %s", p.s.Principal(), want)
		}
	}
}

func TestRegistryEntry(t *testing.T) {
	for name, end := range map[string]func(p *peer){
		"DISCONNECT":        func(p *peer) { p.feed("DISCONNECT\n\n^@") },
		"connection closed": func(p *peer) { p.do(func() { p.s.Closed(nil) }) },
		"fault":             func(p *peer) { p.feed("WHAT\n\n^@") },
		"drain":             func(p *peer) { p.do(p.s.Drain) },
		"too slow":          func(p *peer) { p.do(p.s.Overflow) },
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t)
			p := r.accept()
			if n := len(r.book.Sessions()); n != 0 {
				t.Fatalf("%d sessions before CONNECT", n)
			}
			p.feed("CONNECT\naccept-version:1.1\n\n^@")
			list := r.book.Sessions()
			want := registry.Session{ID: p.s.id, ConnectedAt: time.UnixMilli(p.s.connected), Transport: "tcp", Remote: p.conn.Remote(), Version: "1.1"}
			if len(list) != 1 || list[0] != want {
				t.Fatalf("got %+v, want %+v", list, want)
			}
			if open := r.host.Stats.Open.Load(); open != 1 {
				t.Errorf("%d open", open)
			}
			end(p)
			if n := len(r.book.Sessions()); n != 0 {
				t.Errorf("%d sessions after the end", n)
			}
			if open := r.host.Stats.Open.Load(); open != 0 {
				t.Errorf("%d open after the end", open)
			}
		})
	}
}

// A session that has ended is held by nobody.
func TestEndedSessionIsForgotten(t *testing.T) {
	r := newRig(t)
	p := r.connect("1.2").errors()
	p.feed("SUBSCRIBE\nid:1\ndestination:/topic/a\nack:client\nreceipt:1\n\n^@BEGIN\ntransaction:t\n\n^@" +
		"SEND\ndestination:/topic/a\ntransaction:t\n\nx^@SEND\ndestination:/topic/a\nreceipt:2\n\nx^@")
	p.want(receipt("1"))
	r.settle(0, nil)
	p.want(receipt("2"))
	p.do(func() { p.s.Closed(nil) })
	ended := weak.Make(p.s)
	p.s = nil
	r.bus.Forget()
	r.connect("1.2") // the host has another frame in hand
	runtime.GC()
	if ended.Value() != nil {
		t.Error("something holds on to it")
	}
	runtime.KeepAlive(p)
}

// A connection that never became a session takes nothing out of the registry, and counts no end.
func TestEndBeforeConnect(t *testing.T) {
	p := newRig(t).accept()
	p.feed("SEND\ndestination:/topic/a\n\n^@")
	p.wantOne("ERROR", "message:the first frame must be CONNECT or STOMP")
	p.wantClosed(CloseProtocol)
	p.do(func() { p.s.Closed(nil) })
	if open := p.host.Stats.Open.Load(); open != 0 {
		t.Errorf("%d open", open)
	}
}

func TestSessionIDsDiffer(t *testing.T) {
	r := newRig(t)
	seen := map[string]bool{}
	for range 100 {
		p := r.connect("1.2")
		seen[p.s.Principal()] = true
		p.feed("DISCONNECT\n\n^@")
	}
	if len(seen) != 100 {
		t.Errorf("%d different principals of 100 sessions", len(seen))
	}
}

func TestNoCommonVersion(t *testing.T) {
	p := newRig(t).accept()
	p.feed("CONNECT\naccept-version:2.0,3.1\nreceipt:r\n\n^@")
	frame := p.wantOne("ERROR", "version:1.0,1.1,1.2", "content-type:text/plain", "receipt-id:r")
	if !strings.HasSuffix(frame, "\n\nSupported protocol versions are 1.0 1.1 1.2") {
		t.Errorf("got %q", frame)
	}
	p.wantClosed(CloseProtocol)
}
