package auth

import (
	"context"
	"crypto/ecdsa"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// withList runs a test on virtual time, with a token that the list is asked about.
func withList(t *testing.T, test func(t *testing.T, a *Authenticator, list *fakeList, token string)) {
	synctest.Test(t, func(t *testing.T) {
		list := &fakeList{}
		a := mustNew(t, Config{Issuers: []Issuer{{Keys: []any{secret()}}}, Revoked: list})
		test(t, a, list, hs256(t, bob(time.Now(), "")))
	})
}

func wantQuestions(t *testing.T, list *fakeList, want int) {
	t.Helper()
	if n := list.questions(); n != want {
		t.Errorf("the list was asked %d times, want %d", n, want)
	}
}

// TestRevokedAtFirstSight holds that a token is looked up before it is taken the first time, and
// again when the answer is ten seconds old: both ways, without its signature.
func TestRevokedAtFirstSight(t *testing.T) {
	withList(t, func(t *testing.T, a *Authenticator, list *fakeList, token string) {
		list.set(func(l *fakeList) { l.revoked = []string{token} })
		wantVerify(t, a, token, CheckRevocation)
		wantKnown(t, a, token, CheckRevocation)
		time.Sleep(askEvery - 1)
		wantKnown(t, a, token, CheckRevocation)
		wantVerify(t, a, token, CheckRevocation)
		wantQuestions(t, list, 1)

		list.set(func(l *fakeList) { l.revoked = nil })
		time.Sleep(time.Nanosecond)
		wantKnown(t, a, token, "unknown")
		wantVerify(t, a, token, "")
		wantKnown(t, a, token, "id")
		wantQuestions(t, list, 2)
		wantFigures(t, a, Figures{Verified: 1, Known: 3, Refused: 4, Revoked: 4})
	})
}

// TestRevokedInUse holds that a token in use is looked up every ten seconds, by whichever way.
func TestRevokedInUse(t *testing.T) {
	for name, again := range map[string]func(a *Authenticator, id *Identity) (*Identity, error){
		"Verify": func(a *Authenticator, id *Identity) (*Identity, error) {
			return a.Verify(context.Background(), id.token)
		},
		"Recheck": func(a *Authenticator, id *Identity) (*Identity, error) { return a.Recheck(context.Background(), id) },
	} {
		t.Run(name, func(t *testing.T) {
			withList(t, func(t *testing.T, a *Authenticator, list *fakeList, token string) {
				id := verify(t, a, token)
				for n := 1; n <= 3; n++ {
					time.Sleep(askEvery - 1)
					if !a.Fresh(id, time.Now()) {
						t.Error("not fresh, but the list was asked lately")
					}
					wantKnown(t, a, token, "id")
					time.Sleep(time.Nanosecond)
					if a.Fresh(id, time.Now()) {
						t.Error("fresh, but the list was asked long ago")
					}
					wantKnown(t, a, token, "unknown")
					if got, err := again(a, id); got != id || err != nil {
						t.Errorf("%v, %v; want the same identity", got, err)
					}
					wantQuestions(t, list, 1+n)
				}
				list.set(func(l *fakeList) { l.revoked = []string{token} })
				time.Sleep(askEvery)
				_, err := again(a, id)
				wantFault(t, err, CheckRevocation)
				if a.Fresh(id, time.Now()) {
					t.Error("fresh, but revoked")
				}
				wantKnown(t, a, token, CheckRevocation)
				if f := a.Figures(); f.Verified != 1 {
					t.Errorf("the signature was checked %d times, want once", f.Verified)
				}
			})
		})
	}
}

// TestForgottenIdentity holds that an identity that a session keeps, but memory has forgotten, is
// still looked up.
func TestForgottenIdentity(t *testing.T) {
	withList(t, func(t *testing.T, a *Authenticator, list *fakeList, token string) {
		id := verify(t, a, token)
		time.Sleep(rememberGood)
		if other := verify(t, a, token); other == id {
			t.Fatal("memory has not forgotten")
		}
		if a.Fresh(id, time.Now()) {
			t.Error("fresh, but the list was asked long ago about it")
		}
		if again, err := a.Recheck(t.Context(), id); again != id || err != nil || !a.Fresh(id, time.Now()) {
			t.Errorf("Recheck returned %v, %v, and it is not fresh", again, err)
		}
	})
}

// TestListAway holds that what the list said last stands while it is away, and that it is left
// alone for a second then, by all tokens.
func TestListAway(t *testing.T) {
	withList(t, func(t *testing.T, a *Authenticator, list *fakeList, token string) {
		revoked := hs256(t, bob(time.Now(), `,"n":1`))
		list.set(func(l *fakeList) { l.revoked = []string{revoked} })
		id := verify(t, a, token)
		wantVerify(t, a, revoked, CheckRevocation)
		wantQuestions(t, list, 2)

		list.set(func(l *fakeList) { l.away = true })
		time.Sleep(askEvery)
		wantVerify(t, a, token, "")
		wantVerify(t, a, revoked, CheckRevocation)
		wantVerify(t, a, hs256(t, bob(time.Now(), `,"n":2`)), "") // of which it never spoke
		wantQuestions(t, list, 3)
		if !a.Fresh(id, time.Now()) {
			t.Error("not fresh, though nobody could be asked")
		}
		if f := a.Figures(); f.ListAway != 3 {
			t.Errorf("the list was away %d times, want 3", f.ListAway)
		}

		time.Sleep(askPause)
		if a.Fresh(id, time.Now()) {
			t.Error("fresh, though the list could be asked again")
		}
		list.set(func(l *fakeList) { l.away, l.revoked = false, []string{token} })
		wantVerify(t, a, token, CheckRevocation)
		wantVerify(t, a, revoked, "")
		wantQuestions(t, list, 5)
	})
}

// TestRevokedWhileAway holds that a token that was taken back is not taken until it expires, however
// long the list is away, and whoever had learned of it: by the token, or by an identity that memory
// has forgotten.
func TestRevokedWhileAway(t *testing.T) {
	for _, learned := range []string{"at first sight", "in use", "by an identity"} {
		t.Run(learned, func(t *testing.T) {
			withList(t, func(t *testing.T, a *Authenticator, list *fakeList, token string) {
				var id *Identity
				if learned != "at first sight" {
					id = verify(t, a, token)
					time.Sleep(askEvery)
				}
				if learned == "by an identity" {
					time.Sleep(rememberGood)
				}
				list.set(func(l *fakeList) { l.revoked = []string{token} })
				if learned == "by an identity" {
					_, err := a.Recheck(t.Context(), id)
					wantFault(t, err, CheckRevocation)
				} else {
					wantVerify(t, a, token, CheckRevocation)
				}
				list.set(func(l *fakeList) { l.away = true })
				for range 8 {
					time.Sleep(rememberGood + time.Second)
					wantVerify(t, a, token, CheckRevocation)
					wantVerify(t, a, token, CheckRevocation)
				}
				list.set(func(l *fakeList) { l.away, l.revoked = false, nil })
				time.Sleep(askPause)
				wantVerify(t, a, token, "") // it was a mistake
				time.Sleep(time.Hour)
				wantVerify(t, a, token, CheckExpiry)
			})
		})
	}
}

// TestListHangs holds that a list that does not answer costs one session at a time a second, not
// each that asks.
func TestListHangs(t *testing.T) {
	withList(t, func(t *testing.T, a *Authenticator, list *fakeList, token string) {
		list.set(func(l *fakeList) { l.hangs = true })
		start := time.Now()
		wantVerify(t, a, token, "")
		if took := time.Since(start); took != askFor {
			t.Errorf("the first waited %v, want %v", took, askFor)
		}
		others := make([]string, 50)
		for n := range others {
			others[n] = hs256(t, bob(time.Now(), fmt.Sprintf(`,"n":%d`, n)))
		}
		time.Sleep(askPause)
		var mu sync.Mutex
		var waited []time.Duration
		var wg sync.WaitGroup
		start = time.Now()
		for _, other := range others {
			wg.Go(func() {
				wantVerify(t, a, other, "")
				mu.Lock()
				defer mu.Unlock()
				waited = append(waited, time.Since(start))
			})
		}
		wg.Wait()
		slices.Sort(waited)
		if waited[len(waited)-2] != 0 || waited[len(waited)-1] != askFor {
			t.Errorf("they waited %v, want all but one 0, and one %v", waited, askFor)
		}
		wantQuestions(t, list, 2)

		// Who was to ask may find it well again; from then on all do.
		list.set(func(l *fakeList) { l.hangs = false })
		time.Sleep(askPause)
		wantVerify(t, a, token, "")
		wantVerify(t, a, others[0], "")
		wantVerify(t, a, others[1], "")
		wantQuestions(t, list, 5)
	})
}

// TestOneQuestionForMany holds that who gives up waiting takes nothing from the others, who share
// one answer.
func TestOneQuestionForMany(t *testing.T) {
	withList(t, func(t *testing.T, a *Authenticator, list *fakeList, token string) {
		list.set(func(l *fakeList) { l.hangs = true })
		impatient, cancel := context.WithCancel(t.Context())
		var wg sync.WaitGroup
		wg.Go(func() {
			if _, err := a.Verify(impatient, token); !errors.Is(err, context.Canceled) {
				t.Errorf("error %v, want that of the context", err)
			}
		})
		synctest.Wait()
		for range 20 {
			wg.Go(func() { wantVerify(t, a, token, "") })
		}
		synctest.Wait()
		cancel()
		wg.Wait()
		wantQuestions(t, list, 1)
	})
}

// TestTwinRevoked holds that a token that was taken back can't be used as its twin.
func TestTwinRevoked(t *testing.T) {
	key := newKey(t, "ES256").(*ecdsa.PrivateKey)
	list := &fakeList{}
	a := mustNew(t, Config{Issuers: []Issuer{{Keys: []any{&key.PublicKey}}}, Revoked: list})
	token := sign(t, "ES256", key, header("ES256"), bob(time.Now(), ""))
	id, err := a.Check(token, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	list.set(func(l *fakeList) { l.revoked = []string{token} })
	wantVerify(t, a, token, CheckRevocation)
	wantVerify(t, a, id.twin, CheckRevocation)
}
