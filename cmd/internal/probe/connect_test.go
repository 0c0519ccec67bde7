package probe

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"io"
	"math/big"
	"net"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/twmb/franz-go/pkg/kfake"

	"github.com/stompgw/stompgw/bus/bustest"
	"github.com/stompgw/stompgw/bus/bustest/servers"
	"github.com/stompgw/stompgw/cmd/internal/cli"
	"github.com/stompgw/stompgw/cmd/internal/cli/clitest"
)

// checked is what `config check --connect` says of a configuration, less the line of config check.
type checked struct {
	code  int
	lines []string
}

// connectCheck checks a configuration of that text, which listens on free ports.
func connectCheck(t *testing.T, text string, args ...string) checked {
	t.Helper()
	if !strings.Contains(text, "listen:") {
		text += "listen: 127.0.0.1:0\nadmin: {listen: ''}\n"
	}
	clitest.WriteFile(t, "t.yaml", text)
	code, stdout, stderr := run(t, append([]string{"config", "check", "--connect", "--config", "t.yaml"}, args...)...)
	if stderr != "" {
		t.Errorf("stderr: %s", stderr)
	}
	if strings.Contains(stdout, "hunter2") {
		t.Errorf("a password is shown: %s", stdout)
	}
	lines := strings.Split(strings.TrimSuffix(stdout, "\n"), "\n")
	clitest.Contains(t, lines[0], "t.yaml: no mistakes: ")
	return checked{code, lines[1:]}
}

// contains looks for a text in what was printed.
func (c checked) contains(t *testing.T, code cli.ExitCode, text string) {
	t.Helper()
	if all := strings.Join(c.lines, "\n"); c.code != int(code) || !strings.Contains(all, text) {
		t.Errorf("exit code %d, want %d, and of\n%s\na word of %s", c.code, code, all, text)
	}
}

// want looks for lines; what comes behind those that end in … is not compared.
func (c checked) want(t *testing.T, code cli.ExitCode, lines ...string) {
	t.Helper()
	if c.code != int(code) {
		t.Errorf("exit code %d, want %d", c.code, code)
	}
	equal := func(got, want string) bool {
		begin, open := strings.CutSuffix(want, "…")
		return got == want || open && strings.HasPrefix(got, begin)
	}
	if !slices.EqualFunc(c.lines, lines, equal) {
		t.Errorf("\n got %s\nwant %s", strings.Join(c.lines, "\n     "), strings.Join(lines, "\n     "))
	}
}

const (
	freePort = "ok     listen 127.0.0.1:0 (t.yaml:%d): the port is free"
	noBus    = "bus: {driver: embedded}\nembedded: {nats: '127.0.0.1:0'}\n" // 2 lines
	freeNATS = "ok     embedded.nats 127.0.0.1:0 (t.yaml:2): the port is free"
)

// TestConnectPorts: which ports can be had, and for tokens which keys are there.
func TestConnectPorts(t *testing.T) {
	clitest.TokenFiles(t)
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	text := "listen: 127.0.0.1:0\ntcp: {listen: '" + taken.Addr().String() + "'}\nadmin: {listen: '127.0.0.1:0'}\n" +
		"embedded: {redis: '127.0.0.1:0', nats: '127.0.0.1:0'}\n" +
		"auth:\n  jwt: {secret_file: secret}\n  issuers:\n    - {issuer: a, public_key_file: ed.pub}\n" +
		"api: {listen: '127.0.0.1:0', keys: [{name: a, key_file: api.key, scopes: [read]}]}\n"
	clitest.WriteFile(t, "api.key", strings.Repeat("k", 32))
	connectCheck(t, strings.Replace(text, "secret_file: secret", "issuer: b, public_key_file: rsa.pub", 1), "--standalone").want(t, cli.Failed,
		"ok     listen 127.0.0.1:0 (t.yaml:1): the port is free",
		"fails  can't listen on "+taken.Addr().String()+" (tcp.listen, t.yaml:2): address already in use; stop the process that has it, or set tcp.listen to another port",
		"ok     admin.listen 127.0.0.1:0 (t.yaml:3): the port is free",
		"ok     api.listen 127.0.0.1:0 (t.yaml:9): the port is free",
		"ok     embedded.redis 127.0.0.1:0 (t.yaml:4): the port is free",
		"ok     embedded.nats 127.0.0.1:0 (t.yaml:4): the port is free",
		"ok     auth.jwt.public_key_file rsa.pub (t.yaml:6): a key for RS256, RS384, RS512, PS256, PS384, PS512 of b",
		"ok     auth.issuers[0].public_key_file ed.pub (t.yaml:8): a key for EdDSA of a",
	)
	t.Setenv("STOMPGW_AUTH_JWT_SECRET", "a secret of thirty-two characters")
	free := clitest.ClosedAddr(t)
	for range 2 { // a port that was tried is free again
		connectCheck(t, "embedded: {redis: '127.0.0.1:0', nats: '"+free+"'}\nauth: {revocation: {enabled: false}}\n", "--standalone").want(t, cli.Done,
			fmt.Sprintf(freePort, 3),
			"ok     embedded.redis 127.0.0.1:0 (t.yaml:1): the port is free",
			"ok     embedded.nats "+free+" (t.yaml:1): the port is free",
			"ok     auth.jwt.secret (STOMPGW_AUTH_JWT_SECRET): a key for HS256",
		)
	}
}

