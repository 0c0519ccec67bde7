package natsbus

import (
	"context"
	"errors"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nkeys"

	"github.com/stompgw/stompgw/bus"
	"github.com/stompgw/stompgw/bus/bustest"
)

func TestNewRefuses(t *testing.T) {
	_, account := newKey(t, nkeys.CreateAccount)
	for name, tt := range map[string]struct {
		cfg  Config
		want string
	}{
		"scheme":              {Config{URL: "http://127.0.0.1"}, "nats://"},
		"no host":             {Config{URL: "nats://"}, "nats://"},
		"second of two":       {Config{URL: "nats://a:1,nats://b:x"}, "nats://"},
		"escape":              {Config{URL: "nats://gateway:hunter%2@b"}, "nats://"},
		"prefix":              {Config{Prefix: "a..b"}, "prefix"},
		"wildcard prefix":     {Config{Prefix: "a.*"}, "prefix"},
		"long prefix":         {Config{Prefix: strings.Repeat("a", 257)}, "prefix"},
		"two ways":            {Config{User: "u", Password: "hunter2", Token: "hunter2"}, "2 ways to log in"},
		"URL and token":       {Config{URL: "nats://a,nats://u:hunter2@b", Token: "t"}, "2 ways to log in"},
		"NKey that is none":   {Config{NKey: "hunter2"}, "SU"},
		"NKey of an account":  {Config{NKey: account}, "SU"},
		"creds that are none": {Config{Creds: "hunter2"}, "creds"},
		"creds without seed":  {Config{Creds: "-----BEGIN NATS USER JWT-----\ne30.e30.e30\n------END NATS USER JWT------\n"}, "creds"},
	} {
		if _, err := New(tt.cfg, "1/a", nil); err == nil || !strings.Contains(err.Error(), tt.want) || strings.Contains(err.Error(), "hunter") {
			t.Errorf("%s: got %v, want a word about %q", name, err, tt.want)
		}
	}
	for _, node := range []string{"", strings.Repeat("/", 1200)} {
		if _, err := New(Config{}, node, nil); err == nil || !strings.Contains(err.Error(), "node name") {
			t.Errorf("%.10q: got %v, want a word about the node name", node, err)
		}
	}
}

func TestForeignClient(t *testing.T) {
	url := startServer(t, 0).ClientURL()
	b := newBus(t, Config{URL: url}, "1/a", nil)
	arrived := collect(t, b)
	for _, destination := range []string{"/topic/chat", "/odd/*"} {
		checkErr(t, watchFor(b, destination), nil)
	}
	foreign := connect(t, url)
	plain := []bus.Header{{Name: "content-type", Value: "text/plain"}}
	to := nats.Header{"Stomp-Principal": {"1/a/session/now"}}
	whole := nats.Header{"Stomp-Principal": {"1/a/session/now"}, "Stomp-Destination": {"/queue/x"}}
	for _, tt := range []struct {
		name    string
		sent    []nats.Msg
		want    bus.Envelope // that arrives
		skipped uint64
	}{
		{"publishes", []nats.Msg{{Subject: "stomp.d.topic.chat", Data: []byte("hi")}},
			bus.Envelope{Destination: "/topic/chat", Watch: "/topic/chat", Body: []byte("hi")}, 0},
		{"publishes headers", []nats.Msg{{Subject: "stomp.d.topic.chat", Header: nats.Header{
			"content-type": {"text/plain"}, "Nats-Msg-Id": {"1"}, "Stomp-Principal": {"1/a/x/y"},
		}}}, bus.Envelope{Destination: "/topic/chat", Watch: "/topic/chat", Headers: plain, Body: []byte{}}, 0},
		{"addresses a principal", []nats.Msg{{Subject: "stomp.n.1=2Fa"}, {Subject: "stomp.n.1=2Fa", Header: to},
			{Subject: "stomp.n.1=2Fa", Header: whole, Data: []byte("you")}},
			bus.Envelope{Destination: "/queue/x", Principal: "1/a/session/now", Headers: []bus.Header{}, Body: []byte("you")}, 2},
		{"publishes what is no destination", []nats.Msg{{Subject: "stomp.d.odd.ü"}, {Subject: "stomp.d.odd.a="}, {Subject: "stomp.d.odd.=2A"}},
			bus.Envelope{Destination: "/odd/*", Watch: "/odd/*", Body: []byte{}}, 2},
	} {
		t.Run(tt.name, func(t *testing.T) {
			before := b.Figures().Skipped
			for i := range tt.sent {
				checkErr(t, foreign.PublishMsg(&tt.sent[i]), nil)
			}
			if got := <-arrived; !reflect.DeepEqual(got, tt.want) {
				t.Errorf("got %+v, want %+v", got, tt.want)
			}
			if n := b.Figures().Skipped - before; n != tt.skipped {
				t.Errorf("%d messages count as skipped, want %d", n, tt.skipped)
			}
		})
	}
	t.Run("subscribes", func(t *testing.T) {
		sub, err := foreign.SubscribeSync("stomp.d.topic.*")
		must(t, err)
		checkErr(t, foreign.Flush(), nil)
		checkErr(t, b.Publish(bus.Envelope{Destination: "/topic/chat", Headers: plain}, func(error) {}), nil)
		msg, err := sub.NextMsgWithContext(t.Context())
		must(t, err)
		if want := (nats.Header{"content-type": {"text/plain"}}); !reflect.DeepEqual(msg.Header, want) {
			t.Errorf("got %q, want %q", msg.Header, want)
		}
	})
}

