package main

import (
	"bytes"
	"crypto/tls"
	"encoding/pem"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stompgw/stompgw/bus/bustest/servers"
	"github.com/stompgw/stompgw/cmd/internal/cli/clitest"
)

// TestKafkaLogin publishes over a Kafka that wants TLS, a password, or both.
func TestKafkaLogin(t *testing.T) {
	t.Parallel()
	b := servers.Kafka(t, servers.Secure())
	dir := t.TempDir()
	clitest.WriteFile(t, filepath.Join(dir, "ca.pem"), certificateOf(t, b.TLSAddr))
	clitest.WriteFile(t, filepath.Join(dir, "password"), servers.Password+"\n")
	const wrong = "hunter2"
	clitest.WriteFile(t, filepath.Join(dir, "wrong"), wrong+"\n")
	const login = ", user: " + servers.User + ", password_file: "
	for _, tt := range []struct {
		name, addr, settings string
		env                  []string
		refused              string // empty if it works
	}{
		{"TLS", b.TLSAddr, "tls: {ca: ca.pem}", nil, ""},
		{"TLS of an unknown authority", b.TLSAddr, "tls: {enabled: true}", nil, "unknown authority"},
		{"plain over TLS", b.BothAddr, "tls: {ca: ca.pem}, sasl: {mechanism: plain" + login + "password}", nil, ""},
		{"SCRAM-SHA-256", b.SASLAddr, "sasl: {mechanism: scram-sha-256" + login + "password}", nil, ""},
		{"SCRAM-SHA-512 over TLS", b.BothAddr, "tls: {ca: ca.pem}, sasl: {mechanism: scram-sha-512, user: " + servers.User + "}",
			[]string{"STOMPGW_BUS_KAFKA_SASL_PASSWORD=" + servers.Password}, ""},
		{"wrong password", b.SASLAddr, "sasl: {mechanism: scram-sha-512" + login + "wrong}", nil, "uthentication"},
		{"wrong plain password", b.SASLAddr, "sasl: {mechanism: plain" + login + "wrong}", nil, "uthentication"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			file := "t.yaml"
			clitest.WriteFile(t, filepath.Join(dir, file), "bus: {driver: kafka, kafka: {brokers: ['"+tt.addr+"'], create: true, partitions: 1, "+tt.settings+"}}\n")
			cmd := exec.CommandContext(t.Context(), os.Args[0], "publish", "--config", file, "/topic/a", "x")
			cmd.Dir = dir
			cmd.Env = append(append(os.Environ(), "RUN_AS_STOMPGW=1"), tt.env...)
			var said bytes.Buffer
			cmd.Stdout, cmd.Stderr = &said, &said
			var exit *exec.ExitError
			switch err := cmd.Run(); {
			case tt.refused == "" && err != nil:
				t.Errorf("%v:\n%s", err, &said)
			case tt.refused != "" && (!errors.As(err, &exit) || exit.ExitCode() != 4 || !strings.Contains(said.String(), tt.refused)):
				t.Errorf("%v, want exit code 4 and a word about %q:\n%s", err, tt.refused, &said)
			}
			if strings.Contains(said.String(), wrong) || strings.Contains(said.String(), servers.Password) {
				t.Errorf("a password is shown:\n%s", &said)
			}
		})
	}
}

// certificateOf returns the certificate of the server at addr, which signed it itself, in PEM.
func certificateOf(t *testing.T, addr string) string {
	t.Helper()
	conn, err := tls.Dial("tcp", addr, &tls.Config{InsecureSkipVerify: true}) // it is to be learnt
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: conn.ConnectionState().PeerCertificates[0].Raw}))
}
