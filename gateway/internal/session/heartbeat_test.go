package session

import (
	"strings"
	"testing"
	"time"

	"github.com/stompgw/stompgw/bus"
	"github.com/stompgw/stompgw/gateway/stomp"
)

// pass lets d go by without a byte in either direction, then lets the timer fire.
func (p *peer) pass(d time.Duration) (next time.Duration) {
	p.do(func() {
		p.conn.heard += d
		p.conn.wrote += d
		if p.s.state != closed {
			before := len(p.conn.out)
			if next = p.s.Timeout(); len(p.conn.out) > before {
				p.conn.wrote = 0
			}
		}
	})
	return next
}

// hear lets one byte of the client come, of whatever kind.
func (p *peer) hear() { p.do(func() { p.conn.heard = 0 }) }

func TestConnectTimeout(t *testing.T) {
	p := newRig(t).accept()
	if p.conn.timer != 10*time.Second {
		t.Fatalf("timer %s, want the connect time-out", p.conn.timer)
	}
	p.feed("\n\nCONN")
	if next := p.pass(10 * time.Second); next != 0 {
		t.Errorf("wants to be called again in %s", next)
	}
	p.wantOne("ERROR", "message:no CONNECT came within 10s")
	p.wantClosed(ClosePolicy)
}

func TestConnectEndsTheConnectTimeout(t *testing.T) {
	p := newRig(t).connect("1.2", "heart-beat:0,0")
	if p.conn.timer != 0 {
		t.Errorf("timer %s, want none", p.conn.timer)
	}
	p.pass(time.Hour)
	p.want()
	p.wantOpen()
}

// TestHeartBeatNegotiation is the table of "Heart-beating": the server offers 10 s both ways, and
// a client may ask for down to one second.
func TestHeartBeatNegotiation(t *testing.T) {
	for _, test := range []struct {
		client     string
		answer     string
		send, recv time.Duration
	}{
		{"", "10000,10000", 0, 0},
		{"0,0", "10000,10000", 0, 0},
		{"10000,10000", "10000,10000", 10 * time.Second, 10 * time.Second},
		{"5000,4000", "4000,5000", 4 * time.Second, 5 * time.Second},
		{"1,1", "1000,1000", time.Second, time.Second},
		{"30000,60000", "10000,10000", 60 * time.Second, 30 * time.Second},
		{"5000,0", "10000,5000", 0, 5 * time.Second},
		{"0,5000", "5000,10000", 5 * time.Second, 0},
	} {
		r := newRig(t)
		p := r.accept()
		header := ""
		if test.client != "" {
			header = "heart-beat:" + test.client + "\n"
		}
		p.feed("CONNECT\naccept-version:1.2\n" + header + "\n^@")
		p.wantOne("CONNECTED", "heart-beat:"+test.answer)
		if p.s.sendEvery != test.send || p.s.recvEvery != test.recv {
			t.Errorf("%q: sends every %s, wants to hear every %s; want %s and %s", test.client, p.s.sendEvery, p.s.recvEvery, test.send, test.recv)
		}
	}
}

func TestHeartBeatsToTheClient(t *testing.T) {
	for _, every := range []time.Duration{10 * time.Second, time.Second, 200 * time.Millisecond, 100 * time.Millisecond} {
		t.Run(every.String(), func(t *testing.T) {
			r := newRig(t, func(h *Host) { h.HeartBeat = stomp.HeartBeat{Send: every} })
			p := r.connect("1.2", "heart-beat:0,1")
			if p.conn.timer <= 0 || p.conn.timer >= every {
				t.Fatalf("timer %s, want one before %s", p.conn.timer, every)
			}
			for range 3 {
				next := p.pass(p.conn.timer)
				p.want("\n")
				if next <= 0 || next >= every {
					t.Fatalf("next in %s, want within %s", next, every)
				}
			}
		})
	}
}

// A heart-beat is for a connection that is silent, so a frame counts as one.
func TestHeartBeatAfterAFrame(t *testing.T) {
	p := newRig(t).connect("1.2", "heart-beat:0,10000")
	p.pass(6 * time.Second)
	p.want()
	p.do(func() { p.conn.wrote = 0 }) // a MESSAGE left
	next := p.pass(5 * time.Second)
	p.want()
	if want := 10*time.Second - headStart - 5*time.Second; next != want {
		t.Errorf("next in %s, want %s", next, want)
	}
	p.pass(next)
	p.want("\n")
}

func TestNoHeartBeatsUnlessAgreed(t *testing.T) {
	for _, client := range []string{"0,0", "5000,0"} {
		p := newRig(t).connect("1.2", "heart-beat:"+client)
		for range 3 {
			p.pass(10 * time.Second)
			p.hear()
		}
		p.want()
	}
}

func TestSilentClientIsClosed(t *testing.T) {
	p := newRig(t).connect("1.2", "heart-beat:5000,0")
	next := p.conn.timer
	if next != 15*time.Second {
		t.Fatalf("timer %s, want three periods", next)
	}
	if next = p.pass(15 * time.Second); next <= 0 {
		t.Fatalf("three periods are tolerated, and then it wants to be called in %s", next)
	}
	p.want()
	p.pass(next)
	p.wantOne("ERROR", "message:no heart-beat came within 15s, which is 3 times the agreed period")
	p.wantClosed(ClosePolicy)
	if len(p.book.Sessions()) != 0 {
		t.Error("the registry still has it")
	}
}

func TestAnyByteIsASignOfLife(t *testing.T) {
	p := newRig(t).connect("1.2", "heart-beat:5000,0")
	for range 10 {
		if next := p.pass(14 * time.Second); next != time.Second {
			t.Fatalf("next in %s, want 1s", next)
		}
		p.hear()
	}
	p.want()
	p.wantOpen()
}

// A paused session is not read, so its client can't be heard. When it is resumed, silence counts
// from then on: what the client sent in between is still to be read.
func TestPausedSessionIsNotKilled(t *testing.T) {
	p := newRig(t).connect("1.2", "heart-beat:5000,5000").errors()
	p.bus.refuseWith(bus.ErrFull)
	p.feed("SEND\ndestination:/topic/a\n\n^@")
	if !p.conn.paused {
		t.Fatal("not paused")
	}
	for range 10 {
		if next := p.pass(10 * time.Second); next <= 0 || next > 15*time.Second {
			t.Fatalf("next in %s", next)
		}
	}
	p.wantOpen()
	if beats := strings.Join(p.read(), ""); beats != strings.Repeat("\n", 10) {
		t.Fatalf("it sent %q, want its heart-beats", beats)
	}
	p.bus.refuseWith(nil)
	p.do(func() {
		p.s.Unblock()
		if p.s.Timeout(); p.s.state == closed {
			t.Error("closed in the turn in which it was resumed")
		}
	})
	if p.conn.paused {
		t.Fatal("not resumed")
	}
	p.pass(16 * time.Second)
	p.wantClosed(ClosePolicy) // nothing came after all
}

func TestTimeoutAfterTheEnd(t *testing.T) {
	p := newRig(t).connect("1.2", "heart-beat:1000,1000")
	p.do(func() {
		p.s.Drain()
		if next := p.s.Timeout(); next != 0 {
			t.Errorf("wants to be called again in %s", next)
		}
	})
	p.want()
	p.wantClosed(CloseGoingAway)
}
