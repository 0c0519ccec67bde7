package auth

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// wantKnown fails unless memory's verdict is that: "id", "unknown", or the check of a fault.
func wantKnown(t *testing.T, a *Authenticator, token, want string) {
	t.Helper()
	id, err, known := a.Known([]byte(token), time.Now())
	got := "unknown"
	var f *Error
	switch {
	case errors.As(err, &f):
		got = f.Check
	case id != nil:
		got = "id"
	}
	if got != want || known != (want != "unknown") {
		t.Errorf("Known says %s (known: %v), want %s", got, known, want)
	}
}

// verify is Verify, in a test where it is not to fail.
func verify(t *testing.T, a *Authenticator, token string) *Identity {
	t.Helper()
	id, err := a.Verify(t.Context(), token)
	if err != nil {
		t.Fatalf("Verify: %v", err)
	}
	return id
}

// wantVerify fails unless Verify's fault is one of that check; an empty one wants none.
func wantVerify(t *testing.T, a *Authenticator, token, check string) {
	t.Helper()
	_, err := a.Verify(t.Context(), token)
	wantFault(t, err, check)
}

func wantFigures(t *testing.T, a *Authenticator, want Figures) {
	t.Helper()
	if got := a.Figures(); got != want {
		t.Errorf("figures %+v, want %+v", got, want)
	}
}

// TestRemembered holds how long a good token is remembered: until it expires, and not over five
// minutes.
func TestRemembered(t *testing.T) {
	for _, c := range []struct {
		name         string
		expires      time.Duration
		known, after time.Duration // when it still is, and no longer is
		then         string        // what Verify finds
	}{
		{"five minutes", time.Hour, rememberGood - 1, rememberGood, ""},
		{"until it expires, clocks may differ", time.Minute, 90*time.Second - 1, 90 * time.Second, CheckExpiry},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				a := mustNew(t, Config{Issuers: []Issuer{{Keys: []any{secret()}}}, Leeway: 30 * time.Second})
				start := time.Now()
				token := hs256(t, fmt.Sprintf(`{"mu":1,"exp":%d}`, start.Add(c.expires).Unix()))
				wantKnown(t, a, token, "unknown")
				id := verify(t, a, token)
				if !id.Is([]byte(token)) || id.Is([]byte(token[1:])) || id.Is(nil) {
					t.Error("Is does not know its token")
				}
				time.Sleep(c.known)
				wantKnown(t, a, token, "id")
				if verify(t, a, token) != id {
					t.Error("Verify does not return what memory has")
				}
				time.Sleep(c.after - c.known)
				wantKnown(t, a, token, "unknown")
				wantVerify(t, a, token, c.then)
				if f := a.Figures(); f.Verified != 2 || f.Known != 1 {
					t.Errorf("figures %+v, want 2 verified and 1 known", f)
				}
			})
		})
	}
}

// TestFaultsRemembered holds that a bad token is checked again after seconds, and one that will be
// good not later than it is.
func TestFaultsRemembered(t *testing.T) {
	for _, c := range []struct {
		name, claims string // of a token signed at the start
		check        string
		after        time.Duration
		then         string
	}{
		{"expired", `"exp":-60`, CheckExpiry, rememberBad, CheckExpiry},
		{"refresh", `"exp":3600,"tu":"refresh"`, CheckUsage, rememberBad, CheckUsage},
		{"not valid yet, for long", `"exp":3600,"nbf":600`, CheckNotBefore, rememberBad, CheckNotBefore},
		{"not valid yet, but soon", `"exp":3600,"nbf":32`, CheckNotBefore, 2 * time.Second, ""},
		{"made in the future, but soon", `"exp":3600,"iat":32`, CheckNotBefore, 2 * time.Second, ""},
		{"no time it is valid from", `"exp":3600,"nbf":true`, CheckNotBefore, rememberBad, CheckNotBefore},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				a := mustNew(t, Config{Issuers: []Issuer{{Keys: []any{secret()}}}, Leeway: 30 * time.Second})
				token := hs256(t, `{"mu":1,`+fromNow(c.claims)+`}`)
				wantVerify(t, a, token, c.check)
				time.Sleep(c.after - 1)
				wantKnown(t, a, token, c.check)
				wantVerify(t, a, token, c.check)
				wantFigures(t, a, Figures{Verified: 1, Known: 1, Refused: 3})
				time.Sleep(time.Nanosecond)
				wantKnown(t, a, token, "unknown")
				wantVerify(t, a, token, c.then)
			})
		})
	}
}

