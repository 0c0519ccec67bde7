package kafkabus

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/segmentio/kafka-go"
	"github.com/segmentio/kafka-go/protocol"
	"github.com/segmentio/kafka-go/protocol/produce"

	"github.com/stompgw/stompgw/bus"
	"github.com/stompgw/stompgw/bus/kafkabus/internal/wire"
)

const (
	// attemptTimeout is what one attempt to write a batch may take. Half of it is for the leader to
	// wait for its followers.
	attemptTimeout = 10 * time.Second

	// Between the attempts: doubling from the first to the last.
	firstPause = 20 * time.Millisecond
	lastPause  = 250 * time.Millisecond
)

// write brings pc to the leader, or gives it up, and settles it.
func (l *lane) write(ctx context.Context, pc *parcel) {
	l.pulse.asked()
	result, err := l.insist(ctx, pc)
	if result == unfit {
		signal(l.p.topic.recheck) // the limit seems to be another
		if len(pc.items) > 1 {
			first, second := pc.halves()
			l.write(ctx, first)
			l.write(ctx, second)
			return
		}
	}
	l.settle(pc.items, err)
}

// insist tries pc until the leader has judged it, its deadline has passed, or ctx has ended. The
// error is what done hears.
func (l *lane) insist(ctx context.Context, pc *parcel) (outcome, error) {
	if err := l.p.topic.checkClosing(pc.size()); err != nil && !pc.heard {
		return unfit, l.judged(pc, unfit, err)
	}
	within, cancel := context.WithDeadline(ctx, pc.deadline())
	defer cancel()
	for pause := firstPause; ; pause = min(2*pause, lastPause) {
		result, err := l.try(within, pc)
		if pc.noteCut(result) {
			l.p.topic.closesOn(pc.size())
			result, err = unfit, l.p.topic.checkClosing(pc.size())
		}
		switch result {
		case taken:
			l.answered()
			if t := l.p.topic; t.denied.Load() != nil {
				t.denied.Store(nil)
			}
			return result, nil
		case unfit, refused:
			l.answered()
			return result, l.judged(pc, result, err)
		}
		pc.maybe = pc.maybe || result == unclear || result == cut
		l.failed(err)
		if !wait(within, pause) {
			reason := bus.ErrDown
			if pc.maybe || ctx.Err() != nil {
				reason = bus.ErrUnknown
			}
			return result, l.givenUp(reason, err)
		}
	}
}

// wait returns false if ctx ends before the pause does.
func wait(ctx context.Context, pause time.Duration) bool {
	timer := time.NewTimer(pause)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// try writes pc once.
func (l *lane) try(ctx context.Context, pc *parcel) (outcome, error) {
	ctx, cancel := context.WithTimeout(ctx, attemptTimeout)
	defer cancel()
	until, _ := ctx.Deadline()
	answer, sent, err := l.p.cluster.ask(ctx, l.p.topic.leader(l.partition), &produce.Request{
		Acks:    int16(kafka.RequireAll),
		Timeout: int32(time.Until(until).Milliseconds() / 2),
		Topics: []produce.RequestTopic{{
			Topic: l.p.cfg.Topic,
			Partitions: []produce.RequestPartition{{
				Partition: int32(l.partition),
				RecordSet: protocol.RecordSet{Records: &records{format: l.p.cfg.Envelope, node: l.p.node, parcel: pc}},
			}},
		}},
	})
	switch {
	case err == nil:
		return outcomeOf(answer.(*produce.Response))
	case !sent:
		return notTaken, err
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, context.Canceled):
		return unclear, err
	}
	return cut, err
}

// answered notes that the leader has judged a batch.
func (l *lane) answered() {
	silence := l.pulse.answered()
	if l.told {
		l.told = false
		if _, ok := l.p.logged.Pass(); ok {
			l.p.log.Info("partition takes envelopes again", "topic", l.p.cfg.Topic, "partition", l.partition, "after", silence.Round(time.Second/10))
		}
	}
}

// failed notes that it has not, and tells the log when that has lasted so long that clients notice.
func (l *lane) failed(err error) {
	l.pulse.failed(err)
	if silence, _ := l.pulse.silence(); silence >= l.p.cfg.Silence && !l.told {
		l.told = true
		l.p.warn(l, "partition takes no envelopes, still retrying", err)
	}
}

