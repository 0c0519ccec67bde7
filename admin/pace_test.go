package admin

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stompgw/stompgw/gateway"
)

func TestPace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		begin := time.Now()
		p := pace{rate: 200}
		after := func(n int, want time.Duration) {
			t.Helper()
			if err := p.wait(t.Context(), n); err != nil {
				t.Fatal(err)
			}
			if d := time.Since(begin); d != want {
				t.Errorf("it went on after %s, want %s", d, want)
			}
		}
		after(20, 0)
		after(20, 100*time.Millisecond)
		after(10, 200*time.Millisecond)
		after(20, 250*time.Millisecond)
		time.Sleep(time.Minute)
		after(20, time.Minute+250*time.Millisecond)
		after(20, time.Minute+350*time.Millisecond) // the minute is not made up for

		ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
		defer cancel()
		if err := p.wait(ctx, 1); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("%v after its context had ended", err)
		}
		p = pace{}
		begin = time.Now()
		after(1e9, 0)
		after(1e9, 0)
	})
}

func TestKickCheck(t *testing.T) {
	for _, k := range []Kick{{}, {Rate: minRate}, {Rate: 1e9}, {Kick: gateway.Kick{Code: 17}}, {Kick: gateway.Kick{Code: 4711, Reason: "out of beer"}}} {
		if err := k.check(); err != nil {
			t.Errorf("%+v: %v", k, err)
		}
	}
	nan := 0.0
	nan /= nan
	for _, k := range []Kick{{Rate: -1}, {Rate: 1e-9}, {Rate: nan}, {Rate: 1e300}, {Block: -1}, {Kick: gateway.Kick{Reason: "a\nb"}}, {Kick: gateway.Kick{Code: 4711}}} {
		if err := k.check(); err == nil {
			t.Errorf("%+v is taken", k)
		}
	}
	for rate, want := range map[float64]int{0: maxIDs, 0.5: 1, 9: 1, 200: 20, 1e9: maxIDs} {
		if got := (Kick{Rate: rate}).batch(); got != want {
			t.Errorf("at %g a second %d are kicked at once, want %d", rate, got, want)
		}
	}
}