// TestConnectRedis: a real Redis with users, and each mistake in how to reach it.
func TestConnectRedis(t *testing.T) {
	clitest.TokenFiles(t)
	addr := servers.Redis(t).Addr
	open := redis.NewClient(&redis.Options{Addr: addr})
	defer open.Close()
	if err := open.ConfigSet(t.Context(), "requirepass", "hunter2").Err(); err != nil {
		t.Fatal(err)
	}
	clitest.WriteFile(t, "good", "hunter2\n")
	clitest.WriteFile(t, "bad", "hunter22\n")
	client := redis.NewClient(&redis.Options{Addr: addr, Password: "hunter2"})
	defer client.Close()
	user := func(name string, rules ...any) {
		t.Helper()
		if err := client.Do(t.Context(), append([]any{"ACL", "SETUSER", name, "on", ">hunter2"}, rules...)...).Err(); err != nil {
			t.Fatal(err)
		}
	}
	user("node", "~stompgw:*", "&stompgw:*", "+@all", "-@admin", "-@dangerous")
	user("keys", "~s:*", "~stompgw:s:*", "&stompgw:s:*", "+@all", "-@admin", "-@dangerous")
	user("reader", "~stompgw:*", "&stompgw:*", "+@read", "+ping")
	user("elsewhere", "~other:*", "&*", "+@all")
	user("deaf", "~stompgw:*", "resetchannels", "+@all")

	ok := "ok     redis " + addr + " (redis.addrs, t.yaml:3): answers, and takes every command of a node"
	fails := func(key, line, text string) string {
		return "fails  redis " + addr + " (" + key + ", " + line + ") can't be used: " + text
	}
	for _, tt := range []struct {
		name, redis, more string
		code              cli.ExitCode
		want              string
	}{
		{"the right password", "password_file: good", "", cli.Done, ok},
		{"a user of its own", "user: node, password_file: good", "", cli.Done, ok},
		{"a user for session keys", "user: keys, password_file: good, prefix: 's:'", "registry: {layout: keys}\n", cli.Done, ok},
		{"no password", "prefix: a", "", cli.Unreachable,
			fails("redis.password", "default", "NOAUTH Authentication required; name a file that holds the password with redis.password_file, or set STOMPGW_REDIS_PASSWORD")},
		{"a wrong password", "password_file: bad", "", cli.Unreachable,
			fails("redis.password_file", "t.yaml:3", "WRONGPASS invalid username-password pair or user is disabled; check redis.user and the password")},
		{"a user that there is not", "user: nobody, password_file: good", "", cli.Unreachable,
			fails("redis.password_file", "t.yaml:3", "WRONGPASS…")},
		{"a user that may only read", "user: reader, password_file: good", "", cli.Unreachable,
			fails("redis.user", "t.yaml:3", "SET stompgw:check:…")},
		{"a user of other keys", "user: elsewhere, password_file: good", "", cli.Unreachable,
			fails("redis.user", "t.yaml:3", "SET stompgw:check:…")},
		{"a user without channels", "user: deaf, password_file: good", "", cli.Unreachable,
			fails("redis.user", "t.yaml:3", "PUBLISH stompgw:check:…")},
		{"a user without the list of tokens", "user: node, password_file: good", "auth: {jwt: {secret_file: secret}}\n", cli.Unreachable,
			fails("redis.user", "t.yaml:3", "EXISTS Bearer_check: NOPERM…")},
		{"a database that there is not", "password_file: good, db: 99", "", cli.Unreachable,
			fails("redis.db", "t.yaml:3", "ERR DB index is out of range; set redis.db to a database that it has")},
		{"no Cluster", "password_file: good, cluster: true", "", cli.Unreachable,
			fails("redis.cluster", "t.yaml:3", "ERR This instance has cluster support disabled; it is no Redis Cluster: set redis.cluster to false, and one address in redis.addrs")},
		{"no Sentinel", "password_file: good, sentinel: {password_file: good}, master: main", "", cli.Unreachable,
			"fails  redis main by the Sentinels " + addr + " (redis.addrs, t.yaml:3) can't be used: …"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got := connectCheck(t, noBus+"redis: {addrs: ['"+addr+"'], "+tt.redis+"}\n"+tt.more)
			keep := got.lines[:0:0]
			for _, line := range got.lines {
				if strings.Contains(line, " redis") {
					keep = append(keep, line)
				}
			}
			checked{got.code, keep}.want(t, tt.code, tt.want)
			if keys := client.Keys(t.Context(), "*").Val(); len(keys) > 0 {
				t.Errorf("it left %q", keys)
			}
		})
	}
}

