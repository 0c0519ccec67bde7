package gateway_test

import (
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stompgw/stompgw/bus"
	"github.com/stompgw/stompgw/bus/membus"
	"github.com/stompgw/stompgw/gateway"
	"github.com/stompgw/stompgw/gateway/policy"
	"github.com/stompgw/stompgw/gateway/registry"
)

// forwarder is a bus with backends: they read from it what is brought to them.
type forwarder struct {
	*membus.Bus
	got chan forwarded

	mu     sync.Mutex
	aimed  []bus.Target
	answer func() (now, later error) // what Forward says, and its done
}

type forwarded struct {
	to bus.Target
	e  bus.Envelope
}

func newForwarder(name registry.Node, cluster *membus.Cluster) *forwarder {
	return &forwarder{Bus: cluster.Bus(name.String()), got: make(chan forwarded, 100), answer: func() (error, error) { return nil, nil }}
}

// Aim implements bus.Forwarder.
func (f *forwarder) Aim(targets []bus.Target) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, to := range targets {
		if to.Topic == "none" {
			return bus.ErrTarget
		}
	}
	f.aimed = targets
	return nil
}

// Forward implements bus.Forwarder.
func (f *forwarder) Forward(to bus.Target, e bus.Envelope, done func(error)) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	now, later := f.answer()
	if now != nil {
		return now
	}
	if later == nil {
		f.got <- forwarded{to, e}
	}
	go done(later)
	return nil
}

// says has Forward say something from now on.
func (f *forwarder) says(answer func() (now, later error)) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.answer = answer
}

func backendRules(t testing.TB, routes ...policy.Route) *policy.Catalogue {
	t.Helper()
	return compile(t, policy.Rules{
		Channels: []policy.Channel{{Match: "/topic/{x}", Subscribe: "true"}, {Match: "/session/queue/{x}", Subscribe: "true"}},
		Routes:   routes,
	})
}

// startForwarding runs a node with routes to a backend.
func startForwarding(t testing.TB) (*node, *forwarder, *membus.Cluster) {
	t.Helper()
	cluster := membus.NewCluster()
	name := registry.NewNode(time.Now())
	f := newForwarder(name, cluster)
	n := startNode(t, name, f, nil, withAuth(t))
	n.mustSetRules(t, backendRules(t,
		policy.Route{Match: "/app/orders", Allow: "true", To: policy.To{Topic: "orders-in", Key: "member"}},
		policy.Route{Match: "/app/both/{x}", Allow: "true", Publish: "/topic/{x}", Body: `{"made": body}`, Headers: `{"x-made": "1", "correlation-id": "made"}`,
			To: policy.To{Subject: "orders.{x}"}}))
	return n, f, cluster
}

// header is the value of the only header of that name; "" for none.
func (f forwarded) header(t testing.TB, name string) (value string) {
	t.Helper()
	count := 0
	for _, h := range f.e.Headers {
		if strings.EqualFold(strings.TrimSpace(h.Name), name) {
			value = h.Value
			count++
		}
	}
	if count > 1 {
		t.Errorf("%s stands %d times in %q", name, count, f.e.Headers)
	}
	return value
}

// TestBackend: a backend gets the body and the sender's headers, and who sent it, which nobody can forge.
func TestBackend(t *testing.T) {
	n, f, _ := startForwarding(t)
	c := n.member(t, 42)
	c.send("SEND\ndestination:/app/orders\nreceipt:1\ncontent-type:text/plain\nStomp-Member:1\nstomp-principal:2\nSTOMP-SESSION:3\ncorrelation-id:mine\ncorrelation-id:other\n" +
		"traceparent:00-a-b-01\nclient-request-code:secret\nx:1\n\nbody^@")
	c.expect("RECEIPT", "receipt-id:1")
	got, s := <-f.got, n.sessions.Sessions()[0]
	if got.to != (bus.Target{Topic: "orders-in", Key: "42"}) || string(got.e.Body) != "body" || got.e.Principal != "" {
		t.Errorf("got %+v", got)
	}
	for name, want := range map[string]string{
		"stomp-member": "42", "stomp-principal": n.name.Principal(s.ID, s.ConnectedAt), "stomp-session": n.name.Key(s.ID), "stomp-destination": "/app/orders",
		"correlation-id": "mine", "traceparent": "00-a-b-01", "content-type": "text/plain", "x": "1", "client-request-code": "", "authorization": "", "receipt": "",
	} {
		if value := got.header(t, name); value != want {
			t.Errorf("%s: got %q, want %q", name, value, want)
		}
	}
	nobody := n.dialTCP(t).connect()
	ids := map[string]bool{}
	for _, own := range []string{"", "correlation-id:\n", "correlation-id:" + strings.Repeat("a", 257) + "\n", "correlation-id:a\\nb\n"} {
		nobody.send("SEND\ndestination:/app/orders\nstomp-member:1\n" + own + "\n^@")
		got = <-f.got
		id := got.header(t, "correlation-id")
		if got.header(t, "stomp-member") != "" || got.to.Key != got.header(t, "stomp-session") || len(id) < 16 || len(id) > 256 || ids[id] || strings.Contains(id, "\n") {
			t.Errorf("nobody's is %+v", got)
		}
		ids[id] = true
	}
}

