package gateway_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stompgw/stompgw/gateway"
	"github.com/stompgw/stompgw/gateway/internal/ws"
)

// connectFrame and receiptFrame are STOMP frames that have an answer.
const connectFrame = "CONNECT\naccept-version:1.2\nhost:test\n\n\x00"

func sendFrame(receipt string) string {
	return "SEND\ndestination:/topic/void\nreceipt:" + receipt + "\n\n\x00"
}

func receiptFrame(id string) string { return "RECEIPT\nreceipt-id:" + id + "\n\n\x00" }

// TestFraming is RFC 6455 section 5: what may be sent, and how.
func TestFraming(t *testing.T) {
	n := start(t)
	send := sendFrame("r")
	for _, c := range []struct {
		name    string
		wire    []string // each written by itself
		answers []string // payloads of frames, in this order; a pong's begins with "pong "
	}{
		{"text message", []string{frame(text, send)}, []string{receiptFrame("r")}},
		{"binary message", []string{frame(binaryMsg, send)}, []string{receiptFrame("r")}},
		{"binary message need not be UTF-8", []string{frame(binaryMsg, "SEND\ndestination:/topic/void\nreceipt:r\n\n\xff\xc0\x00")}, []string{receiptFrame("r")}},
		{"empty text message", []string{frame(text, ""), frame(text, send)}, []string{receiptFrame("r")}},
		{"empty binary message", []string{frame(binaryMsg, ""), frame(text, send)}, []string{receiptFrame("r")}},
		{"several STOMP frames in one message", []string{frame(text, sendFrame("a")+"\n"+sendFrame("b"))}, []string{receiptFrame("a"), receiptFrame("b")}},
		{"one STOMP frame over two messages", []string{frame(text, send[:20]), frame(binaryMsg, send[20:])}, []string{receiptFrame("r")}},
		{"one STOMP frame over many messages", each(send, func(s string, _, _ bool) string { return frame(text, s) }), []string{receiptFrame("r")}},
		{"one byte per fragment", each(send, fragment), []string{receiptFrame("r")}},
		{"ping among fragments", []string{frame(textStart, send[:9]), frame(ping, "hello"), frame(goesOn, send[9:20]), frame(ping, ""), frame(ends, send[20:])},
			[]string{"pong hello", "pong ", receiptFrame("r")}},
		{"pong among fragments", []string{frame(textStart, send[:9]), frame(pong, "x"), frame(ends, send[9:])}, []string{receiptFrame("r")}},
		{"empty fragments", []string{frame(textStart, ""), frame(goesOn, ""), frame(goesOn, send), frame(ends, "")}, []string{receiptFrame("r")}},
		{"fragmented binary message", []string{frame(binaryStart, send[:9]), frame(ends, send[9:])}, []string{receiptFrame("r")}},
		{"ping", []string{frame(ping, "")}, []string{"pong "}},
		{"ping of 125 bytes", []string{frame(ping, strings.Repeat("p", 125))}, []string{"pong " + strings.Repeat("p", 125)}},
		{"ping of any bytes", []string{frame(ping, "\xff\x00")}, []string{"pong \xff\x00"}},
		{"pings in one segment", []string{frame(ping, "1") + frame(ping, "2") + frame(text, send)}, []string{"pong 1", "pong 2", receiptFrame("r")}},
		{"unsolicited pong", []string{frame(pong, "what"), frame(text, send)}, []string{receiptFrame("r")}},
		{"a character over fragments", []string{frame(textStart, "SEND\ndestination:/topic/void\nreceipt:\xe2\x82"), frame(ends, "\xac\n\n\x00")}, []string{receiptFrame("€")}},
		{"all in one segment", []string{frame(text, sendFrame("a")) + frame(textStart, send[:9]) + frame(ends, send[9:]) + frame(ping, "p")},
			[]string{receiptFrame("a"), receiptFrame("r"), "pong p"}},
		{"a byte at a time", strings.Split(frame(text, send)+frame(ping, "p"), ""), []string{"pong p", receiptFrame("r")}},
	} {
		t.Run(c.name, func(t *testing.T) {
			ws := n.session(t)
			for _, w := range c.wire {
				ws.write(w)
			}
			wantAnswers(ws, c.answers)
			ws.wantAlive()
		})
	}
}

