package session

import (
	"slices"
	"strings"
	"testing"
)

// TestFaults holds what a client must not do, and what it is told: one ERROR, that says what would be right
// and names the receipt that was asked for. What it has sent before counts, what it sends after does not.
func TestFaults(t *testing.T) {
	const (
		first       = "the first frame must be CONNECT or STOMP"
		clients     = " clients send SEND, SUBSCRIBE, UNSUBSCRIBE, BEGIN, COMMIT, ABORT, ACK"
		destination = "SUBSCRIBE needs a destination header"
		id          = "SUBSCRIBE needs an id header, which tells the session's subscriptions apart"
		begun       = "no transaction of that name has begun in this session"
		begin       = "BEGIN\ntransaction:t\n\n^@"
		subscribe   = "SUBSCRIBE\nid:1\ndestination:/topic/a\n\n^@"
	)
	type row struct{ name, version, frames, message string } // an empty version: instead of a CONNECT
	rows := []row{
		{"another frame first", "", "DISCONNECT\nreceipt:r\n\n^@", first},
		{"CONNECT in lower case", "", "connect\naccept-version:1.2\n\n^@", first},
		{"body of CONNECT", "", "CONNECT\naccept-version:1.2\n\nbody^@", "CONNECT must not have a body"},
		{"body of STOMP", "", "STOMP\naccept-version:1.1\n\nx^@", "STOMP must not have a body"},
		{"heart-beat is no pair", "", "CONNECT\naccept-version:1.2\nheart-beat:10\n\n^@", `heart-beat must be two whole numbers of milliseconds, such as "10000,10000"`},
		{"what the decoder says", "", "CONNECT\naccept-version\n\n^@", "a header line has no colon; it must read name:value"},

		{"CONNECT again", "1.2", "CONNECT\naccept-version:1.2\nreceipt:r\n\n^@", "the session is connected already: CONNECT must be the first frame and the only one of its kind"},
		{"STOMP again", "1.1", "STOMP\naccept-version:1.2\nreceipt:r\n\n^@", "the session is connected already: STOMP must be the first frame and the only one of its kind"},
		{"unknown in 1.2", "1.2", "PUBLISH\nreceipt:r\n\n^@", "unknown command: STOMP 1.2" + clients + ", NACK and DISCONNECT"},
		{"unknown in 1.1", "1.1", "PUBLISH\nreceipt:r\n\n^@", "unknown command: STOMP 1.1" + clients + ", NACK and DISCONNECT"},
		{"unknown in 1.0", "1.0", "PUBLISH\nreceipt:r\n\n^@", "unknown command: STOMP 1.0" + clients + " and DISCONNECT"},
		{"NACK in 1.0", "1.0", "NACK\nmessage-id:TAG-1\nreceipt:r\n\n^@", "unknown command: STOMP 1.0" + clients + " and DISCONNECT"},
		{"unknown with a body to come", "1.1", "PUBLISH\nreceipt:r\ncontent-length:100\n\n", "unknown command: STOMP 1.1" + clients + ", NACK and DISCONNECT"},
		{"commands in lower case", "1.1", "send\ndestination:/topic/a\nreceipt:r\n\n^@", "unknown command: STOMP 1.1" + clients + ", NACK and DISCONNECT"},
		{"CONNECTED", "1.2", "CONNECTED\nversion:1.2\nreceipt:r\n\n^@", "CONNECTED is a frame that only servers send"},
		{"MESSAGE", "1.2", "MESSAGE\ndestination:/topic/a\nreceipt:r\n\n^@", "MESSAGE is a frame that only servers send"},
		{"RECEIPT", "1.2", "RECEIPT\nreceipt-id:1\nreceipt:r\n\n^@", "RECEIPT is a frame that only servers send"},
		{"ERROR", "1.0", "ERROR\nreceipt:r\n\n^@", "ERROR is a frame that only servers send"},
		{"undefined escape", "1.2", "SEND\ndestination:/topic/a\nreceipt:r\nfoo:a\\tb\n\n^@", `undefined escape \t in the value of the header "foo"; STOMP 1.2 has \r \n \c \\`},
		{"\\r in 1.1", "1.1", "SEND\ndestination:/topic/a\nreceipt:r\nfoo:a\\rb\n\n^@", `undefined escape \r in the value of the header "foo"; STOMP 1.1 has \n \c \\`},
		{"body over the limit", "1.2", "SEND\ndestination:/topic/a\nreceipt:r\ncontent-length:65537\n\n", "the body is longer than the 65536 octets allowed"},
		{"too many headers", "1.2", "SEND\nreceipt:r\n" + strings.Repeat("a:b\n", 64) + "\n^@", "the frame has more than the 64 header entries allowed"},
		{"header line over the limit", "1.2", "SEND\nreceipt:r\nfoo:" + strings.Repeat("x", 8<<10), "a header line is longer than the 8192 octets allowed"},
		{"headers over the limit", "1.2", "SEND\nreceipt:r\n" + strings.Repeat("foo:"+strings.Repeat("x", 8000)+"\n", 5), "the headers take more than the 32768 octets allowed"},
		{"SEND to nowhere", "1.1", "SEND\nreceipt:r\n\nbody^@", "SEND needs a destination header"},
		{"SEND to an empty destination", "1.0", "SEND\ndestination:\nreceipt:r\n\nbody^@", "SEND needs a destination header"},

		{"SUBSCRIBE without a destination", "1.2", "SUBSCRIBE\nid:1\nreceipt:r\n\n^@", destination},
		{"SUBSCRIBE with an empty destination", "1.0", "SUBSCRIBE\nid:1\ndestination:\nreceipt:r\n\n^@", destination},
		{"SUBSCRIBE without an id", "1.1", "SUBSCRIBE\ndestination:/topic/a\nreceipt:r\n\n^@", id},
		{"SUBSCRIBE with an empty id", "1.2", "SUBSCRIBE\nid:\ndestination:/topic/a\nreceipt:r\n\n^@", id},
		{"id twice", "1.2", subscribe + "SUBSCRIBE\nid:1\ndestination:/topic/b\nreceipt:r\n\n^@", `a subscription of this session has the id "1" already: each needs an id of its own`},
		{"id twice, the second forbidden", "1.2", subscribe + "SUBSCRIBE\nid:1\ndestination:/elsewhere\nreceipt:r\n\n^@", `a subscription of this session has the id "1" already: each needs an id of its own`},
		{"destination twice in 1.0", "1.0", "SUBSCRIBE\ndestination:/topic/a\n\n^@SUBSCRIBE\ndestination:/topic/a\nreceipt:r\n\n^@", `the session is subscribed to "/topic/a" already: give each subscription an id header of its own`},
		{"ack mode unknown", "1.2", "SUBSCRIBE\nid:1\ndestination:/topic/a\nack:Client\nreceipt:r\n\n^@", "unknown ack mode: STOMP 1.2 has auto, client and client-individual"},
		{"ack mode empty", "1.1", "SUBSCRIBE\nid:1\ndestination:/topic/a\nack:\nreceipt:r\n\n^@", "unknown ack mode: STOMP 1.1 has auto, client and client-individual"},
		{"client-individual in 1.0", "1.0", "SUBSCRIBE\nid:1\ndestination:/topic/a\nack:client-individual\nreceipt:r\n\n^@", "unknown ack mode: STOMP 1.0 has auto and client"},
		{"UNSUBSCRIBE without an id", "1.1", "UNSUBSCRIBE\ndestination:/topic/a\nreceipt:r\n\n^@", "UNSUBSCRIBE needs an id header: that of the SUBSCRIBE"},
		{"UNSUBSCRIBE of nothing in 1.0", "1.0", "UNSUBSCRIBE\nreceipt:r\n\n^@", "UNSUBSCRIBE needs an id header or a destination header: that of the SUBSCRIBE"},

		{"BEGIN without a name", "1.2", "BEGIN\nreceipt:r\n\n^@", "BEGIN needs a transaction header"},
		{"BEGIN with an empty name", "1.2", "BEGIN\ntransaction:\nreceipt:r\n\n^@", "BEGIN needs a transaction header"},
		{"BEGIN twice", "1.2", begin + "BEGIN\ntransaction:t\nreceipt:r\n\n^@", `a transaction of the name "t" has begun already in this session`},
		{"COMMIT without a name", "1.2", begin + "COMMIT\nreceipt:r\n\n^@", "COMMIT needs a transaction header"},
		{"COMMIT unknown", "1.2", begin + "COMMIT\ntransaction:u\nreceipt:r\n\n^@", begun},
		{"COMMIT twice", "1.2", begin + "COMMIT\ntransaction:t\n\n^@COMMIT\ntransaction:t\nreceipt:r\n\n^@", begun},
		{"COMMIT after ABORT", "1.2", begin + sendIn("t", "1") + "ABORT\ntransaction:t\n\n^@COMMIT\ntransaction:t\nreceipt:r\n\n^@", begun},
		{"ABORT without a name", "1.2", begin + "ABORT\nreceipt:r\n\n^@", "ABORT needs a transaction header"},
		{"ABORT unknown", "1.2", "ABORT\ntransaction:t\nreceipt:r\n\n^@", begun},
		{"SEND unknown", "1.2", "SEND\ndestination:/topic/a\ntransaction:t\nreceipt:r\n\n^@", begun},
		{"SEND with an empty name", "1.2", "SEND\ndestination:/topic/a\ntransaction:\nreceipt:r\n\n^@", begun},
		{"SEND after COMMIT", "1.2", begin + "COMMIT\ntransaction:t\n\n^@SEND\ndestination:/topic/a\ntransaction:t\nreceipt:r\n\n^@", begun},
		{"ACK in none", "1.2", "ACK\nid:TAG-1/s\ntransaction:t\nreceipt:r\n\n^@", begun},
		{"ACK without a message-id in 1.0", "1.0", "ACK\nid:1\nreceipt:r\n\n^@", "ACK needs a message-id header"},
		{"ACK of nothing in 1.0", "1.0", "ACK\nmessage-id:nonsense\nreceipt:r\n\n^@",
			"ACK names a message that this session has not received: copy the message-id header of its MESSAGE into the message-id header"},
	}
	for _, command := range []string{"ACK", "NACK"} {
		for _, bad := range []struct{ version, header, message string }{
			{"1.2", "message-id:1", " needs an id header"},
			{"1.2", "id:", " needs an id header"},
			{"1.2", "id:nonsense", ""},
			{"1.2", "id:nonsense/s", ""},
			{"1.2", "id:TAG-1", ""},
			{"1.2", "id:TAG-99/s", ""},
			{"1.2", "id:TAG-0/s", ""},
			{"1.2", "id:TAG--1/s", ""},
			{"1.2", "id:TAG-/s", ""},
			{"1.2", "id:TAG-99999999999999999999/s", ""},
			{"1.1", "subscription:s", " needs a message-id header"},
			{"1.1", "message-id:TAG-1", " needs a subscription header"},
			{"1.1", "message-id:nonsense\nsubscription:s", " names a message that this session has not received: copy the message-id header of its MESSAGE into the message-id header"},
		} {
			if bad.message == "" {
				bad.message = " names a message that this session has not received: copy the ack header of its MESSAGE into the id header"
			}
			rows = append(rows, row{command + " " + bad.header, bad.version, command + "\n" + bad.header + "\nreceipt:r\n\n^@", command + bad.message})
		}
	}
	for _, test := range rows {
		t.Run(test.name, func(t *testing.T) {
			p, want := newRig(t).accept(), []string{"message:" + test.message}
			var sent []string
			if test.version != "" {
				p, sent = p.rig.connect(test.version), []string{"before"}
				p.feed("SUBSCRIBE\nid:s\ndestination:/topic/a\nack:client\n\n^@")
				p.publish("/topic/a", 0, 1)
				tag, _, _ := strings.Cut(header(t, p.wantOne("MESSAGE"), "message-id"), "-")
				test.frames = "SEND\ndestination:/topic/a\n\nbefore^@" + strings.ReplaceAll(test.frames, "TAG", tag)
			}
			if test.version > "1.0" {
				want[0] = "message:" + strings.NewReplacer(`\`, `\\`, ":", `\c`).Replace(test.message)
			}
			if strings.Contains(test.frames, "receipt:r") {
				want = append(want, "receipt-id:r")
			}
			p.feed(test.frames + "SEND\ndestination:/topic/a\n\nafter^@WHAT\n\n^@")
			if frame := p.wantOne("ERROR", want...); len(want) == 1 && strings.Contains(frame, "receipt-id") {
				t.Errorf("nobody asked for a receipt: %q", frame)
			}
			p.wantClosed(CloseProtocol)
			p.feed("SEND\ndestination:/topic/a\n\nlater^@")
			p.do(func() { p.s.Closed(nil) })
			if got := p.bus.Bodies(); !slices.Equal(got, sent) {
				t.Errorf("the bus has %q", got)
			}
			if n, open := len(p.book.Sessions()), p.host.Stats.Open.Load(); n != 0 || open != 0 {
				t.Errorf("the registry has %d sessions, %d are open", n, open)
			}
		})
	}
}
