package kafkabus

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/segmentio/kafka-go"

	"github.com/stompgw/stompgw/bus"
	"github.com/stompgw/stompgw/bus/kafkabus/internal/wire"
)

// TestLaneBatch: what waits while a request is under way becomes one batch, in order and numbered on.
func TestLaneBatch(t *testing.T) {
	onBench(t, Config{}, nil, func(t *testing.T, b *bench) {
		release := b.hold()
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
	onBench(t, Config{}, nil, func(t *testing.T, b *bench) {
		release := b.hold()
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
		b.wantSend(nil, "/topic/x", strings.Repeat("x", size))
		b.wantSend(bus.ErrTooLarge, "/topic/x", strings.Repeat("x", size+2))
	})
}

// TestLaneLarge: a record that is larger than a batch should be goes alone.
func TestLaneLarge(t *testing.T) {
	onBench(t, Config{}, nil, func(t *testing.T, b *bench) {
		release := b.hold()
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

// TestLaneRetry: after whatever may pass, the same records are written again, after pauses that grow.
func TestLaneRetry(t *testing.T) {
	for _, v := range []verdict{
		{lost: refusedDial, unread: true},
		{lost: kafka.LeaderNotAvailable, unread: true},
		{lost: kafka.BrokerNotAvailable, unread: true},
		{lost: kafka.SASLAuthenticationFailed, unread: true},
		{lost: io.EOF},
		{lost: io.ErrUnexpectedEOF},
		{lost: syscall.ECONNRESET},
		{lost: io.EOF, append: true},
		{code: kafka.InvalidMessage},
		{code: kafka.UnknownTopicOrPartition},
		{code: kafka.LeaderNotAvailable},
		{code: kafka.NotLeaderForPartition},
		{code: kafka.RequestTimedOut, append: true},
		{code: kafka.BrokerNotAvailable},
		{code: kafka.ReplicaNotAvailable},
		{code: kafka.NetworkException},
		{code: kafka.NotEnoughReplicas},
		{code: kafka.NotEnoughReplicasAfterAppend, append: true},
		{code: kafka.KafkaStorageError},
		{code: kafka.UnknownLeaderEpoch},
		{code: kafka.ThrottlingQuotaExceeded},
		{code: kafka.Unknown},
	} {
		t.Run(fmt.Sprintf("%v,%v", v.code, v.lost), func(t *testing.T) {
			onBench(t, Config{}, refusing(v, v, v, v, v, v), func(t *testing.T, b *bench) {
				b.view(1)
				start := time.Now()
				b.must("a")
				time.Sleep(time.Second)
				b.must("b")
				b.wantAnswers(nil, "a", "b")
				if got, want := b.answer("a").at.Sub(start), (20+40+80+160+250+250)*time.Millisecond; got != want {
					t.Errorf("it took %s, want %s", got, want)
				}
				got := b.attempts()
				for _, attempt := range got[:len(got)-1] {
					if attempt != "[1:a]" {
						t.Errorf("an attempt was %s, want [1:a]", attempt)
					}
				}
				if got[len(got)-1] != "[2:b]" {
					t.Errorf("b was written as %s", got[len(got)-1])
				}
			})
		})
	}
}

// TestLaneGiveUp: at the deadline done hears whether the leader may have the envelope; what waited
// behind it was never sent.
func TestLaneGiveUp(t *testing.T) {
	for _, test := range []struct {
		name  string
		judge func(context.Context, sending) verdict
		want  error
	}{
		{"dial", always(verdict{lost: refusedDial, unread: true}), bus.ErrDown},
		{"no leader", always(verdict{lost: kafka.LeaderNotAvailable, unread: true}), bus.ErrDown},
		{"too few replicas", always(verdict{code: kafka.NotEnoughReplicas}), bus.ErrDown},
		{"topic gone", always(verdict{code: kafka.UnknownTopicOrPartition}), bus.ErrDown},
		{"broken connection", always(verdict{lost: io.EOF}), bus.ErrUnknown},
		{"no longer the leader", always(verdict{code: kafka.NotLeaderForPartition}), bus.ErrUnknown},
		{"slow followers", always(verdict{code: kafka.RequestTimedOut}), bus.ErrUnknown},
		{"unforeseen", always(verdict{code: kafka.Unknown}), bus.ErrUnknown},
		{"once sent", refusing(slices.Insert(slices.Repeat([]verdict{{lost: refusedDial, unread: true}}, 200), 3, verdict{lost: io.EOF})...), bus.ErrUnknown},
		{"silent after the request", func(ctx context.Context, w sending) verdict {
			if w.entries != nil {
				<-ctx.Done()
			}
			return verdict{lost: ctx.Err()}
		}, bus.ErrUnknown},
		{"silent before the request", func(ctx context.Context, w sending) verdict {
			<-ctx.Done()
			return verdict{lost: ctx.Err(), unread: true}
		}, bus.ErrDown},
	} {
		t.Run(test.name, func(t *testing.T) {
			onBench(t, Config{}, test.judge, func(t *testing.T, b *bench) {
				b.view(1)
				start := time.Now()
				b.must("a")
				synctest.Wait()
				b.must("b")
				time.Sleep(2 * time.Second)
				b.must("c") // it has 2 seconds left when a is given up
				time.Sleep(5*time.Minute - time.Since(start))
				b.wantAnswers(test.want, "a")
				if got := b.answer("a").at.Sub(start); got != 30*time.Second {
					t.Errorf("a was given up after %s, want 30s", got)
				}
				if got := b.answer("c").at.Sub(start); got != 32*time.Second {
					t.Errorf("c was given up after %s, want 32s", got)
				}
				for _, body := range []string{"b", "c"} {
					if err := b.answer(body).err; !errors.Is(err, bus.ErrDown) && !errors.Is(err, bus.ErrUnknown) {
						t.Errorf("the done of %s heard %v", body, err)
					}
				}
				if err := b.healthy(); err != nil {
					t.Errorf("nothing is owed any more, but: %v", err)
				}
				b.must("d") // for the same reason
			})
		})
	}
}

// TestLaneGiveUpWaiting: what is older than the deadline when those before it are given up was never sent.
func TestLaneGiveUpWaiting(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, Config{}, func(ctx context.Context, w sending) verdict {
			if w.entries != nil && w.entries[0].body != "late" {
				time.Sleep(12 * time.Second) // longer than an attempt
			}
			return verdict{lost: io.EOF}
		})
		b.view(1)
		b.must("a")
		synctest.Wait()
		b.must("b")
		time.Sleep(time.Minute)
		b.wantAnswers(bus.ErrUnknown, "a")
		b.wantAnswers(bus.ErrDown, "b")
		if !errors.Is(b.answer("b").err, io.EOF) {
			t.Errorf("%v does not say why", b.answer("b").err)
		}
	})
}

// TestLaneAttemptTimeout: a leader without an answer is asked again after 10 s, and may wait for its
// followers for half of that.
func TestLaneAttemptTimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, Config{}, func(ctx context.Context, w sending) verdict {
			if w.entries != nil {
				<-ctx.Done()
			}
			return verdict{lost: ctx.Err()}
		})
		b.view(1)
		start := time.Now()
		b.must("a")
		time.Sleep(time.Minute)
		var at []string
		for _, w := range b.sent() {
			at = append(at, fmt.Sprint(w.at.Sub(start), " ", w.timeout))
		}
		if got, want := strings.Join(at, ", "), "0s 5s, 10.02s 5s, 20.06s 4.97s"; got != want {
			t.Errorf("attempts at %s, want %s", got, want)
		}
	})
}

