package gateway_test

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"syscall"
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
func TestFraming(t *testing.T) { eachSocket(t, testFraming) }

func testFraming(t *testing.T, start startFunc) {
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
func TestFramingFaults(t *testing.T) { eachSocket(t, testFramingFaults) }

func testFramingFaults(t *testing.T, start startFunc) {
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

// TestLengths sends and receives messages of the lengths where the encoding changes.
func TestLengths(t *testing.T) { eachSocket(t, testLengths) }

func testLengths(t *testing.T, start startFunc) {
	n := start(t)
	for _, size := range []int{125, 126, 127, 65535, 65536} {
		t.Run(fmt.Sprint(size), func(t *testing.T) {
			c := n.session(t)
			c.write(frame(text, "SUBSCRIBE\nid:0\ndestination:/topic/length\nreceipt:s\n\n\x00"))
			c.wantMessage(receiptFrame("s"))

			head := "SEND\ndestination:/topic/length\n\n"
			c.write(frame(text, head+strings.Repeat("x", size-len(head)-1)+"\x00"))
			got := c.wantMessage("MESSAGE\n")

			// The MESSAGE has a longer head: send what makes it as long as it should be.
			body := size - len(head) - 1 - (len(got) - size)
			for try := 0; len(got) != size && body >= 0 && try < 3; try++ {
				c.write(frame(text, head+strings.Repeat("x", body)+"\x00"))
				got = c.wantMessage("MESSAGE\n")
				body -= len(got) - size
			}
			if len(got) != size && size > 200 {
				t.Errorf("could not make a MESSAGE of %d bytes", size)
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

// TestManyFramesOneWrite holds that frames which leave in one write are messages of their own.
func TestManyFramesOneWrite(t *testing.T) { eachSocket(t, testManyFramesOneWrite) }

func testManyFramesOneWrite(t *testing.T, start startFunc) {
	c := start(t).session(t)
	c.write(frame(text, "SUBSCRIBE\nid:0\ndestination:/topic/many\nreceipt:s\n\n\x00"))
	c.wantMessage(receiptFrame("s"))
	c.write(frame(text, strings.Repeat("SEND\ndestination:/topic/many\n\nhello\x00", 100)))
	for range 100 {
		c.wantMessage("MESSAGE\n")
	}
}

// TestCloseFrame is RFC 6455 sections 5.5.1 and 7.4: which Close frames are answered, and how. The
// connection ends after each.
func TestCloseFrame(t *testing.T) { eachSocket(t, testCloseFrame) }

func testCloseFrame(t *testing.T, start startFunc) {
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
func TestNothingAfterClose(t *testing.T) { eachSocket(t, testNothingAfterClose) }

func testNothingAfterClose(t *testing.T, start startFunc) {
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

// TestNothingAfterAFault holds that what follows a fault in the same segment is not carried out.
func TestNothingAfterAFault(t *testing.T) { eachSocket(t, testNothingAfterAFault) }

func testNothingAfterAFault(t *testing.T, start startFunc) {
	n := start(t)
	reader, writer := n.dialTCP(t).connect(), n.dialTCP(t).connect()
	reader.subscribe("0", "/topic/after")
	late := frame(text, "SEND\ndestination:/topic/after\n\nlate\x00")
	for name, fault := range map[string]string{
		"of WebSocket": frame(0x83, ""),
		"of UTF-8":     frame(text, "SEND\ndestination:/topic/after\n\nlate\xff\x00"),
		"of STOMP":     frame(text, "NONSENSE\n\n\x00SEND\ndestination:/topic/after\n\nlate\x00"),
		"Close":        closeFrame(1000, ""),
		"DISCONNECT":   frame(text, "DISCONNECT\n\n\x00SEND\ndestination:/topic/after\n\nlate\x00"),
	} {
		t.Run(name, func(t *testing.T) {
			c := n.session(t)
			c.write(frame(text, "SEND\ndestination:/topic/after\n\nbefore "+name+"\x00") + fault + late)
			if _, err := io.Copy(io.Discard, io.LimitReader(c.in, 1)); err != nil { // the answer has begun
				t.Fatal(err)
			}
			reader.expect("MESSAGE", "before "+name)
			writer.send("SEND\ndestination:/topic/after\n\nnext^@")
			reader.expect("MESSAGE", "next")
		})
	}
}

// TestServerCloses is the closing handshake (section 7.1.2) when the server begins it.
func TestServerCloses(t *testing.T) { eachSocket(t, testServerCloses) }

func testServerCloses(t *testing.T, start startFunc) {
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

// TestNoAnswerToClose holds that the server closes the socket when the client's Close frame is
// missing.
func TestNoAnswerToClose(t *testing.T) {
	t.Parallel()
	eachSocket(t, testNoAnswerToClose)
}

func testNoAnswerToClose(t *testing.T, start startFunc) {
	n := start(t, quick(func(p *ws.Periods) { p.Close = 100 * time.Millisecond }))
	c := n.session(t)
	c.write(frame(text, "DISCONNECT\n\n\x00"))
	c.wantClose(1000)
}

// TestPings holds that the server pings by its clock.
func TestPings(t *testing.T) {
	t.Parallel()
	eachSocket(t, testPings)
}

func testPings(t *testing.T, start startFunc) {
	c := start(t, quick(func(p *ws.Periods) { p.Ping = 100 * time.Millisecond })).session(t)
	for range 3 {
		c.want(ping, "")
	}
}

// TestDeadClient holds that a client which is never heard is given up.
func TestDeadClient(t *testing.T) {
	t.Parallel()
	eachSocket(t, testDeadClient)
}

func testDeadClient(t *testing.T, start startFunc) {
	c := start(t, quick(func(p *ws.Periods) { p.Ping, p.Dead = 100*time.Millisecond, 500*time.Millisecond })).session(t)
	for { // pings, and no pong
		if _, _, err := c.read(); errors.Is(err, syscall.ECONNRESET) {
			return
		} else if err != nil {
			t.Fatal(err)
		}
	}
}

// TestPingsBeforeConnect holds that a ping is not taken for the end of the time for CONNECT.
func TestPingsBeforeConnect(t *testing.T) {
	t.Parallel()
	n := start(t, quick(func(p *ws.Periods) { p.Ping = 100 * time.Millisecond }), connectWithin(patience))
	c := n.upgrade(t)
	for range 3 {
		c.want(ping, "")
		c.write(frame(pong, ""))
	}
	c.write(frame(text, connectFrame))
	for {
		if first, payload, err := c.read(); err != nil {
			t.Fatal(err)
		} else if first == text && strings.HasPrefix(payload, "CONNECTED\n") {
			return
		} else if first != ping {
			t.Fatalf("got a frame %#x %q", first, payload)
		}
	}
}

// connectWithin leaves the other limits as they are.
func connectWithin(d time.Duration) gateway.Option {
	return gateway.WithLimits(gateway.Limits{Message: 64 << 10, Outbound: 1 << 20, Connections: 1e6, ConnectTimeout: d})
}

func TestNoConnect(t *testing.T) {
	t.Parallel()
	c := start(t, connectWithin(500*time.Millisecond)).upgrade(t)
	c.wantMessage("ERROR\n")
	c.wantClosing(1008, "")
}
