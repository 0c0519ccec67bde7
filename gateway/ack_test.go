package gateway_test

import (
	"fmt"
	"strings"
	"testing"
)

// "ACK", "NACK": what each version asks for.
func TestAckFaults(t *testing.T) {
	const received = " names a message that this session has not received: copy the "
	eachTransport(t, func(t *testing.T, dial func(*node) *client) {
		n := start(t)
		for _, test := range []struct{ version, frame, message string }{
			{"1.0", "ACK\nid:1\nreceipt:r\n\n^@", "ACK needs a message-id header"},
			{"1.0", "ACK\nmessage-id:1\nreceipt:r\n\n^@", "ACK" + received + "message-id header of its MESSAGE into the message-id header"},
			{"1.1", "ACK\nsubscription:s\nreceipt:r\n\n^@", "ACK needs a message-id header"},
			{"1.1", "ACK\nmessage-id:1\nreceipt:r\n\n^@", "ACK needs a subscription header"},
			{"1.1", "NACK\nmessage-id:1\nreceipt:r\n\n^@", "NACK needs a subscription header"},
			{"1.1", "NACK\nmessage-id:1\nsubscription:s\nreceipt:r\n\n^@", "NACK" + received + "message-id header of its MESSAGE into the message-id header"},
			{"1.2", "ACK\nmessage-id:1\nsubscription:s\nreceipt:r\n\n^@", "ACK needs an id header"},
			{"1.2", "NACK\nreceipt:r\n\n^@", "NACK needs an id header"},
			{"1.2", "ACK\nid:1\nreceipt:r\n\n^@", "ACK" + received + "ack header of its MESSAGE into the id header"},
			{"1.2", "NACK\nid:1/s\nreceipt:r\n\n^@", "NACK" + received + "ack header of its MESSAGE into the id header"},
			{"1.2", "ACK\nid:1/s\ntransaction:t\nreceipt:r\n\n^@", "ACK" + received + "ack header of its MESSAGE into the id header"},
		} {
			t.Run(test.version+" "+strings.ReplaceAll(test.frame, "\n", " "), func(t *testing.T) {
				c := dial(n).connectAs(test.version)
				c.send(test.frame)
				c.wantFault(escape(test.version, test.message), "receipt-id:r")
			})
		}
	})
}

// A 1.2 client that copies the message-id, as 1.1 does, is told, or its messages would end after
// the first thousand.
func TestAckByMessageID(t *testing.T) {
	n := start(t)
	c := n.dialTCP(t).connect()
	c.send("SUBSCRIBE\nid:s\ndestination:/topic/a\nack:client\n\n^@SEND\ndestination:/topic/a\n\nx^@")
	id := header(t, c.expect("MESSAGE"), "message-id")
	c.send("ACK\nid:" + id + "\nreceipt:r\n\n^@")
	c.wantFault("ACK names a message that this session has not received\\c copy the ack header of its MESSAGE into the id header", "receipt-id:r")
}

// "SUBSCRIBE ack Header": message 1001 waits for an acknowledgement; in mode client one is for all
// before it, in client-individual for its message alone.
func TestPrefetch(t *testing.T) {
	const messages = 1002
	eachTransport(t, func(t *testing.T, dial func(*node) *client) {
		n := start(t)
		writer := dial(n).connect()
		for _, test := range []struct {
			version, mode string
			freed         int
		}{
			{"1.0", "client", 2}, {"1.1", "client", 2}, {"1.2", "client", 2},
			{"1.1", "client-individual", 1}, {"1.2", "client-individual", 1},
		} {
			t.Run(test.version+" "+test.mode, func(t *testing.T) {
				c := dial(n).connectAs(test.version)
				c.send("SUBSCRIBE\nid:s\ndestination:/topic/" + test.version + "\nack:" + test.mode + "\nreceipt:s\n\n^@")
				c.expect("RECEIPT")
				c.send("SUBSCRIBE\nid:last\ndestination:/topic/last\nreceipt:s\n\n^@")
				c.expect("RECEIPT")
				var frames strings.Builder
				for i := range messages {
					fmt.Fprintf(&frames, "SEND\ndestination:/topic/%s\n\n%d^@", test.version, i)
				}
				writer.send(frames.String() + "SEND\ndestination:/topic/last\n\nlast^@")
				var ids []string
				for i := range 1000 {
					message := c.expect("MESSAGE", "subscription:s", fmt.Sprint(i))
					id := "message-id:" + header(t, message, "message-id") + "\nsubscription:s"
					if test.version == "1.2" {
						id = "id:" + header(t, message, "ack")
					}
					ids = append(ids, id)
				}
				c.expect("MESSAGE", "subscription:last", "last") // though two messages are before it
				c.send("ACK\n" + ids[1] + "\n\n^@")
				for i := range test.freed {
					c.expect("MESSAGE", "subscription:s", fmt.Sprint(1000+i))
				}
				c.wantAlive()
				c.send("UNSUBSCRIBE\nid:s\n\n^@ACK\n" + ids[2] + "\nreceipt:late\n\n^@")
				c.expect("RECEIPT", "receipt-id:late")
			})
		}
	})
}
