package ws

import (
	"testing"
	"time"
)

// TestDefaultPeriods holds that pings come before a proxy of the common sort, which waits 30 s,
// loses patience, and that a client may miss two.
func TestDefaultPeriods(t *testing.T) {
	p := DefaultPeriods()
	if p.Ping != 25*time.Second || p.Dead <= 2*p.Ping || p.Close <= 0 || p.Linger <= 0 {
		t.Errorf("got %+v", p)
	}
}
