package kafkabus

import (
	"errors"

	"github.com/segmentio/kafka-go"
)

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
func outcomeOf(answer error) outcome {
	if answer == nil {
		return taken
	}
	code := kafka.Unknown
	errors.As(answer, &code)
	switch code {
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