// TestConnectRedisAway: nothing there, or something else.
func TestConnectRedisAway(t *testing.T) {
	t.Chdir(t.TempDir())
	closed := clitest.ClosedAddr(t)
	connectCheck(t, noBus+"redis: {addrs: ['"+closed+"']}\n").want(t, cli.Unreachable, fmt.Sprintf(freePort, 4), freeNATS,
		"fails  redis "+closed+" (redis.addrs, t.yaml:3) does not answer: connection refused; start it, or set redis.addrs to another")
	connectCheck(t, noBus+"redis: {addrs: ['"+closed+"'], master: main}\n").want(t, cli.Unreachable, fmt.Sprintf(freePort, 4), freeNATS,
		"fails  redis main by the Sentinels "+closed+" (redis.addrs, t.yaml:3) can't be used: redis: all sentinels specified in configuration are unreachable…")

	silent, err := net.Listen("tcp", "127.0.0.1:0") // accepts, and says nothing
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	connectCheck(t, noBus+"redis: {addrs: ['"+silent.Addr().String()+"']}\n", "--timeout", "1s").want(t, cli.Unreachable, fmt.Sprintf(freePort, 4), freeNATS,
		"fails  redis "+silent.Addr().String()+" (redis.addrs, t.yaml:3) does not answer: nothing came in time; if it speaks TLS there, set redis.tls.enabled")
}

