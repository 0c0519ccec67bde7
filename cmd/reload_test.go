package cmd

import (
	"bufio"
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"log/slog"
	"math/big"
	"os"
	"reflect"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stompgw/stompgw/admin/api"
	"github.com/stompgw/stompgw/bus"
	"github.com/stompgw/stompgw/bus/bustest"
	"github.com/stompgw/stompgw/cmd/internal/cli"
	"github.com/stompgw/stompgw/cmd/internal/cli/clitest"
	"github.com/stompgw/stompgw/cmd/internal/config"
	"github.com/stompgw/stompgw/gateway/auth"
	"github.com/stompgw/stompgw/gateway/policy"
)

const (
	oneRoom  = "channels:\n  - {match: /topic/a, subscribe: 'true'}\n"
	twoRooms = "channels:\n  - {match: /topic/a, subscribe: 'true'}\n  - {match: /topic/b, subscribe: 'true'}\n"
)

// reloadRig is a reloader whose node is made of what it was told.
type reloadRig struct {
	reloader
	log     bytes.Buffer
	rules   *policy.Catalogue
	issuers []auth.Issuer
	bus     bus.Settings
	redis   *config.Redis
	keys    []api.Key
	busErr  error
}

// newReloadRig starts with a file, in a folder with keys and certificates.
func newReloadRig(t *testing.T, text string) *reloadRig {
	t.Helper()
	clitest.TokenFiles(t)
	writePair(t, "server.crt", "server.key")
	clitest.WriteFile(t, "password", "hunter2")
	read := func() (*config.Config, error) { return load("t.yaml") }
	clitest.WriteFile(t, "t.yaml", text)
	running, err := read()
	if err != nil {
		t.Fatal(err)
	}
	r := &reloadRig{}
	r.reloader = reloader{
		file: "t.yaml", load: read, running: new(atomic.Pointer[config.Config]),
		log:        slog.New(slog.NewTextHandler(&r.log, untimed())),
		renewBus:   func(cfg *config.Config) error { r.bus = cfg.Bus.Settings(); return r.busErr },
		setRedis:   func(s *config.Redis) { r.redis = s },
		setIssuers: func(list []auth.Issuer, done func(int)) error { r.issuers = list; done(0); return nil },
		setKeys:    func(cfg *config.Config) { r.keys = apiKeys(cfg) },
		setRules: func(c *policy.Catalogue, done func(int)) error {
			r.rules = c
			done(3)
			return nil
		},
	}
	r.running.Store(running)
	return r
}

// wantLog checks all that was logged, and forgets it.
func (r *reloadRig) wantLog(t *testing.T, lines ...string) {
	t.Helper()
	want := strings.Join(lines, "\n")
	if len(lines) > 0 {
		want += "\n"
	}
	if got := r.log.String(); got != want {
		t.Errorf("it logs\n%swant\n%s", got, want)
	}
	r.log.Reset()
}

// writePair writes a self-signed certificate, good for a year, and its key.
func writePair(t *testing.T, cert, key string) {
	t.Helper()
	writePairUntil(t, cert, key, time.Now().Add(365*24*time.Hour))
}

func writePairUntil(t *testing.T, cert, key string, end time.Time) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: end, DNSNames: []string{"localhost"}}
	der, err := x509.CreateCertificate(rand.Reader, template, template, private.Public(), private)
	if err != nil {
		t.Fatal(err)
	}
	pkcs8, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	clitest.WriteFile(t, cert, string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})))
	clitest.WriteFile(t, key, string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: pkcs8})))
}