// TestLaneRefused: what will not pass is told at once, with the broker's reason and not what it says, and the next goes on.
func TestLaneRefused(t *testing.T) {
	for _, code := range []kafka.Error{
		kafka.TopicAuthorizationFailed, kafka.ClusterAuthorizationFailed, kafka.InvalidRequiredAcks,
		kafka.PolicyViolation, kafka.InvalidTopic, kafka.UnsupportedForMessageFormat, kafka.InvalidRecord, kafka.InvalidTimestamp,
	} {
		t.Run(code.Title(), func(t *testing.T) {
			onBench(t, Config{}, refusing(verdict{code: code}, verdict{code: code}), func(t *testing.T, b *bench) {
				b.view(1)
				start := time.Now()
				b.must("secret")
				b.wantAnswers(code, "secret")
				b.must("b")
				b.wantAnswers(code, "b")
				b.must("c")
				b.wantAnswers(nil, "c")
				if got := time.Since(start); got != 0 {
					t.Errorf("it took %s", got)
				}
				want := 1 // line of log within a second, unless it is the record's own fault
				if outcomeOfCode(code) == unfit {
					want = 0
				}
				if got := strings.Count(b.logged.String(), "envelopes refused by the broker"); got != want {
					t.Errorf("%d lines of log, want %d:\n%s", got, want, b.logged)
				}
				if said := b.answer("secret").err.Error() + b.logged.String(); strings.Contains(said, "secret") {
					t.Errorf("what the message says is told: %s", said)
				}
				b.wantAttempts("[1:secret]", "[2:b]", "[3:c]")
			})
		})
	}
}

// TestLaneRefusedAfterLoss: an earlier attempt may have brought it there all the same.
func TestLaneRefusedAfterLoss(t *testing.T) {
	onBench(t, Config{}, refusing(verdict{lost: io.EOF, append: true}, verdict{code: kafka.TopicAuthorizationFailed}), func(t *testing.T, b *bench) {
		b.view(1)
		b.must("a")
		time.Sleep(time.Second)
		b.wantAnswers(bus.ErrUnknown, "a")
		b.wantAnswers(kafka.TopicAuthorizationFailed, "a")
	})
}

