package session

import (
	"bytes"
	"slices"
	"strings"
	"testing"

	"github.com/stompgw/stompgw/bus/bustest"
)

// FuzzSession holds that a session answers the same however its bytes are cut, says at most one
// ERROR, and nothing after it; fakeConn sees to it that it closes once.
func FuzzSession(f *testing.F) {
	for _, seed := range []string{
		"SUBSCRIBE\nid:1\ndestination:/topic/a\nreceipt:r\nack:client\n\n\x00UNSUBSCRIBE\nid:1\n\n\x00",
		"BEGIN\ntransaction:t\n\n\x00SEND\ndestination:/topic/a\ntransaction:t\n\nx\x00COMMIT\ntransaction:t\nreceipt:c\n\n\x00",
		"SUBSCRIBE\nid:e\ndestination:/session/queue/request-error\n\n\x00SEND\ndestination:/no\nclient-request-code:c\n\n\x00DISCONNECT\nreceipt:d\n\n\x00",
		"SUBSCRIBE\nid:1\ndestination:/topic/a\nreceipt:r\n\n\x00no command ",
		"ACK\nid:x/1\n\n\x00", "NACK\nmessage-id:1\nsubscription:s\n\n\x00", "\n\r\n", "CONNECT\n\n\x00",
	} {
		for _, version := range []string{"1.0", "1.1", "1.2"} {
			f.Add(version, []byte(seed), uint16(len(seed)/2))
		}
	}
	fake := bustest.NewFake()
	r := newRigOn(f, fake, nullBus{fake})
	f.Fuzz(func(t *testing.T, version string, wire []byte, at uint16) {
		cut := int(at) % (len(wire) + 1)
		whole, split := r.converse(t, version, wire), r.converse(t, version, wire[:cut], wire[cut:])
		if !slices.Equal(settled(whole), settled(split)) {
			t.Errorf("whole: %q\ncut at %d: %q", whole, cut, split)
		}
		for i, frame := range whole {
			if strings.HasPrefix(frame, "ERROR\n") && i < len(whole)-1 {
				t.Errorf("after an ERROR: %q", whole[i+1])
			}
		}
		if n := len(r.book.Sessions()); n != 0 {
			t.Errorf("%d sessions are left in the registry", n)
		}
	})
}

// settled returns what does not depend on time: a RECEIPT comes when the bus has answered, and not
// at all if a fault has ended the session before.
func settled(frames []string) []string {
	if len(frames) == 0 || !strings.HasPrefix(frames[len(frames)-1], "ERROR\n") {
		return frames
	}
	return slices.DeleteFunc(slices.Clone(frames), func(f string) bool { return strings.HasPrefix(f, "RECEIPT\n") })
}

// converse has a client say CONNECT and the pieces, and returns what it was answered, without the
// names that differ from session to session.
func (r *rig) converse(t *testing.T, version string, pieces ...[]byte) (frames []string) {
	p := r.accept()
	p.t = t
	pieces = append([][]byte{[]byte("CONNECT\naccept-version:" + strings.NewReplacer("\n", "", "\x00", "").Replace(version) + "\n\n\x00")}, pieces...)
	for _, piece := range pieces {
		piece = bytes.Clone(piece)
		r.do(func() { p.s.Feed(piece) })
	}
	for _, frame := range p.read() {
		if !strings.HasPrefix(frame, "CONNECTED\n") && !strings.HasPrefix(frame, "MESSAGE\n") {
			frames = append(frames, frame)
		}
	}
	r.do(func() { p.s.Closed(nil) })
	return frames
}
