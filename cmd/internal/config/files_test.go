package config

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/stompgw/stompgw/bus/kafkabus"
)

// TestFolders: a file's relative paths go by its folder, those of variables and of a pipe by the working
// directory.
func TestFolders(t *testing.T) {
	t.Chdir(t.TempDir())
	if err := os.MkdirAll("etc/keys", 0o700); err != nil {
		t.Fatal(err)
	}
	here := filepath.Join(t.TempDir(), "absolute")
	for name, text := range map[string]string{
		"etc/t.yaml":        fmt.Sprintf("redis: {user: u, password_file: keys/password}\nauth: {issuers: [{issuer: i, secret_file: secret}, {issuer: j, secret_file: %s}]}\n", here),
		"etc/keys/password": "by the folder", "password": "by the working directory",
		"etc/secret": "secret", here: "absolute",
	} {
		writeFile(t, name, text)
	}
	c := must(Load(Source{Drivers: drivers(), File: "etc/t.yaml"}))
	if got := c.Redis.Password.Reveal(); got != "by the folder" {
		t.Errorf("the password is %q", got)
	}
	if got := c.Auth.Issuers[0].Secret.Reveal() + " " + c.Auth.Issuers[1].Secret.Reveal(); got != "secret absolute" {
		t.Errorf("the secrets of the issuers are %q", got)
	}
	t.Setenv("STOMPGW_REDIS_PASSWORD_FILE", "password")
	if c := must(Load(Source{Drivers: drivers(), File: "etc/t.yaml"})); c.Redis.Password.Reveal() != "by the working directory" {
		t.Errorf("with a variable the password is %q", c.Redis.Password.Reveal())
	}
	if f := folderOf("/dev/null"); f != "" {
		t.Errorf("what is no file stands in %q", f)
	}
}

// TestNamesOfFiles: every setting that says it is a file is known as one, since its path goes by the
// folder of the configuration.
func TestNamesOfFiles(t *testing.T) {
	for _, k := range allKeys() {
		if says := strings.HasPrefix(k.is(), "file ") || strings.Contains(k.is(), "PEM file"); says != k.namesFiles() {
			t.Errorf("%s: names files is %t, but it is %q", k.path, k.namesFiles(), k.is())
		}
	}
}

// TestSecrets: the same text is the same secret in a file and in a variable, and what an editor left there
// is part of none.
func TestSecrets(t *testing.T) {
	const key = "STOMPGW_REDIS_PASSWORD"
	for _, tt := range []struct{ name, text, want, wantErr string }{
		{"a line", "hunter2", "hunter2", ""},
		{"line end", "hunter2\n", "hunter2", ""},
		{"line end of Windows", "hunter2\r\n", "hunter2", ""},
		{"spaces", " hunter 2 ", " hunter 2 ", ""},
		{"bytes that are no text", "\xff\xfehunter", "\xff\xfehunter", ""},
		{"nothing", "\n", "", "is empty: want the secret in it"},
		{"two lines", "hunter2\nhunter3", "", "holds more than one line: want the secret alone in it"},
		{"byte order mark", "\ufeffhunter2", "", "begins with a byte order mark, which is no part of it: save it as UTF-8 without one"},
		{"UTF-16", "\xff\xfeh\x00\n\x00", "", "begins with a byte order mark, which is no part of it: save it as UTF-8 without one"},
		{"UTF-16, big end first", "\xfe\xff\x00h\x00\n", "", "begins with a byte order mark, which is no part of it: save it as UTF-8 without one"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Chdir(t.TempDir())
			writeFile(t, "t.yaml", "redis: {password_file: password}\n")
			writeFile(t, "password", tt.text)
			check := func(before string) {
				t.Helper()
				c, err := Load(Source{Drivers: drivers(), File: "t.yaml"})
				switch {
				case tt.wantErr == "" && err != nil:
					t.Error(err)
				case tt.wantErr != "" && (err == nil || err.Error() != before+tt.wantErr):
					t.Errorf("\n got %v\nwant %s%s", err, before, tt.wantErr)
				case err == nil && c.Redis.Password.Reveal() != tt.want:
					t.Errorf("is %q, want %q", c.Redis.Password.Reveal(), tt.want)
				}
			}
			check("t.yaml:1: redis.password_file: password ")
			if !strings.Contains(tt.text, "\x00") { // which no variable can hold
				t.Setenv(key, tt.text)
				check(key + ": redis.password: ")
			}
		})
	}
}

