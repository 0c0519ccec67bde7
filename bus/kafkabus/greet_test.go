package kafkabus

import (
	"io"
	"log/slog"
	"strings"
	"testing"

	"github.com/stompgw/stompgw/bus/bustest/servers"
)

// The log is all that an operator sees of a node that has been given a wrong address.
func TestLogOfBrokersThatDoNotAnswer(t *testing.T) {
	fake := servers.Fake(t, 1)
	fake.Stop()
	lines, log := io.Pipe()
	b, err := New(Config{Brokers: fake.Addrs, Create: true}, "1/a", slog.New(slog.NewTextHandler(log, nil)))
	if err != nil {
		t.Fatal(err)
	}
	await(t, lines, `msg="bus unreachable; trying on" err="kafkabus: none of `+fake.Addrs[0]+" answers: ")
	fake.Start(t)
	await(t, lines, `msg="bus connected" brokers=1`)
	go io.Copy(io.Discard, lines) // until the pipe is closed below
	if err := b.Close(t.Context()); err != nil {
		t.Error(err)
	}
	log.Close()
}

// await reads until text has come.
func await(t *testing.T, r io.Reader, text string) {
	t.Helper()
	var read strings.Builder
	for b := make([]byte, 4096); !strings.Contains(read.String(), text); {
		n, err := r.Read(b)
		if err != nil {
			t.Fatalf("the log ended with %v before %q:\n%s", err, text, read.String())
		}
		read.Write(b[:n])
	}
}