// TestBackendBeside: a route that publishes, too, brings the same to both, and the RECEIPT comes when both have it.
func TestBackendBeside(t *testing.T) {
	n, f, _ := startForwarding(t)
	c := n.listening(t)
	c.subscribe("1", "/topic/a")
	c.send("SEND\ndestination:/app/both/a\nreceipt:1\nx:1\n\n1^@")
	frames := c.next() + "\n" + c.next()
	if !strings.Contains(frames, "{\"made\":1}") || !strings.Contains(frames, "receipt-id:1") || strings.Contains(frames, "stomp-") {
		t.Errorf("got %q", frames)
	}
	got := <-f.got
	if got.to != (bus.Target{Subject: "orders.a"}) || string(got.e.Body) != `{"made":1}` || got.header(t, "x-made") != "1" || got.header(t, "x") != "1" ||
		got.header(t, "correlation-id") != "made" || got.header(t, "content-type") != "application/json" {
		t.Errorf("got %+v", got)
	}
	c.send("BEGIN\ntransaction:t\n\n^@SEND\ntransaction:t\ndestination:/app/both/a\n\n2^@SEND\ntransaction:t\ndestination:/app/orders\n\n3^@")
	c.send("SEND\ndestination:/app/orders\nreceipt:2\n\n4^@")
	c.expect("RECEIPT", "receipt-id:2")
	if got := <-f.got; string(got.e.Body) != "4" {
		t.Errorf("%s came before COMMIT", got.e.Body)
	}
	c.send("COMMIT\ntransaction:t\nreceipt:3\n\n^@")
	for _, want := range []string{`{"made":2}`, "3"} {
		if got := <-f.got; string(got.e.Body) != want {
			t.Errorf("got %s, want %s", got.e.Body, want)
		}
	}
	frames = c.next() + "\n" + c.next()
	if !strings.Contains(frames, "receipt-id:3") {
		t.Errorf("got %q", frames)
	}
}

// TestBackendRefuses: what a backend's broker does not take is refused, with the code of SENDs to subscribers, and no RECEIPT follows.
func TestBackendRefuses(t *testing.T) {
	n, f, _ := startForwarding(t)
	c := n.listening(t)
	for _, test := range []struct {
		err  error
		code string
	}{
		{bus.ErrDown, `"errorCode":5`}, {bus.ErrTooLarge, `"errorCode":7`}, {bus.ErrUnknown, `"errorCode":6`}, {errors.New("no permission"), `"errorCode":8`},
	} {
		for _, answer := range []func() (error, error){
			func() (error, error) { return test.err, nil },
			func() (error, error) { return nil, test.err },
		} {
			f.says(answer)
			c.send("SEND\ndestination:/app/orders\nreceipt:r\nclient-request-code:7\n\n^@")
			c.wantRefusal(test.code, `"clientRequestCode":"7"`)
		}
	}
	full := true
	f.says(func() (error, error) {
		if full {
			full = false
			return bus.ErrFull, nil
		}
		return nil, nil
	})
	c.send("SEND\ndestination:/app/orders\nreceipt:last\n\n^@")
	c.expect("RECEIPT", "receipt-id:last")
}

// TestBackendAim: rules with a backend that the bus has not are refused, at the start and later, and nothing changes.
func TestBackendAim(t *testing.T) {
	rules := backendRules(t, policy.Route{Match: "/app/x", Allow: "true", To: policy.To{Topic: "none"}})
	name := registry.NewNode(time.Now())
	cluster := membus.NewCluster()
	for _, b := range []bus.Bus{cluster.Bus("a"), newForwarder(name, cluster)} {
		if _, err := gateway.New(name, b, registry.NewMemory(), rules); !errors.Is(err, bus.ErrTarget) {
			t.Errorf("%T: %v", b, err)
		}
		b.Close(t.Context())
	}
	n, f, _ := startForwarding(t)
	if err := n.SetRules(rules, nil); !errors.Is(err, bus.ErrTarget) {
		t.Errorf("SetRules: %v", err)
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(f.aimed) != 2 || f.aimed[1].Subject != "orders.*" {
		t.Errorf("aimed at %+v", f.aimed)
	}
}
