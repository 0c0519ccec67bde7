package session

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/stompgw/stompgw/bus"
	"github.com/stompgw/stompgw/bus/bustest"
	"github.com/stompgw/stompgw/gateway/policy"
)

// TestReceiptOfSend: a RECEIPT for a SEND is a promise, so it waits for the bus.
func TestReceiptOfSend(t *testing.T) {
	p := newRig(t).connect("1.2").errors()
	p.feed("SEND\ndestination:/topic/a\nreceipt:one\n\n1^@SEND\ndestination:/topic/a\nreceipt:two\n\n2^@SEND\ndestination:/topic/a\n\n3^@")
	if got := p.bus.Bodies(); !slices.Equal(got, []string{"1", "2", "3"}) {
		t.Fatalf("the bus has %q", got)
	}
	p.want()
	p.settle(1, nil)
	p.want(receipt("two"))
	p.settle(2, nil)
	p.want()
	p.settle(0, nil)
	p.want(receipt("one"))
	if n := p.host.Stats.Published.Load(); n != 3 {
		t.Errorf("%d published", n)
	}
}

// TestPublishErrors: a SEND that fails gets no RECEIPT, whether it fails at once or later, and
// the client is told whether to try again.
func TestPublishErrors(t *testing.T) {
	for _, test := range []struct {
		err  error
		want string
	}{
		{bus.ErrDown, `{"clientRequestCode":"c1","errorCode":5,"errorMessage":"The message broker does not answer, try again","error":"unavailable","retryable":true,"retryAfterMs":5000,"receiptId":"r","destination":"/topic/a"}`},
		{bus.ErrClosed, `{"clientRequestCode":"c1","errorCode":5,"errorMessage":"The message broker does not answer, try again","error":"unavailable","retryable":true,"retryAfterMs":5000,"receiptId":"r","destination":"/topic/a"}`},
		{bus.ErrUnknown, `{"clientRequestCode":"c1","errorCode":6,"errorMessage":"The message may or may not have been published","error":"outcome_unknown","retryable":false,"receiptId":"r","destination":"/topic/a"}`},
		{bus.ErrTooLarge, `{"clientRequestCode":"c1","errorCode":7,"errorMessage":"The message, or the transaction that it belongs to, is too large","error":"too_large","retryable":false,"receiptId":"r","destination":"/topic/a"}`},
		{bus.ErrContent, `{"clientRequestCode":"c1","errorCode":12,"errorMessage":"The message broker can carry UTF-8 text alone","error":"content","retryable":false,"receiptId":"r","destination":"/topic/a"}`},
		{errors.New("no such subject"), `{"clientRequestCode":"c1","errorCode":8,"errorMessage":"The destination is too long or can't be used","error":"destination","retryable":false,"receiptId":"r","destination":"/topic/a"}`},
	} {
		const send = "SEND\ndestination:/topic/a\nreceipt:r\nclient-request-code:c1\n\nbody^@"
		wrapped := fmt.Errorf("fakebus: publish: %w", test.err)

		p := newRig(t).connect("1.2").errors()
		p.bus.RefuseWith(wrapped)
		p.feed(send)
		if body := p.wantRefusal(""); body != test.want {
			t.Errorf("%v at once:\ngot  %s\nwant %s", test.err, body, test.want)
		}
		p.bus.RefuseWith(nil)
		p.feed(send)
		p.want()
		p.settle(0, wrapped)
		if body := p.wantRefusal(""); body != test.want {
			t.Errorf("%v by done:\ngot  %s\nwant %s", test.err, body, test.want)
		}
		p.feed("SEND\ndestination:/topic/a\n\nwithout a receipt^@")
		p.settle(1, wrapped)
		p.wantRefusal("")
	}
}