// wantAnswers wants pongs in their order, and receipts in theirs: a receipt comes by way of the bus.
func wantAnswers(c *raw, answers []string) {
	c.t.Helper()
	var want, got [2][]string // messages, pongs
	for _, a := range answers {
		if payload, ok := strings.CutPrefix(a, "pong "); ok {
			want[1] = append(want[1], payload)
		} else {
			want[0] = append(want[0], a)
		}
	}
	for range answers {
		switch first, payload, err := c.read(); {
		case err != nil:
			c.t.Fatalf("after %q: %v", got, err)
		case first == pong:
			got[1] = append(got[1], payload)
		case first == text:
			got[0] = append(got[0], payload)
		default:
			c.t.Fatalf("got a frame %#x %q", first, payload)
		}
	}
	if fmt.Sprint(got) != fmt.Sprint(want) {
		c.t.Errorf("got %q, want %q", got, want)
	}
}

// each makes a frame of every byte.
func each(s string, frame func(s string, first, last bool) string) (frames []string) {
	for i := range len(s) {
		frames = append(frames, frame(s[i:i+1], i == 0, i == len(s)-1))
	}
	return frames
}

// fragment is a part of a text message.
func fragment(s string, first, last bool) string {
	b := byte(goesOn)
	if first {
		b = textStart
	}
	if last {
		b |= ends
	}
	return frame(b, s)
}

// TestFramingFaults are what fails the connection, with the code that RFC 6455 section 7.4.1 has
// for it. Each comes between two SENDs: the first is answered, the second is not.
func TestFramingFaults(t *testing.T) {
	const body = "SEND\ndestination:/topic/void\n\n" // of which all bytes but NUL may follow
	n := start(t)
	type row struct {
		name string
		wire string
		code int
	}
	rows := []row{
		{"no mask on a text message", "\x81\x05hello", 1002},
		{"no mask on a ping", "\x89\x00", 1002},
		{"no mask on a Close", "\x88\x02\x03\xe8", 1002},
		{"continuation of nothing", frame(ends, "x"), 1002},
		{"continuation of nothing that goes on", frame(goesOn, "x"), 1002},
		{"continuation after a whole message", frame(text, "\n") + frame(ends, "x"), 1002},
		{"text in a fragmented message", frame(textStart, "\n") + frame(text, "x"), 1002},
		{"binary in a fragmented message", frame(textStart, "\n") + frame(binaryMsg, "x"), 1002},
		{"text start in a fragmented message", frame(binaryStart, "\n") + frame(textStart, "x"), 1002},
		{"fragmented ping", frame(ping&0x0f, "x"), 1002},
		{"fragmented pong", frame(pong&0x0f, "x"), 1002},
		{"fragmented Close", frame(closing&0x0f, "\x03\xe8"), 1002},
		{"ping of 126 bytes", frame(ping, strings.Repeat("p", 126)), 1002},
		{"pong of 65536 bytes", frame(pong, strings.Repeat("p", 1<<16)), 1002},
		{"Close of 126 bytes", frame(closing, "\x03\xe8"+strings.Repeat("p", 124)), 1002},
		{"length 125 in 16 bits", frameOf(text, 16, 125, strings.Repeat("\n", 125)), 1002},
		{"length 0 in 16 bits", frameOf(text, 16, 0, ""), 1002},
		{"length 65535 in 64 bits", frameOf(text, 64, 65535, strings.Repeat("\n", 65535)), 1002},
		{"length 1 in 64 bits", frameOf(binaryMsg, 64, 1, "\n"), 1002},
		{"length with the top bit", frameOf(text, 64, 1<<63, ""), 1002},
		{"length of all ones", frameOf(text, 64, 1<<64-1, ""), 1002},

		{"lone continuation byte", frame(text, body+"\x80"), 1007},
		{"overlong slash", frame(text, body+"\xc0\xaf"), 1007},
		{"overlong of three bytes", frame(text, body+"\xe0\x80\xaf"), 1007},
		{"overlong of four bytes", frame(text, body+"\xf0\x80\x80\xaf"), 1007},
		{"surrogate", frame(text, body+"\xed\xa0\x80"), 1007},
		{"over U+10FFFF", frame(text, body+"\xf4\x90\x80\x80"), 1007},
		{"byte FF", frame(text, body+"\xff"), 1007},
		{"character that does not end", frame(text, body+"\xe2\x82"), 1007},
		{"character that does not end, over fragments", frame(textStart, body+"\xe2") + frame(ends, "\x82"), 1007},
		{"character that an empty fragment ends", frame(textStart, body+"\xe2\x82") + frame(ends, ""), 1007},
		{"character that a message ends", frame(text, body+"\xe2") + frame(text, "\x82\xac"), 1007},
		{"wrong byte over fragments", frame(textStart, body+"\xf0\x9f") + frame(goesOn, "\x98") + frame(ends, "("), 1007},
		{"wrong byte in a message without end", frame(textStart, body+"\xff"), 1007},
		{"wrong byte in a frame without end", frameOf(text, 16, 1000, body+"\xff"), 1007},
	}
	for bit, name := range map[byte]string{0x40: "RSV1", 0x20: "RSV2", 0x10: "RSV3"} {
		rows = append(rows,
			row{name + " on a message", frame(text|bit, "x"), 1002},
			row{name + " on a ping", frame(ping|bit, "x"), 1002},
			row{name + " on a continuation", frame(textStart, "\n") + frame(ends|bit, "x"), 1002})
	}
	for _, op := range []byte{3, 4, 5, 6, 7, 0xb, 0xc, 0xd, 0xe, 0xf} {
		rows = append(rows, row{fmt.Sprintf("reserved opcode %X", op), frame(0x80|op, ""), 1002})
	}
	for _, r := range rows {
		t.Run(r.name, func(t *testing.T) {
			for name, pieces := range map[string][]string{
				"one segment":    {r.wire + frame(text, sendFrame("after"))},
				"byte by byte":   strings.Split(r.wire, ""),
				"with a message": {frame(text, "BEGIN\ntransaction:t\nreceipt:before\n\n\x00") + r.wire + frame(text, sendFrame("after"))},
			} {
				t.Run(name, func(t *testing.T) {
					c := n.session(t)
					for _, p := range pieces {
						if _, err := c.conn.Write([]byte(p)); err != nil {
							break // the server has seen enough
						}
					}
					if name == "with a message" {
						c.want(text, receiptFrame("before"))
					}
					c.wantClose(r.code)
				})
			}
		})
	}
}

