package config

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"time"
)

// loadPair reads the certificate and the private key that two settings of a section name, if
// Source.Uses it; nil is for neither.
func (c *Config) loadPair(path, cert, key string) (*tls.Certificate, []error) {
	switch {
	case cert == "" && key == "":
		return nil, nil
	case cert == "":
		return nil, []error{c.fault(path+".cert", "is missing beside %s.key: name the file of the certificate", path)}
	case key == "":
		return nil, []error{c.fault(path+".key", "is missing beside %s.cert: name the file of the private key", path)}
	case !c.uses(path):
		return nil, nil
	}
	pair, err := c.readPair(cert, key)
	if err != nil {
		return nil, []error{c.fault(path+".cert", "with %s.key can't be used: %v", path, err)}
	}
	return pair, nil
}

// readPair returns what two files hold. Its errors name them.
func (c *Config) readPair(cert, key string) (*tls.Certificate, error) {
	chain, err := c.readPEM(cert)
	if err != nil {
		return nil, err
	}
	private, err := c.readPEM(key)
	if err != nil {
		return nil, err
	}
	pair, err := tls.X509KeyPair(chain, private)
	if err != nil {
		return nil, fmt.Errorf("%s, %s: %w", cert, key, err)
	}
	return &pair, nil
}

// loadCA reads the certificates of who may sign those of others, and when the last of them expires.
func (c *Config) loadCA(path, name string) (pool *x509.CertPool, last time.Time, errs []error) {
	text, err := c.readPEM(name)
	if err != nil {
		return nil, last, []error{c.fault(path, "%v", err)}
	}
	if pool, last, err = authorities(text); err != nil {
		return nil, last, []error{c.fault(path, "%s %v", name, err)}
	}
	return pool, last, nil
}

// readPEM is read for a file of PEM, which has to be whole: what is cut off would be passed over by those
// who parse it, and somebody may be writing it.
func (c *Config) readPEM(name string) ([]byte, error) {
	text, err := c.read(name)
	if err != nil {
		return nil, err
	}
	if err := checkPEM(text); err != nil {
		return nil, fmt.Errorf("%s %w", name, err)
	}
	return text, nil
}

func checkPEM(text []byte) error {
	blocks := 0
	for block, rest := pem.Decode(text); block != nil; block, rest = pem.Decode(rest) {
		blocks++
	}
	switch begun := bytes.Count(text, []byte("-----BEGIN ")); {
	case begun == 0:
		return errors.New("holds no PEM, which begins with -----BEGIN")
	case blocks < begun:
		return fmt.Errorf("holds %d blocks of PEM, of which %d can be read: is it whole?", begun, blocks)
	}
	return nil
}
