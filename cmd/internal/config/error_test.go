package config

import (
	"testing"
)

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

// TestFlagErrors: what is wrong in a list is blamed on the flag, not on the file and the variable that it replaced.
func TestFlagErrors(t *testing.T) {
	t.Setenv("STOMPGW_REDIS_ADDRS", "a:1, b")
	_, err := load(t, "redis: {addrs: ['a:1', 'b:2']}\n", "--log-level", "loud", "--redis", "a")
	const want = "--redis: redis.addrs[0]: \"a\" is not an address: write host:port, such as 127.0.0.1:6379\n" +
		"--log-level: log.level: \"loud\" is none of debug, info, warn, error"
	if err == nil || err.Error() != want {
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
