package message

import (
	"errors"
	"slices"
	"testing"

	"github.com/stompgw/stompgw/bus"
	"github.com/stompgw/stompgw/cmd/internal/cli/clitest"
)

// keeper is a ledger with a past, which needs some time before it can keep anything.
type keeper struct {
	ledger
	keep  *bus.Keep
	looks int // at its health
	at    int // of them, when the first message came
}

func (k *keeper) Remember(keep bus.Keep) { k.keep = &keep }

func (k *keeper) Recall(string, bus.Wish, func(bus.Recalled)) {}

func (k *keeper) Healthy() error {
	if k.looks++; k.looks < 3 {
		return errors.New("not asked yet")
	}
	return nil
}

func (k *keeper) Publish(e bus.Envelope, done func(error)) error {
	k.at = k.looks
	return k.ledger.Publish(e, done)
}

// TestPublishKept: a bus knows that a destination has history before something is published to it, and is ready for that; of other
// destinations it need know nothing.
func TestPublishKept(t *testing.T) {
	t.Chdir(t.TempDir())
	clitest.WriteFile(t, "c.yaml", "history: {memory: 7MiB}\nchannels:\n  - {match: /topic/kept, subscribe: true, history: {size: 100, ttl: 10m}}\n  - {match: '/topic/**', subscribe: true}\n")
	publish := func(destination string) *keeper {
		k := new(keeper)
		if code, _, stderr := over(k).Run(t, nil, "publish", "--nats", "nats://127.0.0.1:1", "-c", "c.yaml", destination, "x"); code != 0 || len(k.taken) != 1 {
			t.Errorf("%s: exit code %d, %s", destination, code, stderr)
		}
		return k
	}
	k := publish(keptRoom)
	if k.keep == nil || !k.keep.Has(keptRoom) || k.keep.Has("/topic/a") || !slices.Equal(k.keep.Patterns, []string{keptRoom}) || k.keep.Size != 100 || k.keep.Bytes != 7<<20 {
		t.Errorf("what is kept: %+v", k.keep)
	}
	if k.at != 3 {
		t.Errorf("published after %d looks, want 3", k.at)
	}
	if k := publish("/topic/a"); k.keep != nil || k.at != 0 {
		t.Errorf("without history: %+v, published after %d looks", k.keep, k.at)
	}
}
