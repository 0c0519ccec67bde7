package cmd

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"strings"

	"github.com/stompgw/stompgw/cmd/internal/config"
	"github.com/stompgw/stompgw/gateway/registry/redisregistry"
)

// newRedis returns a client of the Redis that the configuration names. It dials on first use; the
// caller closes it.
func newRedis(cfg *config.Config) *redisregistry.Client {
	r := &cfg.Redis
	return redisregistry.NewClient(redisregistry.Options{
		Addrs:   r.Addrs,
		Cluster: r.Cluster,
		Master:  r.Master,
		DB:      r.DB,
		Login:   redisLogin(r),
	})
}

func redisLogin(r *config.Redis) redisregistry.Login {
	return redisregistry.Login{
		User:         r.User,
		Password:     r.Password.Reveal(),
		SentinelUser: r.Sentinel.User,
		SentinelPass: r.Sentinel.Password.Reveal(),
		TLS:          r.TLS.Loaded(),
	}
}

// sessionMap is where the session map of the configuration stands, for a client of newRedis.
func sessionMap(cfg *config.Config, client *redisregistry.Client) redisregistry.Map {
	return redisregistry.Map{Client: client, Prefix: cfg.Redis.Prefix, Layout: redisregistry.Layout(cfg.Registry.Layout)}
}

const redisAddrs = "redis.addrs"

// redisName is what errors call the Redis of the configuration.
func redisName(cfg *config.Config) string {
	name := "redis "
	if cfg.Redis.Master != "" {
		name = "redis " + cfg.Redis.Master + " by the Sentinels "
	}
	return name + strings.Join(cfg.Redis.Addrs, ", ")
}

// redisError says why Redis is of no help, which line of the configuration is to blame, and what to do.
func redisError(cfg *config.Config, err error) error {
	if isNetwork(err) && !isSentinels(err) {
		return unreachableError(cfg, redisAddrs, redisName(cfg), "--redis ADDRESS", err)
	}
	if key, advice := redisAdvice(cfg, err); key != "" {
		return &exitError{unreachable, fmt.Errorf("%s (%s, %s) can't be used: %s; %s",
			redisName(cfg), key, cfg.Origin(key), strings.TrimRight(err.Error(), ". "), advice)}
	}
	return fmt.Errorf("%s: %w", redisName(cfg), err)
}

// isSentinels reports whether err is that no Sentinel could be asked, which go-redis says in words alone.
func isSentinels(err error) bool { return strings.Contains(err.Error(), "sentinel") }

// redisAdvice knows the answers of Redis that mean a mistake in a setting: it returns that setting, and
// what to do; nothing for another answer.
func redisAdvice(cfg *config.Config, err error) (key, advice string) {
	user, password := "redis.user", cfg.Named("redis.password")
	if isSentinels(err) {
		user, password = "redis.sentinel.user", cfg.Named("redis.sentinel.password")
	}
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
		return redisAddrs, "wait until it is there again"
	case says("READONLY"):
		return redisAddrs, "it is a replica: name the master, or its Sentinels with redis.master"
	case isSentinels(err):
		return redisAddrs, "want addresses of Sentinels that know redis.master by that name"
	}
	return "", ""
}
