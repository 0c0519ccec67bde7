package session

import (
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/stompgw/stompgw/gateway/auth"
	"github.com/stompgw/stompgw/gateway/policy"
)

const otherSecret = "another secret of thirty-two bytes"

// setSecrets makes the secrets of the issuer others.
func (r *loginRig) setSecrets(secrets ...string) {
	r.t.Helper()
	var keys []any
	for _, secret := range secrets {
		keys = append(keys, []byte(secret))
	}
	gone, err := r.host.Auth.SetIssuers([]auth.Issuer{{Algorithms: []string{"HS256"}, Keys: keys}})
	if err != nil {
		r.t.Fatal(err)
	}
	if gone > 0 {
		r.do(func() { r.host.IssuersSet(func(int) {}) })
	}
}

// by makes a token of a member with another secret.
func (r *loginRig) by(secret string, member any) string {
	r.t.Helper()
	token, err := jwt.NewWithClaims(jwt.SigningMethodHS256, jwt.MapClaims{"mu": member, "exp": r.began.Add(time.Hour).Unix()}).SignedString([]byte(secret))
	if err != nil {
		r.t.Fatal(err)
	}
	return token
}

// TestKeysGone: who is logged in by a key that goes is in the place of one whose token has just expired. The
// token itself is taken no more.
func TestKeysGone(t *testing.T) {
	const room, open = "/topic/members/a", "/topic/open/a"
	eachLogin(t, func(t *testing.T, member any) {
		begin := func(t *testing.T) (*loginRig, *peer, string) {
			r := newLoginRig(t)
			r.setSecrets(testSecret, otherSecret)
			token := r.of(member, time.Hour)
			p := r.member(r.by(otherSecret, 42))
			if member == 42 {
				p = r.member(token)
			}
			p.subscribes(token, room)
			p.wantReceived(room, room)
			r.setSecrets(otherSecret)
			p.wantCode(policy.CodeLogin)
			return r, p, token
		}
		t.Run("lapses", func(t *testing.T) {
			r, p, _ := begin(t)
			r.later(p, testGrace-time.Millisecond)
			p.wantReceived(room, room)
			r.later(p, time.Millisecond)
			p.wantReceived(room)
		})
		t.Run("is not taken", func(t *testing.T) {
			_, p, token := begin(t)
			p.ask(sendAs(room, token, "x"))
			p.wantCode(policy.CodeLogin)
			p.wantReceived(room, room) // it ends in its time all the same
		})
		t.Run("is renewed by the other key", func(t *testing.T) {
			r, p, _ := begin(t)
			p.ask(sendAs(open, r.by(otherSecret, member), "x"))
			r.later(p, testGrace+testLeeway)
			p.wantReceived(room, room)
		})
	})
	t.Run("frames without a token", func(t *testing.T) {
		r := newLoginRig(t)
		r.setSecrets(testSecret, otherSecret)
		p := r.member(r.of(42, time.Hour))
		r.setSecrets(otherSecret)
		p.wantCode(policy.CodeLogin)
		r.later(p, testGrace-time.Millisecond) // which is before testLeeway
		p.feed(sendAs(room, "", "x"))
		p.want()
		r.later(p, time.Millisecond)
		p.ask(sendAs(room, "", "x"))
		p.wantCode(policy.CodeLogin)
	})
	t.Run("another key", func(t *testing.T) {
		r := newLoginRig(t)
		r.setSecrets(testSecret, otherSecret)
		p := r.member(r.of(42, time.Hour))
		p.subscribes("", room)
		r.setSecrets(testSecret)
		p.want()
		r.later(p, testGrace+testLeeway)
		p.wantReceived(room, room)
	})
}
