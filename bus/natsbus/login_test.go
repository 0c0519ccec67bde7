package natsbus

import (
	"crypto/tls"
	"strings"
	"testing"

	"github.com/nats-io/jwt/v2"
	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nkeys"
)

// TestLogin: each way to log in opens a server that lets nobody else in.
func TestLogin(t *testing.T) {
	user, seed := newKey(t, nkeys.CreateUser)
	operator := newOperator(t)
	for _, tt := range []struct {
		name   string
		server func(*server.Options)
		cfg    Config
	}{
		{"user", func(o *server.Options) { o.Username, o.Password = "gateway", "hunter2" }, Config{User: "gateway", Password: "hunter2"}},
		{"token", func(o *server.Options) { o.Authorization = "hunter2" }, Config{Token: "hunter2"}},
		{"NKey", func(o *server.Options) { o.Nkeys = []*server.NkeyUser{{Nkey: user}} }, Config{NKey: seed}},
		{"creds", operator.configure, Config{Creds: operator.creds}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			url := startServer(t, 0, tt.server).ClientURL()
			log, logger := newEvents()
			nobody := newBus(t, Config{URL: url}, "1/nobody", logger)
			if line := log.await("bus unreachable"); !strings.Contains(line, "nats: ") {
				t.Errorf("logged %s", line)
			}
			if err := nobody.Healthy(); err == nil || !strings.Contains(err.Error(), "uthorization") {
				t.Errorf("without a word of who, Healthy says %v", err)
			}
			tt.cfg.URL = url
			b := newBus(t, tt.cfg, "1/a", logger)
			log.await("bus connected")
			if err := b.Healthy(); err != nil {
				t.Error(err)
			}
			if err := <-publish(t, b, "/topic/a", "x"); err != nil {
				t.Error(err)
			}
		})
	}
}

// TestRenew: a node that is not let in tries on with what Renew gives it, each way to log in and TLS; what is no
// login is refused, and changes nothing.
func TestRenew(t *testing.T) {
	user, seed := newKey(t, nkeys.CreateUser)
	_, stranger := newKey(t, nkeys.CreateUser)
	operator, foreign, ca := newOperator(t), newOperator(t), newAuthority(t)
	for _, tt := range []struct {
		name       string
		server     func(*server.Options)
		wrong, cfg Config
	}{
		{"user", func(o *server.Options) { o.Username, o.Password = "gateway", "new" }, Config{User: "gateway", Password: "old"}, Config{User: "gateway", Password: "new"}},
		{"token", func(o *server.Options) { o.Authorization = "new" }, Config{Token: "old"}, Config{Token: "new"}},
		{"NKey", func(o *server.Options) { o.Nkeys = []*server.NkeyUser{{Nkey: user}} }, Config{NKey: stranger}, Config{NKey: seed}},
		{"creds", operator.configure, Config{Creds: foreign.creds}, Config{Creds: operator.creds}},
		{"certificates", func(o *server.Options) {
			o.TLS, o.TLSVerify = true, true
			o.TLSConfig = &tls.Config{Certificates: []tls.Certificate{ca.issue(t, "127.0.0.1")}, ClientCAs: ca.pool, ClientAuth: tls.RequireAndVerifyClientCert}
		}, Config{TLS: &tls.Config{RootCAs: newAuthority(t).pool}}, Config{TLS: &tls.Config{RootCAs: ca.pool, Certificates: []tls.Certificate{ca.issue(t, "gateway")}}}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			log, logger := newEvents()
			tt.wrong.URL = startServer(t, 0, tt.server).ClientURL()
			b := newBus(t, tt.wrong, "1/a", logger)
			log.await("bus unreachable")
			if err := b.Renew(Config{NKey: "no seed"}); err == nil {
				t.Error("what is no login is taken")
			}
			if err := b.Renew(tt.cfg); err != nil {
				t.Fatal(err)
			}
			log.await("bus connected")
		})
	}
}

func newKey(t *testing.T, create func() (nkeys.KeyPair, error)) (public, seed string) {
	t.Helper()
	pair, err := create()
	if err != nil {
		t.Fatal(err)
	}
	if public, err = pair.PublicKey(); err != nil {
		t.Fatal(err)
	}
	secret, err := pair.Seed()
	if err != nil {
		t.Fatal(err)
	}
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
	if err != nil {
		t.Fatal(err)
	}
	o.creds = string(creds)
	return o
}

