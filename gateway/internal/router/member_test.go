package router

import (
	"testing"

	"github.com/stompgw/stompgw/bus"
	"github.com/stompgw/stompgw/bus/bustest"
)

// TestMember: what is a member's comes to subscriptions of its very name on the bus, never by a pattern,
// whatever the bus brings it by; and the MESSAGE says what the client calls it.
func TestMember(t *testing.T) {
	for _, test := range []struct {
		name    string
		rig     func(t *testing.T) *rig
		watches []string // that bring what is sent to /member/7/queue/x
	}{
		{"a bus that brings everything", func(t *testing.T) *rig { b := bustest.NewFake(); return newRig(t, 2, b, b) }, []string{""}},
		{"a Narrower", func(t *testing.T) *rig { b := bustest.NewFakeNarrower(); return newRig(t, 2, b.Fake, b) },
			[]string{"/**", "/*/**", "/member/7/queue/x", "/*/7/*/x"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			r := test.rig(t)
			own, tab := r.subscribe(0, "1", "/member/7/queue/x"), r.subscribe(1, "1", "/member/7/queue/x")
			all := []*reader{own, tab}
			for i, name := range []string{"/**", "/*/7/*/x", "/membe?/7/queue/*", "/**/x", "/*/**", "/member/8/queue/x", "/member/7/queue", "/topic/*"} {
				all = append(all, r.subscribe(i%2, "2", name))
			}
			for _, watch := range test.watches {
				r.bus.Deliver(bus.Envelope{Destination: "/member/7/queue/x", Watch: watch})
			}
			for _, frame := range wantFrames(t, "to member 7", all, all[:2]) {
				if got := header(frame, "destination"); got != "/member/queue/x" {
					t.Errorf("it is told as %q", got)
				}
			}
			for _, s := range all {
				if s.asked != nil {
					t.Errorf("%s was asked about %q", s.Destination, s.asked)
				}
			}
			for _, name := range []string{"/member", "/member/", "/member/7", "/member//queue/x", "/member/%37/queue/x", "/member/7/queue/x/", "/member/*/queue/x", "/member/**"} {
				for _, watch := range append(test.watches, name) {
					r.bus.Deliver(bus.Envelope{Destination: name, Watch: watch})
				}
				wantFrames(t, "to "+name, all, nil)
			}
		})
	}
}
