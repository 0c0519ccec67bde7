package cmd

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/stompgw/stompgw/gateway/registry"
	"github.com/stompgw/stompgw/gateway/registry/redisregistry"
)

// redis asks Redis whether it lets this user do what nodes and tools do.
func (t *trials) redis(ctx context.Context) (success string, err error) {
	ctx, cancel := context.WithTimeout(ctx, t.timeout)
	defer cancel()
	client := newRedis(t.cfg)
	defer client.Close() // nothing is lost with it
	if err := t.ping(ctx, client.Redis()); err != nil {
		return "", t.redisFault(err)
	}
	if err := t.tryRedis(ctx, sessionMap(t.cfg, client)); err != nil {
		return "", t.redisFault(err)
	}
	return fmt.Sprintf("%s (%s, %s): answers, and takes every command of a node", t.redisName(), redisAddrs, t.cfg.Origin(redisAddrs)), nil
}

const redisAddrs = "redis.addrs"

func (t *trials) redisName() string {
	name := "redis "
	if t.cfg.Redis.Master != "" {
		name = "redis " + t.cfg.Redis.Master + " by the Sentinels "
	}
	return name + strings.Join(t.cfg.Redis.Addrs, ", ")
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
		session: m.Prefix + registry.NewNode(time.Now()).String() + "-check-" + id,
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
	if isNetwork(err) && !isSentinels(err) {
		return t.unusable(redisAddrs, t.redisName(), err, t.speechAdvice(err))
	}
	key, advice := t.redisAdvice(err)
	return &exitError{unreachable, fmt.Errorf("%s (%s, %s) can't be used: %s; %s",
		t.redisName(), key, t.cfg.Origin(key), strings.TrimRight(err.Error(), ". "), advice)}
}

// speechAdvice is for a server that accepts connections and says nothing, as one does that speaks TLS to one
// that does not.
func (t *trials) speechAdvice(err error) string {
	var op *net.OpError
	switch {
	case errors.As(err, &op) && op.Op == "dial":
		return ""
	case t.cfg.Redis.TLS.Loaded() == nil:
		return "if it speaks TLS there, set redis.tls.enabled"
	default:
		return "if it speaks no TLS there, leave redis.tls out"
	}
}

// isSentinels reports whether err is that no Sentinel could be asked, which go-redis says in words alone.
func isSentinels(err error) bool { return strings.Contains(err.Error(), "sentinel") }

// redisAdvice knows the answers of Redis that mean a mistake in a setting: it returns that setting, and
// what to do.
func (t *trials) redisAdvice(err error) (key, advice string) {
	password := t.cfg.Named("redis.password")
	var command *commandError
	var record tls.RecordHeaderError
	var signer x509.UnknownAuthorityError
	var host x509.HostnameError
	says := func(words string) bool { return strings.Contains(err.Error(), words) }
	switch {
	case errors.As(err, &record):
		return "redis.tls.enabled", "it speaks no TLS at this address: take another port, or leave redis.tls out"
	case errors.As(err, &signer):
		return "redis.tls.ca", "set redis.tls.ca to the file with the certificate of who signed the server's"
	case errors.As(err, &host):
		return redisAddrs, "call it by a name or address that its certificate has"
	case says("WRONGPASS"), says("ERR invalid password"):
		return password, "check redis.user and the password"
	case says("NOAUTH"):
		return password, "name a file that holds the password with redis.password_file, or set STOMPGW_REDIS_PASSWORD"
	case says("without any password configured"):
		return password, "it has no password: leave it out"
	case says("NOPERM") && errors.As(err, &command):
		return "redis.user", "allow the user this command on this name, in the ACL of Redis"
	case says("MOVED"), says("CROSSSLOT"), says("CLUSTERDOWN"):
		return "redis.cluster", "it is one of a Redis Cluster: set redis.cluster to true"
	case says("cluster support disabled"):
		return "redis.cluster", "it is no Redis Cluster: set redis.cluster to false, and one address in redis.addrs"
	case says("DB index is out of range"):
		return "redis.db", "set redis.db to a database that it has"
	case says("READONLY"):
		return redisAddrs, "it is a replica: name the master, or its Sentinels with redis.master"
	case isSentinels(err):
		return redisAddrs, "want addresses of Sentinels that know redis.master by that name"
	}
	return redisAddrs, "see to Redis, or set redis.addrs to another"
}