// TestConnectRedisForms: a Redis Cluster, Sentinels and TLS, each as it should be and as it should not.
func TestConnectRedisForms(t *testing.T) {
	t.Chdir(t.TempDir())
	tlsPort := strconv.Itoa(servers.FreePort(t))
	cert, key := certificateFiles(t)
	server := servers.Redis(t, "--cluster-enabled", "yes", "--cluster-port", strconv.Itoa(servers.FreePort(t)), "--cluster-config-file", filepath.Join(t.TempDir(), "nodes.conf"))
	client := redis.NewClient(&redis.Options{Addr: server.Addr})
	defer client.Close()
	if err := client.Do(t.Context(), "CLUSTER", "ADDSLOTSRANGE", 0, 16383).Err(); err != nil {
		t.Fatal(err)
	}
	bustest.Eventually(t, "the cluster is up", func() bool {
		return strings.Contains(client.ClusterInfo(t.Context()).Val(), "cluster_state:ok")
	})
	section := func(text string) string { return noBus + "redis: {addrs: ['" + text + "}\n" }
	ports := []string{fmt.Sprintf(freePort, 4), freeNATS}
	connectCheck(t, section(server.Addr+"'], cluster: true")).want(t, cli.Done, append(ports,
		"ok     redis "+server.Addr+" (redis.addrs, t.yaml:3): answers, and takes every command of a node")...)
	connectCheck(t, section(server.Addr+"']")).want(t, cli.Unreachable, append(ports,
		"fails  redis "+server.Addr+" (redis.cluster, default) can't be used: MOVED: its keys are spread over several servers; it is one of a Redis Cluster: set redis.cluster to true")...)

	secure := servers.Redis(t, "--tls-port", tlsPort, "--tls-cert-file", cert, "--tls-key-file", key, "--tls-auth-clients", "no")
	addr := "127.0.0.1:" + tlsPort
	connectCheck(t, section(addr+"'], tls: {ca: '"+cert+"'}")).want(t, cli.Done, append(ports,
		"ok     redis "+addr+" (redis.addrs, t.yaml:3): answers, and takes every command of a node")...)
	connectCheck(t, section(addr+"'], tls: {enabled: true}")).want(t, cli.Unreachable, append(ports,
		"fails  redis "+addr+" (redis.tls.ca, default) can't be used: tls: failed to verify certificate: x509: certificate signed by unknown authority; set redis.tls.ca to the file with the certificate of who signed the server's")...)
	plain := connectCheck(t, section(addr+"']"))
	if plain.code != int(cli.Unreachable) {
		t.Errorf("without TLS: exit code %d", plain.code)
	}
	clitest.Contains(t, plain.lines[2], "does not answer: ", "; if it speaks TLS there, set redis.tls.enabled")
	other := connectCheck(t, section(secure.Addr+"'], tls: {ca: '"+cert+"'}"), "--timeout", "1s") // it waits for the end of a command
	if other.code != int(cli.Unreachable) {
		t.Errorf("with TLS that is not there: exit code %d", other.code)
	}
	clitest.Contains(t, other.lines[2], "; if it speaks no TLS there, leave redis.tls out")

	sentinel := startSentinel(t, secure.Addr)
	connectCheck(t, section(sentinel+"'], master: main")).want(t, cli.Done, append(ports,
		"ok     redis main by the Sentinels "+sentinel+" (redis.addrs, t.yaml:3): answers, and takes every command of a node")...)
	connectCheck(t, section(sentinel+"'], master: another")).want(t, cli.Unreachable, append(ports,
		"fails  redis another by the Sentinels "+sentinel+" (redis.addrs, t.yaml:3) can't be used: …")...)

	replica := servers.Redis(t, "--replicaof", "127.0.0.1 "+port(t, secure.Addr))
	connectCheck(t, section(replica.Addr+"']")).want(t, cli.Unreachable, append(ports,
		"fails  redis "+replica.Addr+" (redis.addrs, t.yaml:3) can't be used: SET stompgw:check:…")...)
}

func port(t *testing.T, addr string) string {
	t.Helper()
	_, port, err := net.SplitHostPort(addr)
	if err != nil {
		t.Fatal(err)
	}
	return port
}

// startSentinel starts a Sentinel that watches the Redis at addr as main.
func startSentinel(t *testing.T, addr string) string {
	t.Helper()
	own := servers.FreePort(t)
	file := clitest.WriteFile(t, filepath.Join(t.TempDir(), "sentinel.conf"), fmt.Sprintf("bind 127.0.0.1\nport %d\nsentinel monitor main 127.0.0.1 %s 1\n", own, port(t, addr)))
	listens := net.JoinHostPort("127.0.0.1", strconv.Itoa(own))
	servers.Run(t, servers.Program{
		Addr: listens, Path: "redis-server", Args: []string{file, "--sentinel"},
		Answers: func(ctx context.Context) error {
			client := redis.NewSentinelClient(&redis.Options{Addr: listens})
			defer client.Close()
			return client.GetMasterAddrByName(ctx, "main").Err()
		},
	})
	return listens
}

// certificateFiles writes a certificate for 127.0.0.1 that signs itself, and its key.
func certificateFiles(t *testing.T) (cert, key string) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(365 * 24 * time.Hour), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, private.Public(), private)
	if err != nil {
		t.Fatal(err)
	}
	folder := t.TempDir()
	clitest.WriteKeys(t, filepath.Join(folder, "own"), private)
	cert = clitest.WriteFile(t, filepath.Join(folder, "cert.pem"), string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})))
	return cert, filepath.Join(folder, "own.key")
}

