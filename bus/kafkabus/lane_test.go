package kafkabus

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/segmentio/kafka-go"

	"github.com/stompgw/stompgw/bus"
	"github.com/stompgw/stompgw/bus/kafkabus/internal/wire"
)

// TestLaneBatch: what waits while a request is under way becomes one batch, in order and numbered on.
func TestLaneBatch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		judge, release := holding()
		b := newBench(t, Config{}, judge)
		b.view(1)
		b.must("a")
		synctest.Wait()
		b.must("b", "c", "d")
		release()
		b.wantAnswers(nil, "a", "b", "c", "d")
		b.wantAttempts("[1:a]", "[2:b 3:c 4:d]")
		if got := strings.Join(b.order, ""); got != "abcd" {
			t.Errorf("the dones ran in the order %s", got)
		}
	})
}

// TestLaneBatchLimit: a batch is not larger than the topic takes, and a single record always goes.
func TestLaneBatchLimit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		judge, release := holding()
		b := newBench(t, Config{}, judge)
		size := b.cfg.Envelope.Size(&bus.Envelope{Destination: "/topic/x", Body: []byte("b")})
		b.leader.limit = strconv.Itoa(wire.BatchHead + 2*size)
		b.view(1)
		b.must("a")
		synctest.Wait()
		b.must("b", "c", "d", "e", "f")
		release()
		b.wantAttempts("[1:a]", "[2:b 3:c]", "[4:d 5:e]", "[6:f]")
		b.change(func(l *leader) { l.limit = strconv.Itoa(wire.BatchHead + 2*size - 1) })
		time.Sleep(limitAge + 1)
		b.must("g", "h")
		if got := b.attempts()[4:]; !slices.Equal(got, []string{"[7:g]", "[8:h]"}) {
			t.Errorf("two that are one byte too large together are sent as %s", got)
		}
		b.change(func(l *leader) { l.limit = strconv.Itoa(wire.BatchHead + 2*size) })
		time.Sleep(limitAge + 1)
		if err := b.send(strings.Repeat("x", size)); err != nil {
			t.Errorf("one record that the topic takes: %v", err)
		}
		if err := b.send(strings.Repeat("x", size+2)); !errors.Is(err, bus.ErrTooLarge) {
			t.Errorf("one record that the topic does not take: %v", err)
		}
	})
}

// TestLaneLarge: a record that is larger than a batch should be goes alone.
func TestLaneLarge(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		judge, release := holding()
		b := newBench(t, Config{}, judge)
		b.leader.limit = "3000000"
		b.view(1)
		large := strings.Repeat("x", maxBatch)
		b.must("a")
		synctest.Wait()
		b.must("b", large, "c")
		release()
		var sizes []int
		for _, w := range b.sent() {
			sizes = append(sizes, len(w.entries))
		}
		if !slices.Equal(sizes, []int{1, 1, 1, 1}) {
			t.Errorf("batches of %d records", sizes)
		}
	})
}

// TestLaneLent: kafka-go may read an attempt's records after the lane has left it, and finds them
// as they were.
func TestLaneLent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, Config{}, nil)
		var left kafka.RecordReader
		produce := b.produce
		b.produce = func(ctx context.Context, req *kafka.ProduceRequest) (*kafka.ProduceResponse, error) {
			if left != nil {
				return produce(ctx, req)
			}
			left = req.Records
			if _, err := left.ReadRecord(); err != nil {
				t.Error(err)
			}
			return nil, io.ErrUnexpectedEOF
		}
		b.must("a", "b")
		b.view(1)
		time.Sleep(time.Second)
		b.must("c", "d", "e")
		b.wantAnswers(nil, "a", "b", "c", "d", "e")
		if got := fmt.Sprint(readEntries(0, left)); got != "[2:b]" {
			t.Errorf("what is left to read is %s, want [2:b]", got)
		}
	})
}

// TestAttemptEnded: an attempt that its caller has left can't be sent any more, unless that has begun.
func TestAttemptEnded(t *testing.T) {
	p := &parcel{items: []item{{envelope: bus.Envelope{Destination: "/x"}}}, first: 1}
	left := &attempt{format: Headers, parcel: p}
	if left.end() {
		t.Error("an attempt that nobody read says that it was")
	}
	if r, err := left.ReadRecord(); err == nil {
		t.Errorf("an attempt that was left yields %v", r)
	}
	begun := &attempt{format: Headers, parcel: p}
	if _, err := begun.ReadRecord(); err != nil {
		t.Error(err)
	}
	if !begun.end() {
		t.Error("an attempt that was read says that it was not")
	}
	if _, err := begun.ReadRecord(); err != io.EOF {
		t.Errorf("after the last record: %v", err)
	}
}

// TestAttemptEndedRace has both sides come at once: one of them wins.
func TestAttemptEndedRace(t *testing.T) {
	for range 1000 {
		a := &attempt{format: Headers, parcel: &parcel{items: []item{{envelope: bus.Envelope{Destination: "/x"}}}, first: 1}}
		var wg sync.WaitGroup
		var read, begun bool
		wg.Go(func() { _, err := a.ReadRecord(); read = err == nil })
		wg.Go(func() { begun = a.end() })
		wg.Wait()
		if read != begun {
			t.Fatalf("read: %t, but end says %t", read, begun)
		}
	}
}
