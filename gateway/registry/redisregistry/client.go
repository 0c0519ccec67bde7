package redisregistry

import (
	"crypto/tls"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/maintnotifications"
)

// Options say where Redis is, and who asks it.
type Options struct {
	Addrs          []string    // host:port; several are a Redis Cluster, or with Master the Sentinels
	Cluster        bool        // Addrs are of a Redis Cluster, also when it is one alone
	Master         string      // the name of the master that Sentinels watch; empty for none
	DB             int         // of a Redis that is no Cluster
	User, Password string      // of an ACL; a password alone is the default user's
	SentinelUser   string      // of the Sentinels' own ACL
	SentinelPass   string      // empty for Sentinels that ask for none
	TLS            *tls.Config // nil for none; used for Sentinels too
}

// NewClient returns a client with the settings this package is made for: it gives up early, since
// the Registry tries again by itself, and its buffers are small, since one connection does the
// work. It dials on first use; the caller closes it.
func NewClient(o Options) redis.UniversalClient {
	return redis.NewUniversalClient(&redis.UniversalOptions{
		Addrs:                 o.Addrs,
		IsClusterMode:         o.Cluster && o.Master == "",
		MasterName:            o.Master,
		DB:                    o.DB,
		Username:              o.User,
		Password:              o.Password,
		SentinelUsername:      o.SentinelUser,
		SentinelPassword:      o.SentinelPass,
		TLSConfig:             o.TLS,
		DialTimeout:           2 * time.Second,
		DialerRetries:         1,
		ReadTimeout:           time.Second,
		WriteTimeout:          time.Second,
		MaxRetries:            1, // for a connection that Redis closed while it was idle
		ContextTimeoutEnabled: true,
		PoolSize:              4,
		PipelinePoolSize:      -1, // pipelines go over the same connections
		ReadBufferSize:        16 << 10,
		WriteBufferSize:       16 << 10,
		DisableIdentity:       true, // Redis before 7.2 answers CLIENT SETINFO with an error
		MaintNotificationsConfig: &maintnotifications.Config{
			Mode: maintnotifications.ModeDisabled,
		},
	})
}