// TestReload holds what a reload takes over, and what it logs, with the old file and the new one.
func TestReload(t *testing.T) {
	const (
		token   = "auth: {jwt: {secret_file: secret}}\n"
		issuer  = "auth: {issuers: [{issuer: a, public_key_file: ed.pub}]}\n"
		redis   = "redis: {user: u, password_file: password}\n"
		secure  = "tls: {cert: server.crt, key: server.key}\n"
		restart = `level=WARN msg="some changed settings take effect only after a restart" keys=`
		old     = `level=ERROR msg="not reloaded, the old configuration stays in effect" err=`
	)
	reloaded := func(channels int, changed string) string {
		return fmt.Sprintf("level=INFO msg=reloaded channels=%d routes=0 subscriptions_ended=3 changed=%s", channels, changed)
	}
	for _, tt := range []struct {
		name, before, after string
		set                 bool // it takes effect
		want                []string
	}{
		{"an empty file", oneRoom, "", false, []string{old + `"t.yaml is empty: somebody may be writing it"`}},
		{"no rules", oneRoom, "log: {level: info}\n", false, []string{old + `"t.yaml: has no rules"`}},
		{"the same", oneRoom, oneRoom, true, []string{reloaded(1, `""`)}},
		{"a rule more", oneRoom, twoRooms, true, []string{reloaded(2, "t.yaml")}},
		{"other settings", oneRoom, "listen: :1\nlimits: {message: 1KiB}\n" + twoRooms, true, []string{reloaded(2, "t.yaml"), restart + `"listen, limits.message"`}},
		{"tokens where there were none", oneRoom, issuer + twoRooms, true, []string{reloaded(2, `"ed.pub, t.yaml"`), restart + "auth.issuers"}},
		{"TLS where there was none", oneRoom, secure + oneRoom, true, []string{reloaded(1, `"server.crt, server.key, t.yaml"`), restart + `"tls.cert, tls.key"`}},
		{"another secret", token + oneRoom, "auth: {jwt: {secret_file: other}}\n" + oneRoom, true, []string{reloaded(1, `"other, t.yaml"`)}},
		{"a short secret", token + oneRoom, "auth: {jwt: {secret_file: password}}\n" + oneRoom, true, []string{reloaded(1, `"password, t.yaml"`),
			"level=WARN msg=\"t.yaml:1: auth.jwt.secret_file: the secret has 7 bytes, and one so short can be guessed: want 32 or more, such as `openssl rand -base64 32` makes\""}},
		{"a secret more", token + oneRoom, "auth: {jwt: {secret_file: [other, secret]}}\n" + oneRoom, true, []string{reloaded(1, `"other, t.yaml"`)}},
		{"an issuer more", token + oneRoom, "auth: {jwt: {secret_file: secret, issuer: b}, issuers: [{issuer: a, public_key_file: ed.pub}]}\n" + oneRoom, true,
			[]string{reloaded(1, `"ed.pub, t.yaml"`)}},
		{"leeway", token + oneRoom, "auth: {jwt: {secret_file: secret, leeway: 1s}}\n" + oneRoom, true, []string{reloaded(1, "t.yaml"), restart + "auth.jwt.leeway"}},
		{"a password of another user", redis + oneRoom, "redis: {user: v, password_file: other}\n" + oneRoom, true, []string{reloaded(1, `"other, t.yaml"`)}},
		{"a password for another Redis", redis + oneRoom, "redis: {addrs: ['a:1'], user: u, password_file: other}\n" + oneRoom, true,
			[]string{reloaded(1, `"other, t.yaml"`), restart + `"redis.addrs, redis.password_file"`}},
		{"no such key", oneRoom, "listn: x\n" + twoRooms, false, []string{old + `"t.yaml:1: listn: there is no such key; did you mean listen?"`}},
		{"two mistakes", oneRoom, "log: {level: loud}\nerrors: {fallback: shout}\n" + twoRooms, false,
			[]string{old + `"t.yaml:2: errors.fallback: \"shout\" is none of drop, error"`, old + `"t.yaml:1: log.level: \"loud\" is none of debug, info, warn, error"`}},
		{"a rule that is wrong", oneRoom, twoRooms + "routes:\n  - {match: /app/a, allow: 'true', publish: /topic/a, body: chat}\n", false,
			[]string{old + `"t.yaml:5: routes[0].body: undeclared reference to 'chat'\n    chat\n    ^"`}},
		{"other prefixes", oneRoom, "prefixes: {app: /to}\n" + twoRooms, false,
			[]string{old + `"t.yaml:1: prefixes.app: rules depend on this setting, and it needs a restart"`}},
		{"another error destination", oneRoom, twoRooms + "errors: {destination: /session/e}\n", false,
			[]string{old + `"t.yaml:4: errors.destination: rules depend on this setting, and it needs a restart"`}},
		{"a secret that is not there", token + oneRoom, "auth: {jwt: {secret_file: none}}\n" + twoRooms, false,
			[]string{old + `"t.yaml:1: auth.jwt.secret_file: none can't be read: no such file or directory"`}},
		{"a key that does not fit", secure + oneRoom, "tls: {cert: server.crt, key: other.key}\n" + twoRooms, false,
			[]string{old + `"t.yaml:1: tls.cert: with tls.key can't be used: server.crt, other.key: tls: private key does not match public key"`}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := newReloadRig(t, tt.before)
			clitest.WriteFile(t, "other", "quite another secret of some characters")
			writePair(t, "other.crt", "other.key")
			clitest.WriteFile(t, "t.yaml", tt.after)
			before := r.running.Load()
			if got := r.reload(t.Context()); got != tt.set {
				t.Errorf("it says %t", got)
			}
			r.wantLog(t, tt.want...)
			if (r.rules != nil) != tt.set || (r.bus != nil) != tt.set || (r.running.Load() != before) != tt.set {
				t.Errorf("rules %t, bus %t, configuration %t; want %t", r.rules != nil, r.bus != nil, r.running.Load() != before, tt.set)
			}
		})
	}
}

