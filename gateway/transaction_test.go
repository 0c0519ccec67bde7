package gateway_test

import (
	"fmt"
	"strings"
	"testing"
)

// A transaction belongs to its session: another may use the same name.
func TestTransactions(t *testing.T) {
	eachTransport(t, func(t *testing.T, dial func(*node) *client) {
		n := start(t)
		reader := dial(n).connect()
		reader.subscribe("0", "/topic/a")
		var writers []*client
		for w := range 2 {
			c := dial(n).connect()
			c.send("BEGIN\ntransaction:t\n\n^@")
			for i := range 50 {
				c.send(fmt.Sprintf("SEND\ndestination:/app/topic/a\ntransaction:t\nreceipt:%d\n\n%d-%d^@", i, w, i))
			}
			c.wantAlive() // so all of it has come, and no RECEIPT
			writers = append(writers, c)
		}
		reader.wantAlive() // and no MESSAGE
		writers[0].send("COMMIT\ntransaction:t\nreceipt:c\n\n^@")
		for i := range 50 {
			reader.expect("MESSAGE", fmt.Sprintf("0-%d", i))
			writers[0].expect("RECEIPT", fmt.Sprintf("receipt-id:%d", i))
		}
		writers[0].expect("RECEIPT", "receipt-id:c")
		writers[1].send("ABORT\ntransaction:t\nreceipt:a\n\n^@SEND\ndestination:/topic/a\n\noutside^@")
		writers[1].expect("RECEIPT", "receipt-id:a")
		reader.expect("MESSAGE", "outside")
	})
}

// A SEND that a rule refuses is told at once, and the COMMIT says that it was not all.
func TestTransactionRefusals(t *testing.T) {
	eachTransport(t, func(t *testing.T, dial func(*node) *client) {
		n := start(t)
		c := dial(n).connect()
		c.subscribe("e", "/session/queue/request-error")
		c.subscribe("0", "/topic/a")
		c.send("BEGIN\ntransaction:t\n\n^@SEND\ndestination:/topic/a\ntransaction:t\n\none^@SEND\ndestination:/nowhere\ntransaction:t\nreceipt:2\n\ntwo^@" +
			"SEND\ndestination:/topic/a\ntransaction:t\n\nthree^@")
		if frame := c.expect("MESSAGE", "subscription:e"); !strings.Contains(frame, `"errorCode":3,`) || !strings.Contains(frame, `"receiptId":"2"`) {
			t.Errorf("got %q", frame)
		}
		c.send("COMMIT\ntransaction:t\nreceipt:c\nclient-request-code:commit\n\n^@")
		got := map[string]bool{}
		for range 3 { // the bus answers while it delivers
			frame := c.expect("MESSAGE")
			_, body, _ := strings.Cut(frame, "\n\n")
			got[body] = true
		}
		if !got["one"] || !got["three"] || !got[`{"clientRequestCode":"commit","errorCode":10,"errorMessage":"Some messages of the transaction were refused, the others published",`+
			`"error":"transaction_incomplete","retryable":false,"receiptId":"c"}`] {
			t.Errorf("got %v", got)
		}
		c.wantAlive()
	})
}