// unready is how long a test waits for what does not come.
const unready = "3s"

// TestConnectNATS: a real server with users.
func TestConnectNATS(t *testing.T) {
	clitest.TokenFiles(t)
	conf := clitest.WriteFile(t, "nats.conf", `authorization: {users: [
  {user: node, password: hunter2, permissions: {publish: "stomp.>", subscribe: "stomp.>"}},
  {user: other, password: hunter2, permissions: {publish: "x.>", subscribe: "x.>"}},
]}`)
	path, err := filepath.Abs(conf)
	if err != nil {
		t.Fatal(err)
	}
	nats, store := servers.NATS(t, 0, "-c", path), servers.Redis(t)
	closed := clitest.ClosedAddr(t)
	for _, tt := range []struct {
		url, timeout string
		code         cli.ExitCode
		want         string
	}{
		{"nats://node:hunter2@" + nats.Addr, clitest.Patience.String(), cli.Done, "ok     NATS at nats://REDACTED@" + nats.Addr + " (bus.nats.url, t.yaml:1): answers, and a node may subscribe"},
		{"nats://node:hunter22@" + nats.Addr, unready, cli.Unreachable, "fails  NATS at nats://REDACTED@" + nats.Addr + " (bus.nats.url, t.yaml:1) can't be used: …"},
		{"nats://other:hunter2@" + nats.Addr, unready, cli.Unreachable, "fails  NATS at nats://REDACTED@" + nats.Addr + " (bus.nats.url, t.yaml:1) can't be used: …"},
		{"nats://" + closed, unready, cli.Unreachable, "fails  NATS at nats://" + closed + " (bus.nats.url, t.yaml:1) does not answer: connection refused; start it, or set bus.nats.url to another"},
	} {
		connectCheck(t, "bus: {driver: nats, nats: {url: '"+tt.url+"'}}\nredis: {addrs: ['"+store.Addr+"']}\n", "--timeout", tt.timeout).want(t, tt.code,
			fmt.Sprintf(freePort, 3),
			"ok     redis "+store.Addr+" (redis.addrs, t.yaml:2): answers, and takes every command of a node", tt.want)
	}
}

// TestConnectNATSHistory: a server where some have all that history needs.
func TestConnectNATSHistory(t *testing.T) {
	clitest.TokenFiles(t)
	folder := t.TempDir()
	conf := clitest.WriteFile(t, "nats.conf", `jetstream: {store_dir: "`+folder+`"}
authorization: {users: [
  {user: node, password: hunter2, permissions: {publish: ["stomp.>", "$JS.API.STREAM.*.STOMPGW", "$JS.API.STREAM.MSG.GET.STOMPGW", "$JS.API.CONSUMER.*.STOMPGW.>", "$JS.API.CONSUMER.MSG.NEXT.STOMPGW.>"], subscribe: "stomp.>"}},
  {user: other, password: hunter2, permissions: {publish: ["stomp.>", "$JS.API.STREAM.INFO.STOMPGW", "$JS.API.STREAM.CREATE.STOMPGW"], subscribe: "stomp.>"}},
]}`)
	path, err := filepath.Abs(conf)
	if err != nil {
		t.Fatal(err)
	}
	with, without, store := servers.NATS(t, 0, "-c", path), servers.NATS(t, 0), servers.Redis(t)
	for _, tt := range []struct {
		url, timeout string
		code         cli.ExitCode
		want         string
	}{
		{"nats://node:hunter2@" + with.Addr, clitest.Patience.String(), cli.Done, "answers, and a node may subscribe"},
		{"nats://node:hunter2@" + with.Addr, clitest.Patience.String(), cli.Done, "warns  history: stream STOMPGW captures stomp.d.queue.* for /queue/room.*, as NATS has no closer subject"},
		{"nats://other:hunter2@" + with.Addr, unready, cli.Unreachable, "grant publish on $JS.API.STREAM.MSG.GET.STOMPGW, $JS.API.CONSUMER.CREATE.STOMPGW.>, $JS.API.CONSUMER.MSG.NEXT.STOMPGW.>, $JS.API.CONSUMER.DELETE.STOMPGW.>, $JS.API.STREAM.UPDATE.STOMPGW"},
		{"nats://" + without.Addr, unready, cli.Unreachable, "with -js"},
	} {
		connectCheck(t, "bus: {driver: nats, nats: {url: '"+tt.url+"'}}\nredis: {addrs: ['"+store.Addr+"']}\n"+
			"channels: [{match: /topic/a, subscribe: 'true', history: {size: 10, ttl: 1m}}, {match: /queue/room.*, subscribe: 'true', history: {size: 10, ttl: 1m}}]\n", "--timeout", tt.timeout).contains(t, tt.code, tt.want)
	}
	if made, err := filepath.Glob(filepath.Join(folder, "jetstream", "*", "streams", "*")); len(made) > 0 || err != nil {
		t.Errorf("it made %q, %v", made, err)
	}
}