// TestOutgoingKinds holds that a frame is a text message if it can be one.
func TestOutgoingKinds(t *testing.T) {
	n := start(t)
	for _, c := range []struct {
		name, body string
		want       byte
	}{
		{"ASCII", "hello", text},
		{"UTF-8", "grüße €\U0001f600", text},
		{"empty", "", text},
		{"wrong byte", "a\xff", binaryMsg},
		{"half a character", "\xe2\x82", binaryMsg},
		{"surrogate", "\xed\xa0\x80", binaryMsg},
	} {
		t.Run(c.name, func(t *testing.T) {
			ws := n.session(t)
			ws.write(frame(text, "SUBSCRIBE\nid:0\ndestination:/topic/kind\nreceipt:s\n\n\x00"))
			ws.wantMessage(receiptFrame("s"))
			ws.write(frame(binaryMsg, "SEND\ndestination:/topic/kind\n\n"+c.body+"\x00"))
			if got := ws.want(c.want, "MESSAGE\n"); !strings.HasSuffix(got, "\n\n"+c.body+"\x00") {
				t.Errorf("got %q", got)
			}
		})
	}
}

// TestCloseFrame is RFC 6455 sections 5.5.1 and 7.4: which Close frames are answered, and how. The
// connection ends after each.
func TestCloseFrame(t *testing.T) {
	type row struct {
		name string
		wire string
		code int // of the answer, 0 for none
	}
	rows := []row{
		{"empty", frame(closing, ""), 0},
		{"with a reason", closeFrame(1000, "going to lunch"), 1000},
		{"with the longest reason", closeFrame(1000, strings.Repeat("r", 123)), 1000},
		{"with a UTF-8 reason", closeFrame(1000, "grüße €"), 1000},
		{"of one byte", frame(closing, "\x03"), 1002},
		{"reason with a wrong byte", closeFrame(1000, "a\xff"), 1007},
		{"reason that does not end", closeFrame(3000, "a\xe2\x82"), 1007},
		{"reason with a surrogate", closeFrame(1001, "\xed\xa0\x80"), 1007},
		{"in a fragmented message", frame(textStart, "\n") + closeFrame(1000, ""), 1000},
	}
	for _, code := range []int{1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014, 3000, 3999, 4000, 4999} {
		rows = append(rows, row{fmt.Sprint("code ", code), closeFrame(code, ""), code})
	}
	for _, code := range []int{0, 1, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, 65535} {
		rows = append(rows, row{fmt.Sprint("invalid code ", code), closeFrame(code, ""), 1002})
	}
	n := start(t)
	for _, r := range rows {
		t.Run(r.name, func(t *testing.T) {
			c := n.session(t)
			c.write(r.wire)
			c.wantClose(r.code)
		})
	}
}