func TestPublishRefuses(t *testing.T) {
	b, log := open(t, Config{URL: startServer(t, 0, func(o *server.Options) { o.MaxPayload = 1024 }).ClientURL()})
	log.await("bus connected")
	headers := []bus.Header{{Name: "a", Value: strings.Repeat("v", 100)}}
	wire := len("NATS/1.0\r\na: \r\n\r\n") + 100
	for _, test := range []struct {
		name string
		e    bus.Envelope
		want error
	}{
		{"largest body", bus.Envelope{Destination: "/a", Body: make([]byte, 1024)}, nil},
		{"too large a body", bus.Envelope{Destination: "/a", Body: make([]byte, 1025)}, bus.ErrTooLarge},
		{"largest with headers", bus.Envelope{Destination: "/a", Body: make([]byte, 1024-wire), Headers: headers}, nil},
		{"too large with headers", bus.Envelope{Destination: "/a", Body: make([]byte, 1025-wire), Headers: headers}, bus.ErrTooLarge},
		{"longest destination", bus.Envelope{Destination: long(maxSubject)}, nil},
		{"too long a destination", bus.Envelope{Destination: long(maxSubject + 1)}, bus.ErrDestination},
		{"longest when escaped", bus.Envelope{Destination: "/" + strings.Repeat("*", (maxSubject-len("stomp.d."))/3)}, nil},
		{"too long when escaped", bus.Envelope{Destination: "/" + strings.Repeat("*", (maxSubject-len("stomp.d."))/3+1)}, bus.ErrDestination},
		{"long node name", bus.Envelope{Destination: "/a", Principal: "1/" + strings.Repeat("*", 1200) + "/s/t"}, bus.ErrDestination},
	} {
		t.Run(test.name, func(t *testing.T) {
			checkErr(t, outcome(b, test.e), test.want)
			if !errors.Is(test.want, bus.ErrTooLarge) && test.e.Principal == "" {
				checkErr(t, watchFor(b, test.e.Destination), test.want)
			}
		})
	}
	if err := b.Publish(bus.Envelope{Destination: "/a", Principal: "nobody"}, nil); err == nil {
		t.Error("Publish took a principal that names no node")
	}
}

// An envelope that was accepted before the server's limit was known is refused by its done.
func TestTooLargeForFirstConnection(t *testing.T) {
	s := startServer(t, 0, func(o *server.Options) { o.MaxPayload = 1024 })
	url := s.ClientURL()
	stopServer(s)
	b := newBus(t, Config{URL: url, Silence: time.Hour}, "1/a", nil)
	answer := publish(t, b, "/a", strings.Repeat("x", 1025))
	small := publish(t, b, "/a", "x")
	startServer(t, portOf(t, url), func(o *server.Options) { o.MaxPayload = 1024 })
	checkErr(t, <-answer, bus.ErrTooLarge)
	checkErr(t, <-small, nil)
}

