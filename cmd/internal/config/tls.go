package config

import (
	"crypto/tls"
	"fmt"

	"github.com/stompgw/stompgw/bus/settings"
	"github.com/stompgw/stompgw/gateway/auth"
)

// loadTLS reads the files of the sections of settings.Certificates that are in use.
func (c *Config) loadTLS() {
	for f, t := range fieldsIn[settings.Certificates](c) {
		if c.inUse(f.path) {
			c.loadCertificates(f.path, t)
		}
	}
}

// loadCertificates checks the section at path and reads its files.
func (c *Config) loadCertificates(path string, t *settings.Certificates) {
	switches, _ := keyAt(c.keys(), path+".enabled") // where a section has one
	enabled, _ := switches.target.(*bool)
	none := t.CA == "" && t.Cert == "" && t.Key == ""
	switch {
	case none && (enabled == nil || !*enabled):
		return
	case !none && enabled != nil && !*enabled && c.Origin(switches.path) != ByDefault:
		c.fail(switches.path, "is false, but there are TLS files beside it: leave out one or the other")
		return
	case !none && enabled != nil:
		*enabled = true
	}
	for _, file := range []string{".key", ".cert", ".ca"} { // which implies it
		if c.Origin(path+file) != ByDefault {
			c.origins[path+".enabled"] = c.Origin(path + file)
		}
	}
	if !none && !c.uses(path) {
		return
	}
	t.Loaded = &tls.Config{MinVersion: tls.VersionTLS12}
	if t.CA != "" {
		text, err := c.readPEM(t.CA)
		if err == nil {
			t.Loaded.RootCAs, t.CAExpires, err = authorities(t.CA, text)
		}
		if err != nil {
			c.expect(path+".ca", err)
			return
		}
	}
	if pair := c.loadPair(path, t.Cert, t.Key); pair != nil {
		t.Loaded.Certificates = []tls.Certificate{*pair}
	}
}

// loadPair reads the certificate and the private key that two settings of a section name, if
// Source.Uses it; nil is for neither.
func (c *Config) loadPair(path, cert, key string) *tls.Certificate {
	switch {
	case cert == "" && key == "":
		return nil
	case cert == "":
		c.fail(path+".cert", "is missing beside %s.key: name the file of the certificate", path)
		return nil
	case key == "":
		c.fail(path+".key", "is missing beside %s.cert: name the file of the private key", path)
		return nil
	case !c.uses(path):
		return nil
	}
	chain, err := c.readPEM(cert)
	private, errOfKey := c.readPEM(key)
	if err == nil {
		err = errOfKey
	}
	var pair tls.Certificate
	if err == nil {
		if pair, err = tls.X509KeyPair(chain, private); err != nil {
			err = fmt.Errorf("%s, %s: %w", cert, key, err)
		}
	}
	if err != nil {
		c.fail(path+".cert", "with %s.key can't be used: %v", path, err)
		return nil
	}
	return &pair
}

// readPEM is read for a file of PEM, which has to be whole.
func (c *Config) readPEM(name string) ([]byte, error) {
	text, err := c.read(name)
	if err != nil {
		return nil, err
	}
	if err := auth.CheckPEM(text); err != nil {
		return nil, fmt.Errorf("%s %w", name, err)
	}
	return text, nil
}
