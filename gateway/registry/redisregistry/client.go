package redisregistry

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/maintnotifications"
)

// Options say where Redis is, and how to log in.
type Options struct {
	Addrs   []string // host:port; several are a Redis Cluster, or with Master the Sentinels
	Cluster bool     // Addrs are of a Redis Cluster, even if there is only one
	Master  string   // the name of the master that Sentinels watch; empty for none
	DB      int      // of a Redis that is not a Cluster
	Login

	Patience time.Duration // for an answer, default 1 s
}

// Login says how to log in to Redis, and how to verify the server.
type Login struct {
	User, Password string      // of an ACL; a password alone is that of the default user
	SentinelUser   string      // of the Sentinels' own ACL
	SentinelPass   string      // empty if the Sentinels ask for none
	TLS            *tls.Config // nil for none; used for Sentinels too
}

// Client queries the Redis that its Options name. go-redis stays with the servers that it has found for as
// long as they answer: if a name moves to another server while the old one lives on, connections stay, and
// so does what a Redis Cluster or Sentinels have said. Renew ends that. Its methods may be called from any
// goroutine.
type Client struct {
	open  func() redis.UniversalClient
	login *atomic.Pointer[Login] // of the next connection; the same for all beside

	mu      sync.Mutex
	current redis.UniversalClient
	closed  bool
	beside  []*Client
}

// NewClient returns a Client that dials on first use; the caller closes it.
func NewClient(o Options) *Client {
	login := new(atomic.Pointer[Login])
	login.Store(&o.Login)
	return newClient(func() redis.UniversalClient { return open(o, login) }, login)
}

func newClient(open func() redis.UniversalClient, login *atomic.Pointer[Login]) *Client {
	return &Client{open: open, login: login, current: open()}
}

// SetLogin changes the login of connections that are dialled from now on, here and by Clients of Beside;
// existing ones stay. It does not turn TLS on or off. go-redis would never learn of another login to the
// Sentinels, so that has everything dialled anew (see Renew).
func (c *Client) SetLogin(l Login) {
	was := c.login.Swap(&l)
	if l.SentinelUser != was.SentinelUser || l.SentinelPass != was.SentinelPass {
		c.Renew()
	}
}

// Redis returns the current go-redis client. Renew closes it, so it is good for one exchange.
func (c *Client) Redis() redis.UniversalClient {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.current
}

// Fresh returns a go-redis client with connections of its own, dialled anew; the caller closes it.
func (c *Client) Fresh() redis.UniversalClient { return c.open() }

// Beside returns a Client with the same Options and connections of its own, which is renewed and closed
// with this one.
func (c *Client) Beside() *Client {
	b := newClient(c.open, c.login)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.beside = append(c.beside, b)
	return b
}

// Renew has everything dialled anew. Queries under way fail.
func (c *Client) Renew() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return
	}
	c.current.Close() // nothing is lost with it that the other Redis could have
	c.current = c.open()
	for _, b := range c.beside {
		b.Renew()
	}
}

// Close ends all connections.
func (c *Client) Close() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.closed = true
	err := c.current.Close()
	for _, b := range c.beside {
		err = errors.Join(err, b.Close())
	}
	return err
}

// open returns a client with the settings this package is made for: it gives up early, since the
// Registry tries again by itself, and its buffers are small, since one connection does the work.
func open(o Options, login *atomic.Pointer[Login]) redis.UniversalClient {
	options := &redis.UniversalOptions{
		Addrs:                 o.Addrs,
		IsClusterMode:         o.Cluster && o.Master == "",
		MasterName:            o.Master,
		DB:                    o.DB,
		SentinelUsername:      login.Load().SentinelUser,
		SentinelPassword:      login.Load().SentinelPass,
		DialTimeout:           dialTimeout,
		DialerRetries:         1,
		ReadTimeout:           cmp.Or(o.Patience, time.Second),
		WriteTimeout:          cmp.Or(o.Patience, time.Second),
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
		CredentialsProvider: func() (user, password string) {
			l := login.Load()
			return l.User, l.Password
		},
	}
	if o.TLS != nil {
		options.Dialer = func(ctx context.Context, network, addr string) (net.Conn, error) {
			// As go-redis's own dialer has TCP do.
			keepAlive := net.KeepAliveConfig{Enable: true, Idle: 30 * time.Second, Interval: 5 * time.Second, Count: 3}
			dialer := tls.Dialer{NetDialer: &net.Dialer{Timeout: dialTimeout, KeepAliveConfig: keepAlive}, Config: login.Load().TLS}
			return dialer.DialContext(ctx, network, addr)
		}
	}
	return redis.NewUniversalClient(options)
}

const dialTimeout = 2 * time.Second // the TLS handshake included
