package config

import (
	"crypto/rand"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
	"unicode"

	"github.com/stompgw/stompgw/bus/settings"
)

// API says where backends are answered over HTTP, and whose.
type API struct {
	Listen   string   `key:"listen" is:"address of the HTTP API for backends, such as '127.0.0.1:13005'; empty turns it off"`
	TLS      APITLS   `key:"tls"`
	Insecure bool     `key:"insecure" default:"false" is:"allow an address that is not loopback without 'api.tls', if something else encrypts"`
	Keys     []APIKey `key:"keys" is:"keys that backends may use"`
}

type APITLS struct {
	Cert string `key:"cert" is:"PEM file of the certificate for 'api.listen'; empty means no TLS"` // with Key
	Key  string `key:"key" is:"PEM file of its private key"`

	pair *tls.Certificate // as in TLS
}

// Loaded returns what the files hold, nil without TLS. Load has read them.
func (t *APITLS) Loaded() *tls.Certificate { return t.pair }

// APIKey is what a backend shows, and what it may do with that.
type APIKey struct {
	Name   string          `key:"name" required:"true" is:"name of the key's owner in logs"`
	Secret settings.Secret `key:"key" required:"true" from:"file" is:"file that holds nothing but the key, 32 bytes or more: 'openssl rand -base64 32' makes one"`
	Scopes []string        `key:"scopes" required:"true" is:"what the key allows: any of 'publish', 'read', 'history' and 'operate'"`
}

const (
	// standaloneAPI is where a standalone node is asked that has no file.
	standaloneAPI = "127.0.0.1:13005"

	minKey     = 32  // bytes, as many as a guess has no chance against
	maxKey     = 512 // bytes, for the header of a request
	maxKeyName = 64  // bytes
)

// scopes are what the keys of the API may be used for.
func scopes() []string { return []string{"publish", "read", "history", "operate"} }

// openAPI lets who has started a standalone node try the API, with a key that is made up: unless he has said that
// it listens nowhere.
func (c *Config) openAPI() {
	if c.Origin("api.listen") == ByDefault {
		c.API.Listen = standaloneAPI
		c.origins["api.listen"] = ByStandalone
	}
	if c.API.Listen == "" {
		return
	}
	key := APIKey{Name: "standalone", Scopes: scopes()}
	key.Secret.UnmarshalText([]byte(rand.Text() + rand.Text()))
	c.API.Keys = []APIKey{key}
}

// checkAPI checks api, and loads its keys and its certificate.
func (c *Config) checkAPI() {
	a := &c.API
	a.TLS.pair = c.loadPair("api.tls", a.TLS.Cert, a.TLS.Key)
	for i := range a.Keys {
		c.checkKey(i)
	}
	switch {
	case a.Listen == "":
	case len(a.Keys) == 0:
		c.fail("api.listen", "is set, but nobody has a key: add one to api.keys, as {name: shop-backend, key_file: api.key, scopes: [publish, read]}")
	case !isLoopback(a.Listen) && a.TLS.Cert == "" && !a.Insecure:
		c.fail("api.listen", "%s can be reached from other machines, and keys would cross the network in the clear: set api.tls.cert and api.tls.key, or api.insecure: true where something else encrypts", a.Listen)
	}
}

// isLoopback reports whether an address can be reached from its own machine alone.
func isLoopback(address string) bool {
	host, _, err := net.SplitHostPort(address)
	ip := net.ParseIP(host)
	return err != nil || host == "localhost" || ip != nil && ip.IsLoopback() // checkAddresses tells of what is none
}

func (c *Config) checkKey(i int) {
	k, path := &c.API.Keys[i], fmt.Sprintf("api.keys[%d]", i)
	before := c.API.Keys[:i]
	switch same := func(other APIKey) bool { return other.Name == k.Name }; {
	case len(k.Name) > maxKeyName || strings.ContainsFunc(k.Name, func(r rune) bool { return !unicode.IsPrint(r) }):
		c.fail(path+".name", "%q can't be shown in a log: want one line of %d bytes at most", k.Name, maxKeyName)
	case slices.ContainsFunc(before, same):
		c.fail(path+".name", "%q is also the name of another key: a replacement needs a name of its own, such as %[1]s-2", k.Name)
	}
	for n, scope := range k.Scopes {
		if !slices.Contains(scopes(), scope) {
			c.fail(fmt.Sprintf("%s.scopes[%d]", path, n), "%q is none of %s", scope, strings.Join(scopes(), ", "))
		}
	}
	if c.API.Listen == "" || !c.uses("api") {
		return
	}
	if k.Secret.Reveal() == "" {
		if err := c.loadSecret(key{path: path + ".key"}, &k.Secret); err != nil {
			c.errs = append(c.errs, err)
			return
		}
	}
	switch same := func(other APIKey) bool { return other.Secret.Reveal() == k.Secret.Reveal() }; {
	case len(k.Secret.Reveal()) < minKey || len(k.Secret.Reveal()) > maxKey:
		c.fail(path+".key_file", "%s holds a key of %d bytes: want %d to %d, such as `openssl rand -base64 32` makes", k.Secret.File(), len(k.Secret.Reveal()), minKey, maxKey)
	case strings.ContainsFunc(k.Secret.Reveal(), func(r rune) bool { return r <= ' ' || r > '~' }):
		c.fail(path+".key_file", "%s holds a space, or what no header can have: want letters, digits and signs of ASCII", k.Secret.File())
	case slices.ContainsFunc(before, same):
		c.fail(path+".key_file", "%s holds the same key as %s: nobody could tell whose a request is", k.Secret.File(), before[slices.IndexFunc(before, same)].Name)
	}
}

// Inbox returns below which destination messages to a member, as JSON, are published: of the issuer of that name in
// auth.issuers, or, where it is empty, of the one whose members have none before their ids. The error says why there is none.
func (c *Config) Inbox(issuer, member string) (string, error) {
	if c.Prefixes.Member == "" {
		return "", errors.New("prefixes.member is off, so that members have no destinations of their own")
	}
	of, err := c.Tokens().Inbox(issuer, member)
	if err != nil {
		return "", err
	}
	return c.Prefixes.Member + "/" + of, nil
}
