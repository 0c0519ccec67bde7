package config

import (
	"crypto/tls"
	"crypto/x509"
)

// ClientTLS says how to be sure of a server, and how it can be sure of us.
type ClientTLS struct {
	Enabled   bool   // by itself for Kafka and Redis; any of the files implies it
	CA        string // file in PEM with who may have signed the server's certificate; empty is the system's
	Cert, Key string // files in PEM of our own certificate; both or neither

	loaded *tls.Config
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
		if t.loaded.RootCAs, errs = c.loadCA(path+".ca", t.CA); errs != nil {
			return errs
		}
	}
	return c.loadPair(path, t)
}

func (c *Config) loadCA(path, name string) (*x509.CertPool, []error) {
	text, err := ReadFile(name)
	if err != nil {
		return nil, []error{c.fault(path, "%v", err)}
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(text) {
		return nil, []error{c.fault(path, "%s holds no certificate in PEM", name)}
	}
	return pool, nil
}

func (c *Config) loadPair(path string, t *ClientTLS) []error {
	switch {
	case t.Cert == "" && t.Key == "":
		return nil
	case t.Cert == "":
		return []error{c.fault(path+".cert", "is missing beside %s.key: name the file of the certificate", path)}
	case t.Key == "":
		return []error{c.fault(path+".key", "is missing beside %s.cert: name the file of the private key", path)}
	}
	pair, err := tls.LoadX509KeyPair(t.Cert, t.Key)
	if err != nil {
		return []error{c.fault(path+".cert", "with %s.key can't be used: %v; want two files in PEM", path, err)}
	}
	t.loaded.Certificates = []tls.Certificate{pair}
	return nil
}
