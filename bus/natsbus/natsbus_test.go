package natsbus

import (
	"testing"

	"github.com/stompgw/stompgw/bus"
	"github.com/stompgw/stompgw/bus/bustest"
)

var (
	_ bus.Narrower = (*Bus)(nil)
	_ bus.Measured = (*Bus)(nil)
	_ bus.Living   = (*Bus)(nil)
	_ bus.Recaller = (*Bus)(nil)
)

// namespaces makes clusters on one server, each with a prefix of its own.
func namespaces(url string) func(t *testing.T) bustest.Cluster {
	return func(t *testing.T) bustest.Cluster {
		cfg := Config{URL: url, Prefix: "suite." + string(appendToken(nil, t.Name())), Queue: 512, History: History{Bytes: 64 << 20}}
		return func(t *testing.T, node string) bus.Bus {
			return newBus(t, cfg, node, nil)
		}
	}
}

func TestBusOnEmbeddedServer(t *testing.T) {
	bustest.Run(t, namespaces(startServer(t, 0, withJetStream(t.TempDir())).ClientURL()))
}

func TestBusOnServerProcess(t *testing.T) {
	bustest.Run(t, namespaces(startProcess(t, "-js", "-sd", t.TempDir())))
}

// TestAlive: a bus is alive whatever its broker does, and when it was closed; not if it has ended by itself.
func TestAlive(t *testing.T) {
	server := newFakeServer(t)
	server.ln.Close()
	b := newBus(t, Config{URL: server.url()}, "1/a", nil)
	if err := b.Alive(); err != nil || b.Healthy() == nil {
		t.Errorf("without a server, Alive says %v, and Healthy %v", err, b.Healthy())
	}
	b.cancel() // as nobody does but Close, after it has refused what comes
	<-b.ended
	if b.Alive() == nil {
		t.Error("it is alive after its goroutines have ended")
	}
	if err := b.Close(t.Context()); err != nil || b.Alive() != nil {
		t.Errorf("Close says %v, and Alive after it %v", err, b.Alive())
	}
}