// judged returns what done hears of a batch that the leader does not take. What it will not take of
// anybody, as when this node may not write to the topic, is for clients like a broker that is away.
func (l *lane) judged(pc *parcel, result outcome, err error) error {
	switch {
	case errors.Is(err, errCloses):
		l.p.warn(l, "a broker closes the connection on a large batch", err)
		return fmt.Errorf("%w: %w", bus.ErrTooLarge, l.wrap(err))
	case pc.maybe: // by an earlier attempt
		return fmt.Errorf("%w: %w", bus.ErrUnknown, l.wrap(err))
	case isTooLarge(err):
		return fmt.Errorf("%w: %w", bus.ErrTooLarge, l.wrap(err))
	case result == refused:
		if errors.Is(err, kafka.TopicAuthorizationFailed) {
			l.p.topic.denied.Store(&err)
		}
		l.p.warn(l, "envelopes refused by the broker", err)
		return fmt.Errorf("%w: %w", bus.ErrDown, l.wrap(err))
	}
	return l.wrap(err)
}

// givenUp returns what done hears of what is given up for a reason.
func (l *lane) givenUp(reason, cause error) error {
	if cause == nil {
		return reason
	}
	return fmt.Errorf("%w: %w", reason, l.wrap(cause))
}

func (l *lane) wrap(err error) error {
	if l.partition == noPartition {
		return err
	}
	return fmt.Errorf("partition %d of topic %s: %w", l.partition, l.p.cfg.Topic, err)
}

// outcome is what became of an attempt.
type outcome int

const (
	taken    outcome = iota // the leader has the batch on all in-sync replicas
	notTaken                // it does not have it, and may take it later
	unclear                 // it may have it, and may take it (again) later
	cut                     // so may it; the connection ended after it was sent
	unfit                   // it does not have it: a record, or the size, is not as it should be
	refused                 // it does not have it, and will not take it
)

// outcomeOf judges a leader's answer. kafka.Error's own Temporary is of no use here: it does not
// tell whether the batch may have been appended, and an unknown error is not among them.
func outcomeOf(res *produce.Response) (outcome, error) {
	if len(res.Topics) == 0 || len(res.Topics[0].Partitions) == 0 {
		return unclear, errors.New("the answer does not name the partition")
	}
	p := res.Topics[0].Partitions[0]
	return outcomeOfCode(kafka.Error(p.ErrorCode)), wire.ErrorOf(p.ErrorCode, p.ErrorMessage)
}

func outcomeOfCode(code kafka.Error) outcome {
	switch code {
	case 0:
		return taken
	case kafka.RequestTimedOut, // the followers were too slow
		kafka.NotEnoughReplicasAfterAppend,
		kafka.NotLeaderForPartition, // perhaps since it waited for the followers
		kafka.NetworkException,
		kafka.KafkaStorageError,
		kafka.Unknown: // any failure that the broker's authors did not foresee
		return unclear
	case kafka.InvalidMessage, // the checksum is wrong: it was damaged on its way
		kafka.UnknownTopicOrPartition,
		kafka.UnknownTopicID,
		kafka.LeaderNotAvailable,
		kafka.BrokerNotAvailable,
		kafka.ReplicaNotAvailable,
		kafka.ListenerNotFound,
		kafka.FencedLeaderEpoch,
		kafka.UnknownLeaderEpoch,
		kafka.NotController,
		kafka.GroupLoadInProgress, // 14 to 16 are what coordinators answer
		kafka.GroupCoordinatorNotAvailable,
		kafka.NotCoordinatorForGroup,
		kafka.NotEnoughReplicas,
		kafka.ThrottlingQuotaExceeded:
		return notTaken
	case kafka.MessageSizeTooLarge, kafka.RecordListTooLarge, kafka.InvalidRecord, kafka.InvalidTimestamp:
		return unfit
	}
	return refused
}

// isTooLarge reports whether what is unfit is so by its size.
func isTooLarge(answer error) bool {
	return errors.Is(answer, kafka.MessageSizeTooLarge) || errors.Is(answer, kafka.RecordListTooLarge)
}
