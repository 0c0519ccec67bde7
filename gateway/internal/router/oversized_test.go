package router

import (
	"strings"
	"testing"

	"github.com/stompgw/stompgw/bus"
	"github.com/stompgw/stompgw/bus/bustest"
)

// TestOversized: what no session could ever be sent ends none of them.
func TestOversized(t *testing.T) {
	b := bustest.NewFake()
	r := newRig(t, 1, b, b)
	s := r.subscribe(0, "s", "/topic/a")
	largest := r.router.limit - len("/topic/a")
	for _, size := range []int{largest + 1, largest, largest + 1} {
		b.Deliver(bus.Envelope{Destination: "/topic/a", Body: make([]byte, size)})
	}
	if got := s.read(); len(got) != 1 {
		t.Errorf("%d messages arrived, want that of the largest size alone", len(got))
	}
	if n := r.router.Oversized(); n != 2 {
		t.Errorf("%d oversized, want 2", n)
	}
	if logged := r.logs.String(); strings.Count(logged, "limits.outbound") != 1 || !strings.Contains(logged, "destination=/topic/a") {
		t.Errorf("the log says %q, want one line in a second", logged)
	}
}
