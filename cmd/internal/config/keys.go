package config

import (
	"fmt"
	"reflect"
	"slices"
	"strings"

	"github.com/stompgw/stompgw/gateway/policy"
)

// key is one setting: its path, where its value goes, and what it is, in a line of Markdown for the
// README of configs and for the file of `config default`. The target is a *string, *int, *bool, *[]string, *Files,
// *Size, *Duration or *Secret, or an itemList.
type key struct {
	path   string
	target any
	is     string
}

// keys is the table of all settings, in the order in which people read them; those of one section
// stand together. A *Secret can't stand in the file: it comes from the environment, or from a file of
// its own. An itemList can stand nowhere else.
func (c *Config) keys() []key {
	return slices.Concat(c.webKeys(), c.kafkaKeys(), c.natsKeys(), c.redisKeys(), c.clusterKeys(), c.authKeys(), c.ruleKeys(), c.boundKeys())
}

func (c *Config) webKeys() []key {
	return []key{
		{"listen", &c.Listen, "address for WebSocket, SockJS and the pages"},
		{"endpoint", &c.Endpoint, "path of the endpoint for WebSocket and SockJS"},
		{"tcp.listen", &c.TCP.Listen, "address for plain STOMP, such as `0.0.0.0:61613`; empty is off"},
		{"tls.cert", &c.TLS.Cert, "PEM file of the certificate for `listen` and `tcp.listen`; empty is no TLS"},
		{"tls.key", &c.TLS.Key, "PEM file of its private key"},
		{"origins", &c.Origins, "origins besides the gateway's own whose pages may connect: `https://*.example.com`, `http://localhost:*`, `*`"},
		{"prefixes.app", &c.Prefixes.App, "what destinations of the application begin with: `routes` say what becomes of a SEND"},
		{"prefixes.broker", &c.Prefixes.Broker, "what destinations of subscribers begin with"},
		{"prefixes.user", &c.Prefixes.User, "what a session's own destinations begin with"},
		{"bus.driver", &c.Bus.Driver, "`kafka`, `nats`, or `embedded`: a NATS server inside the node, as `--standalone` has it"},
	}
}

func (c *Config) kafkaKeys() []key {
	k := &c.Bus.Kafka
	return []key{
		{"bus.kafka.brokers", &k.Brokers, "addresses of some of the brokers; the others are found"},
		{"bus.kafka.topic", &k.Topic, "the topic that nodes write and read"},
		{"bus.kafka.envelope", &k.Envelope, "`headers`, or `json`, the form of the replaced system"},
		{"bus.kafka.create", &k.Create, "create the topic if it is missing"},
		{"bus.kafka.partitions", &k.Partitions, "partitions of a topic that is created, 1 to 10000"},
		{"bus.kafka.replication", &k.Replication, "replicas of a topic that is created; with 3 or more, two have to be in sync"},
		{sourcesPath, listOf[KafkaSource]{&k.Sources, sourceFields, KafkaSource{Headers: "kafka-"}}, "topics of your own that become destinations"},
		{"bus.kafka.tls.enabled", &k.TLS.Enabled, "TLS to the brokers; any of the next three files asks for it too"},
		{"bus.kafka.tls.ca", &k.TLS.CA, "PEM file with who may sign the brokers' certificates; empty is who the system trusts"},
		{"bus.kafka.tls.cert", &k.TLS.Cert, "PEM file of the node's own certificate; empty is none"},
		{"bus.kafka.tls.key", &k.TLS.Key, "PEM file of its private key"},
		{"bus.kafka.sasl.mechanism", &k.SASL.Mechanism, "`plain`, `scram-sha-256` or `scram-sha-512`; empty is no login"},
		{"bus.kafka.sasl.user", &k.SASL.User, "who logs in"},
		{"bus.kafka.sasl.password", &k.SASL.Password, "the password, instead of `bus.kafka.sasl.password_file`"},
		{"bus.kafka.sasl.password_file", &k.SASL.PasswordFile, "file that holds the password alone"},
	}
}

func (c *Config) natsKeys() []key {
	n := &c.Bus.NATS
	return []key{
		{natsURL, &n.URL, "NATS servers, with commas between; `tls://` asks for TLS"},
		{"bus.nats.prefix", &n.Prefix, "what every subject begins with: `/topic/chat` is `stomp.d.topic.chat`"},
		{"bus.nats.user", &n.User, "who logs in, with a password; or one of the token, the seed and the credentials below"},
		{"bus.nats.password", &n.Password, "the password, instead of `bus.nats.password_file`"},
		{"bus.nats.password_file", &n.PasswordFile, "file that holds the password alone"},
		{"bus.nats.token", &n.Token, "the token, instead of `bus.nats.token_file`"},
		{"bus.nats.token_file", &n.TokenFile, "file that holds the token alone"},
		{"bus.nats.nkey_file", &n.NKeyFile, "file that holds the seed of a user, `SU…`"},
		{"bus.nats.creds_file", &n.CredsFile, "file with the JWT of a user and its seed"},
		{"bus.nats.tls.ca", &n.TLS.CA, "PEM file with who may sign the servers' certificates; this and the next two ask for TLS"},
		{"bus.nats.tls.cert", &n.TLS.Cert, "PEM file of the node's own certificate; empty is none"},
		{"bus.nats.tls.key", &n.TLS.Key, "PEM file of its private key"},
	}
}

