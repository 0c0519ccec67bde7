package config

import "github.com/stompgw/stompgw/bus/settings"

// Redis says where the session map and the list of revoked tokens stand, and as whom to log in: nobody,
// or User with Password, or with Password alone the user "default".
type Redis struct {
	Addrs    []string        `key:"addrs" default:"127.0.0.1:6379" is:"address of Redis; several are a Redis Cluster's, or the Sentinels' if 'redis.master' is set"`
	Prefix   string          `key:"prefix" default:"stompgw:" is:"prefix of every key; use a different one for each gateway on the same Redis"`
	Cluster  bool            `key:"cluster" default:"false" is:"treat a single address in 'redis.addrs' as a Redis Cluster's"`
	Master   string          `key:"master" is:"name of the master that the Sentinels watch; empty means no Sentinels"`
	DB       int             `key:"db" default:"0" is:"number of the database; a Redis Cluster has only 0"`
	User     string          `key:"user" is:"user to log in as; empty, with a password, means 'default'"`
	Password settings.Secret `key:"password" is:"the password"`
	Sentinel Sentinel        `key:"sentinel"`
	TLS      settings.TLS    `key:"tls"` // of the Sentinels too
}

// Sentinel is how to log in to the Sentinels.
type Sentinel struct {
	User     string          `key:"user" is:"user to log in to the Sentinels as"`
	Password settings.Secret `key:"password" is:"the password for the Sentinels"`
}

// IsCluster reports whether Addrs are of a Redis Cluster.
func (r *Redis) IsCluster() bool { return r.Cluster || len(r.Addrs) > 1 && r.Master == "" }

// checkRedis checks redis.
func (c *Config) checkRedis() {
	r := &c.Redis
	var f settings.Faults
	if c.Origin("redis.addrs") != ByStandalone { // where the embedded one listens
		f.CheckServers("addrs", r.Addrs, "127.0.0.1:6379")
	}
	if r.User != "" && r.Password.IsMissing() {
		f.AddLack("user", "password")
	}
	if r.Sentinel.User != "" && r.Sentinel.Password.IsMissing() {
		f.AddLack("sentinel.user", "sentinel.password")
	}
	c.failAll("redis", f)
	c.checkTopology()
}

// checkTopology refuses what is of one kind of Redis beside what is of another.
func (c *Config) checkTopology() {
	r := &c.Redis
	switch {
	case r.Master != "" && r.Cluster:
		c.fail("redis.master", "is set together with redis.cluster (%s), but Sentinels watch a Redis that is not a Cluster: keep one",
			c.Origin("redis.cluster"))
	case r.Master != "" && c.Origin("redis.addrs") == ByDefault:
		c.fail("redis.master", "has no Sentinels: set redis.addrs to their addresses, such as [10.0.0.5:26379, 10.0.0.6:26379]")
	}
	switch {
	case r.DB > 0 && r.Cluster:
		c.fail("redis.db", "%d is not possible with redis.cluster (%s): a Redis Cluster has database 0 alone", r.DB, c.Origin("redis.cluster"))
	case r.DB > 0 && r.IsCluster():
		c.fail("redis.db", "%d is not possible with several redis.addrs (%s), which are a Redis Cluster and have database 0 alone: leave redis.db out, or one address",
			r.DB, c.Origin("redis.addrs"))
	}
	if s := &r.Sentinel; r.Master == "" {
		const none = "is for Sentinels, but there are none: set redis.master to the name under which they watch Redis, or leave this out"
		switch {
		case s.User != "":
			c.fail("redis.sentinel.user", none)
		case s.Password.Reveal() != "" || s.Password.File() != "":
			c.fail(c.Named("redis.sentinel.password"), none)
		}
	}
}
