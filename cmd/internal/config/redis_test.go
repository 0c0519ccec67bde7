package config

import (
	"fmt"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"
)

// TestRedisFiles: secrets and certificates are read, from the file or the environment, which wins.
func TestRedisFiles(t *testing.T) {
	for _, tt := range []struct {
		name, text string
		env        map[string]string
		have       func(r *Redis) bool
	}{
		{"user and password", "user: u, password_file: password", nil,
			func(r *Redis) bool { return r.User == "u" && r.Password.Reveal() == password && !r.IsCluster() }},
		{"password alone", "password_file: windows", nil,
			func(r *Redis) bool { return r.User == "" && r.Password.Reveal() == password }},
		{"of the environment", "user: u, password_file: none", map[string]string{"STOMPGW_REDIS_PASSWORD": "p, q "},
			func(r *Redis) bool { return r.Password.Reveal() == "p, q " }},
		{"all of the environment", "prefix: p", map[string]string{"STOMPGW_REDIS_USER": "u", "STOMPGW_REDIS_PASSWORD_FILE": "password", "STOMPGW_REDIS_ADDRS": "a:1, b:2"},
			func(r *Redis) bool {
				return r.User == "u" && r.Password.Reveal() == password && slices.Equal(r.Addrs, []string{"a:1", "b:2"}) && r.IsCluster()
			}},
		{"Sentinels", "addrs: [a:1, b:2], master: m, db: 3, sentinel: {user: s, password_file: password}", nil,
			func(r *Redis) bool {
				return r.Master == "m" && r.DB == 3 && r.Sentinel.User == "s" && r.Sentinel.Password.Reveal() == password && r.Password.Reveal() == "" && !r.IsCluster()
			}},
		{"Sentinels by the environment", "addrs: [a:1], master: m, password_file: password", map[string]string{"STOMPGW_REDIS_SENTINEL_PASSWORD": "s"},
			func(r *Redis) bool { return r.Sentinel.Password.Reveal() == "s" && r.Password.Reveal() == password }},
		{"a Cluster by one address", "cluster: true, addrs: [a:1]", nil,
			func(r *Redis) bool { return r.IsCluster() }},
		{"what a file of defaults says", "cluster: false, master: '', db: 0, user: '', password_file: '', sentinel: {user: '', password_file: ''}, tls: {enabled: false, ca: ''}", nil,
			func(r *Redis) bool { return reflect.DeepEqual(*r, Default(drivers()...).Redis) }},
		{"TLS enabled", "tls: {enabled: true}", nil,
			func(r *Redis) bool { return r.TLS.Loaded != nil && r.TLS.Loaded.RootCAs == nil }},
		{"TLS by files", "tls: {ca: cert.pem, cert: cert.pem, key: key.pem}", nil,
			func(r *Redis) bool {
				l := r.TLS.Loaded
				return r.TLS.Enabled && l != nil && l.RootCAs != nil && len(l.Certificates) == 1 && !l.InsecureSkipVerify
			}},
		{"no TLS", "tls: {}", nil, func(r *Redis) bool { return r.TLS.Loaded == nil }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			for name, value := range tt.env {
				t.Setenv(name, value)
			}
			c, err := load(t, "redis: {"+tt.text+"}")
			if err != nil {
				t.Fatal(err)
			}
			if !tt.have(&c.Redis) {
				t.Errorf("got %+v", c.Redis)
			}
			if text := fmt.Sprintf("%+v %#v", c.Redis, c.Redis); strings.Contains(text, password) {
				t.Errorf("the password is shown: %s", text)
			}
		})
	}
}

// TestStandaloneWithRedisLogin: the embedded Redis is alone and knows no users, and no secret of the file
// or the environment is needed. Beside a flag that names a Redis, all counts.
func TestStandaloneWithRedisLogin(t *testing.T) {
	const text = "redis: {addrs: [a:1, b:2], prefix: 'p:', master: m, db: 2, user: u, password_file: none,\n" +
		"  sentinel: {user: s}, tls: {ca: none}}\n"
	t.Setenv("STOMPGW_REDIS_SENTINEL_PASSWORD", password)
	c, err := loadFrom(t, text, Source{Standalone: true})
	if err != nil {
		t.Fatal(err)
	}
	if want := (Redis{Addrs: []string{"127.0.0.1:13003"}, Prefix: "p:"}); !reflect.DeepEqual(c.Redis, want) {
		t.Errorf("redis is %+v, want %+v", c.Redis, want)
	}
	for path, want := range map[string]string{
		"redis.addrs": ByStandalone, "redis.master": ByStandalone, "redis.tls.ca": ByStandalone, "redis.sentinel.password": ByStandalone,
		"redis.prefix": "t.yaml:1", "redis.cluster": ByDefault,
	} {
		if got := c.Origin(path); got != want {
			t.Errorf("%s came from %s, want %s", path, got, want)
		}
	}
	_, err = Load(Source{Drivers: drivers(), File: "t.yaml", Standalone: true, Flags: parseFlags(t, []string{"--redis", "x:1"})})
	if want := "t.yaml:1: redis.password_file: none can't be read: no such file or directory\nt.yaml:2: redis.tls.ca: none can't be read: no such file or directory"; err == nil || err.Error() != want {
		t.Errorf("with --redis\n got %v\nwant %s", err, want)
	}
}

// TestStandaloneOrigins: a development server on this machine may connect to a standalone node, unless
// somebody has said whose pages may.
func TestStandaloneOrigins(t *testing.T) {
	t.Chdir(t.TempDir())
	for _, tt := range []struct {
		name, file, text string
		want             []string
	}{
		{"built in", "", "", []string{"http://localhost:*", "http://127.0.0.1:*"}},
		{"a file that says nothing", "t.yaml", "endpoint: /ws\n", []string{"http://localhost:*", "http://127.0.0.1:*"}},
		{"a file that says who", "t.yaml", "origins: [https://a.example]\n", []string{"https://a.example"}},
		{"a file that says nobody", "t.yaml", "origins: []\n", nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if err := os.WriteFile("t.yaml", []byte(tt.text), 0o600); err != nil {
				t.Fatal(err)
			}
			c, err := Load(Source{Drivers: drivers(), File: tt.file, Standalone: true})
			if err != nil {
				t.Fatal(err)
			}
			if !slices.Equal(c.Origins, tt.want) {
				t.Errorf("got %q, want %q", c.Origins, tt.want)
			}
		})
	}
	if c, err := Load(Source{Drivers: drivers(), File: "t.yaml"}); err != nil || len(c.Origins) > 0 {
		t.Errorf("without --standalone: %q, %v", c.Origins, err)
	}
}
