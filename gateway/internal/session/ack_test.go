package session

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/stompgw/stompgw/bus"
)

// header returns the value of a header of a frame without escapes.
func header(t testing.TB, frame, name string) string {
	t.Helper()
	_, rest, ok := strings.Cut(frame, "\n"+name+":")
	if !ok {
		t.Fatalf("no %s in %q", name, frame)
	}
	value, _, _ := strings.Cut(rest, "\n")
	return value
}

// publish lets n messages come to destination, with their numbers from first as bodies.
func (r *rig) publish(destination string, first, n int) {
	for i := range n {
		r.bus.Deliver(bus.Envelope{Destination: destination, Body: fmt.Append(nil, first+i)})
	}
	r.do(func() {})
}

// bodies returns what came since the last read.
func (p *peer) bodies() (list []string) {
	for _, frame := range p.read() {
		_, body, _ := strings.Cut(frame, "\n\n")
		list = append(list, body)
	}
	return list
}

// ackFrame is ACK, or NACK, for a MESSAGE in a version.
func ackFrame(t testing.TB, command, version, message string) string {
	switch version {
	case "1.0":
		return command + "\nmessage-id:" + header(t, message, "message-id") + "\n\n^@"
	case "1.1":
		return command + "\nmessage-id:" + header(t, message, "message-id") + "\nsubscription:" + header(t, message, "subscription") + "\n\n^@"
	}
	return command + "\nid:" + header(t, message, "ack") + "\n\n^@"
}

// TestWindow: a subscription has 1000 messages without an acknowledgement and no more. In mode
// client an acknowledgement is for its message and all before it, in client-individual for its
// message alone.
func TestWindow(t *testing.T) {
	for _, test := range []struct {
		version, mode string
		after         int // messages that leave when the third is acknowledged
	}{
		{"1.0", "client", 3},
		{"1.1", "client", 3},
		{"1.2", "client", 3},
		{"1.1", "client-individual", 1},
		{"1.2", "client-individual", 1},
	} {
		commands := []string{"ACK", "NACK"}
		if test.version == "1.0" {
			commands = commands[:1]
		}
		for _, command := range commands {
			t.Run(test.version+" "+test.mode+" "+command, func(t *testing.T) {
				p := newRig(t).connect(test.version)
				p.feed("SUBSCRIBE\nid:s\\csu/b\\n\ndestination:/topic/a\nack:" + test.mode + "\n\n^@")
				p.publish("/topic/a", 0, 1100)
				messages := p.read()
				if len(messages) != 1000 || strings.Contains(messages[0], "\nack:") != (test.version == "1.2") {
					t.Fatalf("%d messages, want the window's 1000; the first is %q", len(messages), messages[0])
				}
				ack := ackFrame(t, command, test.version, messages[2])
				p.feed(ack)
				var want []string
				for i := range test.after {
					want = append(want, fmt.Sprint(1000+i))
				}
				if got := p.bodies(); !slices.Equal(got, want) {
					t.Fatalf("after the third: got %q, want %q", got, want)
				}
				p.feed(ack) // again: does no harm, and makes no room
				p.want()
				p.feed(ackFrame(t, command, test.version, messages[999]))
				p.publish("/topic/a", 1100, 1) // behind what was held
				got := p.bodies()
				for i, body := range got {
					if body != fmt.Sprint(1000+test.after+i) {
						t.Fatalf("after the last: message %d is %s", i, body)
					}
				}
				if n := len(got); test.mode == "client" && n != 101-test.after || test.mode != "client" && n != 1 {
					t.Fatalf("after the last: %d messages", n)
				}
				if nacks := p.host.Stats.Nacks.Load(); command == "NACK" && nacks != 3 || command == "ACK" && nacks != 0 {
					t.Errorf("%d NACKs counted", nacks)
				}
				p.wantOpen()
			})
		}
	}
}

// A message of one subscription is acknowledged for that one alone.
func TestAckIsForItsSubscription(t *testing.T) {
	p := newRig(t).connect("1.2")
	p.feed("SUBSCRIBE\nid:1\ndestination:/topic/a\nack:client\n\n^@SUBSCRIBE\nid:2\ndestination:/topic/a\nack:client\n\n^@")
	p.publish("/topic/a", 0, 1001)
	messages := p.read()
	if len(messages) != 2000 {
		t.Fatalf("%d messages", len(messages))
	}
	p.feed(ackFrame(t, "ACK", "1.2", messages[1]))
	p.wantOne("MESSAGE", "subscription:"+header(t, messages[1], "subscription"), "1000")
}