// TestLaneRefusedHalves: what is split after a loss may be there all the same, each part of it.
func TestLaneRefusedHalves(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		verdicts := refusing(verdict{lost: io.EOF}, verdict{code: kafka.MessageSizeTooLarge},
			verdict{code: kafka.TopicAuthorizationFailed}, verdict{code: kafka.TopicAuthorizationFailed})
		held, release := holding()
		b := newBench(t, Config{}, func(ctx context.Context, w sending) verdict {
			if w.entries == nil {
				return verdict{}
			}
			if w.entries[0].body == "a" {
				return held(ctx, w)
			}
			return verdicts(ctx, w)
		})
		b.view(1)
		b.must("a")
		synctest.Wait()
		b.must("b", "c")
		release()
		time.Sleep(time.Second)
		b.wantAttempts("[1:a]", "[2:b 3:c]", "[2:b 3:c]", "[2:b]", "[3:c]")
		b.wantAnswers(bus.ErrUnknown, "b", "c")
	})
}

// TestLaneSlow: a leader that answers, though slowly and with refusals, is not silent.
func TestLaneSlow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, Config{}, func(ctx context.Context, w sending) verdict {
			if w.entries != nil {
				time.Sleep(4 * time.Second)
			}
			return verdict{code: kafka.PolicyViolation}
		})
		b.view(1)
		b.must("a")
		synctest.Wait()
		b.must("b")
		time.Sleep(7 * time.Second)
		b.must("c")
		time.Sleep(9 * time.Second)
		b.wantAnswers(kafka.PolicyViolation, "a", "b", "c")
	})
}

// TestLaneSplit: of a batch that is refused for its size or for a record, all that can pass does, in
// order and with the numbers it had.
func TestLaneSplit(t *testing.T) {
	for _, test := range []struct {
		code kafka.Error
		want error
	}{
		{kafka.MessageSizeTooLarge, bus.ErrTooLarge},
		{kafka.RecordListTooLarge, bus.ErrTooLarge},
		{kafka.InvalidRecord, kafka.InvalidRecord},
	} {
		t.Run(test.code.Title(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				held, release := holding()
				b := newBench(t, Config{}, func(ctx context.Context, w sending) verdict {
					for _, e := range w.entries {
						if e.body == "D" {
							return verdict{code: test.code}
						}
					}
					return held(ctx, w)
				})
				b.view(1)
				b.must("a")
				synctest.Wait()
				b.must("b", "c", "D", "e", "f")
				release()
				b.wantAnswers(nil, "a", "b", "c", "e", "f")
				b.wantAnswers(test.want, "D")
				if got := b.appended(); got != "[1:a 2:b 3:c 5:e 6:f]" {
					t.Errorf("the log is %s", got)
				}
				b.must("g")
				b.wantAnswers(nil, "g")
				if got := b.attempts(); got[len(got)-1] != "[7:g]" {
					t.Errorf("the next is %s", got[len(got)-1])
				}
			})
		})
	}
}

// TestLaneCut: a broker that closes the connection on a large request, each time, has answered: what is
// large is refused, the batch around it is split, and all else goes on.
func TestLaneCut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const most = 3 * leastCut
		held, release := holding()
		b := newBench(t, Config{}, func(ctx context.Context, w sending) verdict {
			size := 0
			for _, e := range w.entries {
				size += len(e.body)
			}
			if size > most {
				return verdict{lost: syscall.ECONNRESET}
			}
			return held(ctx, w)
		})
		b.view(1)
		body := func(c string, size int) string { return strings.Repeat(c, size) }
		small := []string{"b", body("c", leastCut), body("d", leastCut), body("e", leastCut)}
		large := body("L", most+1)
		b.must("a")
		synctest.Wait()
		b.must(append(small, large, "f")...)
		release()
		time.Sleep(time.Second)
		b.wantAnswers(nil, append(small, "a", "f")...)
		b.wantAnswers(bus.ErrTooLarge, large)
		b.wantLogged("a broker closes the connection on a large batch", 1)
		attempts := len(b.sent())
		err := b.send(body("M", most+1))
		const words = "raise its socket.request.max.bytes, or lower limits.message"
		if !errors.Is(err, bus.ErrTooLarge) || !strings.HasSuffix(err.Error(), words) {
			t.Errorf("another one: %v, want %s", err, words)
		}
		time.Sleep(limitAge)
		b.must(body("N", most+2))
		time.Sleep(time.Second)
		if got := len(b.sent()) - attempts; got != mostCuts {
			t.Errorf("after a minute one was tried %d times, want %d", got, mostCuts)
		}
	})
}

// TestLaneCutOnce: connections that end now and then, or on what a broker has been slow to answer, tell
// nothing of a size.
func TestLaneCutOnce(t *testing.T) {
	reset := verdict{lost: syscall.ECONNRESET}
	for _, verdicts := range [][]verdict{
		{reset, reset},
		{reset, reset, {lost: refusedDial, unread: true}, reset, reset},
		{{code: kafka.RequestTimedOut, append: true}, reset, reset, reset, reset},
		{{lost: context.DeadlineExceeded, append: true}, reset, reset, reset, reset},
	} {
		onBench(t, Config{}, refusing(verdicts...), func(t *testing.T, b *bench) {
			b.view(1)
			large := strings.Repeat("L", 10*leastCut)
			b.must(large)
			time.Sleep(time.Minute)
			b.wantAnswers(nil, large)
		})
	}
}
