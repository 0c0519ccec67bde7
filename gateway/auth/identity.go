package auth

import (
	"sync/atomic"
	"time"
)

// Identity is what a token says about its bearer. It never changes, so any goroutine may read it.
type Identity struct {
	Member  string         // the member's id as JSON: 42 or "bob"
	Roles   []string       // such as ROLE_ADMIN
	Claims  map[string]any // all of them, as JSON has them: string, bool, nil, int64, uint64, float64, []any, map[string]any
	Expires time.Time      // the claim "exp"

	token    string
	twin     string         // another token that is as good (see twinOf), empty for none
	by       *Authenticator // who checked it; nil of an identity that was assumed
	issuer   string         // whose token it is, by the issuer's name
	assumed  inboxes        // those of the issuer, if by is nil
	key      *key           // that signed it; nil of one that no Authenticator has made
	standing *standing
}

// Ends is when the identity ends: when its token expires, or earlier, when its issuer lost the key that
// signed it (see Authenticator.SetIssuers).
func (id *Identity) Ends() time.Time {
	if id.KeyGone() {
		return earlier(*id.key.gone.Load(), id.Expires)
	}
	return id.Expires
}

// KeyGone reports whether the key that signed the token is no longer in use, or not for such a token.
func (id *Identity) KeyGone() bool { return id.key != nil && id.key.gone.Load() != nil }

// Is reports whether id was made from exactly this token.
func (id *Identity) Is(token []byte) bool { return string(token) == id.token }

// Same reports whether id and other are of the same member of the same issuer.
func (id *Identity) Same(other *Identity) bool {
	issuer, _ := id.Claims["iss"].(string)
	others, _ := other.Claims["iss"].(string)
	return id.Member == other.Member && issuer == others
}

// Inbox names the member in its destinations: 7 in /member/7/queue/x, or x:7 if its issuer has the label
// x (see destination.Inbox). It is empty for a member that has none, and for nobody. It depends on the
// current issuers, so it may change (see Authenticator.SetIssuers).
func (id *Identity) Inbox() string {
	if id.Member == "" {
		return ""
	}
	if id.by == nil {
		return id.assumed.inbox(id.Member)
	}
	i := (*id.by.issuers.Load())[id.issuer]
	if i == nil {
		return "" // what is its issuer's no more may be another's
	}
	return i.inbox(id.Member)
}

// standing is what the list of revocations said of a token, the one thing about it that changes.
type standing struct {
	stale   atomic.Int64 // when the list has to be asked again, as revocations count; 0 when it never was
	revoked atomic.Bool
}
