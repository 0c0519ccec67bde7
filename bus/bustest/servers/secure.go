package servers

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"net"
	"path/filepath"
	"testing"
	"time"

	"github.com/segmentio/kafka-go"
)

// User and Password are what the SASL listeners of a Broker accept, with each of their mechanisms.
const (
	User     = "stompgw"
	Password = "correct horse"
)

// Secure adds listeners with TLS, with SASL, and with both. CA is what their certificate, for
// 127.0.0.1, is to be checked with.
func Secure() Option {
	return func(t testing.TB, b *Broker) {
		key, cert := Certificate(t)
		b.CA = x509.NewCertPool()
		b.CA.AppendCertsFromPEM(cert)
		b.write(t, "server.pem", bytes.Join([][]byte{key, cert}, nil))
		b.TLSAddr, b.SASLAddr, b.BothAddr = loopback(FreePort(t)), loopback(FreePort(t)), loopback(FreePort(t))
		b.settings = append(b.settings,
			"ssl.keystore.type=PEM",
			"ssl.keystore.location="+filepath.ToSlash(b.file("server.pem")),
			"sasl.enabled.mechanisms=PLAIN,SCRAM-SHA-256,SCRAM-SHA-512",
		)
		for _, name := range []string{"sasl", "both"} {
			const module = "org.apache.kafka.common.security."
			prefix := "listener.name." + name + "."
			b.settings = append(b.settings,
				fmt.Sprintf(`%splain.sasl.jaas.config=%splain.PlainLoginModule required user_%s="%s";`, prefix, module, User, Password),
				prefix+"scram-sha-256.sasl.jaas.config="+module+"scram.ScramLoginModule required;",
				prefix+"scram-sha-512.sasl.jaas.config="+module+"scram.ScramLoginModule required;",
			)
		}
	}
}

// Guarded has the broker ask for rights: those who log in have none but what Grant gives them, and
// those who do not may do everything.
func Guarded() Option {
	return func(_ testing.TB, b *Broker) {
		b.settings = append(b.settings,
			"authorizer.class.name=org.apache.kafka.metadata.authorizer.StandardAuthorizer",
			"super.users=User:ANONYMOUS",
		)
	}
}

// Grant lets User read and write a topic.
func (b *Broker) Grant(t testing.TB, topic string) {
	t.Helper()
	b.grant(t, topic, kafka.ACLOperationTypeRead, kafka.ACLOperationTypeWrite)
}

// GrantRead lets User read a topic.
func (b *Broker) GrantRead(t testing.TB, topic string) {
	t.Helper()
	b.grant(t, topic, kafka.ACLOperationTypeRead)
}

// grant lets User do something with a topic: to read or to write it is to describe it, too.
func (b *Broker) grant(t testing.TB, topic string, operations ...kafka.ACLOperationType) {
	t.Helper()
	var rights []kafka.ACLEntry
	for _, operation := range operations {
		rights = append(rights, kafka.ACLEntry{
			ResourceType: kafka.ResourceTypeTopic, ResourceName: topic, ResourcePatternType: kafka.PatternTypeLiteral,
			Principal: "User:" + User, Host: "*", PermissionType: kafka.ACLPermissionTypeAllow, Operation: operation,
		})
	}
	ask(t, b.Addr, "grant topic "+topic, func(ctx context.Context, c *kafka.Client) error {
		r, err := c.CreateACLs(ctx, &kafka.CreateACLsRequest{ACLs: rights})
		if err != nil {
			return err
		}
		return errors.Join(r.Errors...)
	})
}

// Revoke takes back what User may do with a topic.
func (b *Broker) Revoke(t testing.TB, topic string) {
	t.Helper()
	ask(t, b.Addr, "revoke topic "+topic, func(ctx context.Context, c *kafka.Client) error {
		r, err := c.DeleteACLs(ctx, &kafka.DeleteACLsRequest{Filters: []kafka.DeleteACLsFilter{{
			ResourceTypeFilter: kafka.ResourceTypeTopic, ResourceNameFilter: topic, ResourcePatternTypeFilter: kafka.PatternTypeLiteral,
			PrincipalFilter: "User:" + User, HostFilter: "*", Operation: kafka.ACLOperationTypeAny, PermissionType: kafka.ACLPermissionTypeAny,
		}}})
		if err != nil {
			return err
		}
		return r.Results[0].Error
	})
}

// Certificate returns a key and a certificate that it signs itself, in PEM, for a host; none is 127.0.0.1.
func Certificate(t testing.TB, host ...string) (key, cert []byte) {
	t.Helper()
	name := append(host, "127.0.0.1")[0]
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	must(t, err)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1),
		Subject:      pkix.Name{CommonName: name}, // Java wants one
		NotBefore:    time.Now().Add(-time.Hour),
		NotAfter:     time.Now().Add(24 * time.Hour),
		IsCA:         true, BasicConstraintsValid: true,
	}
	if ip := net.ParseIP(name); ip != nil {
		template.IPAddresses = []net.IP{ip}
	} else {
		template.DNSNames = []string{name}
	}
	signed, err := x509.CreateCertificate(rand.Reader, template, template, &private.PublicKey, private)
	must(t, err)
	encoded, err := x509.MarshalPKCS8PrivateKey(private)
	must(t, err)
	return pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: encoded}),
		pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: signed})
}
