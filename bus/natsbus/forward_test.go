package natsbus

import (
	"errors"
	"reflect"
	"strings"
	"testing"

	"github.com/nats-io/nats.go"

	"github.com/stompgw/stompgw/bus"
	"github.com/stompgw/stompgw/bus/bustest"
)

var (
	_ bus.Forwarder = (*Bus)(nil)
	_ bus.Aimer     = (*Settings)(nil)
)

func TestForward(t *testing.T) {
	url := startServer(t, 0).ClientURL()
	bustest.RunForwarder(t, func(t *testing.T) bustest.Backend {
		subject := "orders." + string(appendToken(nil, t.Name()))
		return bustest.Backend{
			Cluster: namespaces(url)(t), Target: bus.Target{Subject: subject}, Other: bus.Target{Topic: "orders"},
			Read: readsAll(t, url, subject),
		}
	})
}

// readsAll subscribes to a subject as a backend does, and returns what reads it.
func readsAll(t *testing.T, url, subject string) func() ([]bus.Header, []byte) {
	t.Helper()
	nc := connect(t, url)
	sub, err := nc.SubscribeSync(subject)
	checkErr(t, err, nil)
	checkErr(t, sub.SetPendingLimits(-1, -1), nil)
	checkErr(t, nc.Flush(), nil)
	return func() (headers []bus.Header, body []byte) {
		msg, err := sub.NextMsgWithContext(t.Context())
		checkErr(t, err, nil)
		for name, values := range msg.Header {
			for _, value := range values {
				if name == escapedHeader {
					entry, _ := entryOf(name, value)
					headers = append(headers, entry)
				} else {
					headers = append(headers, bus.Header{Name: name, Value: value})
				}
			}
		}
		return headers, msg.Data
	}
}

// TestForwardEscapes: no client makes a server act, or says who it is.
func TestForwardEscapes(t *testing.T) {
	var enc headerEncoder
	got := enc.encodeForBackend([]bus.Header{
		{Name: "Nats-Msg-Id", Value: "1"}, {Name: "stomp-session", Value: "s"}, {Name: "stomp-destination", Value: "/a\r\nstomp-member: 7"},
		{Name: "x", Value: "1"}, {Name: "a", Value: "\n"},
	})
	want := nats.Header{
		escapedHeader:   {"Nats-Msg-Id:1", "stomp-destination:/a%0D%0Astomp-member%3A%207", "a:%0A"},
		"stomp-session": {"s"}, "x": {"1"},
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestCheckTarget(t *testing.T) {
	for _, test := range []struct {
		to    bus.Target
		field string // "" is possible
	}{
		{bus.Target{Subject: "orders.in"}, ""}, {bus.Target{Subject: "orders.*.in"}, ""}, {bus.Target{Subject: "acme"}, ""},
		{bus.Target{Subject: "acme.orders"}, ""}, {bus.Target{Subject: "acme.stompx.d"}, ""},
		{bus.Target{Subject: "acme.stomp"}, "subject"}, {bus.Target{Subject: "acme.stomp.d.topic.a"}, "subject"},
		{bus.Target{Subject: "acme.*"}, "subject"}, {bus.Target{Subject: "*.stomp.x"}, "subject"}, {bus.Target{Subject: "*.*.x"}, "subject"},
		{bus.Target{Subject: "a b"}, "subject"}, {bus.Target{Subject: "a..b"}, "subject"}, {bus.Target{Subject: ""}, "subject"},
		{bus.Target{Subject: "a.>"}, "subject"}, {bus.Target{Subject: "a\r\nPUB b"}, "subject"}, {bus.Target{Topic: "orders"}, "topic"},
	} {
		if field, err := checkTarget("acme.stomp", test.to); (err != nil) != (test.field != "") || err != nil && field != test.field {
			t.Errorf("%+v: %s, %v", test.to, field, err)
		}
	}
}

// TestForwardDenied: what the server does not let the node's user publish is refused with the word for that, and harms nothing else.
func TestForwardDenied(t *testing.T) {
	s := startServer(t, 0, permitting([]string{"stomp.>"}, []string{"stomp.>"}))
	b := newBus(t, Config{URL: s.ClientURL(), User: "gateway", Password: "p"}, "1/a", nil)
	checkErr(t, b.Aim([]bus.Target{{Subject: "orders.in"}}), nil)
	answer := make(chan error, 1)
	done := func(err error) { answer <- err }
	checkErr(t, b.Forward(bus.Target{Subject: "orders.in"}, bus.Envelope{Body: []byte("x")}, done), nil)
	if err := <-answer; !errors.Is(err, ErrPermission) || !strings.Contains(err.Error(), "orders.in") {
		t.Errorf("done heard %v", err)
	}
	checkErr(t, b.Publish(bus.Envelope{Destination: "/topic/a"}, done), nil)
	checkErr(t, <-answer, nil)
	checkErr(t, b.Healthy(), nil)
}
