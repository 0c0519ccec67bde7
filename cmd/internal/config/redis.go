package config

// Redis says where the session map and the list of revoked tokens stand, and as whom to log in: nobody,
// or User with Password, or with Password alone the user "default".
type Redis struct {
	Addrs        []string // several are a Redis Cluster, or with Master the Sentinels
	Prefix       string   // of all keys
	Cluster      bool     // Addrs are of a Redis Cluster, also when it is one alone
	Master       string   // that Sentinels watch; empty for none
	DB           int      // 0 or more; of a Redis Cluster 0
	User         string
	Password     Secret // from the environment, or from the file
	PasswordFile string
	Sentinel     Sentinel
	TLS          ClientTLS // of the Sentinels too
}

// Sentinel is how to log in to the Sentinels.
type Sentinel struct {
	User         string
	Password     Secret // from the environment, or from the file
	PasswordFile string
}

// IsCluster reports whether Addrs are of a Redis Cluster.
func (r *Redis) IsCluster() bool { return r.Cluster || len(r.Addrs) > 1 && r.Master == "" }

// checkRedis checks redis and loads what its files hold.
func (c *Config) checkRedis() (errs []error) {
	r := &c.Redis
	errs = c.checkAddrs("redis.addrs", r.Addrs, "127.0.0.1:6379")
	errs = append(errs, c.checkTopology()...)
	errs = append(errs, c.checkRedisLogin("redis", r.User, &r.Password, r.PasswordFile)...)
	if r.Master != "" {
		s := &r.Sentinel
		errs = append(errs, c.checkRedisLogin("redis.sentinel", s.User, &s.Password, s.PasswordFile)...)
	}
	return append(errs, c.loadTLS("redis.tls", &r.TLS)...)
}

// checkTopology refuses what is of one kind of Redis beside what is of another.
func (c *Config) checkTopology() (errs []error) {
	r := &c.Redis
	switch {
	case r.Master != "" && r.Cluster:
		errs = append(errs, c.fault("redis.master", "stands beside redis.cluster (%s), but Sentinels watch a Redis that is no Cluster: leave one",
			c.Origin("redis.cluster")))
	case r.Master != "" && c.Origin("redis.addrs") == ByDefault:
		errs = append(errs, c.fault("redis.master", "has no Sentinels: set redis.addrs to their addresses, such as [10.0.0.5:26379, 10.0.0.6:26379]"))
	}
	switch {
	case r.DB < 0:
		errs = append(errs, c.fault("redis.db", "%d is not possible: want 0 or more", r.DB))
	case r.DB > 0 && r.Cluster:
		errs = append(errs, c.fault("redis.db", "%d is not possible with redis.cluster (%s): a Redis Cluster has database 0 alone", r.DB, c.Origin("redis.cluster")))
	case r.DB > 0 && r.IsCluster():
		errs = append(errs, c.fault("redis.db", "%d is not possible with several redis.addrs (%s), which are a Redis Cluster and have database 0 alone: leave redis.db out, or one address",
			r.DB, c.Origin("redis.addrs")))
	}
	if s := &r.Sentinel; r.Master == "" {
		const none = "is for Sentinels, but there are none: set redis.master to the name under which they watch Redis, or leave this out"
		switch {
		case s.User != "":
			errs = append(errs, c.fault("redis.sentinel.user", none))
		case s.Password.text != "" || s.PasswordFile != "":
			errs = append(errs, c.fault(c.Named("redis.sentinel.password"), none))
		}
	}
	return errs
}

// checkRedisLogin loads the password of a section, and refuses half a way to log in.
func (c *Config) checkRedisLogin(section, user string, password *Secret, file string) []error {
	path := section + ".password"
	if errs := c.load(path, file, password, parseLine); errs != nil {
		return errs
	}
	if user != "" && password.text == "" && c.uses(section) {
		return []error{c.fault(section+".user", "has no password: name a file that holds it with %s_file, or set %s", path, variable(path))}
	}
	return nil
}
