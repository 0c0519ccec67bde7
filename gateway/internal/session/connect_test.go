package session

import (
	"runtime"
	"strings"
	"testing"
	"time"
	"weak"

	"github.com/stompgw/stompgw/gateway/registry"
)

// TestConnected holds CONNECTED, which is the same in all versions, and never escaped.
func TestConnected(t *testing.T) {
	for _, test := range []struct{ frame, version string }{
		{"CONNECT\naccept-version:1.0", "1.0"},
		{"CONNECT\naccept-version:1.0,1.1,2.0\nhost:a\\tb:c\\\nreceipt:r", "1.1"},
		{"CONNECT\naccept-version:1.2", "1.2"},
		{"STOMP\naccept-version:1.2", "1.2"},
		{"STOMP", "1.0"},
		{"CONNECT\nheart-beat:no,such header", "1.0"}, // in 1.0 it means nothing
	} {
		p := newRig(t).accept()
		p.feed("\n\r\n" + test.frame + "\n\n^@")
		id := p.s.id
		p.want("CONNECTED\nversion:" + test.version + "\nheart-beat:10000,10000\nuser-name:" + p.s.Principal() +
			"\nsession:" + p.host.Node.Key(id) + "\nserver:stompgw/test\n\n")
		if want := p.host.Node.Principal(id, time.UnixMilli(p.s.connected)); p.s.Principal() != want {
			t.Errorf("principal %s, want %s", p.s.Principal(), want)
		}
	}
}

// TestValueEncoding: what a client has made up is written back as its version writes it.
func TestValueEncoding(t *testing.T) {
	for _, test := range []struct{ version, value string }{{"1.0", `a:b\n\`}, {"1.1", `a\cb\n\\`}, {"1.2", `a\cb\n\\\r`}, {"1.2", " padded ü"}} {
		p := newRig(t).connect(test.version)
		p.feed(subscribe(test.value, "/topic/a"))
		p.want(receipt(test.value))
		p.publish("/topic/a", 0, 1)
		p.wantOne("MESSAGE", "subscription:"+test.value)
		p.feed(unsubscribe(test.value) + "DISCONNECT\nreceipt:" + test.value + "\n\n^@")
		p.want(receipt("un"+test.value), receipt(test.value))
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

func TestNoCommonVersion(t *testing.T) {
	p := newRig(t).accept()
	p.feed("CONNECT\naccept-version:2.0,3.1\nreceipt:r\n\n^@")
	frame := p.wantOne("ERROR", "version:1.0,1.1,1.2", "content-type:text/plain", "receipt-id:r")
	if !strings.HasSuffix(frame, "\n\nSupported protocol versions are 1.0 1.1 1.2") {
		t.Errorf("got %q", frame)
	}
	p.wantClosed(CloseProtocol)
}