// TestReloadFiles: what is in the files counts, whether their names are the same or not, and all of it or
// nothing.
func TestReloadFiles(t *testing.T) {
	const old = `level=ERROR msg="not reloaded, the old configuration stays in effect" err=`
	r := newReloadRig(t, oneRoom+"tls: {cert: server.crt, key: server.key}\nauth: {jwt: {secret_file: secret}}\nredis: {user: u, password_file: password}\n")
	first := r.running.Load()
	writePair(t, "server.crt", "server.key")
	clitest.WriteFile(t, "secret", "quite another secret of some characters")
	clitest.WriteFile(t, "password", "hunter3")
	r.reload(t.Context())
	r.wantLog(t, `level=INFO msg=reloaded channels=1 routes=0 subscriptions_ended=3 changed="password, secret, server.crt, server.key"`)
	second := r.running.Load()
	if got := r.redis.Password.Reveal(); got != "hunter3" {
		t.Errorf("the password is %q", got)
	}
	if reflect.DeepEqual(second.TLS.Loaded().Certificate, first.TLS.Loaded().Certificate) {
		t.Error("the certificate is the old one")
	}
	if got := string(r.issuers[0].Keys[0].([]byte)); got != "quite another secret of some characters" {
		t.Errorf("the secret is %q", got)
	}

	clitest.WriteFile(t, "password", "hunter4")
	clitest.WriteFile(t, "secret", "")
	r.reload(t.Context())
	r.wantLog(t, old+`"t.yaml:4: auth.jwt.secret_file: secret is empty: want the secret in it"`)
	clitest.WriteFile(t, "secret", "quite another secret of some characters")
	r.busErr = errors.New("the bus does not take it")
	r.rules = nil
	r.reload(t.Context())
	r.wantLog(t, old+`"the bus does not take it"`)
	if r.running.Load() != second || r.rules != nil {
		t.Error("a part of what is wrong was taken")
	}
	r.busErr = nil
	r.reload(t.Context())
	r.wantLog(t, `level=INFO msg=reloaded channels=1 routes=0 subscriptions_ended=3 changed=password`)
}

// TestTakePair: the certificate of the ports is taken when its files have changed, if it can be used.
func TestTakePair(t *testing.T) {
	r := newReloadRig(t, oneRoom+"tls: {cert: server.crt, key: server.key}\n")
	pair := func() [][]byte { return r.running.Load().TLS.Loaded().Certificate }
	first := pair()
	r.takePair()
	r.wantLog(t)
	whole, err := os.ReadFile("server.crt")
	if err != nil {
		t.Fatal(err)
	}
	const old = `level=ERROR msg="the new certificate can't be used, the old one stays in effect" err=`
	for _, tt := range []struct{ text, want string }{
		{"", `"t.yaml:3: tls.cert: with tls.key can't be used: server.crt holds no PEM, which begins with -----BEGIN"`},
		{string(whole[:len(whole)-30]), `"t.yaml:3: tls.cert: with tls.key can't be used: server.crt holds 1 blocks of PEM, of which 0 can be read: is it whole?"`},
		{string(whole) + string(whole[:99]), `"t.yaml:3: tls.cert: with tls.key can't be used: server.crt holds 2 blocks of PEM, of which 1 can be read: is it whole?"`},
	} {
		clitest.WriteFile(t, "server.crt", tt.text)
		r.takePair()
		r.wantLog(t, old+tt.want)
	}
	if !reflect.DeepEqual(pair(), first) {
		t.Error("the old pair is gone")
	}
	writePair(t, "server.crt", "server.key")
	r.takePair()
	r.wantLog(t, `level=INFO msg="certificate reloaded" changed="server.crt, server.key"`)
	if reflect.DeepEqual(pair(), first) {
		t.Error("the new pair is not taken")
	}
}

