package natsbus

import (
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"testing"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"

	"github.com/stompgw/stompgw/bus"
	"github.com/stompgw/stompgw/bus/bustest"
)

// withJetStream is a server with JetStream, which keeps its files in dir.
func withJetStream(dir string) func(*server.Options) {
	return func(o *server.Options) { o.JetStream, o.StoreDir, o.JetStreamMaxStore = true, dir, 4<<30 }
}

// keeping is a Keep of size messages for each destination below /topic.
func keeping(size int) bus.Keep {
	return bus.Keep{Patterns: []string{"/topic/**"}, Size: size, Has: func(d string) bool { return strings.HasPrefix(d, "/topic/") }}
}

// eachStore runs test with the server of this machine and with the one that is linked in, both with JetStream.
func eachStore(t *testing.T, test func(t *testing.T, url string)) {
	t.Run("old", func(t *testing.T) { test(t, startProcess(t, "-js", "-sd", t.TempDir())) })
	t.Run("new", func(t *testing.T) { test(t, startServer(t, 0, withJetStream(t.TempDir())).ClientURL()) })
}

// jetStream is what somebody else has JetStream do over nc.
func jetStream(t testing.TB, nc *nats.Conn) nats.JetStreamContext {
	t.Helper()
	js, err := nc.JetStream()
	checkErr(t, err, nil)
	return js
}

// awaitStream waits until nodes have made their stream.
func awaitStream(t testing.TB, js nats.JetStreamContext) {
	t.Helper()
	bustest.Eventually(t, "there is a stream", func() bool {
		_, err := js.StreamInfo("STOMPGW")
		return err == nil
	})
}

// reader is a node that keeps what is delivered to it.
type reader struct {
	*Bus
	arrived chan bus.Envelope
}

// remember returns a node that keeps history, and is healthy.
func remember(t testing.TB, cfg Config, node string, size int) *reader {
	t.Helper()
	r := newReader(t, cfg, node)
	r.Remember(keeping(size))
	receive(t, r.Bus, r.keep)
	r.healthy(t)
	return r
}

// newReader returns one that receives nothing yet.
func newReader(t testing.TB, cfg Config, node string) *reader {
	t.Helper()
	return &reader{newBus(t, cfg, node, slog.New(slog.NewTextHandler(t.Output(), nil))), make(chan bus.Envelope, 10_000)}
}

// keep is its deliver.
func (r *reader) keep(e bus.Envelope) {
	if e.Mark != nil {
		e.Mark = new(*e.Mark)
	}
	r.arrived <- e
}

// follow returns one that watches /topic/a too.
func follow(t testing.TB, cfg Config, node string, size int) *reader {
	t.Helper()
	r := remember(t, cfg, node, size)
	checkErr(t, watchFor(r.Bus, "/topic/a"), nil)
	return r
}

func (r *reader) healthy(t testing.TB) {
	t.Helper()
	bustest.Eventually(t, "it is healthy", func() bool { return r.Healthy() == nil })
}

// next returns what is delivered next.
func (r *reader) next(t testing.TB) bus.Envelope {
	t.Helper()
	select {
	case e := <-r.arrived:
		return e
	case <-t.Context().Done():
		t.Fatal("nothing arrives")
		return bus.Envelope{}
	}
}

// bodies returns those of the next n, and whether they are of the past.
func (r *reader) bodies(t testing.TB, n int) (bodies []string) {
	t.Helper()
	for range n {
		e := r.next(t)
		body := string(e.Body)
		switch {
		case e.Mark.Hole && e.Mark.At.Offset == bus.Ended:
			body = "ended"
		case e.Mark.Hole:
			body = "hole"
		case e.Mark.Past:
			body = "past " + body
		}
		bodies = append(bodies, body)
	}
	return bodies
}

// want checks the bodies of what comes next.
func (r *reader) want(t testing.TB, want ...string) {
	t.Helper()
	if got := r.bodies(t, len(want)); !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

// recall returns what the bus says of w.
func (r *reader) recall(t testing.TB, destination string, w bus.Wish) bus.Recalled {
	t.Helper()
	said := make(chan bus.Recalled, 1)
	r.Recall(destination, w, func(s bus.Recalled) { said <- s })
	return <-said
}

// wantWhole checks whether all that came behind a position is known to have been delivered.
func (r *reader) wantWhole(t testing.TB, destination string, after []bus.Position, want bool) {
	t.Helper()
	if got := r.recall(t, destination, bus.Wish{After: after}); got.Whole != want {
		t.Errorf("from %v on %s is %+v, want whole: %t", after, destination, got, want)
	}
}

// send publishes bodies to /topic/a, and waits for each answer.
func send(t testing.TB, b *Bus, bodies ...string) {
	t.Helper()
	for _, body := range bodies {
		checkErr(t, <-publish(t, b, "/topic/a", body), nil)
	}
}

// TestHistory: what is published is stored, comes with its place, and a node that comes later brings what was
// before.
func TestHistory(t *testing.T) {
	eachStore(t, func(t *testing.T, url string) {
		a := follow(t, Config{URL: url}, "1/a", 10)
		send(t, a.Bus, "1", "2", "3")
		var marks []bus.Position
		for i := range 3 {
			e := a.next(t)
			if want := fmt.Sprint(i + 1); string(e.Body) != want || e.Mark == nil || e.Mark.Past || e.Destination != "/topic/a" || e.Watch != "/topic/a" {
				t.Fatalf("got %+v with %+v, want %s", e, e.Mark, want)
			}
			marks = append(marks, e.Mark.At)
		}
		if !(marks[0].Log == marks[2].Log && marks[0].Log > 0 && marks[0].Offset < marks[1].Offset && marks[1].Offset < marks[2].Offset && marks[0].Term != marks[1].Term) {
			t.Errorf("positions are %v", marks)
		}

		b := follow(t, Config{URL: url}, "1/b", 10)
		if got := b.recall(t, "/topic/a", bus.Wish{}); got.Whole || got.Err != nil || !slices.Equal(got.Head, marks[2:]) {
			t.Errorf("for nothing, got %+v, want a head of %v", got, marks[2])
		}
		if got := b.recall(t, "/topic/a", bus.Wish{After: marks[2:]}); !got.Whole || !slices.Equal(got.Head, marks[2:]) {
			t.Errorf("for the last, got %+v", got)
		}
		b.wantWhole(t, "/topic/a", marks[1:2], true)
		b.want(t, "past 2", "past 3")
		b.wantWhole(t, "/topic/a", marks[:1], true)
		send(t, a.Bus, "4")
		b.want(t, "4")
	})
}

// TestLast: who wants the last ones gets as many as there are.
func TestLast(t *testing.T) {
	eachStore(t, func(t *testing.T, url string) {
		a := remember(t, Config{URL: url}, "1/a", 3)
		send(t, a.Bus, "1", "2", "3", "4")
		checkErr(t, watchFor(a.Bus, "/topic/a"), nil)
		if got := a.recall(t, "/topic/a", bus.Wish{Last: 2}); got.Err != nil || len(got.Head) != 1 {
			t.Errorf("got %+v", got)
		}
		a.want(t, "past 2", "past 3", "past 4")
		if got := a.recall(t, "/topic/a", bus.Wish{Last: 20}); got.Err != nil {
			t.Errorf("got %+v", got)
		}
		send(t, a.Bus, "5")
		a.want(t, "5")
	})
}
