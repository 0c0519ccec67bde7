package membus_test

import (
	"testing"

	"go.uber.org/goleak"

	"github.com/stompgw/stompgw/bus"
	"github.com/stompgw/stompgw/bus/bustest"
	"github.com/stompgw/stompgw/bus/membus"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestBus(t *testing.T) {
	bustest.Run(t, func(*testing.T) bustest.Cluster {
		cluster := membus.NewCluster()
		return func(_ *testing.T, node string) bus.Bus { return cluster.Bus(node) }
	})
}