// TestBackpressure: while the bus is full the session is not read; then it goes on where it
// stopped, and nothing is lost or overtaken.
func TestBackpressure(t *testing.T) {
	r := newRig(t)
	p, other := r.connect("1.2").errors(), r.connect("1.2")
	p.feed("SEND\ndestination:/topic/a\nreceipt:0\n\n0^@")
	r.bus.RefuseWith(bus.ErrFull)
	p.feed("SEND\ndestination:/topic/a\nreceipt:1\n\n1^@SEND\ndestination:/topic/a\nreceipt:2\n\n2^@SUBSCRIBE\nid:s\ndesti")
	if !p.conn.paused || !p.s.Paused() {
		t.Fatal("the session reads on")
	}
	p.feed("nation:/topic/b\nreceipt:sub\n\n^@") // the transport had it already
	p.want()
	if other.conn.paused {
		t.Fatal("another session is paused, too")
	}
	other.feed("SUBSCRIBE\nid:1\ndestination:/topic/o\nreceipt:o\n\n^@")
	other.want(receipt("o"))

	r.settle(0, nil) // but the bus is full again at once
	p.want(receipt("0"))
	if !p.conn.paused {
		t.Fatal("resumed while the bus is full")
	}
	r.bus.RefuseWith(nil)
	p.do(p.s.Unblock)
	if p.conn.paused {
		t.Fatal("not resumed")
	}
	p.want(receipt("sub"))
	if got := r.bus.Bodies(); !slices.Equal(got, []string{"0", "1", "2"}) {
		t.Fatalf("the bus has %q", got)
	}
	r.settle(2, nil)
	r.settle(1, nil)
	p.want(receipt("2"), receipt("1"))
	p.feed("SEND\ndestination:/topic/a\n\n3^@")
	if got := r.bus.Bodies(); len(got) != 4 {
		t.Fatalf("the bus has %q", got)
	}
}

// A bus that goes down while a session waits for room refuses what waits, and the session goes on.
func TestDownWhileFull(t *testing.T) {
	p := newRig(t).connect("1.2").errors()
	p.bus.RefuseWith(bus.ErrFull)
	p.feed("SEND\ndestination:/topic/a\nreceipt:1\n\n1^@SEND\ndestination:/topic/a\nreceipt:2\n\n2^@")
	p.bus.RefuseWith(bus.ErrDown)
	p.do(p.s.Unblock)
	got := p.read()
	if len(got) != 2 || !strings.Contains(got[0], `"receiptId":"1"`) || !strings.Contains(got[1], `"receiptId":"2"`) {
		t.Fatalf("got %q, want two refusals", got)
	}
	if p.conn.paused {
		t.Error("still paused")
	}
}

// Frames that were kept while the session was paused may end it.
func TestDisconnectAfterPause(t *testing.T) {
	p := newRig(t).connect("1.2")
	p.bus.RefuseWith(bus.ErrFull)
	p.feed("SEND\ndestination:/topic/a\nreceipt:1\n\n1^@DISCONNECT\nreceipt:bye\n\n^@")
	p.want()
	p.bus.RefuseWith(nil)
	p.do(p.s.Unblock)
	p.want()
	if p.conn.paused {
		t.Error("a session that leaves must hear its client leave")
	}
	p.settle(0, nil)
	p.want(receipt("1"), receipt("bye"))
	p.wantClosed(CloseNormal)
}

// What waits for a bus that is full may be what ends the session.
func TestFallbackAfterPause(t *testing.T) {
	p := newRig(t, func(h *Host) { h.Fallback = policy.FallbackError }).connect("1.2")
	p.bus.RefuseWith(bus.ErrFull)
	p.feed("SEND\ndestination:/topic/a\nreceipt:1\n\n1^@SEND\ndestination:/topic/a\n\n2^@")
	p.bus.RefuseWith(bus.ErrDown)
	p.do(p.s.Unblock)
	p.wantOne("ERROR", "message:The message broker does not answer, try again", "receipt-id:1")
	p.wantClosed(ClosePolicy)
	p.do(p.s.Unblock)
	p.want()
}

// What the bus says of a session's envelopes after its end is for nobody.
func TestDoneAfterTheEnd(t *testing.T) {
	p := newRig(t).connect("1.2")
	p.feed("SEND\ndestination:/topic/a\nreceipt:1\n\n1^@SEND\ndestination:/topic/a\nreceipt:2\n\n2^@")
	p.do(func() { p.s.Closed(nil) })
	p.settle(0, nil)
	p.settle(1, bus.ErrDown)
	p.want()
}

