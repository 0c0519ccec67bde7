package config

import (
	"strings"
	"testing"
)

// TestErrors holds the text of each error: where, which key, what is wrong, what would be right.
func TestErrors(t *testing.T) {
	for _, tt := range []struct{ name, text, want string }{
		{"not YAML", "listen: [", "t.yaml:1: is not YAML: did not find expected node content: write a value, or leave the key out"},
		{"not a mapping", "- a\n", "t.yaml:1: is a list: want keys below it, each with a value"},
		{"two documents", "listen: :1\n---\nlisten: :2\n", "t.yaml:2: begins a second YAML document: leave one, without --- lines between"},
		{"key twice", "listen: :1\nendpoint: /x\nlisten: :2\n", "t.yaml:3: listen: stands twice, first on line 1: leave one"},
		{"unknown key, near", "\nlimits:\n  outbond: 4KiB\n", "t.yaml:3: limits.outbond: there is no such key; did you mean limits.outbound?"},
		{"unknown key, elsewhere", "outbound_limit: 4KiB\n", "t.yaml:1: outbound_limit: there is no such key; did you mean limits.outbound?"},
		{"unknown section, elsewhere", "nats:\n  url: x\n", "t.yaml:1: nats: there is no such key; did you mean bus.nats?"},
		{"unknown key, part of which is beside it", "tls: {cert_file: a}\n", "t.yaml:1: tls.cert_file: there is no such key; did you mean tls.cert?"},
		{"a section of the top, elsewhere", "tcp:\n  tls: {cert: a}\n", "t.yaml:2: tcp.tls: there is no such key; did you mean tls?"},
		{"unknown empty section", "kafak: {}\n", "t.yaml:1: kafak: there is no such key; did you mean bus.kafka?"},
		{"unknown key, far", "tls:\n  zzzzzzzz: 1\n", "t.yaml:2: tls.zzzzzzzz: there is no such key; here stand cert, key"},
		{"unknown key of a rule", "channels:\n  - match: /topic/x\n    subscibe: 'true'\n", "t.yaml:3: channels[0].subscibe: there is no such key; did you mean subscribe?"},
		{"upper case", "Listen: :1\n", "t.yaml:1: Listen: there is no such key; did you mean listen?"},
		{"section with a value", "limits: 4\n", "t.yaml:1: limits: is a single value: want keys below it, each with a value"},
		{"value with a section", "listen:\n  a: b\n", "t.yaml:2: listen: is a section: want a single value"},
		{"no value", "listen:\n", `t.yaml:1: listen: has no value: write one, or leave it out`},
		{"single value for a list", "redis: {addrs: a:1}\n", "t.yaml:1: redis.addrs: is a single value: want a list, such as [\"a:1\"]"},

		{"name of two lines", "node: {name: \"a\\nb\"}\n", `t.yaml:1: node.name: "a\nb" holds what can't be shown: want one line of text`},
		{"name that is long", "node: {name: " + strings.Repeat("a", 101) + "}\n", "t.yaml:1: node.name: it has 101 bytes: want 100 at most"},
		{"duration without a unit", "drain: {duration: 5}\n", "t.yaml:1: drain.duration: 5 has no unit: write 5s, or one of ms, m, h, d"},
		{"duration zero without a unit", "drain: {duration: 0}\n", "t.yaml:1: drain.duration: 0 has no unit: write 0s, or one of ms, m, h, d"},
		{"duration of a wrong unit", "drain: {duration: 5 sec}\n", `t.yaml:1: drain.duration: "5 sec" is not a length of time: write it like 500ms, 10s, 1h30m or 7d`},
		{"negative duration", "drain: {duration: -5s}\n", "t.yaml:1: drain.duration: -5s is negative: write it like 10s"},
		{"size of a wrong unit", "limits: {message: 64KB}\n", `t.yaml:1: limits.message: "64KB": the units are B, KiB, MiB and GiB, as in 64KiB`},
		{"size that is none", "limits: {message: 1.5MiB}\n", `t.yaml:1: limits.message: "1.5MiB" is not a size: write it like 65536, 64KiB or 1MiB`},
		{"size too large", "limits: {message: 9GiB}\n", `t.yaml:1: limits.message: "9GiB" is too large: sizes go up to 2GiB`},
		{"number that is none", "limits: {connections: many}\n", `t.yaml:1: limits.connections: "many" is not a whole number, such as 10`},

		{"address without a port", "listen: localhost\n", `t.yaml:1: listen: "localhost" is not an address: write host:port, such as 127.0.0.1:13001`},
		{"port out of range", "listen: 127.0.0.1:99999\n", `t.yaml:1: listen: "127.0.0.1:99999" has no port from 0 to 65535, such as 127.0.0.1:13001`},
		{"the same address twice", "listen: 127.0.0.1:1\nadmin:\n  listen: 127.0.0.1:1\n", "t.yaml:3: admin.listen: 127.0.0.1:1 is the address of listen too: take another port"},
		{"bad address in a list", "redis:\n  addrs:\n    - a:1\n    - b\n", `t.yaml:4: redis.addrs[1]: "b" is not an address: write host:port, such as 127.0.0.1:6379`},
		{"no address", "redis: {addrs: []}\n", "t.yaml:1: redis.addrs: is empty: want at least one address, such as [127.0.0.1:6379]"},

		{"URL for an address", "redis: {addrs: ['redis://:hunter2@h:6379']}\n", "t.yaml:1: redis.addrs[0]: is more than an address: write host:port alone; user, password and TLS have keys of their own"},
		{"password before an address", "bus: {kafka: {brokers: ['u:hunter2@h:9092']}}\n", "t.yaml:1: bus.kafka.brokers[0]: is more than an address: write host:port alone; user, password and TLS have keys of their own"},
		{"password of Redis in the file", "redis:\n  password: hunter2\n", "t.yaml:2: redis.password: must not stand in this file: write it to a file of its own, name that with redis.password_file, or set STOMPGW_REDIS_PASSWORD"},
		{"password of Sentinels in the file", "redis:\n  sentinel:\n    password: hunter2\n", "t.yaml:3: redis.sentinel.password: must not stand in this file: write it to a file of its own, name that with redis.sentinel.password_file, or set STOMPGW_REDIS_SENTINEL_PASSWORD"},
		{"Redis user alone", "redis: {user: u}\n", "t.yaml:1: redis.user: has no password: name a file that holds it with redis.password_file, or set STOMPGW_REDIS_PASSWORD"},
		{"Redis password that is not there", "redis: {password_file: none}\n", "t.yaml:1: redis.password_file: none can't be read: no such file or directory"},
		{"Redis password of two lines", "# hunter2\nredis: {password_file: t.yaml}\n", "t.yaml:2: redis.password_file: t.yaml holds more than one line: want the secret alone in it"},
		{"Redis CA that is not there", "redis: {tls: {ca: a.pem}}\n", "t.yaml:1: redis.tls.ca: a.pem can't be read: no such file or directory"},
		{"Redis TLS off and on", "redis:\n  tls:\n    enabled: false\n    ca: a.pem\n", "t.yaml:3: redis.tls.enabled: is false, but beside it stand files for TLS: leave the one or the other out"},
		{"Redis key alone", "redis: {tls: {key: a.pem}}\n", "t.yaml:1: redis.tls.cert: is missing beside redis.tls.key: name the file of the certificate"},
		{"negative database", "redis: {db: -1}\n", "t.yaml:1: redis.db: -1 is not possible: want 0 or more"},
		{"database of a Cluster", "redis:\n  cluster: true\n  db: 1\n", "t.yaml:3: redis.db: 1 is not possible with redis.cluster (t.yaml:2): a Redis Cluster has database 0 alone"},
		{"database of several", "redis:\n  addrs: [a:1, b:2]\n  db: 1\n", "t.yaml:3: redis.db: 1 is not possible with several redis.addrs (t.yaml:2), which are a Redis Cluster and have database 0 alone: leave redis.db out, or one address"},
		{"Sentinels of a Cluster", "redis:\n  addrs: [a:1]\n  cluster: true\n  master: m\n", "t.yaml:4: redis.master: stands beside redis.cluster (t.yaml:3), but Sentinels watch a Redis that is no Cluster: leave one"},
		{"master without Sentinels", "redis: {master: m}\n", "t.yaml:1: redis.master: has no Sentinels: set redis.addrs to their addresses, such as [10.0.0.5:26379, 10.0.0.6:26379]"},
		{"Sentinels without a master", "redis:\n  sentinel:\n    user: u\n", "t.yaml:3: redis.sentinel.user: is for Sentinels, but there are none: set redis.master to the name under which they watch Redis, or leave this out"},
		{"password of Sentinels without a master", "redis:\n  sentinel:\n    password_file: t.yaml\n", "t.yaml:3: redis.sentinel.password_file: is for Sentinels, but there are none: set redis.master to the name under which they watch Redis, or leave this out"},
		{"Sentinel user alone", "redis: {addrs: [a:1], master: m, sentinel: {user: u}}\n", "t.yaml:1: redis.sentinel.user: has no password: name a file that holds it with redis.sentinel.password_file, or set STOMPGW_REDIS_SENTINEL_PASSWORD"},
		{"Sentinel password that is not there", "redis: {addrs: [a:1], master: m, sentinel: {password_file: none}}\n", "t.yaml:1: redis.sentinel.password_file: none can't be read: no such file or directory"},
		{"master, mistyped", "redis: {mastr: m}\n", "t.yaml:1: redis.mastr: there is no such key; did you mean redis.master?"},
		{"sentinels, mistyped", "redis: {sentinels: {user: u}}\n", "t.yaml:1: redis.sentinels: there is no such key; did you mean redis.sentinel?"},
		{"sentinel at the top", "sentinel: {user: u}\n", "t.yaml:1: sentinel: there is no such key; did you mean redis.sentinel?"},
		{"per_member at the top", "per_member: {max: 1}\n", "t.yaml:1: per_member: there is no such key; did you mean sessions.per_member?"},
		{"layout", "registry: {layout: strings}\n", `t.yaml:1: registry.layout: "strings" is none of hashes, keys`},
		{"negative sessions", "sessions: {per_member: {max: -1}}\n", "t.yaml:1: sessions.per_member.max: -1 is not possible: want 1 or more, or 0 for any number"},
		{"who goes", "sessions: {per_member: {over: kick}}\n", `t.yaml:1: sessions.per_member.over: "kick" is none of kick-oldest, kick-newest`},

		{"endpoint without a slash", "endpoint: stomp\n", `t.yaml:1: endpoint: "stomp" does not begin with a slash, such as /stomp`},
		{"endpoint that ends in a slash", "endpoint: /stomp/\n", `t.yaml:1: endpoint: "/stomp/" has an empty segment: write the slashes singly and none at the end, such as /stomp`},
		{"endpoint with a wrong escape", "endpoint: /a%zz\n", `t.yaml:1: endpoint: "/a%zz" has a % without two hexadecimal digits behind it, such as /stomp`},
		{"endpoint that goes up", "endpoint: /../stomp\n", `t.yaml:1: endpoint: "/../stomp" has the segment .., which clients resolve before they ask: write the path out, such as /stomp`},
		{"script that is no address", "sockjs: {client_url: foo bar}\n", `t.yaml:1: sockjs.client_url: "foo bar" is no address of a script: write a path such as /sockjs.min.js, or a URL such as https://cdn.example.com/sockjs.min.js`},
		{"script without a slash", "sockjs: {client_url: sockjs.js}\n", `t.yaml:1: sockjs.client_url: "sockjs.js" is no address of a script: write a path such as /sockjs.min.js, or a URL such as https://cdn.example.com/sockjs.min.js`},
		{"script without a host", "sockjs: {client_url: 'https:///sockjs.js'}\n", `t.yaml:1: sockjs.client_url: "https:///sockjs.js" is no address of a script: write a path such as /sockjs.min.js, or a URL such as https://cdn.example.com/sockjs.min.js`},
		{"origins in one", "origins: ['https://a.example,b.example']\n", `t.yaml:1: origins[0]: "https://a.example,b.example" holds several origins: write each as an item of its own`},
		{"origin without a scheme", "origins:\n  - a.example\n", `t.yaml:2: origins[0]: "a.example" is not an origin: write scheme://host, such as https://chat.example.com, or "*" for all`},
		{"origin with a path", "origins: ['https://a.example/chat']\n", `t.yaml:1: origins[0]: "https://a.example/chat" has more than a browser sends: write https://a.example`},
		{"origin with two stars", "origins: ['https://*.*.example']\n", `t.yaml:1: origins[0]: "https://*.*.example" has more than one *: write several origins`},
		{"origin with a slash behind", "origins:\n  - https://a.example\n  - https://b.example/\n", `t.yaml:3: origins[1]: "https://b.example/" has more than a browser sends: write https://b.example`},
		{"origin without a port", "origins: ['https://a.example:abc']\n", `t.yaml:1: origins[0]: "https://a.example:abc" is not an origin: want one like https://chat.example.com, http://localhost:5173 or http://localhost:*`},
		{"origin with a port beyond", "origins: ['https://a.example:99999']\n", `t.yaml:1: origins[0]: "https://a.example:99999" has no port from 1 to 65535: write it as browsers do, such as http://localhost:5173, or * for any`},
		{"certificate without a key", "tls: {cert: a.pem}\n", "t.yaml:1: tls.key: is missing beside tls.cert: name the file of the private key"},
		{"certificate that is not there", "tls: {cert: a.pem, key: b.pem}\n", "t.yaml:1: tls.cert: with tls.key can't be used: a.pem can't be read: no such file or directory"},
		{"prefixes that overlap", "prefixes:\n  app: /app\n  broker: [/topic, /app/x]\n", "t.yaml:3: prefixes.broker[1]: /app/x and /app (prefixes.app) overlap: no prefix may begin another"},
		{"error destination elsewhere", "errors: {destination: /queue/e}\n", "t.yaml:1: errors.destination: /queue/e is not below prefixes.user: want one like /session/queue/request-error"},

		{"driver", "bus: {driver: rabbit}\n", `t.yaml:1: bus.driver: "rabbit" is none of kafka, nats, embedded`},
		{"NATS URL", "bus: {nats: {url: 'http://bob:hunter2@h'}}\n", "t.yaml:1: bus.nats.url: is not the URL of a NATS server: write nats://host:4222, or several with commas between"},
		{"NATS URL without a host", "bus: {nats: {url: 'nats://:4222'}}\n", "t.yaml:1: bus.nats.url: is not the URL of a NATS server: write nats://host:4222, or several with commas between"},
		{"NATS URL with a port beyond", "bus: {nats: {url: 'nats://a,tls://b:99999'}}\n", "t.yaml:1: bus.nats.url: is not the URL of a NATS server: write nats://host:4222, or several with commas between"},
		{"NATS prefix of two lines", "bus: {nats: {prefix: \"a\\nb\"}}\n", `t.yaml:1: bus.nats.prefix: "a\nb" is not the beginning of a NATS subject: write it like stomp or acme.stomp`},
		{"long NATS prefix", "bus: {nats: {prefix: " + strings.Repeat("a", 257) + "}}\n", "t.yaml:1: bus.nats.prefix: has 257 bytes: want 256 at most"},
		{"NATS prefix", "bus: {nats: {prefix: a.>}}\n", `t.yaml:1: bus.nats.prefix: "a.>" is not the beginning of a NATS subject: write it like stomp or acme.stomp`},
		{"password in the file", "bus:\n  nats:\n    password: hunter2\n", "t.yaml:3: bus.nats.password: must not stand in this file: write it to a file of its own, name that with bus.nats.password_file, or set STOMPGW_BUS_NATS_PASSWORD"},
		{"token in the file", "bus: {nats: {token: [hunter2]}}\n", "t.yaml:1: bus.nats.token: must not stand in this file: write it to a file of its own, name that with bus.nats.token_file, or set STOMPGW_BUS_NATS_TOKEN"},
		{"Kafka's password in the file", "bus: {kafka: {sasl: {password: hunter2}}}\n", "t.yaml:1: bus.kafka.sasl.password: must not stand in this file: write it to a file of its own, name that with bus.kafka.sasl.password_file, or set STOMPGW_BUS_KAFKA_SASL_PASSWORD"},
		{"password at a wrong place", "bus: {password: hunter2}\n", "t.yaml:1: bus.password: there is no such key; here stand driver, kafka, nats"},
		{"insecure", "bus: {nats: {tls: {insecure: true}}}\n", "t.yaml:1: bus.nats.tls.insecure: there is no such key; here stand ca, cert, key"},

		{"no brokers", "bus: {kafka: {brokers: []}}\n", "t.yaml:1: bus.kafka.brokers: is empty: want at least one address, such as [127.0.0.1:9092]"},
		{"topic", "bus: {kafka: {topic: a/b}}\n", `t.yaml:1: bus.kafka.topic: "a/b" is no name of a Kafka topic: want letters, digits and . _ - alone`},
		{"topic of dots", "bus: {kafka: {topic: ..}}\n", `t.yaml:1: bus.kafka.topic: ".." is no name of a Kafka topic: want letters, digits and . _ - alone`},
		{"no topic", "bus: {kafka: {topic: ''}}\n", `t.yaml:1: bus.kafka.topic: "" is no name of a Kafka topic: want letters, digits and . _ - alone`},
		{"long topic", "bus: {kafka: {topic: " + strings.Repeat("a", 250) + "}}\n", "t.yaml:1: bus.kafka.topic: has 250 characters, but the name of a Kafka topic has 249 at most"},
		{"envelope", "bus: {kafka: {envelope: xml}}\n", `t.yaml:1: bus.kafka.envelope: "xml" is none of headers, json`},
		{"create", "bus: {kafka: {create: yes}}\n", `t.yaml:1: bus.kafka.create: "yes" is neither true nor false`},
		{"partitions", "bus: {kafka: {partitions: 0}}\n", "t.yaml:1: bus.kafka.partitions: 0 is not possible: want 1 to 10000"},
		{"replication", "bus: {kafka: {replication: -1}}\n", "t.yaml:1: bus.kafka.replication: -1 is not possible: want 1, or up to as many as there are brokers"},
		{"sources that are no list", "bus: {kafka: {sources: {topic: a}}}\n", "t.yaml:1: bus.kafka.sources: is a section: want a list, each item beginning with `- topic:`"},
		{"source without a destination", "bus:\n  kafka:\n    sources:\n      - topic: a\n", "t.yaml:4: bus.kafka.sources[0]: has no destination: every item of this list needs topic, destination"},
		{"unknown key of a source", "bus:\n  kafka:\n    sources:\n      - topic: a\n        destinaton: /topic/a\n", "t.yaml:5: bus.kafka.sources[0].destinaton: there is no such key; did you mean destination?"},
		{"sources, mistyped", "bus: {kafka: {source: []}}\n", "t.yaml:1: bus.kafka.source: there is no such key; did you mean bus.kafka.sources?"},
		{"topic of a source", "bus: {kafka: {sources: [{topic: a b, destination: /topic/a}]}}\n", `t.yaml:1: bus.kafka.sources[0].topic: "a b" is no name of a Kafka topic: want letters, digits and . _ - alone`},
		{"the bus's topic as a source", "bus: {kafka: {sources: [{topic: stompgw, destination: /topic/a}]}}\n", "t.yaml:1: bus.kafka.sources[0].topic: stompgw is read already (bus.kafka.topic): want each topic once"},
		{"source twice", "bus: {kafka: {sources: [{topic: a, destination: /topic/a}, {topic: a, destination: /topic/b}]}}\n", "t.yaml:1: bus.kafka.sources[1].topic: a is read already (bus.kafka.sources[0].topic): want each topic once"},
		{"destination of a source", "bus: {kafka: {sources: [{topic: a, destination: orders}]}}\n", `t.yaml:1: bus.kafka.sources[0].destination: "orders" does not begin with a slash: write it like /topic/orders/{key}`},
		{"destination that nobody receives", "bus: {kafka: {sources: [{topic: a, destination: '/app/{key}'}]}}\n", `t.yaml:1: bus.kafka.sources[0].destination: "/app/{key}" is below /app, where no subscriber receives it: write it like /topic/orders/{key}`},
		{"empty segment", "bus: {kafka: {sources: [{topic: a, destination: /topic//x}]}}\n", `t.yaml:1: bus.kafka.sources[0].destination: "/topic//x" has an empty segment: write the slashes singly and none at the end`},
		{"pattern", "bus: {kafka: {sources: [{topic: a, destination: '/topic/*'}]}}\n", `t.yaml:1: bus.kafka.sources[0].destination: "/topic/*" holds * or ?: a message has one destination, no pattern`},
		{"long destination", "bus: {kafka: {sources: [{topic: a, destination: /" + strings.Repeat("a", 1024) + "}]}}\n", "t.yaml:1: bus.kafka.sources[0].destination: has 1025 bytes, but a destination has 1024 at most"},
		{"control character", "bus: {kafka: {sources: [{topic: a, destination: \"/topic/\\n\"}]}}\n", `t.yaml:1: bus.kafka.sources[0].destination: "/topic/\n" is not text without control characters: write it like /topic/orders/{key}`},
		{"prefix of headers", "bus: {kafka: {sources: [{topic: a, destination: /topic/a, headers: \"a\\tb\"}]}}\n", `t.yaml:1: bus.kafka.sources[0].headers: "a\tb" is not text without control characters: write it like kafka-`},
		{"unknown placeholder", "bus: {kafka: {sources: [{topic: a, destination: '/topic/{id}'}]}}\n", `t.yaml:1: bus.kafka.sources[0].destination: "/topic/{id}" has the unknown {id}: want {key}, {topic}, {partition} or {header.NAME}`},
		{"placeholder without a name", "bus: {kafka: {sources: [{topic: a, destination: '/topic/{header.}'}]}}\n", `t.yaml:1: bus.kafka.sources[0].destination: "/topic/{header.}" has the unknown {header.}: want {key}, {topic}, {partition} or {header.NAME}`},
		{"open placeholder", "bus: {kafka: {sources: [{topic: a, destination: '/topic/{key'}]}}\n", `t.yaml:1: bus.kafka.sources[0].destination: "/topic/{key" has a { without a }`},
		{"closed placeholder", "bus: {kafka: {sources: [{topic: a, destination: '/topic/key}'}]}}\n", `t.yaml:1: bus.kafka.sources[0].destination: "/topic/key}" has a } without a {`},
		{"mechanism", "bus: {kafka: {sasl: {mechanism: gssapi}}}\n", `t.yaml:1: bus.kafka.sasl.mechanism: has no user: set bus.kafka.sasl.user` + "\n" + `t.yaml:1: bus.kafka.sasl.mechanism: "gssapi" is none of plain, scram-sha-256, scram-sha-512`},
		{"no mechanism", "bus: {kafka: {sasl: {user: u}}}\n", "t.yaml:1: bus.kafka.sasl.user: has no mechanism: set bus.kafka.sasl.mechanism to plain, scram-sha-256 or scram-sha-512"},
		{"no password", "bus: {kafka: {sasl: {mechanism: plain, user: u}}}\n", "t.yaml:1: bus.kafka.sasl.user: has no password: name a file that holds it with bus.kafka.sasl.password_file, or set STOMPGW_BUS_KAFKA_SASL_PASSWORD"},
		{"TLS off and on", "bus:\n  kafka:\n    tls:\n      enabled: false\n      ca: a.pem\n", "t.yaml:4: bus.kafka.tls.enabled: is false, but beside it stand files for TLS: leave the one or the other out"},
		{"CA that is not there", "bus: {kafka: {tls: {ca: a.pem}}}\n", "t.yaml:1: bus.kafka.tls.ca: a.pem can't be read: no such file or directory"},
		{"CA that is none", "bus: {kafka: {tls: {ca: t.yaml}}}\n", "t.yaml:1: bus.kafka.tls.ca: t.yaml holds no PEM, which begins with -----BEGIN"},
		{"client key alone", "bus: {kafka: {tls: {key: a.pem}}}\n", "t.yaml:1: bus.kafka.tls.cert: is missing beside bus.kafka.tls.key: name the file of the certificate"},
		{"client certificate alone", "bus: {driver: nats, nats: {tls: {cert: a.pem}}}\n", "t.yaml:1: bus.nats.tls.key: is missing beside bus.nats.tls.cert: name the file of the private key"},
		{"client certificate that is not there", "bus: {driver: nats, nats: {tls: {cert: a.pem, key: b.pem}}}\n", "t.yaml:1: bus.nats.tls.cert: with bus.nats.tls.key can't be used: a.pem can't be read: no such file or directory"},

		{"NATS user alone", "bus: {driver: nats, nats: {user: u}}\n", "t.yaml:1: bus.nats.user: has no password: name a file that holds it with bus.nats.password_file, or set STOMPGW_BUS_NATS_PASSWORD"},
		{"password file that is not there", "bus:\n  driver: nats\n  nats:\n    user: u\n    password_file: none\n", "t.yaml:5: bus.nats.password_file: none can't be read: no such file or directory"},
		{"password file that is a folder", "bus: {driver: nats, nats: {user: u, password_file: .}}\n", "t.yaml:1: bus.nats.password_file: . can't be read: is a directory"},
		{"endless password file", "bus: {driver: nats, nats: {user: u, password_file: /dev/zero}}\n", "t.yaml:1: bus.nats.password_file: /dev/zero is larger than 1MiB, so it can't be the right file"},
		{"empty password file", "bus: {driver: nats, nats: {user: u, password_file: /dev/null}}\n", "t.yaml:1: bus.nats.password_file: /dev/null is empty: want the secret in it"},
		{"password file of two lines", "# hunter2\nbus: {driver: nats, nats: {user: u, password_file: t.yaml}}\n", "t.yaml:2: bus.nats.password_file: t.yaml holds more than one line: want the secret alone in it"},
		{"NKey that is none", "bus: {driver: nats, nats: {nkey_file: t.yaml}}\n", "t.yaml:1: bus.nats.nkey_file: t.yaml holds no seed of a user: want one that begins with SU, as `nk -gen user` prints it"},
		{"creds that are none", "bus: {driver: nats, nats: {creds_file: t.yaml}}\n", "t.yaml:1: bus.nats.creds_file: t.yaml is no creds file: want one as `nsc generate creds` prints it, with the JWT of a user and its seed"},
		{"two ways to log in", "bus:\n  driver: nats\n  nats:\n    url: nats://bob:hunter2@h\n    token_file: t.yaml\n# token\n", "t.yaml:5: bus.nats.token_file: t.yaml holds more than one line: want the secret alone in it"},
		{"outbound under message", "limits:\n  outbound: 4KiB\n", "t.yaml:2: limits.outbound: 4KiB is under the 64KiB that one message may take: want at least limits.message"},
		{"message over outbound", "limits:\n  message: 2MiB\n", "t.yaml:2: limits.message: 2MiB is over the 1MiB that may wait for one client: raise limits.outbound too"},
		{"no connections", "limits: {connections: 0}\n", "t.yaml:1: limits.connections: 0 lets nobody connect: want 1 or more"},
		{"expiry", "registry:\n  expiry: 6s\n", "t.yaml:2: registry.expiry: 6s is under two heartbeats of 5s, so one that is late would take the node's sessions away: want at least 10s"},
		{"heartbeat", "registry:\n  heartbeat: 10s\n", "t.yaml:2: registry.heartbeat: 10s is over half the 15s after which a silent node is gone: raise registry.expiry too"},
		{"hung too short", "heart_beat: {hung: 1ms}\n", "t.yaml:1: heart_beat.hung: 1ms is too short: want 1s or more, or 0s for none"},
		{"heart-beat too short", "heart_beat: {send: 100ms}\n", "t.yaml:1: heart_beat.send: 100ms is too short: want 1s or more, or 0s for none"},
		{"fallback", "errors: {fallback: shout}\n", `t.yaml:1: errors.fallback: "shout" is none of drop, error`},
		{"log level", "log: {level: loud}\n", `t.yaml:1: log.level: "loud" is none of debug, info, warn, error`},

		{"rule without a match", "channels:\n  - subscribe: 'true'\n", "t.yaml:2: channels[0]: has no match: every item of this list needs match"},
		{"route without allow", "routes:\n  - match: /app/x\n    publish: /topic/x\n", "t.yaml:2: routes[0]: has no allow: every item of this list needs match, allow, publish"},
		{"rules that are no list", "channels: {}\n", "t.yaml:1: channels: is a section: want a list, each item beginning with `- match:`"},
		{"permission", "channels:\n  - match: /topic/x\n    subscribe: 'yes'\n", "t.yaml:3: channels[0].subscribe: undeclared reference to 'yes'\n    yes\n    ^"},
		{"rule for those who log in", "channels:\n  - match: /topic/x\n    subscribe: claims.mu == 1\n", "t.yaml:3: channels[0].subscribe: asks who is logged in, but nobody's tokens are taken: set auth.jwt.secret_file or auth.jwt.public_key_file"},
		{"route for those who log in", "routes:\n  - match: /app/x\n    allow: 'true'\n    publish: /topic/x\n    headers: |\n      {'m': string(claims.mu)}\n", "t.yaml:5: routes[0].headers: asks who is logged in, but nobody's tokens are taken: set auth.jwt.secret_file or auth.jwt.public_key_file"},
		{"patterns", "channels:\n  - match: /topic/x\n    patterns: yes\n", `t.yaml:3: channels[0].patterns: "yes" is neither true nor false`},
		{"patterns without a value", "channels:\n  - match: /topic/x\n    patterns:\n", `t.yaml:3: channels[0].patterns: has no value: write one, or leave it out`},
		{"patterns that are a list", "channels:\n  - match: /topic/x\n    patterns: [/topic/*]\n", "t.yaml:3: channels[0].patterns: is a list: want a single value"},
		{"several", "listen: x\ndrain: {duration: 5}\nlog: {level: loud}\n", "t.yaml:2: drain.duration: 5 has no unit: write 5s, or one of ms, m, h, d"},
		{"several of one kind", "listen: x\nlog: {level: loud}\n", `t.yaml:1: listen: "x" is not an address: write host:port, such as 127.0.0.1:13001` + "\n" +
			`t.yaml:2: log.level: "loud" is none of debug, info, warn, error`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := load(t, tt.text)
			if err == nil {
				t.Fatalf("no error, want %s", tt.want)
			}
			if got := err.Error(); got != tt.want {
				t.Errorf("\n got %s\nwant %s", got, tt.want)
			}
			if strings.Contains(err.Error(), "hunter2") {
				t.Error("the error shows a password")
			}
		})
	}
}

