package session

import (
	"strings"
	"testing"
	"testing/synctest"
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
	p.bus.RefuseWith(bus.ErrFull)
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
	p.bus.RefuseWith(nil)
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

// pongs lets d of virtual time go by, in which the connection shows that it lives and the timer fires
// as the session wants it, and returns when the session has ended; 0 for never.
func (p *peer) pongs(d time.Duration) (after time.Duration) {
	p.t.Helper()
	for began := time.Now(); time.Since(began) < d && p.s.state != closed; {
		next := p.pass(0)
		p.hear()
		if p.s.state == closed {
			return time.Since(began)
		}
		time.Sleep(max(next, 100*time.Millisecond)) // the grain of timers
	}
	return 0
}

// A browser answers pings for a page that hangs.
func TestHungClientIsClosed(t *testing.T) {
	for _, test := range []struct {
		name      string
		hung      time.Duration
		heartBeat string
		after     time.Duration
		period    time.Duration
	}{
		{"three periods and more", 10 * time.Minute, "10000,0", 10 * time.Minute, 10 * time.Second},
		{"under three periods", 10 * time.Minute, "300000,0", 15 * time.Minute, 5 * time.Minute},
		{"both ways", 10 * time.Minute, "10000,10000", 10 * time.Minute, 10 * time.Second},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p := newRig(t, func(h *Host) { h.Hung = test.hung }).connect("1.2", "heart-beat:"+test.heartBeat)
				if after := p.pongs(time.Hour); after < test.after || after > test.after+time.Second {
					t.Errorf("closed after %s, want %s", after, test.after)
				}
				frames := p.read()
				wantFrame(t, frames[len(frames)-1], "ERROR",
					"message:no heart-beat came within "+test.after.String()+", but signs that the connection lives",
					"The client has promised to send a frame or a heart-beat each "+test.period.String()+", and hangs.")
				p.wantClosed(ClosePolicy)
				if n := p.host.Stats.Hung.Load(); n != 1 {
					t.Errorf("%d hung sessions are counted", n)
				}
			})
		})
	}
}

func TestWhoIsNotHung(t *testing.T) {
	for _, test := range []struct {
		name      string
		hung      time.Duration
		heartBeat string
		keep      string // what it sends each nine minutes
	}{
		{"heart-beats", 10 * time.Minute, "10000,0", "\n"},
		{"a part of a frame", 10 * time.Minute, "10000,0", "S"},
		{"has promised none", 10 * time.Minute, "0,10000", ""},
		{"not looked for", 0, "10000,0", ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p := newRig(t, func(h *Host) { h.Hung = test.hung }).connect("1.2", "heart-beat:"+test.heartBeat)
				for range 10 {
					if after := p.pongs(9 * time.Minute); after > 0 {
						t.Fatalf("closed after %s: %q", after, p.read())
					}
					if test.keep != "" {
						p.feed(test.keep)
					}
				}
				p.wantOpen()
			})
		})
	}
}

// What a paused session has not read, its client may have sent.
func TestPausedSessionIsNotHung(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newRig(t, func(h *Host) { h.Hung = 10 * time.Minute }).connect("1.2", "heart-beat:10000,0").errors()
		p.bus.RefuseWith(bus.ErrFull)
		p.feed("SEND\ndestination:/topic/a\n\n^@")
		if after := p.pongs(time.Hour); after > 0 {
			t.Fatalf("closed after %s of a pause", after)
		}
		p.bus.RefuseWith(nil)
		p.do(p.s.Unblock)
		if p.conn.paused {
			t.Fatal("not resumed")
		}
		if after := p.pongs(time.Hour); after < 10*time.Minute || after > 10*time.Minute+time.Second {
			t.Errorf("closed %s after it went on, want 10m", after)
		}
	})
}
