package gateway_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stompgw/stompgw/gateway"
)

// chatSizes go from what is evaluated on the loop to what is not, and back.
var chatSizes = [...]int{1, 60_000, 10, 20_000, 9_000, 100, 60_000, 1}

func chat(size int, header string) string {
	return "SEND\ndestination:/app/chat/room\n" + header + "\n\n{\"chat\":\"" + strings.Repeat("é", size/2) + "\"}^@"
}

// TestRewrite sends what a route rewrites, in one go: it arrives in its order, whatever of it was
// evaluated on the loop, and what comes behind is carried out behind it.
func TestRewrite(t *testing.T) {
	eachSocket(t, func(t *testing.T, start startFunc) {
		eachTransport(t, func(t *testing.T, dial func(*node) *client) {
			n := start(t)
			reader, writer := dial(n).connect(), dial(n).connect()
			reader.subscribe("0", "/topic/room")
			writer.subscribe("err", "/session/queue/request-error")
			var all strings.Builder
			for i, size := range chatSizes {
				all.WriteString(chat(size, fmt.Sprintf("x-n:%d", i)))
			}
			all.WriteString("SEND\ndestination:/app/chat/room\nclient-request-code:bad\n\n" + strings.Repeat("x", 30_000) + "^@")
			all.WriteString(chat(30_000, "x-n:last") + "DISCONNECT\nreceipt:bye\n\n^@")
			writer.send(all.String())

			for i, size := range chatSizes {
				reader.expect("MESSAGE", fmt.Sprintf("x-n:%d", i), "x-by:room", "content-type:application/json",
					`{"content":"`+strings.Repeat("é", size/2)+`"}`)
			}
			reader.expect("MESSAGE", "x-n:last")
			writer.expect("MESSAGE", "subscription:err", `{"clientRequestCode":"bad","errorCode":13,"errorMessage":"The message's body is not what this route works on","error":"body","retryable":false,"destination":"/app/chat/room"}`)
			writer.expect("RECEIPT", "receipt-id:bye")
			if _, err := writer.read(); err == nil {
				t.Error("after DISCONNECT the connection stays")
			}
		})
	})
}

// TestDrainWhileRewriting: a node that stops waits for no more than it has begun.
func TestDrainWhileRewriting(t *testing.T) {
	n := start(t, gateway.WithDrain(0))
	for range 20 {
		c := n.dialTCP(t).connect()
		c.send(chat(60_000, "x:y") + chat(60_000, "x:y"))
	}
	n.stop()
}
