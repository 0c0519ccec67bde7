package redislist

import (
	"context"
	"strings"
	"testing"

	"github.com/alicebob/miniredis/v2"
	"github.com/redis/go-redis/v9"
	"go.uber.org/goleak"

	"github.com/stompgw/stompgw/bus/bustest/servers"
	"github.com/stompgw/stompgw/gateway/auth"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// List is what auth asks.
var _ auth.Revocations = (*List)(nil)

const token = "eyJhbGciOiJIUzI1NiJ9.e30.c2lnbmF0dXJl"

func clientOf(t *testing.T, addr string) redis.UniversalClient {
	t.Helper()
	client := redis.NewClient(&redis.Options{Addr: addr, ContextTimeoutEnabled: true, MaxRetries: -1, DialerRetries: 1})
	t.Cleanup(func() { client.Close() })
	return client
}

func always(client redis.UniversalClient) func() redis.UniversalClient {
	return func() redis.UniversalClient { return client }
}

// TestRevoked holds that the keys are those that the replaced system writes, byte for byte, and that a key says so
// whatever its value is.
func TestRevoked(t *testing.T) {
	for name, addr := range map[string]func(t *testing.T) string{
		"miniredis":    func(t *testing.T) string { return miniredis.RunT(t).Addr() },
		"redis-server": func(t *testing.T) string { return servers.Redis(t).Addr },
	} {
		t.Run(name, func(t *testing.T) {
			client := clientOf(t, addr(t))
			for _, c := range []struct {
				name, prefix string
				has          []any // the command that wrote it
				want         bool
			}{
				{"nothing", "", nil, false},
				{"the token's key", "", []any{"SET", "Bearer_" + token, ""}, true},
				{"a hash", "", []any{"HSET", "Bearer_" + token, "a", "b"}, true},
				{"a set", "", []any{"SADD", "Bearer_" + token, "a"}, true},
				{"a list", "", []any{"LPUSH", "Bearer_" + token, "a"}, true},
				{"with a prefix", "app:", []any{"SET", "app:Bearer_" + token, ""}, true},
				{"under another prefix", "app:", []any{"SET", "Bearer_" + token, ""}, false},
				{"another token", "", []any{"SET", "Bearer_" + token + "x", ""}, false},
				{"the token alone", "", []any{"SET", token, ""}, false},
				{"in another case", "", []any{"SET", "bearer_" + token, ""}, false},
			} {
				t.Run(c.name, func(t *testing.T) {
					for _, command := range [][]any{{"FLUSHALL"}, c.has} {
						if len(command) > 0 && client.Do(t.Context(), command...).Err() != nil {
							t.Fatalf("%v fails", command)
						}
					}
					if got, err := New(always(client), c.prefix).Revoked(t.Context(), token); got != c.want || err != nil {
						t.Errorf("Revoked: %v, %v; want %v", got, err, c.want)
					}
				})
			}
		})
	}
}

// TestAway holds that a Redis that does not answer is an error, which tells no token.
func TestAway(t *testing.T) {
	stopped := miniredis.RunT(t)
	refusing := miniredis.RunT(t)
	refusing.SetError("LOADING Redis is loading the dataset in memory")
	silent, cancel := context.WithCancel(t.Context())
	cancel()
	for name, c := range map[string]struct {
		ctx  context.Context
		addr string
	}{
		"stopped":         {t.Context(), stopped.Addr()},
		"refusing":        {t.Context(), refusing.Addr()},
		"out of patience": {silent, refusing.Addr()},
	} {
		t.Run(name, func(t *testing.T) {
			stopped.Close()
			got, err := New(always(clientOf(t, c.addr)), "").Revoked(c.ctx, token)
			if got || err == nil {
				t.Fatalf("Revoked: %v, %v; want an error", got, err)
			}
			if strings.Contains(err.Error(), token) {
				t.Errorf("the error tells the token: %v", err)
			}
		})
	}
}
