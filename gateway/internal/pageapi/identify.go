package pageapi

import (
	"context"
	"time"

	"github.com/stompgw/stompgw/gateway/auth"
	"github.com/stompgw/stompgw/gateway/policy"
)

// identify finds out who asks, by the Authorization header, as of a CONNECT: nil is nobody. A token that is not taken is refused, rather than
// its bearer taken for nobody, as there is no CONNECTED that could say so.
func (a *API) identify(ctx context.Context, header string) (*auth.Identity, error) {
	token, named := auth.Bearer([]byte(header))
	if !named {
		if a.LoginOnly {
			return nil, refused(policy.Refuse(policy.CodeLogin))
		}
		return nil, nil
	}
	who, err := a.verify(ctx, token)
	if err != nil {
		return nil, err
	}
	if left := a.Blocked(who.Member, a.Now()); left > 0 {
		r := policy.Refuse(policy.CodeBlocked)
		r.RetryAfter = max(left, time.Millisecond)
		return nil, refused(r)
	}
	return who, nil
}

// verify returns whom a token names.
func (a *API) verify(ctx context.Context, token []byte) (*auth.Identity, error) {
	if a.Auth == nil {
		return nil, unauthorized("this node takes nobody's tokens: no issuer is configured")
	}
	who, err, known := a.Auth.Known(token, a.Now())
	if !known {
		who, err = a.Auth.Verify(ctx, string(token))
	}
	fault, ok := err.(*auth.Error)
	switch {
	case err == nil:
		return who, nil
	case !ok:
		return nil, err
	case fault.Expired():
		return nil, unauthorized("the token has expired")
	}
	return nil, unauthorized("the token is refused")
}
