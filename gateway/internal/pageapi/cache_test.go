package pageapi

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stompgw/stompgw/gateway/policy"
)

// TestCache: what was read counts for a second, for all who ask, and each of them is judged.
func TestCache(t *testing.T) {
	r := newRig(t, nil)
	const of7 = "presence?destination=/topic/of/7"
	seven, eight := r.token(7, time.Hour), r.token(8, time.Hour)
	for range 2 {
		r.want(of7, seven, `{"destination":"/topic/of/7","count":0,"anonymous":2,"many":false,"members":[]}`)
		r.wantProblem(of7, eight, 403, policy.CodeNotAllowed)
		r.wantProblem(of7, "", 401, policy.CodeLogin)
	}
	r.wantReads("present /topic/of/7 false")
	r.pass(keptFor)
	r.get(of7, seven)
	r.wantReads("present /topic/of/7 false", "present /topic/of/7 false")
}

// TestCacheReadsOnce: many who ask for the same at once wait for one reading. If who has it read leaves, another does.
func TestCacheReadsOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, reads := newCache(time.Now), 0
		hold := make(chan struct{})
		ask := func(ctx context.Context) (any, error) {
			return c.get(ctx, question{name: "a"}, func() (any, int, error) {
				reads++ // by one at a time
				select {
				case <-hold:
					return reads, 1, nil
				case <-ctx.Done():
					return nil, 0, ctx.Err()
				}
			})
		}
		ctx, leave := context.WithCancel(t.Context())
		var wg sync.WaitGroup
		wg.Go(func() {
			if _, err := ask(ctx); !errors.Is(err, context.Canceled) {
				t.Errorf("who has left is told %v", err)
			}
		})
		synctest.Wait()
		for range 10 {
			wg.Go(func() {
				if got, err := ask(t.Context()); got != 2 || err != nil {
					t.Errorf("got %v, %v", got, err)
				}
			})
		}
		impatient, cancel := context.WithTimeout(t.Context(), time.Millisecond)
		defer cancel()
		if _, err := ask(impatient); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("who has waited for too long is told %v", err)
		}
		leave()
		synctest.Wait()
		close(hold)
		wg.Wait()
		if reads != 2 {
			t.Errorf("%d readings", reads)
		}
	})
}

// TestCacheIsBounded: what there is no room for is told, and not kept; what is too old makes room.
func TestCacheIsBounded(t *testing.T) {
	r := newRig(t, nil)
	ask := func(i, size int) {
		got, err := r.kept.get(t.Context(), question{name: fmt.Sprint(i)}, func() (any, int, error) { return i, size, nil })
		if got != i || err != nil {
			t.Fatalf("%d: %v, %v", i, got, err)
		}
	}
	for i := range 40 {
		ask(i, 1<<20)
	}
	if n := len(r.kept.entries); n != 15 || r.kept.size > maxKept {
		t.Errorf("%d entries of %d bytes are kept", n, r.kept.size)
	}
	ask(100, maxKept)
	r.pass(keptFor)
	for range 3 {
		ask(101, 1)
	}
	if n := len(r.kept.entries); n != 1 || r.kept.size != entryBytes+1 {
		t.Errorf("after a second %d entries of %d bytes are kept", n, r.kept.size)
	}
	func() {
		defer func() { recover() }()
		r.kept.get(t.Context(), question{name: "panics"}, func() (any, int, error) { panic("so") })
	}()
	if n := len(r.kept.entries); n != 1 || r.kept.size != entryBytes+1 {
		t.Errorf("after a panic %d entries of %d bytes are kept", n, r.kept.size)
	}
}

// TestPace: an address may ask five times a second, and once more for each fifth of one; others don't wait for it.
func TestPace(t *testing.T) {
	r := newRig(t, nil)
	ask := func(remote string) int { return r.from(remote, "destinations", "").Code }
	for range 3 {
		for i := range perSecond {
			if code := ask("192.0.2.1:" + fmt.Sprint(i)); code != 200 {
				t.Fatalf("request %d: %d", i, code)
			}
		}
		w := r.from("192.0.2.1:9", "destinations", "")
		if w.Code != http.StatusTooManyRequests || w.Header().Get("Retry-After") != "1" {
			t.Errorf("one too many: %d, Retry-After %q", w.Code, w.Header().Get("Retry-After"))
		}
		if code := ask("192.0.2.2:1"); code != 200 {
			t.Errorf("another address: %d", code)
		}
		r.pass(interval)
		if a, b := ask("192.0.2.1:1"), ask("[::ffff:192.0.2.1]:1"); a != 200 || b != 429 {
			t.Errorf("after %v: %d, %d", interval, a, b)
		}
		r.pass(time.Second)
	}
	for i := range perSecond {
		ask(fmt.Sprintf("[2001:db8::%d]:1", i))
	}
	if same, other := ask("[2001:db8::9:9]:1"), ask("[2001:db8:0:1::1]:1"); same != 429 || other != 200 {
		t.Errorf("of the same network %d, of another one %d", same, other)
	}
}

// TestPaceIsBounded: so many addresses are remembered, and no more, for two seconds at most.
func TestPaceIsBounded(t *testing.T) {
	r := newRig(t, nil)
	p := r.pace
	for i := range maxAddresses {
		p.take(address(i))
	}
	if wait := p.take(address(maxAddresses)); wait != again {
		t.Errorf("one more waits for %v", wait)
	}
	if wait := p.take(address(1)); wait != 0 {
		t.Errorf("one that is known waits for %v", wait)
	}
	for range 2 {
		r.pass(time.Second)
		if wait := p.take(address(maxAddresses)); wait != 0 {
			t.Errorf("later it waits for %v", wait)
		}
	}
	if n := len(p.fresh) + len(p.older); n != 2 {
		t.Errorf("%d addresses are remembered", n)
	}
}

// TestWaitersAreTold: an error is told to all who wait, and to nobody after them.
func TestWaitersAreTold(t *testing.T) {
	r := newRig(t, nil)
	r.fails, r.holds = errors.New("down"), make(chan struct{})
	var wg sync.WaitGroup
	for range 5 {
		wg.Go(func() {
			if w := r.get("destinations", ""); w.Code != 503 || !strings.Contains(w.Body.String(), "try again") {
				t.Errorf("%d %s", w.Code, w.Body)
			}
		})
	}
	close(r.holds)
	wg.Wait()
}

func address(i int) netip.Addr {
	return netip.AddrFrom4([4]byte{10, byte(i >> 16), byte(i >> 8), byte(i)})
}
