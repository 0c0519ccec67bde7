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
func TestNoAnswerToClose(t *testing.T) { eachSocket(t, testNoAnswerToClose) }

func testNoAnswerToClose(t *testing.T, start startFunc) {
	n := start(t, quick(func(p *ws.Periods) { p.Close = 100 * time.Millisecond }))
	c := n.session(t)
	c.write(frame(text, "DISCONNECT\n\n\x00"))
	c.wantClose(1000)
}

// TestPings holds that the server pings by its clock.
func TestPings(t *testing.T) { eachSocket(t, testPings) }

func testPings(t *testing.T, start startFunc) {
	c := start(t, quick(func(p *ws.Periods) { p.Ping = 100 * time.Millisecond })).session(t)
	for range 3 {
		c.want(ping, "")
	}
}

// TestDeadClient holds that a client which is never heard is given up.
func TestDeadClient(t *testing.T) { eachSocket(t, testDeadClient) }

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
	c := start(t, connectWithin(500*time.Millisecond)).upgrade(t)
	c.wantMessage("ERROR\n")
	c.wantClosing(1008, "")
}