func encode(t *testing.T, claims jwt.Claims, seed string) string {
	t.Helper()
	pair, err := nkeys.FromSeed([]byte(seed))
	if err != nil {
		t.Fatal(err)
	}
	text, err := claims.Encode(pair)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func (o operator) configure(opts *server.Options) {
	accounts := &server.MemAccResolver{}
	accounts.Store(o.account, o.accountJWT) // in a map
	opts.TrustedKeys, opts.AccountResolver = []string{o.key}, accounts
}

// TestPasswordMended: a node with a wrong password goes on trying, says why, and never what it is.
func TestPasswordMended(t *testing.T) {
	s := startServer(t, 0, func(o *server.Options) { o.Username, o.Password = "gateway", "old" })
	log, logger := newEvents()
	b := newBus(t, Config{URL: s.ClientURL(), User: "gateway", Password: "hunter2"}, "1/a", logger)
	line := log.await("bus unreachable")
	err := b.Healthy()
	if err == nil || !strings.Contains(line, "Authorization Violation") || !strings.Contains(err.Error(), "Authorization Violation") {
		t.Errorf("logged %s, and Healthy says %v", line, err)
	}
	if err != nil && strings.Contains(line+err.Error(), "hunter2") {
		t.Error("the password is shown")
	}
	stopServer(s)
	startServer(t, portOf(t, s.ClientURL()), func(o *server.Options) { o.Username, o.Password = "gateway", "hunter2" })
	log.await("bus connected")
	if err := b.Healthy(); err != nil {
		t.Error(err)
	}
}

func TestLoginRefused(t *testing.T) {
	_, account := newKey(t, nkeys.CreateAccount)
	for name, tt := range map[string]struct {
		cfg  Config
		want string
	}{
		"two ways":            {Config{User: "u", Password: "hunter2", Token: "hunter2"}, "2 ways to log in"},
		"URL and token":       {Config{URL: "nats://a,nats://u:hunter2@b", Token: "t"}, "2 ways to log in"},
		"NKey that is none":   {Config{NKey: "hunter2"}, "SU"},
		"NKey of an account":  {Config{NKey: account}, "SU"},
		"creds that are none": {Config{Creds: "hunter2"}, "creds"},
		"creds without seed":  {Config{Creds: "-----BEGIN NATS USER JWT-----\ne30.e30.e30\n------END NATS USER JWT------\n"}, "creds"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := New(tt.cfg, "1/a", nil)
			if err == nil || !strings.Contains(err.Error(), tt.want) || strings.Contains(err.Error(), "hunter2") {
				t.Errorf("got %v, want a word about %q", err, tt.want)
			}
		})
	}
}

// TestTLS: the server has to have the certificate of its address by an authority that we trust, and
// gets ours. Then all goes as without; else the node is not ready, and says what is wrong.
func TestTLS(t *testing.T) {
	ca, other := newAuthority(t), newAuthority(t)
	node := ca.issue(t, "gateway")
	serve := func(t *testing.T, cert tls.Certificate) string {
		return startServer(t, 0, func(o *server.Options) {
			o.TLS, o.TLSVerify = true, true
			o.TLSConfig = &tls.Config{Certificates: []tls.Certificate{cert}, ClientCAs: ca.pool, ClientAuth: tls.RequireAndVerifyClientCert}
		}).ClientURL()
	}
	here, elsewhere := serve(t, ca.issue(t, "127.0.0.1")), serve(t, ca.issue(t, "nats.example.com"))
	plain := startServer(t, 0).ClientURL()
	trust := func(a authority, certs ...tls.Certificate) *tls.Config {
		return &tls.Config{RootCAs: a.pool, Certificates: certs}
	}
	t.Run("trusted", func(t *testing.T) {
		for _, url := range []string{here, strings.Replace(here, "nats://", "tls://", 1)} {
			log, logger := newEvents()
			b := newBus(t, Config{URL: url, TLS: trust(ca, node)}, "1/a", logger)
			log.await("bus connected")
			if err := <-publish(t, b, "/topic/a", "x"); err != nil {
				t.Error(err)
			}
		}
	})
	for _, tt := range []struct {
		name, url string
		tls       *tls.Config
		want      string
	}{
		{"of another authority", here, trust(other, node), "unknown authority"},
		{"of another host", elsewhere, trust(ca, node), "127.0.0.1"},
		{"without ours", here, trust(ca), "tls"}, // in words that depend on who is first to notice
		{"not asked for", here, nil, "unknown authority"},
		{"not offered", plain, trust(ca, node), "secure connection"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			log, logger := newEvents()
			b := newBus(t, Config{URL: tt.url, TLS: tt.tls}, "1/a", logger)
			log.await("bus unreachable")
			if err := b.Healthy(); err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("Healthy says %v, want a word about %q", err, tt.want)
			}
		})
	}
}

// TestLoginToProcess: the nats-server of this machine, which is an old one, with a password and with
// certificates on both sides.
func TestLoginToProcess(t *testing.T) {
	ca := newAuthority(t)
	cert, key := write(t, ca.issue(t, "127.0.0.1"))
	trusted, _ := write(t, tls.Certificate{Certificate: [][]byte{ca.cert.Raw}, PrivateKey: ca.key})
	url := startProcess(t, "--user", "gateway", "--pass", "hunter2", "--tlsverify", "--tlscert", cert, "--tlskey", key, "--tlscacert", trusted)
	log, logger := newEvents()
	cfg := Config{URL: url, User: "gateway", Password: "hunter2", TLS: &tls.Config{RootCAs: ca.pool, Certificates: []tls.Certificate{ca.issue(t, "gateway")}}}
	b := newBus(t, cfg, "1/a", logger)
	log.await("bus connected")
	if err := <-publish(t, b, "/topic/a", "x"); err != nil {
		t.Error(err)
	}
	cfg.Password = "wrong"
	b = newBus(t, cfg, "1/b", logger)
	log.await("bus unreachable")
	if err := b.Healthy(); err == nil || !strings.Contains(err.Error(), "Authorization Violation") {
		t.Errorf("with a wrong password, Healthy says %v", err)
	}
}
