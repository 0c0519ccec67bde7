package redisregistry

import (
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/maintnotifications"
)

// NewClient returns a client with the settings this package is made for: it gives up early, since
// the Registry tries again by itself, and its buffers are small, since one connection does the
// work. Several addresses mean a Redis Cluster. It dials on first use; the caller closes it.
func NewClient(addrs []string) redis.UniversalClient {
	return redis.NewUniversalClient(&redis.UniversalOptions{
		Addrs:                 addrs,
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
