package natsbus

import (
	"fmt"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/stompgw/stompgw/bus"
	"github.com/stompgw/stompgw/bus/bustest"
)

// TestStatusHeader: a message that looks like a server's word, as it has a Status and no body, is fetched as any other, alone and
// with many, and stops nobody.
func TestStatusHeader(t *testing.T) {
	eachStore(t, func(t *testing.T, url string) {
		a := follow(t, Config{URL: url}, "1/a", 10)
		send(t, a.Bus, "1")
		first := []bus.Position{a.next(t).Mark.At}
		foreign := connect(t, url)
		for _, status := range []string{"100", "404", "409", "503"} {
			_, err := foreign.RequestMsg(&nats.Msg{Subject: "stomp.d.topic.a", Header: nats.Header{"Status": {status}}}, 10*time.Second)
			checkErr(t, err, nil)
		}
		send(t, a.Bus, "3")
		a.want(t, "", "", "", "", "3")
		b := follow(t, Config{URL: url}, "1/b", 10)
		b.wantWhole(t, "/topic/a", first, true)
		b.want(t, "past 1", "past ", "past ", "past ", "past ", "past 3")
	})
}

// TestForgedTime: when something was published its publisher doesn't say, though servers before 2.10 don't either.
func TestForgedTime(t *testing.T) {
	eachStore(t, func(t *testing.T, url string) {
		a := follow(t, Config{URL: url}, "1/a", 10)
		forged := &nats.Msg{Subject: "stomp.d.topic.a", Header: nats.Header{timeHeader: {"1999-01-01T00:00:00Z"}}}
		checkErr(t, connect(t, url).PublishMsg(forged), nil)
		if at := time.UnixMilli(a.next(t).Mark.Published); time.Since(at).Abs() > time.Minute {
			t.Errorf("it was published at %s", at)
		}
	})
}

// TestNoSlash: a destination without a slash is another one than that with it, which alone has history.
func TestNoSlash(t *testing.T) {
	url := startServer(t, 0, withJetStream(t.TempDir())).ClientURL()
	a := follow(t, Config{URL: url}, "1/a", 10)
	checkErr(t, watchFor(a.Bus, "topic/a"), nil)
	if got := a.recall(t, "topic/a", bus.Wish{}); got.Err == nil {
		t.Errorf("its past is %+v", got)
	}
	a.Unwatch("topic/a")
	send(t, a.Bus, "1")
	a.want(t, "1")
}

// TestSlowForgotten: of a watch that has ended it is not kept that it was too slow.
func TestSlowForgotten(t *testing.T) {
	url := startServer(t, 0, withJetStream(t.TempDir())).ClientURL()
	a := remember(t, Config{URL: url}, "1/a", 10)
	for i := range 20 {
		destination := fmt.Sprint("/topic/", i)
		checkErr(t, watchFor(a.Bus, destination), nil)
		w, _ := a.watches.of(historySubject("stomp", destination))
		a.watches.mu.Lock()
		sub := w.sub
		a.watches.mu.Unlock()
		a.droppedFrom(sub)
		a.Unwatch(destination)
		a.droppedFrom(sub) // it may still be told of that
	}
	bustest.Eventually(t, "all are forgotten", func() bool {
		a.history.mu.Lock()
		defer a.history.mu.Unlock()
		return len(a.history.slow)+len(a.history.missed)+len(a.history.asking) == 0
	})
}
