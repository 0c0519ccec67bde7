package redislist

import (
	"context"

	"github.com/redis/go-redis/v9"
)

// List is the list of revoked tokens in one Redis. It implements auth.Revocations.
type List struct {
	client redis.UniversalClient
	prefix string
}

// New returns the list whose keys are prefix + "Bearer_" + the token, whatever their values are. Keys
// last until Redis drops them: whoever writes one gives it the token's expiry. The caller closes the
// client, which should have the option ContextTimeoutEnabled, or it waits as long as its own
// time-outs say.
func New(client redis.UniversalClient, prefix string) *List {
	return &List{client, prefix + "Bearer_"}
}

// Revoked reports whether the list holds a token. Its error names the command, not the key.
func (l *List) Revoked(ctx context.Context, token string) (bool, error) {
	n, err := l.client.Exists(ctx, l.prefix+token).Result()
	return n > 0, err
}