// TestConnectKafka: a broker with and without the topic, which is never created here.
func TestConnectKafka(t *testing.T) {
	t.Chdir(t.TempDir())
	store := servers.Redis(t)
	brokers := servers.Fake(t, 1, kfake.SeedTopics(1, "there"))
	addr, closed := brokers.Addrs[0], clitest.ClosedAddr(t)
	for _, tt := range []struct {
		addr, topic, timeout string
		code                 cli.ExitCode
		want                 string
	}{
		{addr, "topic: there", clitest.Patience.String(), cli.Done, "ok     Kafka at " + addr + " (bus.kafka.brokers, t.yaml:1): answers, and topic there can be read"},
		{addr, "topic: missing, create: true", unready, cli.Done, "ok     Kafka at " + addr + " (bus.kafka.brokers, t.yaml:1): answers; topic missing is missing, and a node creates it (bus.kafka.create)"},
		{addr, "topic: missing", unready, cli.Unreachable, "fails  Kafka at " + addr + " (bus.kafka.brokers, t.yaml:1) can't be used: kafkabus: topic missing does not exist: create it, or set bus.kafka.create"},
		{closed, "topic: there", unready, cli.Unreachable, "fails  Kafka at " + closed + " (bus.kafka.brokers, t.yaml:1) does not answer: connection refused; start it, or set bus.kafka.brokers to another"},
	} {
		connectCheck(t, "bus: {driver: kafka, kafka: {brokers: ['"+tt.addr+"'], "+tt.topic+"}}\nredis: {addrs: ['"+store.Addr+"']}\n", "--timeout", tt.timeout).want(t, tt.code,
			fmt.Sprintf(freePort, 3),
			"ok     redis "+store.Addr+" (redis.addrs, t.yaml:2): answers, and takes every command of a node", tt.want)
	}
	if brokers.TopicInfo("missing") != nil {
		t.Error("config check created a topic")
	}
}

// TestConnectSilent: a broker that takes connections and says nothing does not answer, before the bus itself gives it up too.
func TestConnectSilent(t *testing.T) {
	t.Chdir(t.TempDir())
	store := servers.Redis(t)
	silent, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	for _, tt := range []struct{ text, name, key string }{
		{"kafka, kafka: {brokers: ['ADDR']}", "Kafka at ", "bus.kafka.brokers"},
		{"nats, nats: {url: 'nats://ADDR'}", "NATS at nats://", "bus.nats.url"},
	} {
		text := strings.Replace("bus: {driver: "+tt.text+"}\nredis: {addrs: ['"+store.Addr+"']}\n", "ADDR", silent.Addr().String(), 1)
		connectCheck(t, text, "--timeout", "100ms").contains(t, cli.Unreachable,
			"fails  "+tt.name+silent.Addr().String()+" ("+tt.key+", t.yaml:1) does not answer: nothing came in time; start it, or set "+tt.key+" to another")
	}
}

