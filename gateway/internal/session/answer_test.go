package session

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stompgw/stompgw/bus/bustest"
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
			if n := len(p.bus.Taken()); n != 0 {
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
		if n := len(p.bus.Taken()); n != 1 {
			t.Errorf("%d envelopes on the bus, want the next", n)
		}
		if refused, unheard := p.host.Stats.Refused[policy.CodeNoRule].Load(), p.host.Stats.Unheard.Load(); refused != 1 || unheard != 1 {
			t.Errorf("%d refused, %d unheard", refused, unheard)
		}
		const want = `level=WARN msg="refused, and the client was not told: it has no subscription to /session/queue/request-error" `
		if log := p.logs.String(); !strings.Contains(log, want) || !strings.Contains(log, " command=SEND destination=/elsewhere word=no_rule code=3 left_out=0\n") {
			t.Errorf("log: %s", log)
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
		if n := len(p.bus.Taken()); n != 0 {
			t.Errorf("%d envelopes on the bus after the end", n)
		}
	})
	t.Run("error with a listener", func(t *testing.T) {
		p := newRig(t, func(h *Host) { h.Fallback = policy.FallbackError }).connect("1.2").errors()
		p.feed(frame)
		p.wantRefusal("no_rule")
	})
}

// TestUnheardLog holds what the log says of refusals that no client is told: one a second and node, of which
// none shows a token or can be mistaken for another line.
func TestUnheardLog(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := bustest.NewFake()
		r := newRigWith(t, b, b, policy.Rules{
			Channels: []policy.Channel{
				{Match: "/topic/open", Subscribe: "true"},
				{Match: "/topic/{room}", Subscribe: "claims.mu == 42", Send: "false"},
			},
			Routes: []policy.Route{{Match: "/app/{x}", Allow: "false", Publish: "/topic/{x}"}},
			Where:  func(rule string) string { return "prod.yaml, " + rule },
		})
		p, told := r.connect("1.2"), r.connect("1.2").errors()
		seen := 0
		warned := func(frame string, want ...string) {
			t.Helper()
			p.feed(frame)
			synctest.Wait() // for the line that came too soon
			var lines []string
			log := r.logs.String()
			for line := range strings.Lines(log[seen:]) {
				if strings.Contains(line, "level=WARN") {
					lines = append(lines, line)
				}
			}
			seen = len(log)
			if len(lines) != min(len(want), 1) {
				t.Fatalf("got %d warnings %q, want %q", len(lines), lines, want)
			}
			for _, w := range want {
				if !strings.Contains(lines[0], w) {
					t.Errorf("got %s, want %q", lines[0], w)
				}
			}
		}
		warned("SEND\ndestination:/topic/a\n\nsecret^@", " command=SEND destination=/topic/a word=not_allowed rule=channels[1] at=\"prod.yaml, channels[1]\" code=2 left_out=0\n")
		warned("SUBSCRIBE\nid:1\ndestination:/topic/a\n\n^@") // too soon
		warned("SEND\ndestination:/topic/a\n\nsecret^@")
		told.feed("SEND\ndestination:/topic/a\n\n^@") // is no reason to warn, nor counted
		told.wantRefusal("not_allowed")
		time.Sleep(time.Second)
		warned("", "command=SUBSCRIBE", "word=login", "reason=", "left_out=1\n")
		time.Sleep(time.Second)
		warned("SEND\ndestination:/app/b\n\n^@", "rule=routes[0]", `at="prod.yaml, routes[0]"`, "left_out=0\n")
		time.Sleep(time.Second)
		warned("SEND\ndestination:/nowhere/x level=ERROR\\nfaked\n\n^@", `destination="/nowhere/x level=ERROR\nfaked"`)
		time.Sleep(time.Second)
		warned("SEND\ndestination:/nowhere/Bearer eyJhbGciOi.eyJtdSI6NDJ9.c2ln\n\n^@", `destination="(looks like a token)"`)
		time.Sleep(time.Second)
		warned("SEND\ndestination:/nowhere/"+strings.Repeat("ü", 300)+"\n\n^@", "destination=/nowhere/"+strings.Repeat("ü", 191)+"… ")
		if strings.Contains(r.logs.String(), "secret") {
			t.Error("the log has a body")
		}
	})
}