func (c *Config) redisKeys() []key {
	r := &c.Redis
	return []key{
		{"redis.addrs", &r.Addrs, "address of Redis; several are those of a Redis Cluster, or with `redis.master` of its Sentinels"},
		{"redis.prefix", &r.Prefix, "what every key begins with; another one for each gateway that shares the Redis"},
		{"redis.cluster", &r.Cluster, "a single address in `redis.addrs` is that of a Redis Cluster, too"},
		{"redis.master", &r.Master, "the name under which Sentinels watch the Redis; empty is no Sentinels"},
		{"redis.db", &r.DB, "number of the database; a Redis Cluster has 0 alone"},
		{"redis.user", &r.User, "who logs in; empty, with a password, is the user `default`"},
		{"redis.password", &r.Password, "the password, instead of `redis.password_file`"},
		{"redis.password_file", &r.PasswordFile, "file that holds the password alone"},
		{"redis.sentinel.user", &r.Sentinel.User, "who logs in to the Sentinels"},
		{"redis.sentinel.password", &r.Sentinel.Password, "that password, instead of `redis.sentinel.password_file`"},
		{"redis.sentinel.password_file", &r.Sentinel.PasswordFile, "file that holds the password for the Sentinels alone"},
		{"redis.tls.enabled", &r.TLS.Enabled, "TLS to Redis and the Sentinels; any of the next three files asks for it too"},
		{"redis.tls.ca", &r.TLS.CA, "PEM file with who may sign Redis' certificate; empty is who the system trusts"},
		{"redis.tls.cert", &r.TLS.Cert, "PEM file of the node's own certificate; empty is none"},
		{"redis.tls.key", &r.TLS.Key, "PEM file of its private key"},
	}
}

func (c *Config) clusterKeys() []key {
	return []key{
		{"embedded.redis", &c.Embedded.Redis, "where the Redis of `--standalone` listens; port 0 takes a free one"},
		{"embedded.nats", &c.Embedded.NATS, "where the embedded NATS server listens; port 0 takes a free one"},
		{"node.name", &c.Node.Name, "what people call the node, in `nodes list`; empty is the machine's name"},
		{"registry.layout", &c.Registry.Layout, "how sessions stand in Redis: `hashes`, or `keys`, one for each session as in the replaced system"},
		{"registry.heartbeat", &c.Registry.Heartbeat, "how often a node says that it lives"},
		{"registry.expiry", &c.Registry.Expiry, "after how long without, it and its sessions are gone from the list; two heartbeats or more"},
		{"sessions.per_member.max", &c.Sessions.PerMember.Max, "sessions that one member may have on all nodes together; 0 is any number"},
		{"sessions.per_member.over", &c.Sessions.PerMember.Over, "which go that are too many: `kick-oldest` or `kick-newest`"},
	}
}

func (c *Config) authKeys() []key {
	a := &c.Auth
	return []key{
		{"auth.jwt.secret", &a.JWT.Secret, "the secret, instead of `auth.jwt.secret_file`"},
		{"auth.jwt.secret_file", &a.JWT.SecretFile, "file with the secret of who signs tokens, or a list of such files; without a key nobody is logged in"},
		{"auth.jwt.public_key_file", &a.JWT.PublicKeyFile, "instead of a secret: PEM file, or a list of files, with public keys of who signs, or certificates"},
		{"auth.jwt.issuer", &a.JWT.Name, "what the claim `iss` has to be; empty is anything"},
		{"auth.jwt.audience", &a.JWT.Audience, "texts of which one has to be in the claim `aud`; none is anything"},
		{"auth.jwt.algorithms", &a.JWT.Algorithms, "such as `[RS256]`; none are those that fit the key, of a secret `HS256`"},
		{"auth.jwt.leeway", &a.JWT.Leeway, "how far clocks may be apart; for the tokens of all issuers, as the next"},
		{"auth.jwt.usage", &a.JWT.Usage, "what the claim for the usage has to say, where a token has it; empty is no check"},
		{issuersPath, listOf[Issuer]{&a.Issuers, issuerFields, Issuer{}}, "more issuers, told apart by the claim `iss`"},
		{"auth.claims.member", &a.Claims.Member, "the claim that says who somebody is"},
		{"auth.claims.roles", &a.Claims.Roles, "the claim for the roles"},
		{"auth.claims.usage", &a.Claims.Usage, "the claim for the usage; empty is no check"},
		{"auth.anonymous", &a.Anonymous, "`allow`, or `refuse`: a CONNECT without a good token is answered with an ERROR"},
		{"auth.grace", &a.Grace, "how long after a token's expiry its session still receives everything"},
		{"auth.revocation.enabled", &a.Revocation.Enabled, "whether Redis is asked for tokens that were taken back"},
		{"auth.revocation.prefix", &a.Revocation.Prefix, "what their keys begin with, before `Bearer_`"},
	}
}

