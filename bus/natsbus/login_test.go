package natsbus

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"github.com/nats-io/jwt/v2"
	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nkeys"

	"github.com/stompgw/stompgw/bus/bustest/servers"
)

// TestLogin: each way to log in, and TLS, opens a server that lets nobody else in. A node that is not let in
// tries on with what Renew gives it; what is no login is refused, and changes nothing.
func TestLogin(t *testing.T) {
	user, seed := newKey(t, nkeys.CreateUser)
	_, stranger := newKey(t, nkeys.CreateUser)
	operator, foreign := newOperator(t), newOperator(t)
	here, node := newIdentity(t, "127.0.0.1"), newIdentity(t, "gateway")
	for _, tt := range []struct {
		name       string
		server     func(*server.Options)
		wrong, cfg Config
	}{
		{"user", func(o *server.Options) { o.Username, o.Password = "gateway", "new" }, Config{User: "gateway", Password: "old"}, Config{User: "gateway", Password: "new"}},
		{"token", func(o *server.Options) { o.Authorization = "new" }, Config{Token: "old"}, Config{Token: "new"}},
		{"NKey", func(o *server.Options) { o.Nkeys = []*server.NkeyUser{{Nkey: user}} }, Config{NKey: stranger}, Config{NKey: seed}},
		{"creds", operator.configure, Config{Creds: foreign.creds}, Config{Creds: operator.creds}},
		{"certificates", here.serve(node), Config{TLS: trust(node)}, Config{TLS: trust(here, node.Certificate)}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			url := startServer(t, 0, tt.server).ClientURL()
			for _, wrong := range []Config{{}, tt.wrong} {
				wrong.URL, tt.cfg.URL = url, url
				b, log := open(t, wrong)
				log.await("bus unreachable")
				if err := b.Healthy(); err == nil || !strings.Contains(err.Error(), "uthorization") && tt.cfg.TLS == nil {
					t.Errorf("Healthy says %v", err)
				}
				if err := b.Renew(Config{NKey: "no seed"}); err == nil {
					t.Error("what is no login is taken")
				}
				checkErr(t, b.Renew(tt.cfg), nil)
				log.await("bus connected")
				checkErr(t, b.Healthy(), nil)
				checkErr(t, <-publish(t, b, "/topic/a", "x"), nil)
			}
			_, log := open(t, tt.cfg)
			log.await("bus connected")
		})
	}
}

// identity is somebody with a certificate that it signs itself.
type identity struct {
	tls.Certificate
	pool              *x509.CertPool // of those who trust it
	certFile, keyFile string
}

func newIdentity(t *testing.T, name string) identity {
	t.Helper()
	key, cert := servers.Certificate(t, name)
	dir := t.TempDir()
	who := identity{pool: x509.NewCertPool(), certFile: filepath.Join(dir, "cert.pem"), keyFile: filepath.Join(dir, "key.pem")}
	who.pool.AppendCertsFromPEM(cert)
	rewrite(t, who.certFile, string(cert))
	rewrite(t, who.keyFile, string(key))
	var err error
	who.Certificate, err = tls.X509KeyPair(cert, key)
	checkErr(t, err, nil)
	return who
}

// serve has a server be who, and let in client alone.
func (who identity) serve(client identity) func(*server.Options) {
	return func(o *server.Options) {
		o.TLS, o.TLSVerify = true, true
		o.TLSConfig = &tls.Config{Certificates: []tls.Certificate{who.Certificate}, ClientCAs: client.pool, ClientAuth: tls.RequireAndVerifyClientCert}
	}
}

func trust(server identity, own ...tls.Certificate) *tls.Config {
	return &tls.Config{RootCAs: server.pool, Certificates: own}
}

func newKey(t *testing.T, create func() (nkeys.KeyPair, error)) (public, seed string) {
	t.Helper()
	pair, err := create()
	must(t, err)
	public, err = pair.PublicKey()
	must(t, err)
	secret, err := pair.Seed()
	must(t, err)
	return public, string(secret)
}

// operator is one of a server with accounts: one account, with one user.
type operator struct {
	key, jwt, account, accountJWT, creds string
}

