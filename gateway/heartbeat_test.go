package gateway_test

import (
	"testing"
	"time"

	"github.com/stompgw/stompgw/gateway"
)

// "Heart-beating": the server sends an end-of-line when it has nothing else to send.
func TestHeartBeats(t *testing.T) {
	t.Run("tcp", func(t *testing.T) {
		n := start(t, gateway.WithHeartBeat(300*time.Millisecond, 0))
		c := n.dialTCP(t).connectAs("1.2", "heart-beat:0,300")
		for range 3 {
			b := make([]byte, 16)
			if k, err := c.conn.Read(b); err != nil || string(b[:k]) != "\n" {
				t.Fatalf("got %q, %v", b[:k], err)
			}
		}
	})
	t.Run("websocket", func(t *testing.T) {
		n := start(t, gateway.WithHeartBeat(300*time.Millisecond, 0))
		c := n.upgrade(t)
		c.write(frame(text, "CONNECT\naccept-version:1.2\nheart-beat:0,300\n\n\x00"))
		c.wantMessage("CONNECTED\nversion:1.2\nheart-beat:300,0\n")
		for range 3 {
			if first, got, err := c.read(); err != nil || first != text || got != "\n" {
				t.Fatalf("got %#x %q, %v", first, got, err)
			}
		}
	})
}

// A client that goes silent is told so, and closed. Until then its end-of-lines keep it.
func TestSilentClient(t *testing.T) {
	eachTransport(t, func(t *testing.T, dial func(*node) *client) {
		n := start(t, gateway.WithHeartBeat(0, 300*time.Millisecond))
		c := dial(n).connectAs("1.2", "heart-beat:300,0")
		c.send("\n\r\n\n")
		c.wantFault("no heart-beat came within 900ms, which is 3 times the agreed period")
		if n := len(n.sessions.Sessions()); n != 0 {
			t.Errorf("the registry has %d sessions", n)
		}
	})
}

// Heart-beats may stand between frames, and frames in parts count.
func TestHeartBeatsBetweenFrames(t *testing.T) {
	eachTransport(t, func(t *testing.T, dial func(*node) *client) {
		n := start(t)
		c := dial(n).connect()
		c.send("\n\n\nBEGIN\ntransaction:t\nreceipt:1\n\n^@\n\r\n\r\n")
		c.expect("RECEIPT", "receipt-id:1")
		c.send("\nCOMMIT\r\ntransaction:t\r\nrec")
		c.send("eipt:2\r\n\r\n^@\r")
		c.expect("RECEIPT", "receipt-id:2")
		c.send("\n")
		c.wantAlive()
	})
}
