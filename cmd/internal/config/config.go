package config

import (
	"crypto/tls"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/stompgw/stompgw/bus"
	"github.com/stompgw/stompgw/gateway/policy"
)

// Config is what a node runs with. Load returns it checked. The tags of its settings are those of package
// settings; the order is that in which people read them.
type Config struct {
	Listen    string           `key:"listen" default:"0.0.0.0:13001" is:"address for WebSocket, SockJS and the pages"`
	Endpoint  string           `key:"endpoint" default:"/stomp" is:"path of the endpoint for WebSocket and SockJS"`
	TCP       TCP              `key:"tcp"`
	TLS       TLS              `key:"tls"`
	Origins   []string         `key:"origins" is:"origins whose pages may connect, besides the gateway's own: 'https://*.example.com', 'http://localhost:*', '*'"`
	Prefixes  Prefixes         `key:"prefixes"`
	Bus       Bus              `key:"bus"`
	Redis     Redis            `key:"redis"`
	Embedded  Embedded         `key:"embedded"`
	Node      Node             `key:"node"`
	Registry  Registry         `key:"registry"`
	Sessions  Sessions         `key:"sessions"`
	Auth      Auth             `key:"auth"`
	Errors    Errors           `key:"errors"`
	Channels  []policy.Channel `key:"channels" is:"who may subscribe and send: the first match decides, and what nothing matches is refused"`
	Routes    []policy.Route   `key:"routes" is:"what happens to a SEND to the application: the first match decides"`
	History   History          `key:"history"`
	Presence  Presence         `key:"presence"`
	PageAPI   PageAPI          `key:"page_api"`
	Limits    Limits           `key:"limits"`
	HeartBeat HeartBeat        `key:"heart_beat"`
	SockJS    SockJS           `key:"sockjs"`
	Drain     Drain            `key:"drain"`
	Readiness Readiness        `key:"readiness"`
	Admin     Admin            `key:"admin"`
	API       API              `key:"api"`
	Log       Log              `key:"log"`

	Standalone bool // the bus and Redis are the embedded ones; not a key, see Source

	origins  origins
	scalars  map[string]scalar // what the items of lists say, by path
	schemas  map[string]saidSchema
	used     []string // as Source.Uses
	empty    string   // the file, if there is one in which nothing stands
	files    sums     // what all the files hold that Load has read
	rules    *policy.Catalogue
	overlaps []overlap // prefixes that are off
	idle     []idle    // schemas that no channel uses
	errs     []error   // the mistakes that Load has found
}

type TCP struct {
	Listen string `key:"listen" is:"address for plain STOMP over TCP, such as '0.0.0.0:61613'; empty turns it off"`
}

type TLS struct {
	Cert string `key:"cert" is:"PEM file of the certificate for 'listen' and 'tcp.listen'; empty means no TLS"` // with Key
	Key  string `key:"key" is:"PEM file of its private key"`

	pair *tls.Certificate // what they hold; nil for neither
}

// Loaded returns what the files hold, nil without TLS. Load has read them.
func (t *TLS) Loaded() *tls.Certificate { return t.pair }

type Prefixes struct {
	App    string   `key:"app" default:"/app" is:"prefix of the application's destinations; 'routes' decide what happens to a SEND"`
	Broker []string `key:"broker" default:"/topic,/queue" is:"prefixes of destinations that clients subscribe to"`
	User   string   `key:"user" default:"/session" is:"prefix of a session's own destinations"`
	Member string   `key:"member" default:"/member" is:"prefix of a member's own destinations, shared by all its sessions; empty turns them off"`

	Presence string `key:"presence" default:"/presence" is:"put before a destination to see who is subscribed to it; empty turns this off"`
}

// Received is what destinations begin with that subscribers receive.
func (p *Prefixes) Received() (list []string) {
	list = append(slices.Clone(p.Broker), p.User)
	for _, optional := range []string{p.Member, p.Presence} {
		if optional != "" {
			list = append(list, optional)
		}
	}
	return list
}

// Embedded says where the servers of a standalone node listen.
type Embedded struct {
	Redis string `key:"redis" default:"127.0.0.1:13003" is:"where the Redis of '--standalone' listens; port 0 takes a free one"`
	NATS  string `key:"nats" default:"127.0.0.1:13004" is:"where the embedded NATS server listens; port 0 takes a free one"`
}

type Node struct {
	Name string `key:"name" is:"name of the node in 'nodes list'; empty means the machine's name"`
}

type Registry struct {
	Layout    string        `key:"layout" default:"hashes" words:"hashes,keys" is:"how sessions are stored in Redis: 'hashes', or 'keys', one key per session as in the replaced system"`
	Heartbeat time.Duration `key:"heartbeat" default:"5s" is:"how often a node reports that it is alive"`
	Expiry    time.Duration `key:"expiry" default:"15s" is:"how long without a heartbeat until a node and its sessions are dropped from the list; at least two heartbeats"`
}

type Sessions struct {
	PerMember PerMember `key:"per_member"`
}

// PerMember bounds the sessions of one member on all nodes together.
type PerMember struct {
	Max  int    `key:"max" default:"0" is:"sessions that one member may have on all nodes together; 0 means no limit"`
	Over string `key:"over" default:"kick-oldest" words:"kick-oldest,kick-newest" is:"which excess sessions are closed: 'kick-oldest' or 'kick-newest'"`
}

type Errors struct {
	Destination string `key:"destination" default:"/session/queue/request-error" is:"destination on which a client is told of refusals"`
	Fallback    string `key:"fallback" default:"drop" words:"drop,error" is:"for sessions not subscribed to it: 'drop' tells them nothing, 'error' closes them"`
}

