package config

import (
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
	Registry   Registry
	Errors     Errors
	Channels   []policy.Channel
	Routes     []policy.Route
	Limits     Limits
	HeartBeat  HeartBeat
	Drain      Drain
	Admin      Admin
	Log        Log
	Standalone bool // the bus and Redis are the embedded ones; not a key, see Source

	origins origins
	rules   *policy.Catalogue
}

type TCP struct {
	Listen string // for plain STOMP; empty is off
}

type TLS struct {
	Cert, Key string // files in PEM; both or neither
}

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

type Kafka struct {
	Brokers []string
}

type NATS struct {
	URL    string // may hold a password: print it through RedactURL
	Prefix string // of all subjects
}

type Redis struct {
	Addrs  []string // several are a Redis Cluster
	Prefix string   // of all keys
}

// Embedded says where the servers of a standalone node listen.
type Embedded struct {
	Redis, NATS string
}

type Registry struct {
	Heartbeat, Expiry Duration
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

// HeartBeat is what the server offers in each direction; 0 is none.
type HeartBeat struct {
	Send, Receive Duration
}

type Drain struct {
	Duration Duration
}

type Admin struct {
	Listen string // empty is off
}

type Log struct {
	Level, Format string
}

// Default is what a node runs with that is told nothing.
func Default() *Config {
	return &Config{
		Listen:   "0.0.0.0:13001",
		Endpoint: "/stomp",
		Prefixes: Prefixes{App: "/app", Broker: []string{"/topic", "/queue"}, User: "/session"},
		Bus: Bus{
			Driver: "kafka",
			Kafka:  Kafka{Brokers: []string{"127.0.0.1:9092"}},
			NATS:   NATS{URL: "nats://127.0.0.1:4222", Prefix: "stomp"},
		},
		Redis:     Redis{Addrs: []string{"127.0.0.1:6379"}, Prefix: "stompgw:"},
		Embedded:  Embedded{Redis: "127.0.0.1:13003", NATS: "127.0.0.1:13004"},
		Registry:  Registry{Heartbeat: Duration(5 * time.Second), Expiry: Duration(15 * time.Second)},
		Errors:    Errors{Destination: "/session/queue/request-error", Fallback: string(policy.FallbackDrop)},
		Limits:    Limits{Message: 64 * KiB, Outbound: MiB, Connections: 1_000_000, ConnectTimeout: Duration(10 * time.Second)},
		HeartBeat: HeartBeat{Send: Duration(10 * time.Second), Receive: Duration(10 * time.Second)},
		Drain:     Drain{Duration: Duration(10 * time.Second)},
		Admin:     Admin{Listen: "127.0.0.1:13002"},
		Log:       Log{Level: "info", Format: "text"},
	}
}

// key is one setting that the file, the environment and flags can name: its path and where its
// value goes, a *string, *int, *[]string, *Size or *Duration.
type key struct {
	path   string
	target any
}

// keys is the table of all settings but the two lists of rules, which only the file can hold.
func (c *Config) keys() []key {
	return []key{
		{"listen", &c.Listen},
		{"endpoint", &c.Endpoint},
		{"tcp.listen", &c.TCP.Listen},
		{"tls.cert", &c.TLS.Cert},
		{"tls.key", &c.TLS.Key},
		{"origins", &c.Origins},
		{"prefixes.app", &c.Prefixes.App},
		{"prefixes.broker", &c.Prefixes.Broker},
		{"prefixes.user", &c.Prefixes.User},
		{"bus.driver", &c.Bus.Driver},
		{"bus.kafka.brokers", &c.Bus.Kafka.Brokers},
		{"bus.nats.url", &c.Bus.NATS.URL},
		{"bus.nats.prefix", &c.Bus.NATS.Prefix},
		{"redis.addrs", &c.Redis.Addrs},
		{"redis.prefix", &c.Redis.Prefix},
		{"embedded.redis", &c.Embedded.Redis},
		{"embedded.nats", &c.Embedded.NATS},
		{"registry.heartbeat", &c.Registry.Heartbeat},
		{"registry.expiry", &c.Registry.Expiry},
		{"errors.destination", &c.Errors.Destination},
		{"errors.fallback", &c.Errors.Fallback},
		{"limits.message", &c.Limits.Message},
		{"limits.outbound", &c.Limits.Outbound},
		{"limits.connections", &c.Limits.Connections},
		{"limits.connect_timeout", &c.Limits.ConnectTimeout},
		{"heart_beat.send", &c.HeartBeat.Send},
		{"heart_beat.receive", &c.HeartBeat.Receive},
		{"drain.duration", &c.Drain.Duration},
		{"admin.listen", &c.Admin.Listen},
		{"log.level", &c.Log.Level},
		{"log.format", &c.Log.Format},
	}
}

// isList reports whether k takes several values.
func (k key) isList() bool {
	_, list := k.target.(*[]string)
	return list
}

// Rules is the catalogue of the channels and routes.
func (c *Config) Rules() *policy.Catalogue { return c.rules }