// TestExpiry: an expired certificate is not taken, and stays if it was there. One that will expire is told of at a
// start, at a reload and once a day. (A bubble begins in the year 2000.)
func TestExpiry(t *testing.T) {
	const section = "tls: {cert: server.crt, key: server.key}\n"
	r := newReloadRig(t, section+oneRoom)
	was := r.running.Load()
	writePairUntil(t, "server.crt", "server.key", time.Date(1999, 2, 3, 0, 0, 0, 0, time.UTC))
	const fault = `err="t.yaml:1: tls.cert: server.crt expired on 1999-02-03: put a new one in its place"`
	r.reload(t.Context())
	r.wantLog(t, `level=ERROR msg="not reloaded, the old configuration stays in effect" `+fault)
	r.takePair()
	r.wantLog(t, `level=ERROR msg="the new certificate can't be used, the old one stays in effect" `+fault)
	if r.running.Load() != was {
		t.Error("an expired certificate is taken")
	}
	code, stdout, stderr := run(t, "config", "check", "--config", "t.yaml")
	if code != int(cli.Configuration) || stdout != "" || stderr != "stompgw: t.yaml:1: tls.cert: server.crt expired on 1999-02-03: put a new one in its place\n" {
		t.Errorf("config check: exit code %d\n%s%s", code, stdout, stderr)
	}
	started, err := r.load()
	if err != nil {
		t.Fatal(err)
	}
	r.running.Store(started)
	clitest.WriteFile(t, "t.yaml", section+twoRooms)
	r.reload(t.Context())
	const told = `level=ERROR msg="a certificate has expired" ` + fault
	r.wantLog(t, `level=INFO msg=reloaded channels=2 routes=0 subscriptions_ended=3 changed=t.yaml`, told)

	synctest.Test(t, func(t *testing.T) {
		ctx, stop := context.WithCancel(t.Context())
		var wg sync.WaitGroup
		wg.Go(func() { r.run(ctx, nil) })
		time.Sleep(2*watchEvery + watchEvery/2)
		writePairUntil(t, "server.crt", "server.key", time.Now().Add(15*24*time.Hour+time.Minute)) // without a signal
		time.Sleep(3*24*time.Hour + time.Minute)
		stop()
		wg.Wait()
	})
	lines := strings.Split(strings.TrimSpace(r.log.String()), "\n")
	if len(lines) != 4 || lines[0] != told || !strings.Contains(lines[1], "certificate reloaded") ||
		!strings.Contains(lines[2], "level=WARN") || !strings.Contains(lines[2], ", in 13 days:") || !strings.Contains(lines[3], ", in 12 days:") {
		t.Errorf("it logs\n%s\nwant what has expired, the new one, and that this is good for 13 and then 12 days", r.log.String())
	}
}

// TestServeCertificate: who connects gets the certificate that the files have now, and who is connected stays so.
func TestServeCertificate(t *testing.T) {
	t.Chdir(t.TempDir())
	writePair(t, "server.crt", "server.key")
	s := serveStandalone(t, "--config", clitest.WriteFile(t, "t.yaml", oneRoom+"tls: {cert: server.crt, key: server.key}\n"))
	addr, _, _ := strings.Cut(s.find(t, `STOMP +wss://(\S+)`), "/")
	dial := func() *tls.Conn {
		t.Helper()
		c, err := tls.Dial("tcp", addr, &tls.Config{InsecureSkipVerify: true})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { c.Close() })
		return c
	}
	of := func(c *tls.Conn) []byte { return c.ConnectionState().PeerCertificates[0].Raw }
	old := dial()
	writePair(t, "server.crt", "server.key")
	s.hangups <- nil
	bustest.Eventually(t, "the certificate is reloaded", func() bool {
		return strings.Contains(s.stderr.String(), `changed="server.crt, server.key"`)
	})
	if c := dial(); bytes.Equal(of(c), of(old)) {
		t.Error("a new connection has the old certificate")
	}
	writePair(t, "other.crt", "server.key")
	s.hangups <- nil
	bustest.Eventually(t, "the log tells that the key does not fit", func() bool {
		return strings.Contains(s.stderr.String(), "server.crt, server.key: tls: private key does not match public key")
	})
	if c := dial(); bytes.Equal(of(c), of(old)) {
		t.Error("a pair that can't be used brings back the first one")
	}
	if _, err := old.Write([]byte("GET / HTTP/1.1\r\nHost: a\r\n\r\n")); err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(old).ReadString('\n')
	if err != nil || line != "HTTP/1.1 200 OK\r\n" {
		t.Errorf("the old connection answers %q, %v", line, err)
	}
}

