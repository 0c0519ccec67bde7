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

// commandError is a command that Redis refuses.
type commandError struct {
	command string // with its key or channel
	err     error
}

func (e *commandError) Error() string { return e.command + ": " + e.err.Error() }

func (e *commandError) Unwrap() error { return e.err }

// tryRedis sends each command once that nodes and tools send, and stops at the first that Redis
// refuses. It writes to keys of its own, which go at the end.
func (t *trials) tryRedis(ctx context.Context, m redisregistry.Map) error {
	keys := newTrialKeys(m)
	defer func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
		defer cancel()
		for _, key := range keys.all() {
			m.Client.Redis().Unlink(ctx, key) // where this fails, the key expires
		}
	}()
	commands := keys.commands()
	if m.Layout == redisregistry.Keys {
		commands = append(commands, keys.sessionCommands()...)
	}
	if r := t.cfg.Auth.Revocation; r.Enabled && t.cfg.HasIssuer() {
		commands = append(commands, []any{"EXISTS", r.Prefix + "Bearer_check"})
	}
	for _, command := range commands {
		if err := m.Client.Redis().Do(ctx, command...).Err(); err != nil && !errors.Is(err, redis.Nil) {
			return &commandError{strings.TrimSuffix(fmt.Sprintln(command[:min(2, len(command))]...), "\n"), err}
		}
	}
	subscription := m.Client.Redis().Subscribe(ctx, keys.channel)
	defer subscription.Close() // nothing is lost with it
	if _, err := subscription.Receive(ctx); err != nil {
		return &commandError{"SUBSCRIBE " + keys.channel, err}
	}
	return nil
}

// trialKeys are the keys and the channel of one trial. Their names begin as those of nodes do, so that the
// same rules of an ACL hold, and none is that of a session.
type trialKeys struct {
	text, hash, set, sorted, session, channel string
}

func newTrialKeys(m redisregistry.Map) trialKeys {
	id := rand.Text()
	own := m.Own() + "check:" + id
	return trialKeys{
		text: own + ":text", hash: own + ":hash", set: own + ":set", sorted: own + ":sorted", channel: own,
		session: m.Prefix + "stompgw-check_" + id,
	}
}

func (k trialKeys) all() []string { return []string{k.text, k.hash, k.set, k.sorted, k.session} }

// trialExpiry is how long in ms a key lives on whose trial was killed.
const trialExpiry = 10_000

// commands are what nodes and tools send, but for INFO, without which they get along.
func (k trialKeys) commands() [][]any {
	return [][]any{
		{"SET", k.text, "1", "PX", trialExpiry}, {"GET", k.text}, {"EXISTS", k.text}, {"DEL", k.text}, {"UNLINK", k.text},
		{"HSET", k.hash, "a", "1", "b", "2"}, {"PEXPIRE", k.hash, trialExpiry}, {"HGET", k.hash, "a"}, {"HMGET", k.hash, "a", "b"},
		{"HLEN", k.hash}, {"HKEYS", k.hash}, {"HSCAN", k.hash, 0}, {"HDEL", k.hash, "a"},
		{"SADD", k.set, "a", "b"}, {"PEXPIRE", k.set, trialExpiry}, {"SMEMBERS", k.set}, {"SREM", k.set, "a"},
		{"ZADD", k.sorted, 0, "a", 0, "b"}, {"PEXPIRE", k.sorted, trialExpiry}, {"ZCARD", k.sorted}, {"ZRANGE", k.sorted, 0, -1}, {"ZSCORE", k.sorted, "a"},
		{"ZRANGEBYLEX", k.sorted, "-", "+"}, {"ZRANGEBYSCORE", k.sorted, 0, 0}, {"ZREM", k.sorted, "a"}, {"ZREMRANGEBYSCORE", k.sorted, 0, 0},
		{"TIME"}, {"PUBLISH", k.channel, ""},
	}
}

// sessionCommands are those of the layout keys besides.
func (k trialKeys) sessionCommands() [][]any {
	return [][]any{
		{"SET", k.session, "1", "PX", trialExpiry}, {"GETRANGE", k.session, 0, 0}, {"PEXPIRE", k.session, trialExpiry}, {"DEL", k.session},
		{"SCAN", 0, "MATCH", k.session, "COUNT", 1},
	}
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
	return cli.Exit(cli.Unreachable, fmt.Errorf("%s (%s, %s) can't be used: %s; %s",
		cli.RedisName(t.cfg), key, t.cfg.Origin(key), strings.TrimRight(err.Error(), ". "), advice))
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