// TestNothingAfterClose holds that a client which has said Close has nothing to say (section 5.5.1).
func TestNothingAfterClose(t *testing.T) {
	n := start(t)
	for name, after := range map[string]string{
		"message":      frame(text, sendFrame("late")),
		"ping":         frame(ping, "late"),
		"Close again":  closeFrame(1001, ""),
		"a fault":      "\xff\xff",
		"half a frame": frame(text, "hello")[:4],
	} {
		t.Run(name, func(t *testing.T) {
			c := n.session(t)
			c.write(closeFrame(1000, "") + after)
			c.wantClose(1000)
		})
	}
}

// TestServerCloses is the closing handshake (section 7.1.2) when the server begins it.
func TestServerCloses(t *testing.T) {
	n := start(t)
	for _, c := range []struct {
		name, frame, last string // what the client sends, and what the last message begins with
		code              int
	}{
		{"DISCONNECT", "DISCONNECT\n\n\x00", "", 1000},
		{"DISCONNECT with a receipt", "DISCONNECT\nreceipt:bye\n\n\x00", receiptFrame("bye"), 1000},
		{"STOMP fault", "NONSENSE\n\n\x00", "ERROR\n", 1002},
	} {
		t.Run(c.name, func(t *testing.T) {
			for name, after := range map[string]string{
				"answered":                "",
				"ping before the answer":  frame(ping, "ignored"),
				"data before the answer":  frame(text, sendFrame("ignored")),
				"bytes that are no STOMP": frame(binaryMsg, "\xff\xff\xff"),
			} {
				t.Run(name, func(t *testing.T) {
					ws := n.session(t)
					ws.write(frame(text, c.frame))
					if c.last != "" {
						ws.wantMessage(c.last)
					}
					ws.wantClosing(c.code, after)
				})
			}
			t.Run("fault before the answer", func(t *testing.T) {
				ws := n.session(t)
				ws.write(frame(text, c.frame) + frame(0x83, ""))
				if c.last != "" {
					ws.wantMessage(c.last)
				}
				ws.wantClose(c.code) // and no second Close frame
			})
		})
	}
}

// quick are periods for tests that wait for what comes when one of them ends.
func quick(change func(*ws.Periods)) gateway.Option {
	p := ws.DefaultPeriods()
	change(&p)
	return gateway.WithPeriods(p)
}

// connectWithin leaves the other limits as they are.
func connectWithin(d time.Duration) gateway.Option {
	return gateway.WithLimits(gateway.Limits{Message: 64 << 10, Outbound: 1 << 20, Connections: 1e6, ConnectTimeout: d})
}

// TestPings holds that the server pings by its clock, before CONNECT too, and gives up a client that it never hears.
func TestPings(t *testing.T) {
	inBubble(t, false, func(t *testing.T, b *bubble) {
		c, began := b.upgrade(t), time.Now()
		for i := range 3 {
			c.want(ping, "")
			if d := time.Since(began) - time.Duration(i+1)*25*time.Second; d < 0 || d > time.Second {
				t.Errorf("ping %d comes %s late", i, d)
			}
			c.write(frame(pong, ""))
		}
		c.write(frame(text, connectFrame))
		c.wantMessage("CONNECTED\n")
		began = time.Now()
		kind, _, err := c.read()
		for ; kind == ping && err == nil && time.Since(began) < time.Hour; kind, _, err = c.read() {
		}
		if d := time.Since(began); err == nil || d < 80*time.Second || d > 106*time.Second {
			t.Errorf("after %s: a frame %#x, %v", d, kind, err)
		}
	}, connectWithin(time.Hour))
}

// TestNoAnswerToClose holds that the server closes the socket when the client's Close frame is missing.
func TestNoAnswerToClose(t *testing.T) {
	inBubble(t, false, func(t *testing.T, b *bubble) {
		c, began := b.session(t), time.Now()
		c.write(frame(text, "DISCONNECT\n\n\x00"))
		c.wantClose(1000)
		if d := time.Since(began); d < 5*time.Second || d > 6*time.Second {
			t.Errorf("after %s", d)
		}
	})
}