// TestDisconnect: its RECEIPT is the last, after those of all that was asked for before; then the
// connection is closed.
func TestDisconnect(t *testing.T) {
	p := newRig(t).connect("1.2").errors()
	p.feed("SEND\ndestination:/topic/a\nreceipt:1\n\n1^@SEND\ndestination:/topic/a\nreceipt:2\n\n2^@" +
		"DISCONNECT\nreceipt:bye\n\n^@SEND\ndestination:/topic/a\n\nafter^@")
	p.want()
	p.wantOpen()
	p.settle(1, nil)
	p.want(receipt("2"))
	p.feed("SEND\ndestination:/topic/a\n\nlater^@")
	p.settle(0, bus.ErrDown)
	got := p.read()
	if len(got) != 2 || !strings.HasPrefix(got[0], "MESSAGE\n") || got[1] != receipt("bye") {
		t.Fatalf("got %q, want a refusal and the RECEIPT of DISCONNECT", got)
	}
	p.wantClosed(CloseNormal)
	if got := p.bus.Bodies(); !slices.Equal(got, []string{"1", "2"}) {
		t.Errorf("the bus has %q: frames after DISCONNECT count for nothing", got)
	}
}

func TestEnvelope(t *testing.T) {
	p := newRig(t).connect("1.2")
	p.feed("SEND\ndestination:/app/topic/room\ncontent-type:application/json\nfoo:first\nfoo:second\nb\\cr:x\\ny\n" +
		"content-length:3\nreceipt:r\nclient-request-code:c\npriority:4\nempty:\n\na\x00b^@")
	e := p.bus.Taken()[0]
	want := []bus.Header{{Name: "content-type", Value: "application/json"}, {Name: "foo", Value: "first"},
		{Name: "foo", Value: "second"}, {Name: "b:r", Value: "x\ny"}, {Name: "priority", Value: "4"}, {Name: "empty", Value: ""}}
	if e.Destination != "/topic/room" || e.Principal != "" || string(e.Body) != "a\x00b" || !slices.Equal(e.Headers, want) {
		t.Errorf("got %+v", e)
	}
}

// TestSecretsStayInTheGateway: what proves the sender reaches neither the bus nor the log, and comes not back in an answer.
func TestSecretsStayInTheGateway(t *testing.T) {
	const token = "eyJhbGciOiJIUzI1NiJ9.eyJtdSI6NDIsInJsIjpbXX0.c2lnbmF0dXJl"
	const password = "hunter2"
	for _, header := range []string{
		"Authorization:Bearer " + token,
		"authorization:Bearer " + token,
		"AUTHORIZATION:Bearer " + token,
		"aUtHoRiZaTiOn:" + token,
		"Authorization:Basic " + password,
		"Authorization:" + password,
		"Authorization :" + password,
		" Authorization:" + password,
		"Authoriz\\cation:Bearer " + token,
		"Authorization\\c:Bearer " + token,
		"\\cAuthorization:Bearer\\n" + token,
		"Proxy-Authorization:Basic " + password,
		"login:" + password,
		"Login:" + password,
		"passcode:" + password,
		"PassCode:" + password,
		"client-request-code:" + password,
		"Client-Request-Code:" + password,
		"cookie:session=" + password,
		"Cookie:session=" + password,
		"receipt:" + password,
		"x-token:Bearer " + token,
		"x-token:bearer " + password,
		"x-token:BEARER\t" + password,
		"x-token:  Bearer  " + password,
		"x-token:" + token,
		"x-token: " + token + " ",
		"x-token:" + token + ".a2V5.dGFn", // encrypted: five parts
		"x-token:Token " + token,
		"x-token:access_token=" + token + ";path=/",
		"x-token:\"" + token + "\"",
		"x-token:{\"token\"\\c\"" + token + "\"}",
		"foo:bar\nAuthorization:Bearer " + token + "\nAuthorization:Bearer " + token,
	} {
		p := newRig(t).connect("1.2", "Authorization:Bearer "+token, "login:"+password, "passcode:"+password).errors()
		reader := p.rig.connect("1.2")
		reader.feed("SUBSCRIBE\nid:0\ndestination:/topic/a\n" + header + "\n\n^@")
		reader.read()
		p.feed("SEND\ndestination:/topic/a\nfoo:kept\n" + header + "\nbar:kept\n\nbody^@")
		e := p.bus.Taken()[0]
		p.deliver(e)
		message := strings.Join(reader.read(), "")
		if !strings.Contains(message, "\nfoo:kept\n") || !strings.Contains(message, "\nbar:kept\n") {
			t.Errorf("%q: subscribers got %q", header, message)
		}
		p.feed("SEND\ndestination:/topic/closed\n" + header + "\n\n^@SUBSCRIBE\nid:2\ndestination:/topic/closed\n" + header + "\n\n^@WHAT\n" + header + "\n\n^@")
		everywhere := fmt.Sprintf("%+v", e) + message + p.logs.String()
		if name, _, _ := strings.Cut(header, ":"); name != "receipt" && name != "client-request-code" { // which are asked for
			everywhere += strings.Join(p.read(), "")
		}
		for _, secret := range []string{token, password, "eyJhbGci"} {
			if strings.Contains(everywhere, secret) {
				t.Errorf("%q: %q got out: %s", header, secret, everywhere)
			}
		}
	}
}

