package main

import (
	"bytes"
	"crypto/tls"
	"encoding/pem"
	"errors"
	"log/slog"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/stompgw/stompgw/bus/bustest/servers"
	"github.com/stompgw/stompgw/cmd"
	"github.com/stompgw/stompgw/cmd/internal/config"
)

// TestSources: what the configuration lets pass as a source's destination, the bus takes, and what
// the bus refuses, is refused where file and line can be named. The configuration refuses more: what
// nobody could subscribe to.
func TestSources(t *testing.T) {
	t.Chdir(t.TempDir())
	long := "/" + strings.Repeat("a", 1023)
	for destination, ok := range map[string]bool{
		"/topic/orders": true, "/topic/{key}": true, "/{topic}/{partition}-{header.x}": true, "/{key}": true, "/a{key}b/{header.a.b}": true,
		"/topic/{header.ä}": true, "/topic/ä b": true, "/topic/{header. }": true, long: true, "/{header.}}": false,
		"": false, "topic": false, "{key}": false, "/": false, "/topic/": false, "/topic//x": false, "/topic/{key": false, "/topic/key}": false,
		"/topic/{id}": false, "/topic/{}": false, "/topic/{header.}": false, "/topic/{{key}}": false, "/topic/{a{key}": false, "/topic/*": false,
		"/topic/?": false, "/topic/\x01": false, "/topic/\xff": false, long + "a": false, "/topic/{KEY}": false,
	} {
		t.Run(destination, func(t *testing.T) {
			_, loadErr := loadSource(t, destination)
			settings := cmd.BusSettings{Node: "1/a", Log: slog.New(slog.DiscardHandler)}
			settings.Kafka = config.Default().Bus.Kafka
			settings.Kafka.Sources = []config.KafkaSource{{Topic: "orders", Destination: destination}}
			b, busErr := openKafka(settings)
			if busErr == nil {
				b.Close(t.Context()) // it holds nothing
			}
			if (loadErr == nil) != ok || (busErr == nil) != ok {
				t.Errorf("configuration: %v; bus: %v; want both to say the same, taken %t", loadErr, busErr, ok)
			}
		})
	}
}

func loadSource(t *testing.T, destination string) (*config.Config, error) {
	t.Helper()
	text := "bus: {kafka: {sources: [{topic: orders, destination: " + quoted(destination) + "}]}}\n"
	if err := os.WriteFile("t.yaml", []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return config.Load(config.Source{File: "t.yaml"})
}

// quoted is s as YAML can hold it, which has escapes like Go's for all but bytes that are no UTF-8.
func quoted(s string) string { return strings.ReplaceAll(strconv.Quote(s), `\xff`, "\xff") }

// TestPlainWarns: only a password that anybody can read on the way is worth a warning.
func TestPlainWarns(t *testing.T) {
	for _, tt := range []struct {
		mechanism string
		tls, warn bool
	}{{"plain", false, true}, {"plain", true, false}, {"scram-sha-512", false, false}, {"", false, false}} {
		t.Chdir(t.TempDir())
		text := "bus: {kafka: {brokers: ['127.0.0.1:1'], tls: {enabled: " + strconv.FormatBool(tt.tls) + "}"
		t.Setenv("STOMPGW_BUS_KAFKA_SASL_PASSWORD", "hunter2")
		if tt.mechanism != "" {
			text += ", sasl: {user: u, mechanism: " + tt.mechanism + "}"
		} else {
			os.Unsetenv("STOMPGW_BUS_KAFKA_SASL_PASSWORD") // an empty one is a mistake
		}
		write(t, "t.yaml", []byte(text+"}}\n"))
		cfg, err := config.Load(config.Source{File: "t.yaml"})
		if err != nil {
			t.Fatal(err)
		}
		var log syncWriter
		b, err := openKafka(cmd.BusSettings{Bus: cfg.Bus, Node: "1/a", Log: slog.New(slog.NewTextHandler(&log, nil))})
		if err != nil {
			t.Fatal(err)
		}
		b.Close(t.Context()) // it holds nothing
		if said := log.text(); strings.Contains(said, "crosses the network as it is") != tt.warn || strings.Contains(said, "hunter2") {
			t.Errorf("%q with TLS %t logs %s", tt.mechanism, tt.tls, said)
		}
	}
}

// syncWriter is a log of several goroutines.
type syncWriter struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (w *syncWriter) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.buf.Write(p)
}

func (w *syncWriter) text() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.buf.String()
}

// TestKafkaLogin publishes over a Kafka that wants TLS, a password, or both.
func TestKafkaLogin(t *testing.T) {
	b := servers.Kafka(t, servers.Secure())
	t.Chdir(t.TempDir())
	write(t, "ca.pem", certificateOf(t, b.TLSAddr))
	write(t, "password", []byte(servers.Password+"\n"))
	const wrong = "hunter2"
	write(t, "wrong", []byte(wrong+"\n"))
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
			write(t, file, []byte("bus: {driver: kafka, kafka: {brokers: ['"+tt.addr+"'], create: true, partitions: 1, "+tt.settings+"}}\n"))
			cmd := exec.CommandContext(t.Context(), os.Args[0], "publish", "--config", file, "/topic/a", "x")
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
func certificateOf(t *testing.T, addr string) []byte {
	t.Helper()
	conn, err := tls.Dial("tcp", addr, &tls.Config{InsecureSkipVerify: true}) // it is to be learnt
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: conn.ConnectionState().PeerCertificates[0].Raw})
}

func write(t *testing.T, name string, text []byte) {
	t.Helper()
	if err := os.WriteFile(name, text, 0o600); err != nil {
		t.Fatal(err)
	}
}
