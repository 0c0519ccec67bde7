package config

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"time"

	"github.com/stompgw/stompgw/bus/settings"
)

// soon is how long before a certificate expires people are warned.
const soon = 14 * 24 * time.Hour

// Certificate is a file of certificates that a node uses.
type Certificate struct {
	Path    string // of the setting that names it
	File    string
	Expires time.Time // of a node's own, when the first of the chain does; of authorities, when the last does
}

// Certificates are those that Load has read.
func (c *Config) Certificates() (list []Certificate) {
	if c.TLS.pair != nil {
		list = append(list, Certificate{"tls.cert", c.TLS.Cert, expiry(c.TLS.pair)})
	}
	if c.API.TLS.pair != nil {
		list = append(list, Certificate{"api.tls.cert", c.API.TLS.Cert, expiry(c.API.TLS.pair)})
	}
	for f, t := range fieldsIn[settings.Certificates](c) {
		if !t.CAExpires.IsZero() {
			list = append(list, Certificate{f.path + ".ca", t.CA, t.CAExpires})
		}
		if t.Loaded != nil && len(t.Loaded.Certificates) > 0 {
			list = append(list, Certificate{f.path + ".cert", t.Cert, expiry(&t.Loaded.Certificates[0])})
		}
	}
	return list
}

// Expired returns a mistake for each certificate that is good no more, of the files that only admits;
// nil admits all.
func (c *Config) Expired(now time.Time, only func(file string) bool) (errs []error) {
	for _, cert := range c.Certificates() {
		if only != nil && !only(cert.File) {
			continue
		}
		if !now.Before(cert.Expires) {
			errs = append(errs, c.fault(cert.Path, "%s expired on %s: put a new one in its place", cert.File, cert.Expires.UTC().Format(time.DateOnly)))
		}
	}
	return errs
}

// ExpireSoon returns a line for each certificate that will not be good for much longer.
func (c *Config) ExpireSoon(now time.Time) (lines []string) {
	for _, cert := range c.Certificates() {
		if left := cert.Expires.Sub(now); left > 0 && left < soon {
			lines = append(lines, c.fault(cert.Path, "%s expires on %s, in %s: put a new one in its place",
				cert.File, cert.Expires.UTC().Format(time.DateOnly), days(left)).Error())
		}
	}
	return lines
}

func days(d time.Duration) string {
	switch n := int(d / (24 * time.Hour)); n {
	case 0:
		return "less than a day"
	case 1:
		return "1 day"
	default:
		return fmt.Sprintf("%d days", n)
	}
}

// expiry is when the first certificate of a chain expires.
func expiry(pair *tls.Certificate) (first time.Time) {
	for _, der := range pair.Certificate {
		if c, err := x509.ParseCertificate(der); err == nil && (first.IsZero() || c.NotAfter.Before(first)) { // its first was parsed before
			first = c.NotAfter
		}
	}
	return first
}

// authorities returns the certificates of a file in PEM, and when the last of them expires. As x509 does
// with those of a system, it passes over what it can't parse.
func authorities(name string, text []byte) (pool *x509.CertPool, last time.Time, err error) {
	pool = x509.NewCertPool()
	for block, rest := pem.Decode(text); block != nil; block, rest = pem.Decode(rest) {
		c, err := x509.ParseCertificate(block.Bytes)
		if block.Type != "CERTIFICATE" || err != nil {
			continue
		}
		pool.AddCert(c)
		if c.NotAfter.After(last) {
			last = c.NotAfter
		}
	}
	if last.IsZero() {
		return nil, last, fmt.Errorf("%s holds no certificate in PEM", name)
	}
	return pool, last, nil
}
