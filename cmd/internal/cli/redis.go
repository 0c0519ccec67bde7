package cli

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/stompgw/stompgw/admin"
	"github.com/stompgw/stompgw/cmd/internal/config"
	"github.com/stompgw/stompgw/gateway/registry"
	"github.com/stompgw/stompgw/gateway/registry/redisregistry"
)

// NewRedis returns a client of the Redis that the configuration names. It dials on first use; the
// caller closes it.
func NewRedis(cfg *config.Config) *redisregistry.Client {
	r := &cfg.Redis
	return redisregistry.NewClient(redisregistry.Options{
		Addrs:   r.Addrs,
		Cluster: r.Cluster,
		Master:  r.Master,
		DB:      r.DB,
		Login:   RedisLogin(r),
	})
}

func RedisLogin(r *config.Redis) redisregistry.Login {
	return redisregistry.Login{
		User:         r.User,
		Password:     r.Password.Reveal(),
		SentinelUser: r.Sentinel.User,
		SentinelPass: r.Sentinel.Password.Reveal(),
		TLS:          r.TLS.Loaded,
	}
}

// SessionMap is where the session map of the configuration stands, for a client of NewRedis.
func SessionMap(cfg *config.Config, client *redisregistry.Client) redisregistry.Map {
	return redisregistry.Map{Client: client, Prefix: cfg.Redis.Prefix, Layout: redisregistry.Layout(cfg.Registry.Layout)}
}

const RedisAddrs = "redis.addrs"

// RedisName is what errors call the Redis of the configuration.
func RedisName(cfg *config.Config) string {
	name := "redis "
	if cfg.Redis.Master != "" {
		name = "redis " + cfg.Redis.Master + " by the Sentinels "
	}
	return name + strings.Join(cfg.Redis.Addrs, ", ")
}

// RedisError says why Redis is of no help, which line of the configuration is to blame, and what to do.
func RedisError(cfg *config.Config, err error) error {
	if IsNetwork(err) && !IsSentinels(err) {
		return Unreached(cfg, RedisAddrs, RedisName(cfg), "--redis ADDRESS", err)
	}
	if key, advice := RedisAdvice(cfg, err); key != "" {
		return Unusable(cfg, key, RedisName(cfg), err, advice)
	}
	return fmt.Errorf("%s: %w", RedisName(cfg), err)
}

// IsSentinels reports whether err is that no Sentinel could be asked, which go-redis says in words alone.
func IsSentinels(err error) bool { return strings.Contains(err.Error(), "sentinel") }

// RedisAdvice knows the answers of Redis that mean a mistake in a setting: it returns that setting, and
// what to do; nothing for another answer.
func RedisAdvice(cfg *config.Config, err error) (key, advice string) {
	user, password := "redis.user", cfg.Named("redis.password")
	if IsSentinels(err) {
		user, password = "redis.sentinel.user", cfg.Named("redis.sentinel.password")
	}
	says := func(words string) bool { return strings.Contains(err.Error(), words) }
	switch {
	case errors.As(err, new(tls.RecordHeaderError)):
		return "redis.tls.enabled", "it speaks no TLS at this address: take another port, or leave redis.tls out"
	case errors.As(err, new(x509.UnknownAuthorityError)):
		return "redis.tls.ca", "set redis.tls.ca to the file with the certificate of who signed the server's"
	case errors.As(err, new(x509.HostnameError)):
		return RedisAddrs, "call it by a name or address that its certificate has"
	case says("WRONGPASS"), says("ERR invalid password"):
		return password, "check " + user + " and the password"
	case says("NOAUTH"):
		section := strings.TrimSuffix(user, ".user")
		return password, fmt.Sprintf("name a file that holds the password with %s.password_file, or set STOMPGW_%s_PASSWORD",
			section, strings.ToUpper(strings.ReplaceAll(section, ".", "_")))
	case says("without any password configured"):
		return password, "it has no password: leave it out"
	case says("NOPERM"):
		return "redis.user", "allow the user this command on this name, in the ACL of Redis"
	case says("MOVED"), says("CROSSSLOT"), says("CLUSTERDOWN"):
		return "redis.cluster", "it is one of a Redis Cluster: set redis.cluster to true"
	case says("cluster support disabled"):
		return "redis.cluster", "it is no Redis Cluster: set redis.cluster to false, and one address in redis.addrs"
	case says("DB index is out of range"):
		return "redis.db", "set redis.db to a database that it has"
	case says("LOADING"), says("MASTERDOWN"):
		return RedisAddrs, "wait until it is there again"
	case says("READONLY"):
		return RedisAddrs, "it is a replica: name the master, or its Sentinels with redis.master"
	case IsSentinels(err):
		return RedisAddrs, "want addresses of Sentinels that know redis.master by that name"
	}
	return "", ""
}

// ClusterError says what to do about an error of a cluster.
func ClusterError(cfg *config.Config, err error) error {
	several, ambiguous := errors.AsType[*admin.AmbiguousError](err)
	switch {
	case err == nil, errors.As(err, new(*ExitError)), errors.Is(err, context.Canceled):
		return err
	case ambiguous && several.What == "nodes":
		return Exit(Usage, fmt.Errorf("%s means several nodes, %s: say which", several.Name, SomeOf(Shorter(several.Keys, registry.ShortNode))))
	case ambiguous:
		return Exit(Usage, fmt.Errorf("%s means several sessions, such as %s: say which", several.Name, SomeOf(Shorter(several.Keys, registry.ShortKey))))
	case errors.Is(err, admin.ErrNoSession):
		return Exit(NoMatch, fmt.Errorf("%w; `stompgw sessions list` prints those there are", err))
	case errors.Is(err, registry.ErrMember), errors.Is(err, admin.ErrCursor):
		return Exit(Usage, err)
	case errors.Is(err, redisregistry.ErrTooManyBlocks):
		return fmt.Errorf("%w; `stompgw sessions blocked` lists them, sessions unblock ends some", err)
	}
	return RedisError(cfg, err)
}

// SomeOf lists names, but not all of many.
func SomeOf(names []string) string {
	const most = 5
	if len(names) > most {
		return fmt.Sprintf("%s and %d more", strings.Join(names[:most], ", "), len(names)-most)
	}
	return strings.Join(names, ", ")
}

// Shorter returns the short forms of names, or the names where two of them are alike.
func Shorter(names []string, form func(string) string) []string {
	var short []string
	for _, name := range names {
		if slices.Contains(short, form(name)) {
			return names
		}
		short = append(short, form(name))
	}
	return short
}

func Count(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}