// fromNow turns the seconds of times in claims into times.
func fromNow(claims string) string {
	for _, name := range []string{"exp", "nbf", "iat"} {
		before, after, ok := strings.Cut(claims, `"`+name+`":`)
		var seconds int64
		if n, _ := fmt.Sscan(after, &seconds); ok && n == 1 {
			_, rest, more := strings.Cut(after, ",")
			if more {
				rest = "," + rest
			}
			claims = fmt.Sprintf(`%s"%s":%d%s`, before, name, time.Now().Unix()+seconds, rest)
		}
	}
	return claims
}

// TestFloodOfFaults holds that bad tokens, however many, don't make memory forget a good one.
func TestFloodOfFaults(t *testing.T) {
	a := newAuth(t, secret())
	good := hs256(t, bob(time.Now(), ""))
	verify(t, a, good)
	for n := range 3 * maxFaults {
		wantVerify(t, a, fmt.Sprintf("%s.%d", good, n), CheckForm)
	}
	wantKnown(t, a, good, "id")
	if good, bad := a.good.len(), a.bad.len(); good != 1 || bad > maxFaults {
		t.Errorf("%d good tokens and %d faults are remembered, want 1 and at most %d", good, bad, maxFaults)
	}
}

// TestTooLong holds that a long token costs nothing: it is not even hashed.
func TestTooLong(t *testing.T) {
	a := newAuth(t, secret())
	long := strings.Repeat("a", 1<<20)
	wantKnown(t, a, long, CheckForm)
	wantVerify(t, a, long, CheckForm)
	wantFigures(t, a, Figures{Refused: 2})
	if n := a.bad.len(); n != 0 {
		t.Errorf("%d faults are remembered", n)
	}
}

// TestSlots holds that no more signatures are checked at a time than slots, that who waits for one
// goes when its context ends, and that many who wait with one token have it checked once.
func TestSlots(t *testing.T) {
	if cap(newAuth(t, secret()).slots) != max(1, runtime.GOMAXPROCS(0)/2) {
		t.Error("the slots are not half of the cores")
	}
	synctest.Test(t, func(t *testing.T) {
		a := newAuth(t, secret())
		for range cap(a.slots) {
			a.slots <- struct{}{}
		}
		token := hs256(t, bob(time.Now(), ""))
		impatient, cancel := context.WithCancel(t.Context())
		var wg sync.WaitGroup
		wg.Go(func() {
			if _, err := a.Verify(impatient, token); !errors.Is(err, context.Canceled) {
				t.Errorf("error %v, want that of the context", err)
			}
		})
		for range 100 {
			wg.Go(func() { wantVerify(t, a, token, "") })
		}
		synctest.Wait()
		wantFigures(t, a, Figures{})
		cancel()
		synctest.Wait()
		<-a.slots
		wg.Wait()
		wantFigures(t, a, Figures{Verified: 1})
		if len(a.slots) != cap(a.slots)-1 {
			t.Errorf("%d slots are taken, want %d", len(a.slots), cap(a.slots)-1)
		}
	})
}

// TestCheckRemembersNothing holds that Check leaves no trace.
func TestCheckRemembersNothing(t *testing.T) {
	list := &fakeList{}
	a := mustNew(t, Config{Issuers: []Issuer{{Keys: []any{secret()}}}, Revoked: list})
	token := hs256(t, bob(time.Now(), ""))
	if _, err := a.Check(token, time.Now()); err != nil {
		t.Fatal(err)
	}
	wantKnown(t, a, token, "unknown")
	wantFigures(t, a, Figures{})
	if list.questions() != 0 {
		t.Error("the list was asked")
	}
}

