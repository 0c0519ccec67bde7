package config

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"os"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nkeys"
	"github.com/spf13/pflag"

	"github.com/stompgw/stompgw/bus"
	"github.com/stompgw/stompgw/bus/kafkabus"
	"github.com/stompgw/stompgw/bus/natsbus"
)

const (
	password = "hunter2"
	secret   = "a secret of thirty-two characters" // and one
)

// drivers are those of the program.
func drivers() []bus.Driver { return []bus.Driver{kafkabus.Driver(), natsbus.Driver()} }

func kafkaOf(c *Config) *kafkabus.Settings { return c.Bus.sections["kafka"].(*kafkabus.Settings) }

func natsOf(c *Config) *natsbus.Settings { return c.Bus.sections["nats"].(*natsbus.Settings) }

// must is for what can't fail.
func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

func inPEM(kind string, der []byte) string {
	return string(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}))
}

// files are secrets, keys and certificates by the names of their files, made once, as that takes long.
var files = sync.OnceValue(func() map[string]string {
	key := must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader))
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "test"}, NotAfter: time.Now().Add(time.Hour)}
	public := func(key any) string { return inPEM("PUBLIC KEY", must(x509.MarshalPKIXPublicKey(key))) }
	rsaKey := public(must(rsa.GenerateKey(rand.Reader, 2048)).Public())
	ecKey := public(must(ecdsa.GenerateKey(elliptic.P384(), rand.Reader)).Public())
	both := rsaKey + ecKey
	user := string(must(must(nkeys.CreateUser()).Seed()))
	return map[string]string{
		"password": password + "\n", "windows": password + "\r\n", "secret": secret + "\n", "short": password,
		"nkey": user + "\n", "account": string(must(must(nkeys.CreateAccount()).Seed())) + "\n",
		"creds": "-----BEGIN NATS USER JWT-----\ne30.e30.e30\n------END NATS USER JWT------\n\n" +
			"-----BEGIN USER NKEY SEED-----\n" + user + "\n------END USER NKEY SEED------\n",
		"cert.pem": inPEM("CERTIFICATE", must(x509.CreateCertificate(rand.Reader, template, template, key.Public(), key))),
		"key.pem":  inPEM("PRIVATE KEY", must(x509.MarshalPKCS8PrivateKey(key))), "public.pem": public(key.Public()),
		"chat.json":   "{\n  \"properties\": {\"chat\": {\"type\": \"string\"}}\n}\n",
		"broken.json": "{\n  \"type\": \"strong\"\n}\n",
		"rsa.pem":     rsaKey, "ec.pem": ecKey, "both.pem": both, "cut.pem": both[:len(both)-30],
	}
})

// enter makes a new folder with files the current one.
func enter(t *testing.T) {
	t.Helper()
	t.Chdir(t.TempDir())
	for name, text := range files() {
		writeFile(t, name, text)
	}
}

func writeFile(t *testing.T, name, text string) {
	t.Helper()
	if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// load reads a file of the given text, named t.yaml in errors, among files.
func load(t *testing.T, text string, flags ...string) (*Config, error) {
	t.Helper()
	return loadFrom(t, text, Source{Flags: parseFlags(t, flags)})
}

// loadFrom is load with all that a source can say.
func loadFrom(t *testing.T, text string, src Source) (*Config, error) {
	t.Helper()
	enter(t)
	writeFile(t, "t.yaml", text)
	src.File, src.Drivers = "t.yaml", drivers()
	return Load(src)
}

func parseFlags(t *testing.T, args []string) map[string]*pflag.Flag {
	t.Helper()
	set, def := pflag.NewFlagSet("test", pflag.ContinueOnError), Default(drivers()...)
	flags := map[string]*pflag.Flag{}
	for name, key := range map[string]string{"listen": "listen", "api-listen": "api.listen", "log-level": "log.level", "nats": "bus.nats.url", "kafka": "bus.kafka.brokers", "redis": "redis.addrs"} {
		if list, ok := def.Value(key).([]string); ok {
			set.StringSlice(name, list, "")
		} else {
			set.String(name, def.Text(key), "")
		}
		flags[key] = set.Lookup(name)
	}
	if err := set.Parse(args); err != nil {
		t.Fatal(err)
	}
	return flags
}