// TestFiles: secrets and certificates are read, from the file or the environment, which wins.
func TestFiles(t *testing.T) {
	const nats, kafka, redis = "bus: {driver: nats, nats: {%s}}", "bus: {driver: kafka, kafka: {%s}}", "redis: {%s}"
	of := func(have func(r *Redis) bool) func(c *Config) bool {
		return func(c *Config) bool { return have(&c.Redis) }
	}
	for _, tt := range []struct {
		name, form, text string
		env              map[string]string
		have             func(c *Config) bool
	}{
		{"NATS password", nats, "user: u, password_file: password", nil,
			func(c *Config) bool { return natsOf(c).User == "u" && natsOf(c).Password.Reveal() == password }},
		{"of Windows", nats, "user: u, password_file: windows", nil,
			func(c *Config) bool { return natsOf(c).Password.Reveal() == password }},
		{"of the environment", nats, "user: u, password_file: none", map[string]string{"STOMPGW_BUS_NATS_PASSWORD": "p, q "},
			func(c *Config) bool { return natsOf(c).Password.Reveal() == "p, q " }},
		{"all of the environment", nats, "prefix: p", map[string]string{"STOMPGW_BUS_NATS_USER": "u", "STOMPGW_BUS_NATS_PASSWORD_FILE": "password"},
			func(c *Config) bool { return natsOf(c).User == "u" && natsOf(c).Password.Reveal() == password }},
		{"NATS token", nats, "token_file: password", nil,
			func(c *Config) bool { return natsOf(c).Token.Reveal() == password }},
		{"of the environment", nats, "prefix: p", map[string]string{"STOMPGW_BUS_NATS_TOKEN": "t"},
			func(c *Config) bool { return natsOf(c).Token.Reveal() == "t" }},
		{"NKey", nats, "nkey_file: nkey", nil,
			func(c *Config) bool { return strings.HasPrefix(natsOf(c).NKey.Reveal(), "SU") }},
		{"creds", nats, "creds_file: creds", nil,
			func(c *Config) bool { return strings.Contains(natsOf(c).Creds.Reveal(), "e30.e30.e30") }},
		{"TLS", nats, "tls: {ca: cert.pem, cert: cert.pem, key: key.pem}", nil,
			func(c *Config) bool {
				l := natsOf(c).TLS.Loaded
				return l != nil && l.RootCAs != nil && len(l.Certificates) == 1 && !l.InsecureSkipVerify
			}},
		{"no TLS", nats, "user: u, password_file: password", nil,
			func(c *Config) bool { return natsOf(c).TLS.Loaded == nil }},
		{"not in use", kafka + "\n", "topic: t}, nats: {user: u, password_file: none, tls: {ca: none}", nil,
			func(c *Config) bool { return natsOf(c).Password.Reveal() == "" }},

		{"Kafka password", kafka, "sasl: {mechanism: plain, user: u, password_file: password}", nil,
			func(c *Config) bool { return kafkaOf(c).SASL.Password.Reveal() == password }},
		{"of the environment", kafka, "sasl: {mechanism: scram-sha-256, user: u}", map[string]string{"STOMPGW_BUS_KAFKA_SASL_PASSWORD": "p"},
			func(c *Config) bool { return kafkaOf(c).SASL.Password.Reveal() == "p" }},
		{"TLS enabled", kafka, "tls: {enabled: true}", nil,
			func(c *Config) bool { return kafkaOf(c).TLS.Loaded != nil }},
		{"TLS by a file", kafka, "tls: {ca: cert.pem}", nil,
			func(c *Config) bool { return kafkaOf(c).TLS.Loaded != nil && kafkaOf(c).TLS.Enabled }},
		{"no TLS", kafka, "tls: {}", nil,
			func(c *Config) bool { return kafkaOf(c).TLS.Loaded == nil }},
		{"sources", kafka, "sources: [{topic: a, destination: '/topic/{topic}/{key}/{partition}/{header.x}'}, {topic: b, destination: /b, headers: h-}, {topic: c, destination: /c, headers: ''}]", nil,
			func(c *Config) bool {
				s := kafkaOf(c).Sources
				return len(s) == 3 && s[0].Topic == "a" && s[0].Headers == "kafka-" && s[1] == kafkabus.Source{Topic: "b", Destination: "/b", Headers: "h-"} && s[2] == kafkabus.Source{Topic: "c", Destination: "/c"}
			}},

		{"user and password", redis, "user: u, password_file: password", nil,
			of(func(r *Redis) bool { return r.User == "u" && r.Password.Reveal() == password && !r.IsCluster() })},
		{"password alone", redis, "password_file: windows", nil,
			of(func(r *Redis) bool { return r.User == "" && r.Password.Reveal() == password })},
		{"of the environment", redis, "user: u, password_file: none", map[string]string{"STOMPGW_REDIS_PASSWORD": "p, q "},
			of(func(r *Redis) bool { return r.Password.Reveal() == "p, q " })},
		{"all of the environment", redis, "prefix: p", map[string]string{"STOMPGW_REDIS_USER": "u", "STOMPGW_REDIS_PASSWORD_FILE": "password", "STOMPGW_REDIS_ADDRS": "a:1, b:2"},
			of(func(r *Redis) bool {
				return r.User == "u" && r.Password.Reveal() == password && slices.Equal(r.Addrs, []string{"a:1", "b:2"}) && r.IsCluster()
			})},
		{"Sentinels", redis, "addrs: [a:1, b:2], master: m, db: 3, sentinel: {user: s, password_file: password}", nil,
			of(func(r *Redis) bool {
				return r.Master == "m" && r.DB == 3 && r.Sentinel.User == "s" && r.Sentinel.Password.Reveal() == password && r.Password.Reveal() == "" && !r.IsCluster()
			})},
		{"Sentinels by the environment", redis, "addrs: [a:1], master: m, password_file: password", map[string]string{"STOMPGW_REDIS_SENTINEL_PASSWORD": "s"},
			of(func(r *Redis) bool { return r.Sentinel.Password.Reveal() == "s" && r.Password.Reveal() == password })},
		{"a Cluster by one address", redis, "cluster: true, addrs: [a:1]", nil,
			of(func(r *Redis) bool { return r.IsCluster() })},
		{"what a file of defaults says", redis, "cluster: false, master: '', db: 0, user: '', password_file: '', sentinel: {user: '', password_file: ''}, tls: {enabled: false, ca: ''}", nil,
			of(func(r *Redis) bool { return reflect.DeepEqual(*r, Default(drivers()...).Redis) })},
		{"TLS enabled", redis, "tls: {enabled: true}", nil,
			of(func(r *Redis) bool { return r.TLS.Loaded != nil && r.TLS.Loaded.RootCAs == nil })},
		{"TLS by files", redis, "tls: {ca: cert.pem, cert: cert.pem, key: key.pem}", nil,
			of(func(r *Redis) bool {
				l := r.TLS.Loaded
				return r.TLS.Enabled && l != nil && l.RootCAs != nil && len(l.Certificates) == 1 && !l.InsecureSkipVerify
			})},
		{"no TLS", redis, "tls: {}", nil, of(func(r *Redis) bool { return r.TLS.Loaded == nil })},
	} {
		t.Run(tt.name, func(t *testing.T) {
			for name, value := range tt.env {
				t.Setenv(name, value)
			}
			c := must(load(t, fmt.Sprintf(tt.form, tt.text)))
			if !tt.have(c) {
				t.Errorf("got %+v, %+v", c.Bus, c.Redis)
			}
			hides(t, c)
		})
	}
}

// hides holds that no way to print a configuration shows what is secret in it.
func hides(t *testing.T, c *Config) {
	t.Helper()
	var logged strings.Builder
	for _, h := range []slog.Handler{slog.NewTextHandler(&logged, nil), slog.NewJSONHandler(&logged, nil)} {
		slog.New(h).Info("bus", "bus", c.Bus, "password", natsOf(c).Password)
	}
	encoded, err := json.Marshal(kafkaOf(c).SASL)
	if err != nil {
		t.Fatal(err)
	}
	for _, text := range []string{
		fmt.Sprint(c.Bus), fmt.Sprintf("%+v %#v", c.Redis, c.Redis), fmt.Sprintf("%+v %s %q", c.Bus, natsOf(c).Password, natsOf(c).Password), fmt.Sprintf("%#v", natsOf(c).Password),
		fmt.Sprintf("%#v", kafkaOf(c).SASL), string(encoded), logged.String(),
	} {
		if strings.Contains(text, password) {
			t.Errorf("the password is shown: %s", text)
		}
	}
}
