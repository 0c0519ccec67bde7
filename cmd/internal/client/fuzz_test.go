package client

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"reflect"
	"strings"
	"testing"
	"time"
	"unicode"

	"github.com/gobwas/ws"

	"github.com/stompgw/stompgw/gateway/stomp"
)

// pieces is a connection on which a server has sent some bytes, in as many reads at least, and closed it.
type pieces struct {
	net.Conn // whose other methods are not called
	sent     io.Reader
}

func (p *pieces) Read(b []byte) (int, error)       { return p.sent.Read(b) }
func (p *pieces) Write(b []byte) (int, error)      { return len(b), nil }
func (p *pieces) Close() error                     { return nil }
func (p *pieces) SetReadDeadline(time.Time) error  { return nil }
func (p *pieces) SetWriteDeadline(time.Time) error { return nil }

// heard is what a session makes of a server's bytes.
type heard struct {
	messages []Message
	refusals []Refusal
	answers  map[string]string // to two calls, by their receipts
	end      string
}

const fuzzToken = "s3cret-token"

// hear runs a session that has just begun, over the carrier of a kind.
func hear(kind byte, sent ...[]byte) (h heard) {
	var left []io.Reader
	for _, piece := range sent {
		left = append(left, bytes.NewReader(piece))
	}
	o := Options{Token: fuzzToken, Errors: "/errors", Body: 1 << 10}.withDefaults()
	c := &Client{o: o, dec: stomp.NewDecoder(o.limits()), incoming: make(chan incoming, len(bytes.Join(sent, nil))+1)}
	c.leaving, c.leave = context.WithCancel(context.Background())
	c.dec.SetVersion(stomp.V12)
	h.answers = map[string]string{}
	c.calls = map[string]func(error){}
	for _, id := range []string{"1", "2"} {
		c.calls[id] = func(err error) { h.answers[id] = fmt.Sprint(err) }
	}
	c.wire = &wire{Conn: &pieces{sent: io.MultiReader(left...)}, patience: time.Minute}
	socket := newSocket(c.wire, c.wire)
	c.carrier = []carrier{newStream(c.wire), socket, newSock(socket, o)}[kind%3]
	c.read()
	for in := range c.incoming {
		if in.refusal != nil {
			h.refusals = append(h.refusals, *in.refusal)
			continue
		}
		in.message.Received = time.Time{}
		h.messages = append(h.messages, in.message)
	}
	h.end = c.err.Error()
	return h
}

// FuzzClient holds that what a client makes of a server's bytes does not depend on where the network cut them, that
// nothing of it is longer than asked for, and that what people read of it neither moves a cursor nor shows the token.
func FuzzClient(f *testing.F) {
	frames := []string{
		"RECEIPT\nreceipt-id:1\n\n\x00\n\nMESSAGE\nsubscription:7\ndestination:/topic/a\\c\n\nhello\x00",
		"MESSAGE\nsubscription:7\ncontent-length:3\n\na\x00b\x00ERROR\nmessage:bye " + fuzzToken + "\x1b[2J\nerror-code:15\n\n\x00",
		"MESSAGE\nsubscription:errors\n\n" + `{"clientRequestCode":"2","errorCode":3,"errorMessage":"no s3cret-token"}` + "\x00",
		"MESSAGE\nsubscription:errors\n\n" + `{"errorCode":1,"errorMessage":"Need Login","retryAfterMs":-1}` + "\x00CONNECTED\n\n\x00",
		"MESSAGE\nx:\\t\n\n\x00", "\n\nBEGIN\n\n\x00", "MESSAGE\nsubscription:1\n\n" + strings.Repeat("x", 2000) + "\x00",
	}
	socket := func(op ws.OpCode, payload string) []byte {
		return ws.MustCompileFrame(ws.NewFrame(op, true, []byte(payload)))
	}
	for _, frame := range frames {
		f.Add(byte(0), uint16(9), []byte(frame))
		f.Add(byte(1), uint16(9), bytes.Join([][]byte{socket(ws.OpPing, "p"), socket(ws.OpText, frame[:5]), socket(ws.OpBinary, frame[5:]), socket(ws.OpClose, "\x03\xe8bye "+fuzzToken)}, nil))
		f.Add(byte(2), uint16(5), bytes.Join([][]byte{socket(ws.OpText, "o"), socket(ws.OpText, "h"), socket(ws.OpText, fmt.Sprintf("a[%q]", frame)), socket(ws.OpText, `c[3000,"Go away!"]`)}, nil))
	}
	f.Fuzz(func(t *testing.T, kind byte, at uint16, wire []byte) {
		cut := int(at) % (len(wire) + 1)
		whole, split := hear(kind, wire), hear(kind, wire[:cut], wire[cut:])
		if !reflect.DeepEqual(whole, split) {
			t.Errorf("whole: %+v\ncut at %d: %+v", whole, cut, split)
		}
		told := []string{whole.end}
		for _, r := range whole.refusals {
			told = append(told, r.Error())
		}
		for _, text := range append(told, whole.answers["1"], whole.answers["2"]) {
			if strings.Contains(text, fuzzToken) || strings.ContainsFunc(text, func(r rune) bool { return !unicode.IsPrint(r) }) {
				t.Errorf("people are told %q", text)
			}
		}
		for _, m := range whole.messages {
			if len(m.Body) > 1<<10 {
				t.Errorf("a body of %d bytes", len(m.Body))
			}
		}
	})
}
