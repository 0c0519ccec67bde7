package probe

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/stompgw/stompgw/cmd/internal/cli"
	"github.com/stompgw/stompgw/gateway/registry/redisregistry"
)

// redis asks Redis whether it lets this user do what nodes and tools do.
func (t *trials) redis(ctx context.Context) (success string, err error) {
	ctx, cancel := context.WithTimeout(ctx, t.timeout)
	defer cancel()
	client := cli.NewRedis(t.cfg)
	defer client.Close() // nothing is lost with it
	if err := t.ping(ctx, client.Redis()); err != nil {
		return "", t.redisFault(err)
	}
	if err := t.tryRedis(ctx, cli.SessionMap(t.cfg, client)); err != nil {
		return "", t.redisFault(err)
	}
	return fmt.Sprintf("%s (%s, %s): answers, and takes every command of a node", cli.RedisName(t.cfg), cli.RedisAddrs, t.cfg.Origin(cli.RedisAddrs)), nil
}

// errInCluster is what a node would be told with most of the keys, if not with all.
var errInCluster = errors.New("MOVED: its keys are spread over several servers")

// ping asks Redis, and of a Redis Cluster each server.
func (t *trials) ping(ctx context.Context, client redis.UniversalClient) error {
	if cluster, ok := client.(*redis.ClusterClient); ok {
		return cluster.ForEachShard(ctx, func(ctx context.Context, server *redis.Client) error { return server.Ping(ctx).Err() })
	}
	if err := client.Ping(ctx).Err(); err != nil {
		return err
	}
	info, err := client.Info(ctx, "cluster").Result()
	if err == nil && strings.Contains(info, "cluster_enabled:1") { // a user need not be allowed to ask
		return errInCluster
	}
	return nil
}

// trialCommands are what nodes and tools send, but for INFO, without which they get along: with a key for each kind
// of value, and a channel. EXPIRY is how long in ms a key lives on whose trial was killed.
const trialCommands = `SET TEXT 1 PX EXPIRY; GET TEXT; EXISTS TEXT; DEL TEXT; UNLINK TEXT;
	HSET HASH a 1 b 2; PEXPIRE HASH EXPIRY; HGET HASH a; HMGET HASH a b; HLEN HASH; HKEYS HASH; HSCAN HASH 0; HDEL HASH a;
	SADD SETS a b; PEXPIRE SETS EXPIRY; SMEMBERS SETS; SREM SETS a;
	ZADD SORTED 0 a 0 b; PEXPIRE SORTED EXPIRY; ZCARD SORTED; ZRANGE SORTED 0 -1; ZSCORE SORTED a;
	ZRANGEBYLEX SORTED - +; ZRANGEBYSCORE SORTED 0 0; ZREM SORTED a; ZREMRANGEBYSCORE SORTED 0 0;
	TIME; PUBLISH CHANNEL x`

// sessionCommands are those of the layout keys besides.
const sessionCommands = `; SET SESSION 1 PX EXPIRY; GETRANGE SESSION 0 0; PEXPIRE SESSION EXPIRY; DEL SESSION; SCAN 0 MATCH SESSION COUNT 1`

// tryRedis sends each command once that nodes and tools send, and stops at the first that Redis
// refuses. It writes to keys of its own, which go at the end. Their names begin as those of nodes do, so that the
// same rules of an ACL hold, and none is that of a session.
func (t *trials) tryRedis(ctx context.Context, m redisregistry.Map) error {
	id := rand.Text()
	channel, session := m.Own()+"check:"+id, m.Prefix+"stompgw-check_"+id
	keys := []string{channel + ":text", channel + ":hash", channel + ":set", channel + ":sorted", session}
	defer func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
		defer cancel()
		for _, key := range keys {
			m.Client.Redis().Unlink(ctx, key) // where this fails, the key expires
		}
	}()
	commands := trialCommands
	if m.Layout == redisregistry.Keys {
		commands += sessionCommands
	}
	if r := t.cfg.Auth.Revocation; r.Enabled && t.cfg.HasIssuer() {
		commands += "; EXISTS REVOKED"
	}
	names := strings.NewReplacer("TEXT", keys[0], "HASH", keys[1], "SETS", keys[2], "SORTED", keys[3], "SESSION", session,
		"CHANNEL", channel, "REVOKED", t.cfg.Auth.Revocation.Prefix+"Bearer_check", "EXPIRY", "10000")
	for command := range strings.SplitSeq(commands, ";") {
		var words []any
		for _, word := range strings.Fields(command) {
			words = append(words, names.Replace(word))
		}
		if err := m.Client.Redis().Do(ctx, words...).Err(); err != nil && !errors.Is(err, redis.Nil) {
			return fmt.Errorf("%s: %w", strings.TrimSuffix(fmt.Sprintln(words[:min(2, len(words))]...), "\n"), err)
		}
	}
	subscription := m.Client.Redis().Subscribe(ctx, channel)
	defer subscription.Close() // nothing is lost with it
	if _, err := subscription.Receive(ctx); err != nil {
		return fmt.Errorf("SUBSCRIBE %s: %w", channel, err)
	}
	return nil
}

// redisFault says what is wrong with Redis, which setting that is about, and what to do.
func (t *trials) redisFault(err error) error {
	if cli.IsNetwork(err) && !cli.IsSentinels(err) {
		return t.unusable(cli.RedisAddrs, cli.RedisName(t.cfg), err, t.speechAdvice(err))
	}
	key, advice := cli.RedisAdvice(t.cfg, err)
	if key == "" {
		key, advice = cli.RedisAddrs, "see to Redis, or set redis.addrs to another"
	}
	return cli.Unusable(t.cfg, key, cli.RedisName(t.cfg), err, advice)
}

// speechAdvice is for a server that accepts connections and says nothing, as one does that speaks TLS to one
// that does not.
func (t *trials) speechAdvice(err error) string {
	var op *net.OpError
	switch {
	case errors.As(err, &op) && op.Op == "dial":
		return ""
	case t.cfg.Redis.TLS.Loaded == nil:
		return "if it speaks TLS there, set redis.tls.enabled"
	default:
		return "if it speaks no TLS there, leave redis.tls out"
	}
}
