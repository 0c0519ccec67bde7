package config

import (
	"crypto/tls"
	"time"
)

// ClientTLS says how to be sure of a server, and how it can be sure of us.
type ClientTLS struct {
	Enabled   bool   // by itself for Kafka and Redis; any of the files implies it
	CA        string // file in PEM with who may have signed the server's certificate; empty is the system's
	Cert, Key string // files in PEM of our own certificate; both or neither

	loaded    *tls.Config
	caExpires time.Time // zero without CA
}

// Loaded returns what the files hold, nil without TLS. Load has read them.
func (t *ClientTLS) Loaded() *tls.Config { return t.loaded }

// loadTLS checks the section at path and reads its files.
func (c *Config) loadTLS(path string, t *ClientTLS) (errs []error) {
	if t.CA == "" && t.Cert == "" && t.Key == "" {
		if t.Enabled {
			t.loaded = &tls.Config{MinVersion: tls.VersionTLS12}
		}
		return nil
	}
	if enabled := path + ".enabled"; !t.Enabled && c.Origin(enabled) != ByDefault {
		return []error{c.fault(enabled, "is false, but beside it stand files for TLS: leave the one or the other out")}
	}
	t.Enabled = true
	for _, file := range []string{".key", ".cert", ".ca"} { // which implies it
		if c.Origin(path+file) != ByDefault {
			c.origins[path+".enabled"] = c.Origin(path + file)
		}
	}
	if !c.uses(path) {
		return nil
	}
	t.loaded = &tls.Config{MinVersion: tls.VersionTLS12}
	if t.CA != "" {
		if t.loaded.RootCAs, t.caExpires, errs = c.loadCA(path+".ca", t.CA); errs != nil {
			return errs
		}
	}
	pair, errs := c.loadPair(path, t.Cert, t.Key)
	if pair != nil {
		t.loaded.Certificates = []tls.Certificate{*pair}
	}
	return errs
}