func TestFileErrors(t *testing.T) {
	t.Chdir(t.TempDir())
	for path, want := range map[string]string{
		"none.yaml": "none.yaml: can't be read: no such file or directory; --config takes a YAML file",
		".":         ".: can't be read: is a directory; --config takes a YAML file",
	} {
		if _, err := Load(Source{Drivers: drivers(), File: path}); err == nil || err.Error() != want {
			t.Errorf("%s:\n got %v\nwant %s", path, err, want)
		}
	}
}

func TestEnvironErrors(t *testing.T) {
	for _, tt := range []struct{ name, value, want string }{
		{"STOMPGW_LISTN", "x", "STOMPGW_LISTN: there is no such setting; did you mean STOMPGW_LISTEN?"},
		{"STOMPGW_LIMIT_MESSAGE", "1", "STOMPGW_LIMIT_MESSAGE: there is no such setting; did you mean STOMPGW_LIMITS_MESSAGE?"},
		{"STOMPGW_CHANNELS", "x", "STOMPGW_CHANNELS: channels can only stand in the file: use --config"},
		{"STOMPGW_QQQQQQQQQQQQQQQQQQQQQQQQ", "x", "STOMPGW_QQQQQQQQQQQQQQQQQQQQQQQQ: there is no such setting; unset it (variables with STOMPGW_ are this program's)"},
		{"STOMPGW_DRAIN_DURATION", "5", "STOMPGW_DRAIN_DURATION: drain.duration: 5 has no unit: write 5s, or one of ms, m, h, d"},
		{"STOMPGW_ROUTES", "x", "STOMPGW_ROUTES: routes can only stand in the file: use --config"},
		{"STOMPGW_TOKENS", "hunter2", "STOMPGW_TOKENS: there is no such setting; did you mean STOMPGW_TOKEN?"},
		{"STOMPGW_REDIS_PASWORD", "hunter2", "STOMPGW_REDIS_PASWORD: there is no such setting; did you mean STOMPGW_REDIS_PASSWORD?"},
		{"STOMPGW_REDIS_SENTINEL_PASSWORD", "hunter2", "STOMPGW_REDIS_SENTINEL_PASSWORD: redis.sentinel.password: is for Sentinels, but there are none: set redis.master to the name under which they watch Redis, or leave this out"},
		{"STOMPGW_REDIS_USER", "u", "STOMPGW_REDIS_USER: redis.user: has no password: name a file that holds it with redis.password_file, or set STOMPGW_REDIS_PASSWORD"},
		{"STOMPGW_REDIS_DB", "first", `STOMPGW_REDIS_DB: redis.db: "first" is not a whole number, such as 10`},
		{"STOMPGW_BUS_KAFKA_SOURCES", "x", "STOMPGW_BUS_KAFKA_SOURCES: sources can only stand in the file: use --config"},
		{"STOMPGW_BUS_NATS_PASWORD", "hunter2", "STOMPGW_BUS_NATS_PASWORD: there is no such setting; did you mean STOMPGW_BUS_NATS_PASSWORD?"},
		{"STOMPGW_BUS_KAFKA_SASL_PASSWORD", "hunter2", "STOMPGW_BUS_KAFKA_SASL_PASSWORD: bus.kafka.sasl.password: has no user: set bus.kafka.sasl.user and bus.kafka.sasl.mechanism"},
		{"STOMPGW_LISTEN", "x", `STOMPGW_LISTEN: listen: "x" is not an address: write host:port, such as 127.0.0.1:13001`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Setenv(tt.name, tt.value)
			if _, err := Load(Source{Drivers: drivers()}); err == nil || err.Error() != tt.want {
				t.Errorf("\n got %v\nwant %s", err, tt.want)
			}
		})
	}
}

