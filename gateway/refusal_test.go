package gateway_test

import (
	"strings"
	"testing"
)

// TestRefusals: what a rule does not let pass is answered on the error channel, the connection
// stays, and there is no RECEIPT.
func TestRefusals(t *testing.T) {
	eachTransport(t, func(t *testing.T, dial func(*node) *client) {
		n := start(t)
		c := dial(n).connect()
		c.subscribe("e", "/session/queue/request-error")
		for _, test := range []struct{ name, frame, want string }{
			{
				"SUBSCRIBE without a rule", "SUBSCRIBE\nid:1\ndestination:/elsewhere\nclient-request-code:SUBSCRIBE\n\n^@",
				`{"clientRequestCode":"SUBSCRIBE","errorCode":3,"errorMessage":"No channel or route has this destination",`,
			},
			{
				"without a request code", "SUBSCRIBE\nid:1\ndestination:/elsewhere\nreceipt:no\n\n^@",
				`{"clientRequestCode":null,"errorCode":3,"errorMessage":"No channel or route has this destination",`,
			},
			{
				"SUBSCRIBE against a rule", "SUBSCRIBE\nid:1\ndestination:/topic/secret/a\nreceipt:no\n\n^@",
				`{"clientRequestCode":null,"errorCode":2,"errorMessage":"Not allowed",`,
			},
			{
				"by pattern", "SUBSCRIBE\nid:1\ndestination:/topic/*\nreceipt:no\n\n^@",
				`{"clientRequestCode":null,"errorCode":4,"errorMessage":"Subscriptions by pattern are not allowed here",`,
			},
			{
				"bare queue", "SUBSCRIBE\nid:1\ndestination:/queue/request-error\nreceipt:no\n\n^@",
				`{"clientRequestCode":null,"errorCode":3,"errorMessage":"No channel or route has this destination",`,
			},
			{
				"SUBSCRIBE to the application", "SUBSCRIBE\nid:1\ndestination:/app/topic/a\nreceipt:no\n\n^@",
				`{"clientRequestCode":null,"errorCode":3,"errorMessage":"No channel or route has this destination",`,
			},
			{
				"SEND without a rule", "SEND\ndestination:/elsewhere\nreceipt:no\nclient-request-code:SEND\n\nx^@",
				`{"clientRequestCode":"SEND","errorCode":3,"errorMessage":"No channel or route has this destination",`,
			},
			{
				"SEND against a rule", "SEND\ndestination:/topic/secret/a\nreceipt:no\n\nx^@",
				`{"clientRequestCode":null,"errorCode":2,"errorMessage":"Not allowed",`,
			},
			{
				"SEND to a pattern", "SEND\ndestination:/topic/*\nreceipt:no\n\nx^@",
				`{"clientRequestCode":null,"errorCode":3,"errorMessage":"No channel or route has this destination",`,
			},
			{
				"SEND to a session destination without a rule", "SEND\ndestination:/session/other/x\nreceipt:no\n\nx^@",
				`{"clientRequestCode":null,"errorCode":3,"errorMessage":"No channel or route has this destination",`,
			},
			{
				"UNSUBSCRIBE of what was refused", "UNSUBSCRIBE\nid:1\nreceipt:no\n\n^@",
				`{"clientRequestCode":null,"errorCode":11,"errorMessage":"This session has no such subscription",`,
			},
		} {
			t.Run(test.name, func(t *testing.T) {
				c.send(test.frame)
				frame := c.expect("MESSAGE", "subscription:e", "destination:/session/queue/request-error", "content-type:text/plain;charset=UTF-8")
				if _, body, _ := strings.Cut(frame, "\n\n"); !strings.HasPrefix(body, test.want) {
					t.Errorf("got %s\nwant %s...", body, test.want)
				}
				c.wantAlive()
			})
		}
	})
}
