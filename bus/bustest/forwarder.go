package bustest

import (
	"bytes"
	"errors"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/stompgw/stompgw/bus"
)

// Backend is a target that nobody else uses, and a way to read it as a backend does.
type Backend struct {
	Cluster
	Target bus.Target
	Other  bus.Target                        // of another driver: this bus sends nothing to it
	Read   func() (h []bus.Header, b []byte) // returns what comes next; headers of the same name in their order
}

// RunForwarder tests a bus that is a bus.Forwarder, on the backends that open makes. As in Run, it should hold few
// envelopes.
func RunForwarder(t *testing.T, open func(t *testing.T) Backend) {
	for _, test := range []struct {
		name string
		run  func(*testing.T, Backend)
	}{
		{"Forward", testForward},
		{"DoneOnce", testForwardDoneOnce},
		{"Full", testForwardFull},
		{"Refused", testForwardRefused},
	} {
		t.Run("Forwarder/"+test.name, func(t *testing.T) { test.run(t, open(t)) })
	}
}

// aimed returns a node that may bring something to the backend, and does so.
func (b Backend) aimed(t *testing.T, name string) (*node, bus.Forwarder) {
	t.Helper()
	n := newNode(t, b.Cluster, name)
	f := n.Bus.(bus.Forwarder)
	if err := f.Aim([]bus.Target{{Topic: b.Target.Topic, Subject: b.Target.Subject}}); err != nil {
		t.Fatal(err)
	}
	return n, f
}

// forward brings e to the backend, and waits for the answer.
func forward(n *node, f bus.Forwarder, to bus.Target, e bus.Envelope) {
	n.t.Helper()
	answer := make(chan error, 1)
	if err := f.Forward(to, e, func(err error) { answer <- err }); err != nil {
		n.t.Fatal(err)
	}
	if err := next(n, answer, "a done"); err != nil {
		n.t.Fatal(err)
	}
}

// AskedHeaders returns the headers that a backend gets for a client's SEND that has none of its own.
func AskedHeaders() []bus.Header {
	return []bus.Header{
		{Name: "correlation-id", Value: "QK7MZ3XHTR5VD2NB4JYGWL6PCA"},
		{Name: "stomp-destination", Value: "/app/orders"},
		{Name: "stomp-principal", Value: "1764580000000/7c0e4c8e-0b52-4b0e-9a55-0d3a1c2f9b11/17/2025_12_01_T_09_06_40_000_UTC"},
		{Name: "stomp-session", Value: "1764580000000/7c0e4c8e-0b52-4b0e-9a55-0d3a1c2f9b11_17"},
		{Name: "stomp-member", Value: "42"},
	}
}

// testForward: headers and body arrive as they were, those of the gateway as well, and nothing of it is received by a node.
func testForward(t *testing.T, b Backend) {
	n, f := b.aimed(t, "1/a")
	n.receive(nil)
	n.watch("/topic/after")
	headers := []bus.Header{
		{Name: "content-type", Value: "text/plain"}, {Name: "x", Value: "1"}, {Name: "x", Value: "2"}, {Name: "empty", Value: ""},
		{Name: "correlation-id", Value: "a b"}, {Name: "stomp-destination", Value: "/app/ä:b"}, {Name: "stomp-member", Value: "x:a%2Fb"},
	}
	byName := func(a, b bus.Header) int { return strings.Compare(a.Name, b.Name) }
	slices.SortStableFunc(headers, byName)
	for _, body := range [][]byte{[]byte("a"), {}, []byte("\x00\xff\r\n")} {
		forward(n, f, b.Target, bus.Envelope{Destination: "/topic/after", Principal: "1/a/b/c", Member: "9", Headers: headers, Body: body})
		got, gotBody := b.Read()
		slices.SortStableFunc(got, byName)
		if !slices.Equal(got, headers) || !bytes.Equal(gotBody, body) {
			t.Errorf("got %q with %q,\nwant %q with %q", gotBody, got, body, headers)
		}
	}
	n.send(text("/topic/after", "x"))
	n.await("/topic/after", 1)
	if got := n.total(0); len(got) != 1 {
		t.Errorf("nodes received what was for a backend: %v", got)
	}
}

// testForwardDoneOnce: done runs once for what Forward took, before Close returns, and never for what it refused; all that was taken arrives, in order.
func testForwardDoneOnce(t *testing.T, b Backend) {
	const each = 300
	n, f := b.aimed(t, "1/a")
	forward(n, f, b.Target, bus.Envelope{Body: []byte("begin")})
	b.Read()
	a := newAnswers()
	var taken []string
	for i := range each {
		a.note(i, func(done func(error)) error {
			err := f.Forward(b.Target, bus.Envelope{Body: []byte(strconv.Itoa(i))}, done)
			if err == nil {
				taken = append(taken, strconv.Itoa(i))
			}
			return err
		})
	}
	if err := n.Close(untilDeadline(t)); err != nil {
		t.Fatal(err)
	}
	a.check(t, 1)
	if len(a.errs) > 0 {
		t.Errorf("done heard %v", a.errs[0])
	}
	for _, want := range taken {
		if _, body := b.Read(); string(body) != want {
			t.Fatalf("got %s, want %s", body, want)
		}
	}
	if err := f.Forward(b.Target, bus.Envelope{}, nil); !errors.Is(err, bus.ErrClosed) {
		t.Errorf("Forward after Close says %v, want ErrClosed", err)
	}
}

// testForwardFull: behind a backend's broker that does not answer Forward says ErrFull, and takes more when a done has run.
func testForwardFull(t *testing.T, b Backend) {
	n, f := b.aimed(t, "1/a")
	fill(n, func(body string, done func(error)) error {
		return f.Forward(b.Target, bus.Envelope{Body: []byte(body)}, done)
	})
}

// testForwardRefused: a target of another driver is none, and Aim says so before anything is sent.
func testForwardRefused(t *testing.T, b Backend) {
	_, f := b.aimed(t, "1/a")
	if err := f.Aim([]bus.Target{b.Other}); !errors.Is(err, bus.ErrTarget) {
		t.Errorf("Aim at %+v says %v, want ErrTarget", b.Other, err)
	}
	if err := f.Forward(b.Other, bus.Envelope{}, nil); !errors.Is(err, bus.ErrTarget) {
		t.Errorf("Forward to %+v says %v, want ErrTarget", b.Other, err)
	}
}