// TestSlowDeliver: what waits for deliver is bounded in count and in bytes, and the rest is counted.
func TestSlowDeliver(t *testing.T) {
	const destination, published, fit = "/topic/slow", 100, 10
	body := strings.Repeat("x", 10_000)
	for name, cfg := range map[string]Config{
		"count": {Inbox: fit},
		"bytes": {InboxBytes: lanes * (fit*(len(body)+500) + 5000)},
	} {
		t.Run(name, func(t *testing.T) {
			cfg.URL = startServer(t, 0).ClientURL()
			b, log := open(t, cfg)
			hold, arrived := make(chan struct{}), make(chan string, published+1)
			receive(t, b, func(e bus.Envelope) { <-hold; arrived <- string(e.Body) })
			checkErr(t, watchFor(b, destination), nil)
			var answer <-chan error
			for range published {
				answer = publish(t, b, destination, body)
			}
			checkErr(t, <-answer, nil)
			if line := log.await("envelopes dropped"); !strings.Contains(line, destination) {
				t.Errorf("logged %s", line)
			}
			bustest.Eventually(t, "what does not fit is dropped", func() bool { return b.watches.dropped() >= published-fit-1 }) // the lane's goroutine may have to come to them
			close(hold)
			bustest.Eventually(t, "all has arrived or is dropped", func() bool { return len(arrived)+int(b.watches.dropped()) >= published })
			dropped := b.watches.dropped()
			if dropped > published-fit {
				t.Errorf("Dropped says %d, but of %d %d fit, and 1 is being delivered", dropped, published, fit)
			}
			if n := b.Figures().Missed; n != dropped {
				t.Errorf("%d are counted as missed, want %d", n, dropped)
			}
			publish(t, b, destination, body) // there is room again
			bustest.Eventually(t, "one more has", func() bool { return len(arrived)+int(b.watches.dropped()) > published })
			b.Unwatch(destination)
			if b.watches.dropped() != dropped {
				t.Errorf("Dropped says %d after Unwatch, want %d", b.watches.dropped(), dropped)
			}
		})
	}
}

func TestUnreachable(t *testing.T) {
	server := newFakeServer(t)
	server.ln.Close()
	b, log := open(t, Config{URL: server.url()})
	if line := log.await("bus unreachable"); !strings.Contains(line, "connection refused") || !strings.Contains(line, server.ln.Addr().String()) {
		t.Errorf("logged %s", line)
	}
	if err := b.Healthy(); err == nil || !strings.Contains(err.Error(), "no connection to 127.0.0.1:") || !strings.Contains(err.Error(), "connection refused") {
		t.Errorf("Healthy says %v", err)
	}
	answer := publish(t, b, "/a", "x")
	if n := b.Figures().Queued; n != 1 {
		t.Errorf("%d are counted as queued, want 1", n)
	}
	ready := listen(b, "/a")
	ended, cancel := context.WithCancel(context.Background())
	cancel()
	checkErr(t, b.Close(ended), context.Canceled)
	checkErr(t, <-answer, bus.ErrUnknown)
	checkErr(t, <-ready, bus.ErrClosed)
	checkErr(t, watchFor(b, "/a"), bus.ErrClosed)
	checkErr(t, b.Healthy(), bus.ErrClosed)
}

// Close does not wait for a handshake with who does not speak.
func TestCloseDuringHandshake(t *testing.T) {
	server, b := meet(t, Config{})
	conn, err := server.ln.Accept()
	must(t, err)
	defer conn.Close()
	checkErr(t, b.Close(t.Context()), nil)
}

func TestBoundOnBytes(t *testing.T) {
	o := newOutbox(10, 100)
	checkErr(t, o.accept(item{size: 150}), nil) // alone
	checkErr(t, o.accept(item{size: 1}), bus.ErrFull)
	o.settled([]item{{size: 150}})
	for range 2 {
		checkErr(t, o.accept(item{size: 50}), nil)
	}
	checkErr(t, o.accept(item{size: 1}), bus.ErrFull)
}