// TestHeldMessagesAreBounded: what waits for acknowledgements is bounded over all subscriptions of
// a session, and a client that goes over it is too slow.
func TestHeldMessagesAreBounded(t *testing.T) {
	r := newRig(t, func(h *Host) { h.Outbound = 10_000 })
	p := r.connect("1.2")
	p.feed("SUBSCRIBE\nid:1\ndestination:/topic/a\nack:client\n\n^@SUBSCRIBE\nid:2\ndestination:/topic/b\nack:client\n\n^@")
	p.publish("/topic/a", 0, 1000)
	p.publish("/topic/b", 0, 1000)
	if n := len(p.read()); n != 2000 {
		t.Fatalf("%d messages", n)
	}
	big := make([]byte, 3000)
	for _, destination := range []string{"/topic/a", "/topic/b", "/topic/a"} {
		r.deliver(bus.Envelope{Destination: destination, Body: big})
	}
	p.want()
	p.wantOpen()
	r.deliver(bus.Envelope{Destination: "/topic/b", Body: big})
	p.wantOne("ERROR", "message:the client acknowledges too slowly\\c more than 10000 bytes wait for it",
		"Messages have been dropped. Connect again; subscribe to less, or acknowledge faster.")
	p.wantClosed(ClosePolicy)
	if n := r.host.Stats.SlowClosed.Load(); n != 1 {
		t.Errorf("%d closed as too slow", n)
	}
}

// A client that makes room before it is judged stays.
func TestHeldMessagesAreJudgedLate(t *testing.T) {
	p := newRig(t, func(h *Host) { h.Outbound = 1000 }).connect("1.2")
	p.feed("SUBSCRIBE\nid:1\ndestination:/topic/a\nack:client\n\n^@")
	p.publish("/topic/a", 0, 1000)
	p.read()
	p.do(func() {
		sub := p.s.subs[0]
		sub.Deliver(&sub.Subscription, 1001, make([]byte, 2000))
		p.s.Feed([]byte("UNSUBSCRIBE\nid:1\n\n\x00"))
	})
	p.want()
	p.wantOpen()
}

// Room that acknowledgements, or the end of a subscription, give back counts.
func TestHeldMessagesAreGivenBack(t *testing.T) {
	r := newRig(t, func(h *Host) { h.Outbound = 10_000 })
	p := r.connect("1.2")
	big := make([]byte, 3000)
	for round := range 5 {
		p.feed("SUBSCRIBE\nid:1\ndestination:/topic/a\nack:client\n\n^@")
		p.publish("/topic/a", 0, 1000)
		messages := p.read()
		for range 3 {
			r.deliver(bus.Envelope{Destination: "/topic/a", Body: big})
		}
		if round%2 == 0 {
			p.feed(ackFrame(t, "ACK", "1.2", messages[999]))
			if n := len(p.read()); n != 3 {
				t.Fatalf("%d messages after the ACK", n)
			}
		}
		p.feed("UNSUBSCRIBE\nid:1\n\n^@")
		p.want()
		p.wantOpen()
		if p.s.work.held != 0 {
			t.Fatalf("%d bytes are held by nobody", p.s.work.held)
		}
	}
}

// An ACK may cross an UNSUBSCRIBE, and may be for what needs none.
func TestAckThatDoesNothing(t *testing.T) {
	p := newRig(t).connect("1.2")
	p.feed("SUBSCRIBE\nid:1\ndestination:/topic/a\nack:client\n\n^@SUBSCRIBE\nid:2\ndestination:/topic/a\n\n^@")
	p.publish("/topic/a", 0, 1)
	messages := p.read()
	if strings.Contains(messages[1], "\nack:") {
		t.Errorf("of a subscription that needs no ACK: %q", messages[1])
	}
	ack := ackFrame(t, "ACK", "1.2", messages[0])
	id := header(t, messages[0], "message-id")
	p.feed("ACK\nid:" + id + "/2\nreceipt:auto\n\n^@")
	p.want(receipt("auto"))
	p.feed("UNSUBSCRIBE\nid:1\n\n^@" + ack + "ACK\nid:" + id + "/1\nreceipt:late\n\n^@NACK\nid:" + id + "/other\nreceipt:other\n\n^@")
	p.want(receipt("late"), receipt("other"))
	p.wantOpen()
}

// The message of another session is nothing that an ACK could take out of a window.
func TestAckOfAnothersMessage(t *testing.T) {
	r := newRig(t)
	p, other := r.connect("1.2"), r.connect("1.2")
	p.feed("SUBSCRIBE\nid:s\ndestination:/topic/a\nack:client\n\n^@")
	other.feed("SUBSCRIBE\nid:s\ndestination:/topic/b\nack:client\n\n^@")
	r.publish("/topic/a", 0, 1001)
	p.read()
	r.publish("/topic/b", 0, 1)
	p.feed("ACK\nid:" + header(t, other.wantOne("MESSAGE"), "ack") + "\nreceipt:r\n\n^@")
	p.want(receipt("r"))
}
