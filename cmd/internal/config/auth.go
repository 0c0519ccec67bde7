package config

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/stompgw/stompgw/bus/settings"
	"github.com/stompgw/stompgw/gateway/auth"
)

// Auth says whose tokens are taken, and what they say. Without an issuer nobody is logged in.
type Auth struct {
	JWT        JWT           `key:"jwt"`
	Issuers    []NamedIssuer `key:"issuers" is:"more issuers, told apart by the claim 'iss'"` // beside JWT's or instead
	Claims     Claims        `key:"claims"`
	Anonymous  string        `key:"anonymous" default:"allow" words:"allow,refuse" is:"'allow', or 'refuse': a CONNECT without a valid token gets an ERROR"`
	Grace      time.Duration `key:"grace" default:"30s" is:"how long a session still receives everything after its token has expired"`
	Revocation Revocation    `key:"revocation"`
}

// JWT is an issuer, and what holds for the tokens of all.
type JWT struct {
	Issuer
	Leeway time.Duration `key:"leeway" default:"30s" is:"how far clocks may differ; this and the next apply to all issuers"`
	Usage  string        `key:"usage" default:"access" is:"required value of the usage claim, in tokens that have one; empty means no check"`
}

// Issuer is somebody who makes tokens: with a secret that is ours too, or with a private key of
// which we have the public one. It may have several, while one takes the place of another.
type Issuer struct {
	Secret        settings.Secret `key:"secret" from:"env" lines:"many" is:"the secret, instead of 'auth.jwt.secret_file'"` // or the first of its files
	Name          string          `key:"issuer" required:"true" is:"value of the claim 'iss'; in 'auth.jwt', empty accepts any"`
	SecretFile    Files           `key:"secret_file" is:"file with the secret that tokens are signed with, or a list of files; without a key nobody is logged in"`
	PublicKeyFile Files           `key:"public_key_file" is:"instead of a secret: PEM file, or a list of files, with public keys or certificates of the signer"`
	Audience      []string        `key:"audience" is:"accepted values of the claim 'aud'; an empty list accepts any"`
	Algorithms    []string        `key:"algorithms" is:"accepted algorithms, such as '[RS256]'; an empty list accepts those that fit the key, for a secret 'HS256'"` // set by Load

	keys []IssuerKey // set by Load
}

// NamedIssuer is an issuer beside others.
type NamedIssuer struct {
	Issuer
	Label string `key:"name" is:"prefix of its members' ids, as in '/member/x:7'; with several issuers, empty means no such destinations"`
}

// IssuerKey is a key that tokens of an issuer are checked with.
type IssuerKey struct {
	Path       string   // of the setting that names it, of a list with the index
	File       string   // that holds it, perhaps beside others; empty for a secret of the environment
	Issuer     string   // whose tokens; empty for anybody's
	Algorithms []string // those of the issuer that fit it

	value any // as auth.Issuer wants it
}

// Claims are the names of what a token says.
type Claims struct {
	Member string `key:"member" default:"mu" is:"claim with the member's id"`
	Roles  string `key:"roles" default:"rl" is:"claim with the roles"`
	Usage  string `key:"usage" default:"tu" is:"claim with the usage; empty means no check"`
}

// Revocation says whether a list of tokens that were taken back is kept in Redis, and where.
type Revocation struct {
	Enabled bool   `key:"enabled" default:"true" is:"check in Redis whether a token has been revoked"`
	Prefix  string `key:"prefix" is:"prefix of those keys, before 'Bearer_'"`
}

// What Auth.Anonymous may say.
const (
	AnonymousAllow  = "allow"
	AnonymousRefuse = "refuse"
)

const jwtPath = "auth.jwt"

// issuer is an Issuer that is in use, and its path.
type issuer struct {
	path, label string
	*Issuer
}

// issuers are those that the configuration names, auth.jwt first.
func (c *Config) issuers() (list []issuer) {
	if i := &c.Auth.JWT.Issuer; i.Name != "" || i.hasKey() || len(i.Audience)+len(i.Algorithms) > 0 {
		list = append(list, issuer{jwtPath, "", i})
	}
	for i := range c.Auth.Issuers {
		named := &c.Auth.Issuers[i]
		list = append(list, issuer{fmt.Sprintf("auth.issuers[%d]", i), named.Label, &named.Issuer})
	}
	return list
}

func (i *Issuer) hasKey() bool {
	return len(i.SecretFile) > 0 || i.Secret.IsSet() || len(i.PublicKeyFile) > 0
}

// checkAuth checks auth, and loads its keys.
func (c *Config) checkAuth() {
	all := c.issuers()
	if c.uses("auth") {
		before := len(c.errs)
		for _, i := range all {
			c.loadKeys(i)
		}
		if len(c.errs) == before {
			_, err := auth.New(c.Tokens())
			c.failIssuers(err, all)
		}
		if c.Auth.Anonymous == AnonymousRefuse && len(all) == 0 {
			c.fail("auth.anonymous", "is %s, but nobody's tokens are accepted, so nobody could connect: %s", AnonymousRefuse, nameAnIssuer)
		}
	}
	for _, claim := range []struct{ path, name string }{{"auth.claims.member", c.Auth.Claims.Member}, {"auth.claims.roles", c.Auth.Claims.Roles}} {
		if claim.name == "" {
			c.fail(claim.path, "is empty: want the name of a claim")
		}
	}
}

const nameAnIssuer = "set auth.jwt.secret_file or auth.jwt.public_key_file"