func TestFresh(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := mustNew(t, Config{Issuers: []Issuer{{Keys: []any{secret()}}}, Leeway: 30 * time.Second})
		token := hs256(t, bob(time.Now(), ""))
		id := verify(t, a, token)
		end := id.Expires.Add(a.Leeway())
		for _, c := range []struct {
			name string
			at   time.Time
			want bool
		}{{"at once", time.Now(), true}, {"when it expires", id.Expires, true}, {"at its very end", end.Add(-1), true}, {"after it", end, false}} {
			if got := a.Fresh(id, c.at); got != c.want {
				t.Errorf("%s: %v, want %v", c.name, got, c.want)
			}
		}
		other := newAuth(t, []byte("another secret"))
		if other.Fresh(id, time.Now()) {
			t.Error("an identity is fresh by another's keys")
		}
		_, err := other.Recheck(t.Context(), id)
		wantFault(t, err, CheckSignature)
	})
}

// TestRecheck holds that an identity stays itself until it has expired, without another look at the
// signature.
func TestRecheck(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := mustNew(t, Config{Issuers: []Issuer{{Keys: []any{secret()}}}, Leeway: 30 * time.Second})
		id := verify(t, a, hs256(t, bob(time.Now(), "")))
		time.Sleep(time.Hour + 30*time.Second - 1)
		if again, err := a.Recheck(t.Context(), id); again != id || err != nil {
			t.Errorf("Recheck returned %v, %v", again, err)
		}
		time.Sleep(time.Nanosecond)
		_, err := a.Recheck(t.Context(), id)
		wantFault(t, err, CheckExpiry)
		wantFigures(t, a, Figures{Verified: 1, Refused: 1})
	})
}

// TestKnownAllocs holds what Known promises to event loops.
func TestKnownAllocs(t *testing.T) {
	a := mustNew(t, Config{Issuers: []Issuer{{Keys: []any{secret()}}}, Revoked: &fakeList{}})
	now := time.Now()
	token, bad := []byte(hs256(t, bob(now, ""))), []byte(hs256(t, bob(now, `,"tu":"refresh"`)))
	id := verify(t, a, string(token))
	wantVerify(t, a, string(bad), CheckUsage)
	now = time.Now()
	for name, f := range map[string]func() bool{
		"good":   func() bool { id, _, known := a.Known(token, now); return id != nil && known },
		"bad":    func() bool { _, err, known := a.Known(bad, now); return err != nil && known },
		"fresh":  func() bool { return id.Is(token) && a.Fresh(id, now) },
		"bearer": func() bool { _, ok := Bearer(token); return !ok },
	} {
		if !f() {
			t.Errorf("%s: not so", name)
		}
		if n := testing.AllocsPerRun(100, func() { f() }); n != 0 {
			t.Errorf("%s: %v allocations", name, n)
		}
	}
}

// TestManyAtOnce holds under the race detector that everything may be used by any goroutine.
func TestManyAtOnce(t *testing.T) {
	list := &fakeList{}
	a := mustNew(t, Config{Issuers: []Issuer{{Keys: []any{secret()}}}, Revoked: list})
	var tokens []string
	for n := range 20 {
		tokens = append(tokens, hs256(t, bob(time.Now(), fmt.Sprintf(`,"n":%d`, n))))
	}
	list.set(func(l *fakeList) { l.revoked = tokens[:5] })
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for n := range 400 {
				token := tokens[n%len(tokens)]
				id, err := a.Verify(t.Context(), token)
				if revoked := n%len(tokens) < 5; revoked != (err != nil) {
					t.Errorf("revoked %v, error %v", revoked, err)
				}
				if id != nil && (!a.Fresh(id, time.Now()) || !slices.Equal(id.Roles, nil)) {
					t.Errorf("identity %+v is not fresh", id)
				}
				a.Known([]byte(token), time.Now())
				a.Figures()
			}
		})
	}
	wg.Wait()
}
