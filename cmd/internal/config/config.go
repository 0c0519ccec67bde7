package config

import (
	"reflect"
	"slices"
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
	Auth       Auth
	Errors     Errors
	Channels   []policy.Channel
	Routes     []policy.Route
	Limits     Limits
	HeartBeat  HeartBeat
	SockJS     SockJS
	Drain      Drain
	Admin      Admin
	Log        Log
	Standalone bool // the bus and Redis are the embedded ones; not a key, see Source

	origins origins
	scalars map[string]scalar // what the items of lists say, by path
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
			Kafka: Kafka{
				Brokers: []string{"127.0.0.1:9092"}, Topic: "stompgw", Envelope: "headers",
				Partitions: 12, Replication: 1,
			},
			NATS: NATS{URL: "nats://127.0.0.1:4222", Prefix: "stomp"},
		},
		Redis:    Redis{Addrs: []string{"127.0.0.1:6379"}, Prefix: "stompgw:"},
		Embedded: Embedded{Redis: "127.0.0.1:13003", NATS: "127.0.0.1:13004"},
		Registry: Registry{Heartbeat: Duration(5 * time.Second), Expiry: Duration(15 * time.Second)},
		Auth: Auth{
			JWT:        JWT{Leeway: Duration(30 * time.Second), Usage: "access"},
			Claims:     Claims{Member: "mu", Roles: "rl", Usage: "tu"},
			Anonymous:  AnonymousAllow,
			Grace:      Duration(30 * time.Second),
			Revocation: Revocation{Enabled: true},
		},
		Errors:    Errors{Destination: "/session/queue/request-error", Fallback: string(policy.FallbackDrop)},
		Limits:    Limits{Message: 64 * KiB, Outbound: MiB, Connections: 1_000_000, ConnectTimeout: Duration(10 * time.Second)},
		HeartBeat: HeartBeat{Send: Duration(10 * time.Second), Receive: Duration(10 * time.Second)},
		SockJS: SockJS{
			Enabled: true, ClientURL: "/sockjs.min.js",
			Heartbeat: Duration(25 * time.Second), SessionTimeout: Duration(5 * time.Second), StreamLimit: 128 * KiB,
		},
		Drain: Drain{Duration: Duration(10 * time.Second)},
		Admin: Admin{Listen: "127.0.0.1:13002"},
		Log:   Log{Level: "info", Format: "text"},
	}
}

// key is one setting that the file, the environment and flags can name: its path and where its
// value goes, a *string, *int, *bool, *[]string, *Size, *Duration or *Secret.
type key struct {
	path   string
	target any
}