// failIssuers finds the places of what auth.New says.
func (c *Config) failIssuers(err error, all []issuer) {
	for _, err := range parts(err) {
		e, ok := errors.AsType[*auth.IssuerError](err)
		if !ok {
			c.errs = append(c.errs, err)
			continue
		}
		i := all[e.Issuer]
		path := i.path
		switch e.Part {
		case "name":
			path += ".issuer"
		case "label":
			path += ".name"
		case "keys":
			path = i.keys[e.Index].Path
		case "algorithms", "audience":
			path = fmt.Sprintf("%s.%s[%d]", path, e.Part, e.Index)
		}
		c.fail(path, "%s", e.Reason)
	}
}

// loadKeys reads the keys of an issuer, and finds the algorithms for them where it names none: all that fit a
// public key, and of those for a secret, which fits any, the usual one.
func (c *Config) loadKeys(i issuer) {
	before := len(c.errs)
	files, setting := i.SecretFile, ".secret_file"
	switch isPublic := len(i.PublicKeyFile) > 0; {
	case isPublic && (len(i.SecretFile) > 0 || i.Secret.IsSet()):
		c.fail(i.path+".public_key_file", "is set together with a secret (%s): keep the one that the issuer signs with", c.Origin(c.Named(i.path+".secret")))
		return
	case !i.hasKey():
		c.fail(i.path, "has no key: set %s.secret_file or %[1]s.public_key_file", i.path)
	case isPublic:
		files, setting = i.PublicKeyFile, ".public_key_file"
	case i.Secret.IsSet():
		files, i.keys = nil, []IssuerKey{{Path: i.path + ".secret", value: []byte(i.Secret.Reveal())}}
	}
	for n, name := range files {
		path := c.item(i.path+setting, n)
		keys, err := c.readKeys(i, name)
		c.expect(path, err)
		for _, key := range keys {
			i.keys = append(i.keys, IssuerKey{Path: path, File: name, value: key})
		}
	}
	if len(i.Algorithms) > 0 || len(c.errs) > before {
		return
	}
	for _, k := range i.keys {
		for _, name := range auth.Algorithms(k.value) {
			if !slices.Contains(i.Algorithms, name) {
				i.Algorithms = append(i.Algorithms, name)
			}
		}
	}
	if len(i.PublicKeyFile) == 0 {
		i.Algorithms = i.Algorithms[:1]
	}
}

// readKeys returns the keys in a file of an issuer.
func (c *Config) readKeys(i issuer, name string) ([]any, error) {
	text, err := c.read(name)
	if err != nil {
		return nil, err
	}
	if len(i.PublicKeyFile) > 0 {
		keys, err := auth.ParsePublicKeys(text)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		return keys, nil
	}
	var secret settings.Secret
	if err := parseSecret(name, text, &secret); err != nil {
		return nil, err
	}
	if len(i.keys) == 0 {
		i.Secret = secret
	}
	return []any{[]byte(secret.Reveal())}, nil
}

// Tokens is what an Authenticator needs to know, but for the list of revocations. There may be no
// issuer in it.
func (c *Config) Tokens() auth.Config {
	a := c.Auth
	cfg := auth.Config{Member: a.Claims.Member, Roles: a.Claims.Roles, Usage: a.Claims.Usage, Access: a.JWT.Usage, Leeway: a.JWT.Leeway}
	if a.Claims.Usage == "" || a.JWT.Usage == "" {
		cfg.Usage = "-" // no check
	}
	for _, i := range c.issuers() {
		said := i.forAuth()
		said.Label, said.Main = i.label, i.path == jwtPath
		cfg.Issuers = append(cfg.Issuers, said)
	}
	return cfg
}

func (i *Issuer) forAuth() auth.Issuer {
	keys := make([]any, len(i.keys))
	for n, k := range i.keys {
		keys[n] = k.value
	}
	return auth.Issuer{Name: i.Name, Algorithms: i.Algorithms, Keys: keys, Audience: i.Audience}
}

// HasIssuer reports whether anybody's tokens are taken.
func (c *Config) HasIssuer() bool { return len(c.issuers()) > 0 }

// NoIssuer is the error of a command that needs an issuer.
func (c *Config) NoIssuer() error {
	return c.fault(jwtPath, "names nobody whose tokens are accepted: %s", nameAnIssuer)
}

// Issuer returns the issuer whose tokens say that name in "iss"; for an empty name the only one.
func (c *Config) Issuer(name string) (Issuer, error) {
	all := c.issuers()
	var names []string
	for _, i := range all {
		if i.Name == name || i.Name == "" || name == "" && len(all) == 1 {
			return *i.Issuer, nil
		}
		names = append(names, i.Name)
	}
	switch {
	case len(all) == 0:
		return Issuer{}, c.NoIssuer()
	case name == "":
		return Issuer{}, fmt.Errorf("there are several issuers: want one of %s", strings.Join(names, ", "))
	}
	return Issuer{}, fmt.Errorf("there is no issuer %q, only %s", name, strings.Join(names, ", "))
}

// IssuerKeys are the keys that Load has read.
func (c *Config) IssuerKeys() (list []IssuerKey) {
	for _, i := range c.issuers() {
		for _, k := range i.keys {
			k.Issuer = i.Name
			k.Algorithms = slices.DeleteFunc(slices.Clone(i.Algorithms), func(name string) bool { return !slices.Contains(auth.Algorithms(k.value), name) })
			list = append(list, k)
		}
	}
	return list
}