// newOperator makes one; change changes the account's limits.
func newOperator(t *testing.T, change ...func(*jwt.AccountClaims)) (o operator) {
	t.Helper()
	var operatorSeed, accountSeed string
	o.key, operatorSeed = newKey(t, nkeys.CreateOperator)
	o.account, accountSeed = newKey(t, nkeys.CreateAccount)
	user, userSeed := newKey(t, nkeys.CreateUser)
	claims := jwt.NewAccountClaims(o.account)
	for _, f := range change {
		f(claims)
	}
	o.accountJWT = encode(t, claims, operatorSeed)
	o.jwt = encode(t, jwt.NewOperatorClaims(o.key), operatorSeed)
	creds, err := jwt.FormatUserConfig(encode(t, jwt.NewUserClaims(user), accountSeed), []byte(userSeed))
	must(t, err)
	o.creds = string(creds)
	return o
}

func encode(t *testing.T, claims jwt.Claims, seed string) string {
	t.Helper()
	pair, err := nkeys.FromSeed([]byte(seed))
	must(t, err)
	text, err := claims.Encode(pair)
	must(t, err)
	return text
}

func (o operator) configure(opts *server.Options) {
	accounts := &server.MemAccResolver{}
	accounts.Store(o.account, o.accountJWT) // in a map
	opts.TrustedKeys, opts.AccountResolver = []string{o.key}, accounts
}

// TestTLS: the server has to have a certificate of its address that we trust, and gets ours. Then all goes
// as without; else the node is not ready, and says what is wrong.
func TestTLS(t *testing.T) {
	here, elsewhere, node := newIdentity(t, "127.0.0.1"), newIdentity(t, "nats.example.com"), newIdentity(t, "gateway")
	url := startServer(t, 0, here.serve(node)).ClientURL()
	of := map[string]string{
		"here": url, "tls": strings.Replace(url, "nats://", "tls://", 1), "plain": startServer(t, 0).ClientURL(),
		"elsewhere": startServer(t, 0, elsewhere.serve(node)).ClientURL(),
	}
	for _, tt := range []struct {
		name, url string
		tls       *tls.Config
		want      string // of Healthy; empty: it is
	}{
		{"trusted", "here", trust(here, node.Certificate), ""},
		{"trusted, by its URL", "tls", trust(here, node.Certificate), ""},
		{"not trusted", "here", trust(newIdentity(t, "127.0.0.1"), node.Certificate), "unknown authority"},
		{"of another host", "elsewhere", trust(elsewhere, node.Certificate), "127.0.0.1"},
		{"without ours", "here", trust(here), "tls"}, // in words that depend on who is first to notice
		{"not asked for", "here", nil, "unknown authority"},
		{"not offered", "plain", trust(here, node.Certificate), "secure connection"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			b, log := open(t, Config{URL: of[tt.url], TLS: tt.tls})
			if tt.want == "" {
				log.await("bus connected")
				checkErr(t, <-publish(t, b, "/topic/a", "x"), nil)
				return
			}
			log.await("bus unreachable")
			if err := b.Healthy(); err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("Healthy says %v, want a word about %q", err, tt.want)
			}
		})
	}
}

// TestLoginToProcess: the nats-server of this machine, which is an old one, with a password and with
// certificates on both sides. With a wrong password a node goes on trying, says why, and never what it is.
func TestLoginToProcess(t *testing.T) {
	here, node := newIdentity(t, "127.0.0.1"), newIdentity(t, "gateway")
	url := startProcess(t, "--user", "gateway", "--pass", "hunter2", "--tlsverify", "--tlscert", here.certFile, "--tlskey", here.keyFile, "--tlscacert", node.certFile)
	cfg := Config{URL: url, User: "gateway", Password: "hunter3", TLS: trust(here, node.Certificate)}
	b, log := open(t, cfg)
	line, err := log.await("bus unreachable"), b.Healthy()
	for _, words := range []string{line, fmt.Sprint(err)} {
		if !strings.Contains(words, "Authorization Violation") || strings.Contains(words, "hunter3") {
			t.Errorf("with a wrong password it says %v", words)
		}
	}
	cfg.Password = "hunter2"
	checkErr(t, b.Renew(cfg), nil)
	log.await("bus connected")
	checkErr(t, <-publish(t, b, "/topic/a", "x"), nil)
}
