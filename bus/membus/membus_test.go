package membus_test

import (
	"testing"

	"go.uber.org/goleak"

	"github.com/stompgw/stompgw/bus"
	"github.com/stompgw/stompgw/bus/bustest"
	"github.com/stompgw/stompgw/bus/membus"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// TestRecallClosed: whoever waits for a node to come further hears that it will not before that is closed.
func TestRecallClosed(t *testing.T) {
	b := membus.NewCluster().Bus("1/a")
	told := make(chan bus.Recalled, 1)
	b.Recall("/topic/x", bus.Wish{After: []bus.Position{{Offset: 5}}}, func(r bus.Recalled) { told <- r })
	if err := b.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	select {
	case r := <-told:
		if r.Whole {
			t.Errorf("told %+v", r)
		}
	default:
		t.Error("told nothing")
	}
}

func TestBus(t *testing.T) {
	bustest.Run(t, func(*testing.T) bustest.Cluster {
		cluster := membus.NewCluster()
		return func(_ *testing.T, node string) bus.Bus { return cluster.Bus(node) }
	})
}