// TestConnectSources: each topic of the user's own has a line, whatever the bus's own topic is like.
func TestConnectSources(t *testing.T) {
	t.Chdir(t.TempDir())
	store := servers.Redis(t)
	brokers := servers.Fake(t, 1, kfake.SeedTopics(1, "there", "orders"))
	for _, tt := range []struct{ topic, timeout, want string }{
		{"there", clitest.Patience.String(), "ok     Kafka at " + brokers.Addrs[0] + " (bus.kafka.brokers, t.yaml:4): answers, and topic there can be read"},
		{"missing", unready, "fails  Kafka at " + brokers.Addrs[0] + " (bus.kafka.brokers, t.yaml:4) can't be used: kafkabus: topic missing does not exist: create it, or set bus.kafka.create"},
	} {
		text := "redis: {addrs: ['" + store.Addr + "']}\nbus:\n  kafka:\n    brokers: ['" + brokers.Addrs[0] + "']\n    topic: " + tt.topic + "\n" +
			"    sources:\n      - topic: orders\n        destination: /topic/{key}\n      - topic: prices\n        destination: /topic/{key}\n"
		connectCheck(t, text, "--timeout", tt.timeout).want(t, cli.Unreachable,
			fmt.Sprintf(freePort, 11),
			"ok     redis "+store.Addr+" (redis.addrs, t.yaml:1): answers, and takes every command of a node",
			tt.want,
			"ok     source orders (bus.kafka.sources[0].topic, t.yaml:7): can be read",
			"fails  source prices (bus.kafka.sources[1].topic, t.yaml:9) can't be used: kafkabus: topic prices does not exist: create it, or take it out of bus.kafka.sources",
		)
	}
	if brokers.TopicInfo("prices") != nil {
		t.Error("config check created a topic")
	}
}

// TestConnectKafkaHistory: topics that keep less than the rules ask for have a line each, and that is no failure.
func TestConnectKafkaHistory(t *testing.T) {
	t.Chdir(t.TempDir())
	store, brokers := servers.Redis(t), servers.Fake(t, 1)
	for topic, settings := range map[string]map[string]string{
		"short": {"retention.ms": "1000"}, "compacted": {"cleanup.policy": "compact"},
	} {
		if err := brokers.CreateTopic(topic, 1, settings); err != nil {
			t.Fatal(err)
		}
	}
	text := "redis: {addrs: ['" + store.Addr + "']}\nbus:\n  kafka:\n    brokers: ['" + brokers.Addrs[0] + "']\n    topic: short\n" +
		"    sources: [{topic: compacted, destination: '/topic/{key}'}]\n"
	lines := []string{
		"", "ok     redis " + store.Addr + " (redis.addrs, t.yaml:1): answers, and takes every command of a node",
		"ok     Kafka at " + brokers.Addrs[0] + " (bus.kafka.brokers, t.yaml:4): answers, and topic short can be read",
		"ok     source compacted (bus.kafka.sources[0].topic, t.yaml:6): can be read",
	}
	lines[0] = fmt.Sprintf(freePort, 7)
	connectCheck(t, text, "--timeout", clitest.Patience.String()).want(t, cli.Done, lines...)
	lines[0] = fmt.Sprintf(freePort, 8)
	connectCheck(t, text+"channels: [{match: /topic/**, subscribe: 'true', history: {size: 10, ttl: 1m}}]\n", "--timeout", clitest.Patience.String()).want(t, cli.Done, append(lines,
		"warns  history: topic short: retention.ms=1000 removes what history should keep: raise it to at least 60000, or shorten the ttl of 1m0s",
		"warns  history: topic compacted: cleanup.policy=compact removes all but the last record of each key…",
	)...)
}

// TestConnectInterrupted: an end is no verdict.
func TestConnectInterrupted(t *testing.T) {
	t.Chdir(t.TempDir())
	silent, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	clitest.WriteFile(t, "t.yaml", noBus+"listen: 127.0.0.1:0\nadmin: {listen: ''}\nredis: {addrs: ['"+silent.Addr().String()+"']}\n")
	ctx, cancel := context.WithCancel(t.Context())
	go func() { // Main waits for it
		conn, err := silent.Accept()
		cancel()
		if err == nil {
			conn.Close()
		}
	}()
	var errs strings.Builder
	if code := room.Main(ctx, nil, io.Discard, &errs, "config", "check", "--connect", "--config", "t.yaml", "--timeout", "1m"); code != int(cli.Failed) {
		t.Errorf("exit code %d", code)
	}
	clitest.WantLine(t, errs.String(), "stompgw: interrupted")
}
