package natsbus

import (
	"crypto/tls"
	"errors"
	"fmt"
	"net/url"
	"strings"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nkeys"
)

// access is how the next connection logs in, and makes sure of its server.
type access struct {
	login nats.Option // nil for none
	tls   *tls.Config // as Config has it
}

func newAccess(cfg Config) (*access, error) {
	login, err := login(cfg)
	if err != nil {
		return nil, err
	}
	return &access{login, cfg.TLS}, nil
}

// Renew makes connections that are made from now on log in, and use TLS, as cfg says, of which nothing
// else counts; the one that there is stays. After an error nothing has changed.
func (b *Bus) Renew(cfg Config) error {
	cfg.URL = b.cfg.URL
	next, err := newAccess(cfg)
	if err != nil {
		return err
	}
	b.access.Store(next)
	return nil
}

// login returns the option that says as whom cfg logs in; nil is for nobody, or for what nats.go
// finds in the URL. Its errors show no secret.
func login(cfg Config) (nats.Option, error) {
	ways := 0
	for _, used := range []bool{hasUser(cfg.URL), cfg.User != "" || cfg.Password != "", cfg.Token != "", cfg.NKey != "", cfg.Creds != ""} {
		if used {
			ways++
		}
	}
	switch {
	case ways > 1:
		return nil, fmt.Errorf("natsbus: %d ways to log in: want one of user and password, token, NKey, creds, and what stands in the URL", ways)
	case cfg.User != "" || cfg.Password != "":
		return nats.UserInfo(cfg.User, cfg.Password), nil
	case cfg.Token != "":
		return nats.Token(cfg.Token), nil
	case cfg.NKey != "":
		return nkey(cfg.NKey)
	case cfg.Creds != "":
		return creds([]byte(cfg.Creds))
	}
	return nil, nil
}

func hasUser(urls string) bool {
	for raw := range strings.SplitSeq(urls, ",") {
		if u, err := url.Parse(strings.TrimSpace(raw)); err == nil && u.User != nil {
			return true
		}
	}
	return false
}

// nkey returns the option to answer the server's challenge with the key of seed.
func nkey(seed string) (nats.Option, error) {
	pair, err := nkeys.FromSeed([]byte(seed))
	if err != nil {
		return nil, errors.New("natsbus: NKey: want the seed of a user, which begins with SU")
	}
	public, err := pair.PublicKey()
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
		return nil, errors.New("natsbus: creds: want what a creds file holds, the JWT of a user and its seed")
	}
	return nats.UserCredentialBytes(text), nil
}