// TestWatch: a pair is worth reading again once it has been the same for two looks, whether a file was
// written, replaced, or is another behind a link.
func TestWatch(t *testing.T) {
	t.Chdir(t.TempDir())
	for _, folder := range []string{"..1", "..2"} {
		if err := os.Mkdir(folder, 0o700); err != nil {
			t.Fatal(err)
		}
		writePair(t, folder+"/tls.crt", folder+"/tls.key")
	}
	link := func(old, name string) {
		t.Helper()
		if err := os.Symlink(old, name+".new"); err != nil {
			t.Fatal(err)
		}
		if err := os.Rename(name+".new", name); err != nil {
			t.Fatal(err)
		}
	}
	link("..1", "..data")
	link("..data/tls.crt", "tls.crt")
	link("..data/tls.key", "tls.key")
	clitest.WriteFile(t, "t.yaml", "tls: {cert: tls.crt, key: tls.key}\n"+oneRoom)
	cfg, err := load("t.yaml")
	if err != nil {
		t.Fatal(err)
	}
	w := newWatch(cfg)
	want := func(what string, looks ...bool) {
		t.Helper()
		for i, want := range looks {
			if got := w.changed(); got != want {
				t.Errorf("%s: look %d says %t", what, i+1, got)
			}
		}
	}
	want("the first", true, false)
	link("..2", "..data")
	want("a link swapped", false, true, false)
	clitest.WriteFile(t, "..2/tls.key", "shorter")
	want("a file written", false, true, false)
	if err := os.Chtimes("..2/tls.key", time.Time{}, time.Now().Add(time.Hour)); err != nil {
		t.Fatal(err)
	}
	want("a time", false, true, false)
	if err := os.Remove("..2/tls.crt"); err != nil {
		t.Fatal(err)
	}
	want("a file removed", false, true, false)
	writePair(t, "..2/tls.crt", "..2/tls.key")
	want("and back", false)
	writePair(t, "..2/tls.crt", "..2/tls.key")
	want("while it is written", false, true, false)
	none := newWatch(config.Default())
	for range 2 { // looks
		if none.changed() {
			t.Error("a node without a certificate watches one")
		}
	}
}

// untimed leaves the time out of log lines.
func untimed() *slog.HandlerOptions {
	return &slog.HandlerOptions{ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
		if a.Key == slog.TimeKey {
			return slog.Attr{}
		}
		return a
	}}
}

// TestReloadKeys: other keys of the API are taken where there is one; for a first one the node has to start anew.
func TestReloadKeys(t *testing.T) {
	with := func(name string) string {
		return "api: {listen: '127.0.0.1:0', keys: [{name: " + name + ", key_file: secret-key, scopes: [read, publish]}]}\n" + oneRoom
	}
	r := newReloadRig(t, oneRoom)
	key := strings.Repeat("k", 32)
	clitest.WriteFile(t, "secret-key", key)
	clitest.WriteFile(t, "t.yaml", with("a"))
	if !r.reload(t.Context()) || len(r.keys) > 0 || !strings.Contains(r.log.String(), "api.listen") {
		t.Errorf("a node without an API takes %v, and logs\n%s", r.keys, &r.log)
	}
	cfg, err := r.load()
	if err != nil {
		t.Fatal(err)
	}
	r.running.Store(cfg)
	r.log.Reset()
	clitest.WriteFile(t, "t.yaml", with("b"))
	want := []api.Key{{Name: "b", Secret: key, Scopes: []api.Scope{api.ScopeRead, api.ScopePublish}}}
	if !r.reload(t.Context()) || !reflect.DeepEqual(r.keys, want) || strings.Contains(r.log.String(), "restart") {
		t.Errorf("a node with an API takes %v, and logs\n%s", r.keys, &r.log)
	}
}
