package config

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"math/big"
	"reflect"
	"testing"
	"time"
)

// chain returns certificates of one key, and the key, each in PEM. The first is good until first, and so on.
func chain(t *testing.T, ends ...time.Time) (certificates, key string) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	for _, end := range ends {
		template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: end}
		der, err := x509.CreateCertificate(rand.Reader, template, template, private.Public(), private)
		if err != nil {
			t.Fatal(err)
		}
		certificates += string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))
	}
	der, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	return certificates, string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}))
}

// TestCertificates: of the certificates that are in use it is known when they are good no more, and people are told.
func TestCertificates(t *testing.T) {
	t.Chdir(t.TempDir())
	now := time.Date(2025, 2, 3, 12, 0, 0, 0, time.UTC)
	in := func(days float64) time.Time { return now.Add(time.Duration(days * float64(24*time.Hour))) }
	for name, ends := range map[string][]time.Time{
		"chain": {in(300), in(13.5)}, "authorities": {in(-400), in(20)}, "expired": {in(-400), in(0)}, "node": {in(1.5)}, "last": {in(0.5)}, "fine": {in(14)},
	} {
		certificates, key := chain(t, ends...)
		writeFile(t, name+".crt", certificates)
		writeFile(t, name+".key", key)
	}
	loadText := func(text string) *Config {
		t.Helper()
		writeFile(t, "t.yaml", text)
		c := must(Load(Source{Drivers: drivers(), File: "t.yaml"}))
		return c
	}
	c := loadText(`tls: {cert: chain.crt, key: chain.key}
redis: {tls: {ca: authorities.crt, cert: node.crt, key: node.key}}
bus:
  kafka:
    tls: {ca: expired.crt, cert: last.crt, key: last.key}
  nats: {tls: {ca: expired.crt}}
`)
	want := []Certificate{
		{"tls.cert", "chain.crt", in(13.5)}, {"bus.kafka.tls.ca", "expired.crt", now}, {"bus.kafka.tls.cert", "last.crt", in(0.5)},
		{"redis.tls.ca", "authorities.crt", in(20)}, {"redis.tls.cert", "node.crt", in(1.5)},
	}
	if got := c.Certificates(); !reflect.DeepEqual(got, want) {
		t.Errorf("\n got %v\nwant %v", got, want)
	}
	const expired = "t.yaml:5: bus.kafka.tls.ca: expired.crt expired on 2025-02-03: put a new one in its place"
	if err := errors.Join(c.Expired(now, nil)...); err == nil || err.Error() != expired {
		t.Errorf("got %v, want %s", err, expired)
	}
	if errs := c.Expired(now.Add(-1), nil); errs != nil {
		t.Errorf("a moment before: %v", errs)
	}
	if errs := c.Expired(now, func(file string) bool { return file == "chain.crt" }); errs != nil {
		t.Errorf("of another file: %v", errs)
	}
	soon := []string{
		"t.yaml:1: tls.cert: chain.crt expires on 2025-02-17, in 13 days: put a new one in its place",
		"t.yaml:5: bus.kafka.tls.cert: last.crt expires on 2025-02-04, in less than a day: put a new one in its place",
		"t.yaml:2: redis.tls.cert: node.crt expires on 2025-02-05, in 1 day: put a new one in its place",
	}
	if got := c.ExpireSoon(now); !reflect.DeepEqual(got, soon) {
		t.Errorf("\n got %q\nwant %q", got, soon)
	}
	if c := loadText("tls: {cert: fine.crt, key: fine.key}\n"); c.ExpireSoon(now) != nil || c.ExpireSoon(now.Add(1)) == nil {
		t.Error("14 days are not the border")
	}
	if got := loadText("log: {level: info}\n").Certificates(); got != nil {
		t.Errorf("without any: %v", got)
	}
}