func (c *Config) ruleKeys() []key {
	return []key{
		{"errors.destination", &c.Errors.Destination, "where a client hears of refusals"},
		{"errors.fallback", &c.Errors.Fallback, "for sessions that don't subscribe to it: `drop` tells them nothing, `error` closes them"},
		{channelsPath, listOf[policy.Channel]{&c.Channels, channelFields, policy.Channel{}}, "who may subscribe and send: the first that matches decides, what nothing matches is refused"},
		{routesPath, listOf[policy.Route]{&c.Routes, routeFields, policy.Route{}}, "what a SEND to the application becomes, the first that matches"},
	}
}

func (c *Config) boundKeys() []key {
	return []key{
		{"limits.message", &c.Limits.Message, "largest body of a message"},
		{"limits.outbound", &c.Limits.Outbound, "what may wait for one client, `limits.message` or more"},
		{"limits.connections", &c.Limits.Connections, "clients of a node at one time"},
		{"limits.connect_timeout", &c.Limits.ConnectTimeout, "how long a client may take from connecting to CONNECT"},
		{"heart_beat.send", &c.HeartBeat.Send, "how often the node offers to send; clients may ask for down to `1s`, `0s` is none"},
		{"heart_beat.receive", &c.HeartBeat.Receive, "how often it wants to hear from a client; `1s` or more, `0s` is never"},
		{"heart_beat.hung", &c.HeartBeat.Hung, "after how long without one a client is given up that promised some, whatever pongs it sends; `0s` is never"},
		{"sockjs.enabled", &c.SockJS.Enabled, "SockJS at the endpoint"},
		{"sockjs.echo", &c.SockJS.Echo, "`/echo`, `/close` and the like, for protocol test suites"},
		{"sockjs.cookie_needed", &c.SockJS.CookieNeeded, "set and ask for the cookie `JSESSIONID`"},
		{"sockjs.client_url", &c.SockJS.ClientURL, "where iframe pages load sockjs-client from; empty serves no such page"},
		{"sockjs.heartbeat", &c.SockJS.Heartbeat, "time between two signs of life to a client that waits, over SockJS's WebSocket too"},
		{"sockjs.session_timeout", &c.SockJS.SessionTimeout, "how long a session over HTTP lives on without a request that waits"},
		{"sockjs.stream_limit", &c.SockJS.StreamLimit, "size after which a streaming answer ends, and the client asks again"},
		{"drain.duration", &c.Drain.Duration, "time over which a stopping node closes its sessions"},
		{"readiness.redis", &c.Readiness.Redis, "`ignore`: a node that has lost Redis stays ready, one that never reached it is not; `required`: neither is"},
		{"admin.listen", &c.Admin.Listen, "address of `/healthz`, `/readyz` and `/metrics`; empty is off"},
		{"log.level", &c.Log.Level, "`debug`, `info`, `warn` or `error`"},
		{"log.format", &c.Log.Format, "`text` or `json`"},
	}
}

// name is the last part of the path.
func (k key) name() string { return k.path[strings.LastIndex(k.path, ".")+1:] }

// isList reports whether k takes several values.
func (k key) isList() bool {
	_, list := k.target.(*[]string)
	return list || k.isFiles()
}

// isFiles reports whether k takes several values, and a single one as a list of one.
func (k key) isFiles() bool {
	_, files := k.target.(*Files)
	return files
}

// namesFiles reports whether k holds the names of files.
func (k key) namesFiles() bool {
	switch name := k.name(); name {
	case "ca", "cert", "key":
		return true
	default:
		return strings.HasSuffix(name, "_file")
	}
}

// isSecret reports whether k must not stand in the file, which people share.
func (k key) isSecret() bool {
	_, secret := k.target.(*Secret)
	return secret
}

// items returns the list of items that k is, nil for another key.
func (k key) items() itemList {
	list, _ := k.target.(itemList)
	return list
}

// value is what k holds now, for comparing.
func (k key) value() any {
	if list := k.items(); list != nil {
		return list.value()
	}
	return reflect.ValueOf(k.target).Elem().Interface()
}

// shown is what k holds, for people: a text, a number, a bool, or several texts. Of a secret it only
// tells that there is one.
func (k key) shown() any {
	switch v := k.target.(type) {
	case *string:
		if k.path == natsURL {
			return RedactURL(*v)
		}
		return *v
	case *[]string:
		return append([]string{}, *v...)
	case *Files:
		switch files := *v; len(files) {
		case 0:
			return ""
		case 1:
			return files[0]
		default:
			return []string(files)
		}
	case fmt.Stringer:
		return v.String()
	}
	return k.value()
}
