package auth

import (
	"context"
	"crypto/sha256"
	"errors"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

const (
	maxKnown     = 100_000         // good tokens that are remembered, in about 1.7 KB each
	maxFaults    = 4096            // bad ones, apart, so that a flood of them can't push out good ones
	rememberGood = 5 * time.Minute // or until it expires
	rememberBad  = 5 * time.Second // or until it begins to be valid
)

// Authenticator checks tokens. Any goroutine may use it.
type Authenticator struct {
	// Set by New, never changed.
	cfg     Config
	parser  *jwt.Parser
	slots   chan struct{} // one for each check of a signature at a time: they take the loops' cores
	good    *cache
	bad     *cache
	revoked *revocations
	counts  *counts

	issuers atomic.Pointer[issuers] // as New or SetIssuers was told last
	setting sync.Mutex              // held by SetIssuers
}

// counts are apart from the rest of an Authenticator: what is written often should not share a cache
// line with what is read often.
type counts struct{ verified, known, refused, revoked atomic.Uint64 }

// New checks the configuration: that every key fits its algorithms, and that issuers can be told apart.
// An error about issuers is an *IssuerError, or several joined.
func New(cfg Config) (*Authenticator, error) {
	issuers, err := newIssuers(cfg.Issuers)
	if err != nil {
		return nil, err
	}
	if cfg.Leeway < 0 {
		return nil, errors.New("the leeway is negative: want 0, or by how much clocks may differ")
	}
	cfg = cfg.withDefaults()
	a := &Authenticator{
		cfg: cfg,
		// The issuer's algorithms are checked before its key is used (see issuer.checkHeader), and the
		// claims with a reason and by the caller's clock (see judge).
		parser:  jwt.NewParser(jwt.WithStrictDecoding(), jwt.WithoutClaimsValidation()),
		slots:   make(chan struct{}, max(1, runtime.GOMAXPROCS(0)/2)),
		good:    newCache(maxKnown),
		bad:     newCache(maxFaults),
		revoked: &revocations{list: cfg.Revoked, now: cfg.Now, born: cfg.Now()},
		counts:  &counts{},
	}
	a.issuers.Store(&issuers)
	return a, nil
}

// SetIssuers replaces the issuers, or returns an error and changes nothing. Tokens signed with a key that
// an issuer has lost are no longer accepted, and identities made from them end now (see Identity.Ends).
// The same goes for a key for which an issuer accepts other algorithms, or another audience; such a token
// may be valid when it is presented again. gone is the number of these keys. Labels also change for
// existing identities (see Identity.Inbox).
func (a *Authenticator) SetIssuers(list []Issuer) (gone int, err error) {
	next, err := newIssuers(list)
	if err != nil {
		return 0, err
	}
	a.setting.Lock()
	defer a.setting.Unlock()
	keys := next.inherit(*a.issuers.Load())
	a.issuers.Store(&next)
	now := a.cfg.Now()
	for _, k := range keys {
		k.gone.Store(&now)
	}
	return len(keys), nil
}

// Known returns the verdict on a token that is in memory, for event loops: it waits for nothing, and
// allocates nothing for a valid token. If known is false, call Verify. If it is true, either id is set,
// or err, which is an *Error.
func (a *Authenticator) Known(token []byte, now time.Time) (id *Identity, err error, known bool) {
	if len(token) > maxToken {
		return nil, a.refuse(tooLong()), true
	}
	of := hash(sha256.Sum256(token))
	v, ok := a.remembered(&of, now)
	if !ok || v.id != nil && !a.revoked.fresh(v.id.standing, now) {
		return nil, nil, false
	}
	a.counts.known.Add(1)
	id, err = a.tell(v)
	return id, err, true
}

// Fresh reports whether an identity is still valid at now without another check: it has not ended, and
// the list of revocations was asked recently. If it is not, Recheck tells.
func (a *Authenticator) Fresh(id *Identity, now time.Time) bool {
	return id.by == a && now.Before(id.Ends().Add(a.cfg.Leeway)) &&
		a.revoked.fresh(id.standing, now) && !id.standing.revoked.Load()
}

// Verify checks a token, asks the list of revocations, and remembers the verdict. It may wait, and must
// not run on an event loop. The error is an *Error, or that of ctx.
func (a *Authenticator) Verify(ctx context.Context, token string) (*Identity, error) {
	if len(token) > maxToken {
		return nil, a.refuse(tooLong())
	}
	of := hash(sha256.Sum256([]byte(token)))
	v, ok := a.remembered(&of, a.cfg.Now())
	if !ok {
		var err error
		if v, err = a.verify(ctx, &of, token); err != nil {
			return nil, err
		}
	}
	if v.id != nil {
		if err := a.revoked.look(ctx, v.id); err != nil {
			return nil, err
		}
	}
	return a.tell(v)
}

// Recheck is Verify for an identity: it asks the list of revocations about its token again, if that is
// due, and returns the same identity as long as it is valid.
func (a *Authenticator) Recheck(ctx context.Context, id *Identity) (*Identity, error) {
	if id.by != a { // whose keys are others
		return a.Verify(ctx, id.token)
	}
	now := a.cfg.Now()
	if f := expired(id.Expires, now, a.cfg.Leeway); f != nil {
		return nil, a.refuse(f)
	}
	if !now.Before(id.Ends().Add(a.cfg.Leeway)) {
		return nil, a.refuse(fault(CheckSignature, "the key that signed the token is not in use any more"))
	}
	if err := a.revoked.look(ctx, id); err != nil {
		return nil, err
	}
	return a.tell(verdict{id: id})
}

// Check checks a token alone: it remembers nothing and asks nobody.
func (a *Authenticator) Check(token string, now time.Time) (*Identity, error) {
	if v := a.check(*a.issuers.Load(), token, now); v.fault != nil {
		return nil, v.fault
	} else {
		return v.id, nil
	}
}

// verify checks a token when a slot is free, and remembers the verdict. Of many who bring the same
// token at once, those who had to wait for a slot find it.
func (a *Authenticator) verify(ctx context.Context, of *hash, token string) (verdict, error) {
	select {
	case a.slots <- struct{}{}:
		defer func() { <-a.slots }()
	case <-ctx.Done():
		return verdict{}, ctx.Err()
	}
	now := a.cfg.Now()
	if v, ok := a.remembered(of, now); ok {
		return v, nil
	}
	a.counts.verified.Add(1)
	all := a.issuers.Load()
	v := a.check(*all, token, now)
	v.by = all
	a.remember(of, &v, now)
	return v, nil
}

// remember sets how long a verdict counts.
func (a *Authenticator) remember(of *hash, v *verdict, now time.Time) {
	if v.id != nil {
		v.until = earlier(v.id.Expires.Add(a.cfg.Leeway), now.Add(rememberGood))
		a.good.put(of, *v, now)
		return
	}
	v.until = earlier(v.until, now.Add(rememberBad))
	a.bad.put(of, *v, now)
}

// rememberRevoked keeps what the list said until the token expires: while the list is away, nobody
// else knows it.
func (a *Authenticator) rememberRevoked(v verdict) {
	if until := v.id.Expires.Add(a.cfg.Leeway); v.until.Before(until) {
		of := hash(sha256.Sum256([]byte(v.id.token)))
		v.until = until
		a.good.put(&of, v, a.cfg.Now())
	}
}

// earlier returns the earlier of two times, of which the first may be zero for never.
func earlier(t, or time.Time) time.Time {
	if !t.IsZero() && t.Before(or) {
		return t
	}
	return or
}

// remembered returns what is known of a token, if that still counts: a good one as long as its key is
// in use, a bad one as long as the issuers are the same.
func (a *Authenticator) remembered(of *hash, now time.Time) (verdict, bool) {
	if v, ok := a.good.get(of, now); ok && !v.id.KeyGone() {
		return v, true
	}
	v, ok := a.bad.get(of, now)
	return v, ok && v.by == a.issuers.Load()
}

// tell returns a verdict as callers want it.
func (a *Authenticator) tell(v verdict) (*Identity, error) {
	if v.fault != nil {
		return nil, a.refuse(v.fault)
	}
	if v.id.standing.revoked.Load() {
		a.rememberRevoked(v)
		a.counts.revoked.Add(1)
		return nil, a.refuse(fault(CheckRevocation, "the token was taken back"))
	}
	return v.id, nil
}

func (a *Authenticator) refuse(f *Error) error {
	a.counts.refused.Add(1)
	return f
}

// AsksList reports whether there is a list of revoked tokens.
func (a *Authenticator) AsksList() bool { return a.cfg.Revoked != nil }

// Leeway is how much clocks may differ: a token is accepted until that long after it expires.
func (a *Authenticator) Leeway() time.Duration { return a.cfg.Leeway }

// Figures are counts since New.
type Figures struct {
	Verified uint64 // tokens that were checked, since no verdict was in memory
	Known    uint64 // tokens whose verdict was in memory
	Refused  uint64 // tokens that were refused, also from memory
	Revoked  uint64 // of those, tokens on the list of revocations
	ListAway uint64 // times that the list of revocations could not be asked, and the last verdict stood
}

// Figures may be called from any goroutine.
func (a *Authenticator) Figures() Figures {
	c := a.counts
	return Figures{c.verified.Load(), c.known.Load(), c.refused.Load(), c.revoked.Load(), a.revoked.away.Load()}
}
