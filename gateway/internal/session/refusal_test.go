package session

import (
	"strings"
	"testing"

	"github.com/stompgw/stompgw/gateway/policy"
)

// TestRefusal holds the body of a refusal: the first three fields are those of the replaced
// system, in its order.
func TestRefusal(t *testing.T) {
	for _, test := range []struct{ name, frame, want string }{
		{
			"SUBSCRIBE that a rule forbids", "SUBSCRIBE\nid:1\ndestination:/topic/closed\nclient-request-code:SUBSCRIBE\n\n^@",
			`{"clientRequestCode":"SUBSCRIBE","errorCode":2,"errorMessage":"Not allowed","error":"not_allowed","retryable":false,"destination":"/topic/closed"}`,
		},
		{
			"without a request code", "SUBSCRIBE\nid:1\ndestination:/topic/closed\n\n^@",
			`{"clientRequestCode":null,"errorCode":2,"errorMessage":"Not allowed","error":"not_allowed","retryable":false,"destination":"/topic/closed"}`,
		},
		{
			"with an empty one", "SUBSCRIBE\nid:1\ndestination:/topic/closed\nclient-request-code:\n\n^@",
			`{"clientRequestCode":"","errorCode":2,"errorMessage":"Not allowed","error":"not_allowed","retryable":false,"destination":"/topic/closed"}`,
		},
		{
			"with one to escape", "SUBSCRIBE\nid:1\ndestination:/topic/closed\nclient-request-code:a\\c\"b\\n\\\\\n\n^@",
			`{"clientRequestCode":"a:\"b\n\\","errorCode":2,"errorMessage":"Not allowed","error":"not_allowed","retryable":false,"destination":"/topic/closed"}`,
		},
		{
			"SEND without a rule", "SEND\ndestination:/elsewhere\nreceipt:r1\nclient-request-code:SEND\n\n^@",
			`{"clientRequestCode":"SEND","errorCode":3,"errorMessage":"No channel or route has this destination","error":"no_rule","retryable":false,"receiptId":"r1","destination":"/elsewhere"}`,
		},
		{
			"subscription by pattern", "SUBSCRIBE\nid:1\ndestination:/topic/*\nreceipt:r2\n\n^@",
			`{"clientRequestCode":null,"errorCode":4,"errorMessage":"Subscriptions by pattern are not allowed here","error":"pattern","retryable":false,"receiptId":"r2","destination":"/topic/*"}`,
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			p := newRig(t).connect("1.2").errors()
			p.feed(test.frame)
			frame := p.wantOne("MESSAGE", "subscription:err", "destination:/session/queue/request-error", "content-type:text/plain;charset=UTF-8")
			if _, body, _ := strings.Cut(frame, "\n\n"); body != test.want {
				t.Errorf("got  %s\nwant %s", body, test.want)
			}
			p.wantOpen()
			if n := len(p.bus.taken()); n != 0 {
				t.Errorf("%d envelopes on the bus", n)
			}
		})
	}
}

// A session that does not listen for refusals is left alone, or told by an ERROR.
func TestFallback(t *testing.T) {
	const frame = "SEND\ndestination:/elsewhere\nreceipt:r\n\n^@SEND\ndestination:/topic/a\n\nnext^@"
	t.Run("drop", func(t *testing.T) {
		p := newRig(t).connect("1.2")
		p.feed(frame)
		p.want()
		p.wantOpen()
		if n := len(p.bus.taken()); n != 1 {
			t.Errorf("%d envelopes on the bus, want the next", n)
		}
		if refused, unheard := p.host.Stats.Refused[policy.CodeNoRule].Load(), p.host.Stats.Unheard.Load(); refused != 1 || unheard != 1 {
			t.Errorf("%d refused, %d unheard", refused, unheard)
		}
		if !strings.Contains(p.logs.String(), "destination=/elsewhere code=3") {
			t.Errorf("log: %s", p.logs)
		}
	})
	t.Run("error", func(t *testing.T) {
		p := newRig(t, func(h *Host) { h.Fallback = policy.FallbackError }).connect("1.2")
		p.feed(frame)
		got := p.wantOne("ERROR", "message:No channel or route has this destination", "receipt-id:r")
		if !strings.HasSuffix(got, "\n\nCode 3. Subscribe to /session/queue/request-error to be told of refusals without losing the connection.") {
			t.Errorf("got %q", got)
		}
		p.wantClosed(ClosePolicy)
		if n := len(p.bus.taken()); n != 0 {
			t.Errorf("%d envelopes on the bus after the end", n)
		}
	})
	t.Run("error with a listener", func(t *testing.T) {
		p := newRig(t, func(h *Host) { h.Fallback = policy.FallbackError }).connect("1.2").errors()
		p.feed(frame)
		p.wantRefusal("no_rule")
	})
}

// Whoever has left the error channel does not hear of refusals any more.
func TestRefusalAfterUnsubscribe(t *testing.T) {
	p := newRig(t).connect("1.2").errors()
	p.feed(unsubscribe("err"))
	p.want(receipt("unerr"))
	p.feed("SEND\ndestination:/elsewhere\n\n^@")
	p.want()
}
