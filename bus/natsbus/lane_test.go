package natsbus

import (
	"fmt"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
)

func TestLaneBounds(t *testing.T) {
	large := &nats.Msg{Subject: "a", Data: make([]byte, 10_000)}
	small := &nats.Msg{Subject: "a"}
	l := newLane(3, 4000)
	put := func(msg *nats.Msg, want bool) {
		t.Helper()
		if got := l.put(msg); got != want {
			t.Errorf("%d bytes with %d in %d waiting: took it: %t, want %t", len(msg.Data), l.bytes.Load(), len(l.waiting), got, want)
		}
	}
	put(large, true) // alone it may be larger than the bound
	put(small, false)
	l.took(<-l.waiting)
	for range 3 {
		put(small, true)
	}
	put(small, false) // too many
	l.took(<-l.waiting)
	put(large, false) // too large
	put(small, true)
	for range 3 {
		l.took(<-l.waiting)
	}
	if n := l.bytes.Load(); n != 0 {
		t.Errorf("%d bytes are counted of nothing", n)
	}
}

// TestWeightOfHeaders: many short header entries take far more memory than bytes on the wire.
func TestWeightOfHeaders(t *testing.T) {
	msg := &nats.Msg{Header: nats.Header{}}
	for i := range 1000 {
		msg.Header[fmt.Sprintf("h%d", i)] = []string{""}
	}
	if n := weight(msg); n < 100_000 {
		t.Errorf("1000 header entries count as %d bytes", n)
	}
}

// TestDroppedStays: what a subscription has dropped counts on when its connection has ended, as nats.go does not tell any more.
func TestDroppedStays(t *testing.T) {
	nc := connect(t, startServer(t, 0).ClientURL())
	ws := newWatches(1, 1, time.Minute, make(chan struct{}, 1))
	w, err := ws.open("a", "/a", nil, nil)
	checkErr(t, err, nil)
	sub, err := nc.ChanSubscribe("a", w.lane.arrived)
	checkErr(t, err, nil)
	ws.subscribed(w, sub, 2)
	for range 5 { // of which the lane, whose goroutine does not run, has room for one
		checkErr(t, nc.Publish("a", nil), nil)
	}
	checkErr(t, nc.Flush(), nil)
	ws.slowed(sub)
	for _, end := range []func(){func() {}, nc.Close, func() { ws.reset(&conn{}) }, func() { ws.reset(&conn{}) }} {
		if end(); ws.dropped() != 4 {
			t.Errorf("%d count as dropped, want 4", ws.dropped())
		}
	}
}