// nullBus takes everything and answers at once.
type nullBus struct{ *bustest.Fake }

func (nullBus) Publish(_ bus.Envelope, done func(error)) error {
	done(nil)
	return nil
}

func BenchmarkSend(b *testing.B) {
	for _, test := range []struct{ name, header string }{
		{"plain", ""},
		{"headers=4", "content-type:application/json\npriority:4\ncorrelation-id:17\nAuthorization:Bearer eyJhbGci.eyJtdSI6.c2ln\n"},
		{"receipt", "receipt:77\n"},
	} {
		b.Run(test.name, func(b *testing.B) {
			fake := bustest.NewFake()
			r := newRigOn(b, fake, nullBus{fake})
			p := r.connect("1.2")
			frame := []byte("SEND\ndestination:/app/topic/room\n" + test.header + "\n" + strings.Repeat("x", 128) + "\x00")
			in := bytes.Repeat(frame, 32)
			work := make([]byte, len(in))
			b.ReportAllocs()
			b.ResetTimer()
			ran := make(chan struct{})
			r.loop.Post(func() {
				for b.Loop() {
					copy(work, in)
					p.s.Feed(work)
					p.conn.out = p.conn.out[:0]
				}
				close(ran)
			})
			<-ran
			b.ReportMetric(float64(b.N*32)/b.Elapsed().Seconds(), "frames/s")
		})
	}
}

// nullForwarder is a nullBus with backends.
type nullForwarder struct{ nullBus }

// Aim implements bus.Forwarder.
func (nullForwarder) Aim([]bus.Target) error { return nil }

// Forward implements bus.Forwarder.
func (nullForwarder) Forward(_ bus.Target, _ bus.Envelope, done func(error)) error {
	done(nil)
	return nil
}

// BenchmarkBackend is a SEND of 200 bytes from the bytes of the frame to the bus, by a route that publishes, by one to a backend, and by one
// that does both; with a client-request-code it is remembered for the answer.
func BenchmarkBackend(b *testing.B) {
	to := policy.To{Topic: "orders-in"}
	for _, test := range []struct {
		name, header string
		route        policy.Route
	}{
		{"publish", "", policy.Route{Publish: "/topic/a"}},
		{"to", "", policy.Route{To: to}},
		{"to-own-id", "correlation-id:17\n", policy.Route{To: to}},
		{"to-asking", "client-request-code:17\n", policy.Route{To: to}},
		{"both", "", policy.Route{Publish: "/topic/a", To: to}},
	} {
		b.Run(test.name, func(b *testing.B) {
			fake := bustest.NewFake()
			test.route.Match, test.route.Allow = "/app/orders", "true"
			r := newRigWith(b, fake, nullForwarder{nullBus{fake}}, policy.Rules{Prefixes: policy.DefaultPrefixes(), Routes: []policy.Route{test.route}})
			p := r.connect("1.2")
			frame := []byte("SEND\ndestination:/app/orders\n" + test.header + "\n" + strings.Repeat("x", 200) + "\x00")
			work := make([]byte, len(frame))
			b.ReportAllocs()
			r.do(func() {
				for b.Loop() {
					p.s.Feed(work[:copy(work, frame)])
				}
			})
			if n := r.host.Stats.Published.Load(); n < uint64(b.N) {
				b.Fatalf("%d of %d are published", n, b.N)
			}
		})
	}
}