// TestSCRAMPassword: what a node would refuse to log in with is a mistake, and is not shown.
func TestSCRAMPassword(t *testing.T) {
	t.Setenv("STOMPGW_BUS_KAFKA_SASL_PASSWORD", "hunter2\x01")
	for mechanism, want := range map[string]string{
		"plain":         "",
		"scram-sha-512": "STOMPGW_BUS_KAFKA_SASL_PASSWORD: bus.kafka.sasl.password: has a character that SCRAM can't carry, such as a control character",
	} {
		_, err := load(t, "bus: {kafka: {sasl: {mechanism: "+mechanism+", user: u}}}\n")
		if (err == nil) != (want == "") || err != nil && err.Error() != want {
			t.Errorf("%s:\n got %v\nwant %s", mechanism, err, want)
		}
	}
}

func TestFlagErrors(t *testing.T) {
	_, err := load(t, "", "--log-level", "loud")
	if want := `--log-level: log.level: "loud" is none of debug, info, warn, error`; err == nil || err.Error() != want {
		t.Errorf("\n got %v\nwant %s", err, want)
	}
}

// TestTokenVariable: it is for commands that log in, and no setting.
func TestTokenVariable(t *testing.T) {
	t.Setenv("STOMPGW_TOKEN", "x")
	if _, err := Load(Source{Drivers: drivers()}); err != nil {
		t.Error(err)
	}
}

// TestKubernetesVariables: a service named stompgw puts variables of its own into our containers.
func TestKubernetesVariables(t *testing.T) {
	for _, name := range []string{
		"STOMPGW_SERVICE_HOST", "STOMPGW_SERVICE_PORT", "STOMPGW_SERVICE_PORT_WS", "STOMPGW_PORT",
		"STOMPGW_PORT_13001_TCP", "STOMPGW_PORT_13001_TCP_ADDR", "STOMPGW_ADMIN_SERVICE_HOST",
	} {
		t.Setenv(name, "tcp://10.0.0.1:13001")
	}
	if _, err := Load(Source{Drivers: drivers()}); err != nil {
		t.Error(err)
	}
}

func TestDistance(t *testing.T) {
	for _, tt := range []struct {
		a, b string
		want int
	}{
		{"", "", 0}, {"", "abc", 3}, {"abc", "", 3}, {"abc", "abc", 0}, {"kafak", "kafka", 1}, {"listn", "listen", 1}, {"kitten", "sitting", 3},
	} {
		if got := distance(tt.a, tt.b); got != tt.want {
			t.Errorf("distance(%q, %q) = %d, want %d", tt.a, tt.b, got, tt.want)
		}
	}
}
