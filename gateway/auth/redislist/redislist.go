package redislist

import (
	"context"

	"github.com/redis/go-redis/v9"
)

// List is the list of revoked tokens in one Redis. It implements auth.Revocations.
type List struct {
	asked  func() redis.UniversalClient
	prefix string
}

// New returns the list whose keys are prefix + "Bearer_" + the token, whatever their values are. Keys
// last until Redis drops them: whoever writes one gives it the token's expiry. asked returns the client
// for the next query. The client remains the caller's, and should have the option ContextTimeoutEnabled,
// or it waits as long as its own time-outs say.
func New(asked func() redis.UniversalClient, prefix string) *List {
	return &List{asked, prefix + "Bearer_"}
}

// Revoked reports whether the list holds a token. Its error names the command, not the key.
func (l *List) Revoked(ctx context.Context, token string) (bool, error) {
	n, err := l.asked().Exists(ctx, l.prefix+token).Result()
	return n > 0, err
}
