package natsbus

import (
	"crypto/tls"
	"errors"
	"fmt"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nkeys"
)

// access is how the next connection logs in, and makes sure of its server.
type access struct {
	login nats.Option // nil for none
	tls   *tls.Config // as Config has it
}

// newAccess returns what cfg says of that; inURL is whether its URL says as whom to log in, where nats.go
// finds it. Its errors show no secret.
func newAccess(cfg Config, inURL bool) (a *access, err error) {
	a = &access{tls: cfg.TLS}
	ways := 0
	if inURL {
		ways++
	}
	if cfg.User != "" || cfg.Password != "" {
		ways++
		a.login = nats.UserInfo(cfg.User, cfg.Password)
	}
	if cfg.Token != "" {
		ways++
		a.login = nats.Token(cfg.Token)
	}
	if cfg.NKey != "" {
		ways++
		a.login, err = nkey(cfg.NKey)
	}
	if cfg.Creds != "" {
		ways++
		a.login, err = creds([]byte(cfg.Creds))
	}
	if ways > 1 {
		err = fmt.Errorf("natsbus: %d ways to log in: want one of user and password, token, NKey, creds, and what is in the URL", ways)
	}
	return a, err
}

// Renew makes new connections log in, and use TLS, as cfg says; nothing else of cfg counts, and the existing
// connection stays. After an error nothing has changed.
func (b *Bus) Renew(cfg Config) error {
	next, err := newAccess(cfg, b.pool.user)
	if err == nil {
		b.access.Store(next)
	}
	return err
}

// nkey returns the option to answer the server's challenge with the key of seed.
func nkey(seed string) (nats.Option, error) {
	var public string
	pair, err := nkeys.FromSeed([]byte(seed))
	if err == nil {
		public, err = pair.PublicKey()
	}
	if err != nil || !nkeys.IsValidPublicUserKey(public) {
		return nil, errors.New("natsbus: NKey: want the seed of a user, which begins with SU")
	}
	return nats.Nkey(public, pair.Sign), nil
}

// creds returns the option to present the JWT in text, and to sign with the seed in it.
func creds(text []byte) (nats.Option, error) {
	_, noJWT := nkeys.ParseDecoratedJWT(text)
	_, noSeed := nkeys.ParseDecoratedUserNKey(text)
	if noJWT != nil || noSeed != nil {
		return nil, errors.New("natsbus: creds: want the content of a creds file: a user's JWT and seed")
	}
	return nats.UserCredentialBytes(text), nil
}
