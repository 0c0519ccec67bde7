package natsbus

import (
	"testing"

	"github.com/stompgw/stompgw/bus"
	"github.com/stompgw/stompgw/bus/bustest"
)

var (
	_ bus.Narrower = (*Bus)(nil)
	_ bus.Measured = (*Bus)(nil)
)

// namespaces makes clusters on one server, each with a prefix of its own.
func namespaces(url string) func(t *testing.T) bustest.Cluster {
	return func(t *testing.T) bustest.Cluster {
		cfg := Config{URL: url, Prefix: "suite." + string(appendToken(nil, t.Name())), Queue: 512}
		return func(t *testing.T, node string) bus.Bus { return newBus(t, cfg, node, nil) }
	}
}

func TestBusOnEmbeddedServer(t *testing.T) {
	bustest.Run(t, namespaces(startServer(t, 0).ClientURL()))
}

func TestBusOnServerProcess(t *testing.T) {
	bustest.Run(t, namespaces(startProcess(t)))
}
