package config

import (
	"crypto/tls"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/stompgw/stompgw/gateway/policy"
)

// Config is what a node runs with. Load returns it checked.
type Config struct {
	Listen     string
	Endpoint   string
	TCP        TCP
	TLS        TLS
	Origins    []string
	Prefixes   Prefixes
	Bus        Bus
	Redis      Redis
	Embedded   Embedded
	Node       Node
	Registry   Registry
	Sessions   Sessions
	Auth       Auth
	Errors     Errors
	Channels   []policy.Channel
	Routes     []policy.Route
	Limits     Limits
	HeartBeat  HeartBeat
	SockJS     SockJS
	Drain      Drain
	Readiness  Readiness
	Admin      Admin
	Log        Log
	Standalone bool // the bus and Redis are the embedded ones; not a key, see Source

	origins origins
	scalars map[string]scalar // what the items of lists say, by path
	used    []string          // as Source.Uses
	empty   string            // the file, if there is one in which nothing stands
	files   sums              // what all the files hold that Load has read
	rules   *policy.Catalogue
}

type TCP struct {
	Listen string // for plain STOMP; empty is off
}

type TLS struct {
	Cert, Key string // files in PEM; both or neither

	pair *tls.Certificate // what they hold; nil for neither
}

// Loaded returns what the files hold, nil without TLS. Load has read them.
func (t *TLS) Loaded() *tls.Certificate { return t.pair }

type Prefixes struct {
	App    string
	Broker []string
	User   string
}

type Bus struct {
	Driver string // a name of the table in cmd/stompgw
	Kafka  Kafka
	NATS   NATS
}

// Embedded says where the servers of a standalone node listen.
type Embedded struct {
	Redis, NATS string
}

type Node struct {
	Name string // for people; empty is the machine's
}

type Registry struct {
	Layout            string // hashes or keys
	Heartbeat, Expiry Duration
}

type Sessions struct {
	PerMember PerMember
}

// PerMember bounds the sessions of one member on all nodes together.
type PerMember struct {
	Max  int    // 0 for no bound
	Over string // which go that are too many: kick-oldest or kick-newest
}

type Errors struct {
	Destination, Fallback string
}

type Limits struct {
	Message        Size // of a body
	Outbound       Size // of encoded frames waiting for one session
	Connections    int
	ConnectTimeout Duration
}

// HeartBeat is what the server offers in each direction, and how long it bears with a client that keeps
// its connection alone; 0 is none, or for ever.
type HeartBeat struct {
	Send, Receive, Hung Duration
}

// SockJS is for clients that don't use a bare WebSocket.
type SockJS struct {
	Enabled        bool
	Echo           bool // the services of protocol test suites
	CookieNeeded   bool
	ClientURL      string // of sockjs-client, for iframe pages
	Heartbeat      Duration
	SessionTimeout Duration
	StreamLimit    Size
}

type Drain struct {
	Duration Duration
}

// Readiness says what a node needs to be ready.
type Readiness struct {
	Redis string // RedisIgnore or RedisRequired
}

const (
	RedisIgnore   = "ignore"   // to have reached it once
	RedisRequired = "required" // to reach it now
)

type Admin struct {
	Listen string // empty is off
}

type Log struct {
	Level, Format string
}

// Default is what a node runs with that is told nothing.
func Default() *Config {
	return &Config{
		files:    sums{},
		Listen:   "0.0.0.0:13001",
		Endpoint: "/stomp",
		Prefixes: Prefixes{App: "/app", Broker: []string{"/topic", "/queue"}, User: "/session"},
		Bus: Bus{
			Driver: "kafka",
			Kafka: Kafka{
				Brokers: []string{"127.0.0.1:9092"}, Topic: "stompgw", Envelope: "headers",
				Partitions: 12, Replication: 1,
			},
			NATS: NATS{URL: "nats://127.0.0.1:4222", Prefix: "stomp"},
		},
		Redis:    Redis{Addrs: []string{"127.0.0.1:6379"}, Prefix: "stompgw:"},
		Embedded: Embedded{Redis: "127.0.0.1:13003", NATS: "127.0.0.1:13004"},
		Registry: Registry{Layout: "hashes", Heartbeat: Duration(5 * time.Second), Expiry: Duration(15 * time.Second)},
		Sessions: Sessions{PerMember{Over: "kick-oldest"}},
		Auth: Auth{
			JWT:        JWT{Leeway: Duration(30 * time.Second), Usage: "access"},
			Claims:     Claims{Member: "mu", Roles: "rl", Usage: "tu"},
			Anonymous:  AnonymousAllow,
			Grace:      Duration(30 * time.Second),
			Revocation: Revocation{Enabled: true},
		},
		Errors:    Errors{Destination: "/session/queue/request-error", Fallback: string(policy.FallbackDrop)},
		Limits:    Limits{Message: 64 * KiB, Outbound: MiB, Connections: 1_000_000, ConnectTimeout: Duration(10 * time.Second)},
		HeartBeat: HeartBeat{Send: Duration(10 * time.Second), Receive: Duration(10 * time.Second), Hung: Duration(10 * time.Minute)},
		SockJS: SockJS{
			Enabled: true, ClientURL: "/sockjs.min.js",
			Heartbeat: Duration(25 * time.Second), SessionTimeout: Duration(5 * time.Second), StreamLimit: 128 * KiB,
		},
		Drain:     Drain{Duration: Duration(10 * time.Second)},
		Readiness: Readiness{Redis: RedisIgnore},
		Admin:     Admin{Listen: "127.0.0.1:13002"},
		Log:       Log{Level: "info", Format: "text"},
	}
}

// Said is what the file says at a path of a rule, such as "channels[2].send", and where; an empty
// text is nothing.
func (c *Config) Said(path string) (text, where string) {
	return c.scalars[path].value, c.origins.of(path)
}

// Changed returns the keys that say something else in other; channels and routes are none. A file
// of a secret or of an issuer's key says what it holds.
func (c *Config) Changed(other *Config) (paths []string) {
	compare := func(path string, ours, theirs any) {
		if !reflect.DeepEqual(ours, theirs) && !slices.Contains(paths, path) {
			paths = append(paths, path)
		}
	}
	theirs := other.keys()
	for i, k := range c.keys() {
		if k.path != channelsPath && k.path != routesPath {
			compare(other.Named(k.path), k.value(), theirs[i].value())
		}
	}
	if keys := append(other.Auth.JWT.keys, c.Auth.JWT.keys...); len(keys) > 0 {
		path, _, _ := strings.Cut(keys[0].path, "[")
		compare(path, c.Auth.JWT.keys, other.Auth.JWT.keys)
	}
	return paths
}

// Rules is the catalogue of the channels and routes.
func (c *Config) Rules() *policy.Catalogue { return c.rules }