// History is what a node may keep for clients that come back; 'channels' say of what.
type History struct {
	Memory Size `key:"memory" default:"64MiB" is:"memory of a node for what 'channels' keep, '1MiB' or more; when it is full, the oldest messages go"`
}

// Presence is how rooms are shown; 'channels' say which destinations are rooms.
type Presence struct {
	Grace time.Duration `key:"grace" default:"5s" is:"how long a member who has gone still counts as present, in case of a reconnect; '0s' to '10m'"`
	Limit int           `key:"limit" default:"1000" is:"most members that a room lists, 1 to 10000; larger rooms are only counted"`
}

// PageAPI is for pages, which 'origins' names; the API for backends is api.
type PageAPI struct {
	Enabled bool `key:"enabled" default:"false" is:"let pages ask for destinations, presence and history over HTTP, below 'endpoint'"`
}

type Limits struct {
	Message        Size          `key:"message" default:"64KiB" is:"largest body of a message"`
	Outbound       Size          `key:"outbound" default:"1MiB" is:"most bytes that may wait for one client; at least 'limits.message'"` // of encoded frames
	Connections    int           `key:"connections" default:"1000000" is:"most clients of a node at one time"`
	ConnectTimeout time.Duration `key:"connect_timeout" default:"10s" is:"how long a client may take to send CONNECT"`
	Rate           policy.Rate   `key:"rate" is:"SENDs of one session, refused ones included: '50/s', '300/m' or '1000/h'; empty means no limit"`
	Burst          int           `key:"burst" default:"0" is:"how many may come at once; 0 means one second's worth of the rate"`
	Over           policy.Over   `key:"over" default:"refuse" is:"what happens beyond the limit: 'refuse', 'drop' without telling the client, or 'close' the session"`
	Node           NodeLimits    `key:"node"`
}

// NodeLimits are for the SENDs of all sessions of a node together. What is over them is refused.
type NodeLimits struct {
	Rate  policy.Rate `key:"rate" is:"SENDs of all sessions of a node together, such as '5000/s'; empty means no limit"`
	Burst int         `key:"burst" default:"0" is:"how many may come at once; 0 means one second's worth of the rate"`
}

// HeartBeat is what the server offers in each direction, and how long it bears with a client that keeps
// its connection alone; 0 is none, or for ever.
type HeartBeat struct {
	Send    time.Duration `key:"send" default:"10s" is:"how often the node offers to send; clients may ask for as little as '1s'; '0s' means never"`
	Receive time.Duration `key:"receive" default:"10s" is:"how often it wants to hear from a client, '1s' or more; '0s' means never"`
	Hung    time.Duration `key:"hung" default:"10m" is:"how long a client may break its promise of heart-beats, even if it answers pings; '0s' means for ever"`
}

// SockJS is for clients that don't use a bare WebSocket.
type SockJS struct {
	Enabled        bool          `key:"enabled" default:"true" is:"serve SockJS at the endpoint"`
	Echo           bool          `key:"echo" default:"false" is:"serve '/echo', '/close' and the like, for protocol test suites"`
	CookieNeeded   bool          `key:"cookie_needed" default:"false" is:"set the cookie 'JSESSIONID', and tell clients to send it"`
	ClientURL      string        `key:"client_url" default:"/sockjs.min.js" is:"where iframe pages load sockjs-client from; empty turns those pages off"`
	Heartbeat      time.Duration `key:"heartbeat" default:"25s" is:"time between SockJS heartbeats to an idle client, over WebSocket as well"`
	SessionTimeout time.Duration `key:"session_timeout" default:"5s" is:"how long a session over HTTP outlives its last waiting request"`
	StreamLimit    Size          `key:"stream_limit" default:"128KiB" is:"size at which a streaming response ends, so that the client makes a new request"`
}

type Drain struct {
	Duration time.Duration `key:"duration" default:"10s" is:"time over which a stopping node spreads the closing of its sessions"`
}

// Readiness says what a node needs to be ready.
type Readiness struct {
	Redis string `key:"redis" default:"ignore" words:"ignore,required" is:"'ignore': a node that loses Redis stays ready, one that never reached it is not; 'required': neither is ready"`
}

const (
	RedisIgnore   = "ignore"   // to have reached it once
	RedisRequired = "required" // to reach it now
)

type Admin struct {
	Listen string `key:"listen" default:"127.0.0.1:13002" is:"address of '/healthz', '/readyz' and '/metrics'; empty turns it off"`
}

type Log struct {
	Level  string `key:"level" default:"info" words:"debug,info,warn,error" is:"'debug', 'info', 'warn' or 'error'"`
	Format string `key:"format" default:"text" words:"text,json" is:"'text' or 'json'"`
}

// Default is what a node runs with that is told nothing, and has these buses.
func Default(drivers ...bus.Driver) *Config {
	c := &Config{files: sums{}, origins: origins{}, Bus: newBus(drivers)}
	setDefaults(c.keys())
	return c
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
		if k.path != "channels" && k.path != "routes" {
			compare(other.Named(k.path), k.value(), theirs[i].value())
		}
	}
	if keys := append(other.Auth.JWT.keys, c.Auth.JWT.keys...); len(keys) > 0 {
		path, _, _ := strings.Cut(keys[0].Path, "[")
		compare(path, c.Auth.JWT.keys, other.Auth.JWT.keys)
	}
	return paths
}

// Rules is the catalogue of the channels and routes.
func (c *Config) Rules() *policy.Catalogue { return c.rules }
