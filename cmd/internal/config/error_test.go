package config

import (
	"strings"
	"testing"
)

// TestErrors holds the text of each error: where, which key, what is wrong, what would be right.
func TestErrors(t *testing.T) {
	for _, tt := range []struct{ name, text, want string }{
		{"not YAML", "listen: [", "t.yaml:1: is not YAML: did not find expected node content"},
		{"not a mapping", "- a\n", "t.yaml:1: is a list: want keys below it, each with a value"},
		{"two documents", "listen: :1\n---\nlisten: :2\n", "t.yaml: holds several YAML documents: leave one, without --- lines between"},
		{"key twice", "listen: :1\nendpoint: /x\nlisten: :2\n", "t.yaml:3: listen: stands twice, first on line 1: leave one"},
		{"unknown key, near", "\nlimits:\n  outbond: 4KiB\n", "t.yaml:3: limits.outbond: there is no such key; did you mean limits.outbound?"},
		{"unknown key, elsewhere", "outbound_limit: 4KiB\n", "t.yaml:1: outbound_limit: there is no such key; did you mean limits.outbound?"},
		{"unknown section, elsewhere", "nats:\n  url: x\n", "t.yaml:1: nats: there is no such key; did you mean bus.nats?"},
		{"unknown empty section", "kafak: {}\n", "t.yaml:1: kafak: there is no such key; did you mean bus.kafka?"},
		{"unknown key, far", "tls:\n  zzzzzzzz: 1\n", "t.yaml:2: tls.zzzzzzzz: there is no such key; here stand cert, key"},
		{"unknown key of a rule", "channels:\n  - match: /topic/x\n    subscibe: 'true'\n", "t.yaml:3: channels[0].subscibe: there is no such key; did you mean subscribe?"},
		{"upper case", "Listen: :1\n", "t.yaml:1: Listen: there is no such key; did you mean listen?"},
		{"section with a value", "limits: 4\n", "t.yaml:1: limits: is a single value: want keys below it, each with a value"},
		{"value with a section", "listen:\n  a: b\n", "t.yaml:2: listen: is a section: want a single value"},
		{"no value", "listen:\n", `t.yaml:1: listen: has no value: write one, "" for none, or leave the key out`},
		{"single value for a list", "redis: {addrs: a:1}\n", "t.yaml:1: redis.addrs: is a single value: want a list, such as [\"a:1\"]"},

		{"duration without a unit", "drain: {duration: 5}\n", "t.yaml:1: drain.duration: 5 has no unit: write 5s, or one of ms, m, h"},
		{"duration zero without a unit", "drain: {duration: 0}\n", "t.yaml:1: drain.duration: 0 has no unit: write 0s, or one of ms, m, h"},
		{"duration of a wrong unit", "drain: {duration: 5 sec}\n", `t.yaml:1: drain.duration: "5 sec" is not a length of time: write it like 500ms, 10s or 1m30s`},
		{"negative duration", "drain: {duration: -5s}\n", "t.yaml:1: drain.duration: -5s is negative: write it like 10s"},
		{"size of a wrong unit", "limits: {message: 64KB}\n", `t.yaml:1: limits.message: "64KB": the units are B, KiB, MiB and GiB, as in 64KiB`},
		{"size that is none", "limits: {message: 1.5MiB}\n", `t.yaml:1: limits.message: "1.5MiB" is not a size: write it like 65536, 64KiB or 1MiB`},
		{"size too large", "limits: {message: 9GiB}\n", `t.yaml:1: limits.message: "9GiB" is too large: sizes go up to 2GiB`},
		{"number that is none", "limits: {connections: many}\n", `t.yaml:1: limits.connections: "many" is not a whole number`},

		{"address without a port", "listen: localhost\n", `t.yaml:1: listen: "localhost" is not an address: write host:port, such as 127.0.0.1:13001`},
		{"port out of range", "listen: 127.0.0.1:99999\n", `t.yaml:1: listen: "127.0.0.1:99999" has no port from 0 to 65535, such as 127.0.0.1:13001`},
		{"the same address twice", "listen: 127.0.0.1:1\nadmin:\n  listen: 127.0.0.1:1\n", "t.yaml:3: admin.listen: 127.0.0.1:1 is the address of listen too: take another port"},
		{"bad address in a list", "redis:\n  addrs:\n    - a:1\n    - b\n", `t.yaml:4: redis.addrs[1]: "b" is not an address: write host:port, such as 127.0.0.1:13001`},
		{"no address", "redis: {addrs: []}\n", "t.yaml:1: redis.addrs: is empty: want at least one address, such as [127.0.0.1:6379]"},

		{"endpoint without a slash", "endpoint: stomp\n", `t.yaml:1: endpoint: "stomp" does not begin with a slash, such as /stomp`},
		{"endpoint that ends in a slash", "endpoint: /stomp/\n", `t.yaml:1: endpoint: "/stomp/" has an empty segment: write the slashes singly and none at the end, such as /stomp`},
		{"origin without a scheme", "origins:\n  - a.example\n", `t.yaml:2: origins[0]: "a.example" is not an origin: write scheme://host, such as https://chat.example.com, or "*" for all`},
		{"origin with a path", "origins: ['https://a.example/chat']\n", `t.yaml:1: origins[0]: "https://a.example/chat" has more than a browser sends: write https://a.example`},
		{"origin with two stars", "origins: ['https://*.*.example']\n", `t.yaml:1: origins[0]: "https://*.*.example" has more than one *: write several origins`},
		{"certificate without a key", "tls: {cert: a.pem}\n", "t.yaml:1: tls.key: is missing beside tls.cert: name the file of the private key"},
		{"certificate that is not there", "tls: {cert: a.pem, key: b.pem}\n", "t.yaml:1: tls.cert: with tls.key can't be used: open a.pem: no such file or directory; want two files in PEM"},
		{"prefixes that overlap", "prefixes:\n  app: /app\n  broker: [/topic, /app/x]\n", "t.yaml:3: prefixes.broker[1]: /app/x and /app (prefixes.app) overlap: no prefix may begin another"},
		{"error destination elsewhere", "errors: {destination: /queue/e}\n", "t.yaml:1: errors.destination: /queue/e is not below prefixes.user: want one like /session/queue/request-error"},

		{"driver", "bus: {driver: rabbit}\n", `t.yaml:1: bus.driver: "rabbit" is none of kafka, nats, embedded`},
		{"NATS URL", "bus: {nats: {url: 'http://bob:secret@h'}}\n", "t.yaml:1: bus.nats.url: is not the URL of a NATS server: write nats://host:4222, or several with commas between"},
		{"NATS prefix", "bus: {nats: {prefix: a.>}}\n", `t.yaml:1: bus.nats.prefix: "a.>" is not the beginning of a NATS subject: write it like stomp or acme.stomp`},
		{"outbound under message", "limits:\n  outbound: 4KiB\n", "t.yaml:2: limits.outbound: 4KiB is under the 64KiB that one message may take: want at least limits.message"},
		{"message over outbound", "limits:\n  message: 2MiB\n", "t.yaml:2: limits.message: 2MiB is over the 1MiB that may wait for one client: raise limits.outbound too"},
		{"no connections", "limits: {connections: 0}\n", "t.yaml:1: limits.connections: 0 lets nobody connect: want 1 or more"},
		{"expiry", "registry:\n  expiry: 6s\n", "t.yaml:2: registry.expiry: 6s is under two heartbeats of 5s, so one that is late would take the node's sessions away: want at least 10s"},
		{"heartbeat", "registry:\n  heartbeat: 10s\n", "t.yaml:2: registry.heartbeat: 10s is over half the 15s after which a silent node is gone: raise registry.expiry too"},
		{"heart-beat too short", "heart_beat: {send: 100ms}\n", "t.yaml:1: heart_beat.send: 100ms is too short: want 1s or more, or 0s for none"},
		{"fallback", "errors: {fallback: shout}\n", `t.yaml:1: errors.fallback: "shout" is none of drop, error`},
		{"log level", "log: {level: loud}\n", `t.yaml:1: log.level: "loud" is none of debug, info, warn, error`},

		{"rule without a match", "channels:\n  - subscribe: 'true'\n", "t.yaml:2: channels[0]: has no match: every rule of this list needs match"},
		{"route without allow", "routes:\n  - match: /app/x\n    publish: /topic/x\n", "t.yaml:2: routes[0]: has no allow: every rule of this list needs match, allow, publish"},
		{"rules that are no list", "channels: {}\n", "t.yaml:1: channels: is a section: want a list of rules, each beginning with `- match:`"},
		{"permission", "channels:\n  - match: /topic/x\n    subscribe: 'yes'\n", `t.yaml:3: channels[0].subscribe: "yes" is neither "true" nor "false"`},
		{"several", "listen: x\ndrain: {duration: 5}\nlog: {level: loud}\n", "t.yaml:2: drain.duration: 5 has no unit: write 5s, or one of ms, m, h"},
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
			if strings.Contains(err.Error(), "secret") {
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
		if _, err := Load(Source{File: path}); err == nil || err.Error() != want {
			t.Errorf("%s:\n got %v\nwant %s", path, err, want)
		}
	}
}

func TestEnvironErrors(t *testing.T) {
	for _, tt := range []struct{ name, value, want string }{
		{"STOMPGW_LISTN", "x", "STOMPGW_LISTN: there is no such setting; did you mean STOMPGW_LISTEN?"},
		{"STOMPGW_LIMIT_MESSAGE", "1", "STOMPGW_LIMIT_MESSAGE: there is no such setting; did you mean STOMPGW_LIMITS_MESSAGE?"},
		{"STOMPGW_CHANNELS", "x", "STOMPGW_CHANNELS: rules can only stand in the file: use --config"},
		{"STOMPGW_QQQQQQQQQQQQQQQQQQQQQQQQ", "x", "STOMPGW_QQQQQQQQQQQQQQQQQQQQQQQQ: there is no such setting; unset it (variables with STOMPGW_ are this program's)"},
		{"STOMPGW_DRAIN_DURATION", "5", "STOMPGW_DRAIN_DURATION: drain.duration: 5 has no unit: write 5s, or one of ms, m, h"},
		{"STOMPGW_LISTEN", "x", `STOMPGW_LISTEN: listen: "x" is not an address: write host:port, such as 127.0.0.1:13001`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Setenv(tt.name, tt.value)
			if _, err := Load(Source{}); err == nil || err.Error() != tt.want {
				t.Errorf("\n got %v\nwant %s", err, tt.want)
			}
		})
	}
}

func TestFlagErrors(t *testing.T) {
	_, err := load(t, "", "--log-level", "loud")
	if want := `--log-level: log.level: "loud" is none of debug, info, warn, error`; err == nil || err.Error() != want {
		t.Errorf("\n got %v\nwant %s", err, want)
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
	if _, err := Load(Source{}); err != nil {
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
