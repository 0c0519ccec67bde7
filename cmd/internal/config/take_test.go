package config

import (
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"
)

// TestTake: what a reload takes over, and what needs a restart: also what belongs to something that does.
func TestTake(t *testing.T) {
	enter(t)
	for _, name := range []string{"ca", "node", "other"} {
		certificates, key := chain(t, time.Now().Add(time.Hour))
		writeFile(t, name+".crt", certificates)
		writeFile(t, name+".key", key)
	}
	writeFile(t, "new", "hunter3")
	read := func(text string) *Config {
		t.Helper()
		writeFile(t, "t.yaml", text)
		c := must(Load(Source{Drivers: drivers(), File: "t.yaml"}))
		return c
	}
	const (
		kafka = "bus: {kafka: {brokers: ['a:1'], tls: {ca: ca.crt}, sasl: {mechanism: plain, user: u, password_file: password}}}\n"
		nats  = "bus: {driver: nats, nats: {url: 'nats://a:1', user: u, password_file: password}}\n"
		redis = "redis: {addrs: ['a:1'], user: u, password_file: password, tls: {ca: ca.crt}}\n"
		names = "redis: {addrs: ['a:1'], master: m, sentinel: {password_file: password}}\n"
	)
	for _, tt := range []struct{ name, before, old, new, restart string }{
		{"Kafka's password and user", kafka, "user: u, password_file: password", "user: v, password_file: new", ""},
		{"Kafka's authority", kafka, "ca: ca.crt", "ca: other.crt", ""},
		{"Kafka's pair", kafka, "ca: ca.crt", "ca: ca.crt, cert: node.crt, key: node.key", ""},
		{"a password for other brokers", kafka, "['a:1'], tls: {ca: ca.crt}, sasl: {mechanism: plain, user: u, password_file: password", "['b:1'], tls: {ca: ca.crt}, sasl: {mechanism: plain, user: u, password_file: new",
			"bus.kafka.brokers bus.kafka.sasl.password_file"},
		{"a password for another mechanism", kafka, "plain, user: u, password_file: password", "scram-sha-512, user: u, password_file: new", "bus.kafka.sasl.mechanism bus.kafka.sasl.password_file"},
		{"Kafka without TLS", kafka, "tls: {ca: ca.crt}, ", "", "bus.kafka.tls.enabled bus.kafka.tls.ca"},
		{"a topic beside a password", kafka, "sasl: {mechanism: plain, user: u, password_file: password", "topic: x, sasl: {mechanism: plain, user: u, password_file: new", "bus.kafka.topic"},
		{"another bus", kafka, kafka, nats, "bus.driver bus.kafka.brokers bus.kafka.tls.enabled bus.kafka.tls.ca bus.kafka.sasl.mechanism bus.kafka.sasl.user bus.kafka.sasl.password bus.kafka.sasl.password_file bus.nats.url bus.nats.user bus.nats.password_file"},
		{"NATS' password", nats, "password_file: password", "password_file: new", ""},
		{"another way to log in", nats, "user: u, password_file: password", "token_file: new", "bus.nats.user bus.nats.password bus.nats.password_file bus.nats.token_file"},
		{"a prefix beside a password", nats, "password_file: password", "password_file: new, prefix: x", "bus.nats.prefix"},
		{"a password for other servers", nats, "a:1', user: u, password_file: password", "b:1', user: u, password_file: new", "bus.nats.url bus.nats.password_file"},
		{"Redis' password", redis, "password_file: password", "password_file: new", ""},
		{"Redis' pair", redis, "ca: ca.crt", "ca: other.crt, cert: node.crt, key: node.key", ""},
		{"a password for another Redis", redis, "a:1'], user: u, password_file: password", "b:1'], user: u, password_file: new", "redis.addrs redis.password_file"},
		{"Redis without TLS", redis, ", tls: {ca: ca.crt}", "", "redis.tls.enabled redis.tls.ca"},
		{"a prefix beside", redis, "password_file: password", "password_file: new, prefix: x", "redis.prefix"},
		{"the Sentinels' password", names, "password_file: password", "password_file: new", ""},
		{"the ports' pair", "tls: {cert: node.crt, key: node.key}\n", "node", "other", ""},
		{"the ports without TLS", "tls: {cert: node.crt, key: node.key}\n", "tls: {cert: node.crt, key: node.key}\n", "{}\n", "tls.cert tls.key"},
		{"limits", "limits: {rate: 5/s, node: {rate: 50/s}}\n", "{rate: 5/s, node: {rate: 50/s}}", "{rate: 6/m, burst: 7, over: drop, node: {rate: 60/s, burst: 70}}", ""},
		{"a size beside limits", "limits: {rate: 5/s}\n", "rate: 5/s", "rate: 6/s, message: 1KiB", "limits.message"},
		{"an issuer's key", "auth: {jwt: {secret_file: secret}}\n", "secret}", "[new, secret]}", ""},
		{"no issuer", "auth: {jwt: {secret_file: secret}}\n", "{jwt: {secret_file: secret}}", "{}", "auth.jwt.algorithms auth.jwt.secret auth.jwt.secret_file"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			before := read(tt.before)
			next := read(strings.ReplaceAll(tt.before, tt.old, tt.new))
			taken := before.Take(next)
			restart := taken.Changed(next)
			slices.Sort(restart)
			want := strings.Fields(tt.restart)
			slices.Sort(want)
			if !slices.Equal(restart, want) {
				t.Errorf("a restart is needed for %q, want %q", restart, want)
			}
			if reflect.DeepEqual(before, next) {
				t.Error("nothing changed")
			}
			if again := taken.Take(next).Changed(next); len(again) != len(restart) {
				t.Errorf("the next time a restart is needed for %q", again)
			}
			if on := kafkaOf(taken).TLS.Loaded != nil; on != (kafkaOf(before).TLS.Loaded != nil) {
				t.Error("TLS to Kafka came or went")
			}
			if on := taken.Redis.TLS.Loaded != nil; on != (before.Redis.TLS.Loaded != nil) {
				t.Error("TLS to Redis came or went")
			}
		})
	}
}

// TestTakeOfEmpty: a file that was empty once is not said to be for ever.
func TestTakeOfEmpty(t *testing.T) {
	t.Chdir(t.TempDir())
	var read [2]*Config
	for i, text := range []string{"", "log: {level: debug}\n"} {
		writeFile(t, "t.yaml", text)
		c := must(Load(Source{Drivers: drivers(), File: "t.yaml"}))
		read[i] = c
	}
	if n := len(read[0].Warnings()); n != 1 {
		t.Fatalf("%d warnings of an empty file", n)
	}
	if lines := read[0].Take(read[1]).Warnings(); len(lines) > 0 {
		t.Errorf("warned %q", lines)
	}
}