// keys is the table of all settings but the lists of rules, issuers and sources, which only the file can
// hold. A *Secret can't stand there: it comes from the environment, or from a file of its own.
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
		{"bus.kafka.topic", &c.Bus.Kafka.Topic},
		{"bus.kafka.envelope", &c.Bus.Kafka.Envelope},
		{"bus.kafka.create", &c.Bus.Kafka.Create},
		{"bus.kafka.partitions", &c.Bus.Kafka.Partitions},
		{"bus.kafka.replication", &c.Bus.Kafka.Replication},
		{"bus.kafka.tls.enabled", &c.Bus.Kafka.TLS.Enabled},
		{"bus.kafka.tls.ca", &c.Bus.Kafka.TLS.CA},
		{"bus.kafka.tls.cert", &c.Bus.Kafka.TLS.Cert},
		{"bus.kafka.tls.key", &c.Bus.Kafka.TLS.Key},
		{"bus.kafka.sasl.mechanism", &c.Bus.Kafka.SASL.Mechanism},
		{"bus.kafka.sasl.user", &c.Bus.Kafka.SASL.User},
		{"bus.kafka.sasl.password", &c.Bus.Kafka.SASL.Password},
		{"bus.kafka.sasl.password_file", &c.Bus.Kafka.SASL.PasswordFile},
		{"bus.nats.url", &c.Bus.NATS.URL},
		{"bus.nats.prefix", &c.Bus.NATS.Prefix},
		{"bus.nats.user", &c.Bus.NATS.User},
		{"bus.nats.password", &c.Bus.NATS.Password},
		{"bus.nats.password_file", &c.Bus.NATS.PasswordFile},
		{"bus.nats.token", &c.Bus.NATS.Token},
		{"bus.nats.token_file", &c.Bus.NATS.TokenFile},
		{"bus.nats.nkey_file", &c.Bus.NATS.NKeyFile},
		{"bus.nats.creds_file", &c.Bus.NATS.CredsFile},
		{"bus.nats.tls.ca", &c.Bus.NATS.TLS.CA},
		{"bus.nats.tls.cert", &c.Bus.NATS.TLS.Cert},
		{"bus.nats.tls.key", &c.Bus.NATS.TLS.Key},
		{"redis.addrs", &c.Redis.Addrs},
		{"redis.prefix", &c.Redis.Prefix},
		{"embedded.redis", &c.Embedded.Redis},
		{"embedded.nats", &c.Embedded.NATS},
		{"registry.heartbeat", &c.Registry.Heartbeat},
		{"registry.expiry", &c.Registry.Expiry},
		{"auth.jwt.secret", &c.Auth.JWT.Secret},
		{"auth.jwt.secret_file", &c.Auth.JWT.SecretFile},
		{"auth.jwt.public_key_file", &c.Auth.JWT.PublicKeyFile},
		{"auth.jwt.issuer", &c.Auth.JWT.Name},
		{"auth.jwt.audience", &c.Auth.JWT.Audience},
		{"auth.jwt.algorithms", &c.Auth.JWT.Algorithms},
		{"auth.jwt.leeway", &c.Auth.JWT.Leeway},
		{"auth.jwt.usage", &c.Auth.JWT.Usage},
		{"auth.claims.member", &c.Auth.Claims.Member},
		{"auth.claims.roles", &c.Auth.Claims.Roles},
		{"auth.claims.usage", &c.Auth.Claims.Usage},
		{"auth.anonymous", &c.Auth.Anonymous},
		{"auth.grace", &c.Auth.Grace},
		{"auth.revocation.enabled", &c.Auth.Revocation.Enabled},
		{"auth.revocation.prefix", &c.Auth.Revocation.Prefix},
		{"errors.destination", &c.Errors.Destination},
		{"errors.fallback", &c.Errors.Fallback},
		{"limits.message", &c.Limits.Message},
		{"limits.outbound", &c.Limits.Outbound},
		{"limits.connections", &c.Limits.Connections},
		{"limits.connect_timeout", &c.Limits.ConnectTimeout},
		{"heart_beat.send", &c.HeartBeat.Send},
		{"heart_beat.receive", &c.HeartBeat.Receive},
		{"sockjs.enabled", &c.SockJS.Enabled},
		{"sockjs.echo", &c.SockJS.Echo},
		{"sockjs.cookie_needed", &c.SockJS.CookieNeeded},
		{"sockjs.client_url", &c.SockJS.ClientURL},
		{"sockjs.heartbeat", &c.SockJS.Heartbeat},
		{"sockjs.session_timeout", &c.SockJS.SessionTimeout},
		{"sockjs.stream_limit", &c.SockJS.StreamLimit},
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

// isSecret reports whether k must not stand in the file, which people share.
func (k key) isSecret() bool {
	_, secret := k.target.(*Secret)
	return secret
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
		compare(other.named(k.path), k.target, theirs[i].target)
	}
	if c.Auth.JWT.PublicKeyFile != "" {
		compare(jwtPath+".public_key_file", c.Auth.JWT.key, other.Auth.JWT.key)
	}
	compare(issuersPath, c.Auth.Issuers, other.Auth.Issuers)
	compare(sourcesPath, c.Bus.Kafka.Sources, other.Bus.Kafka.Sources)
	return paths
}

// Rules is the catalogue of the channels and routes.
func (c *Config) Rules() *policy.Catalogue { return c.rules }
