package bus

import "time"

// Measured is a bus that can tell how it is doing.
type Measured interface {
	// Figures may be called from any goroutine, and waits for nothing.
	Figures() Figures
}

// Figures are a bus's counts since it was made, and its state now. What a broker does not have
// stays zero.
type Figures struct {
	Queued     int                // envelopes published and not answered, now
	Reconnects uint64             // times that the connection to the broker was lost and made again
	Missed     uint64             // envelopes for this node that it knows it did not get
	Gaps       uint64             // times that the broker had removed what this node had not read
	Repeated   uint64             // envelopes dropped because they had arrived before
	Skipped    uint64             // messages from the broker that can't be understood
	Past       int64              // messages from before this node began that it has yet to read for its history, now
	Partitions []PartitionFigures // by topic and number
	Sources    []SourceFigures    // in the order of the configuration
	Targets    []TargetFigures    // of a Forwarder that can tell, by name
}

// PartitionFigures are those of one partition that this node reads.
type PartitionFigures struct {
	Topic     string
	Partition int
	Lag       int64         // messages that the broker has and this node has not read
	Age       time.Duration // since the broker last answered a fetch
}

// SourceFigures are those of one of the user's own topics that becomes destinations. The bus goes on
// without it.
type SourceFigures struct {
	Topic string
	Err   error // nil while it is read, else why it is not, in words for an operator
}

// TargetFigures are those of one target that a backend reads. The bus goes on without it.
type TargetFigures struct {
	Topic string
	Err   error // nil while the broker has it for this node, else why not, in words for an operator
}

// Living is a bus that can tell whether its own goroutines are at work.
type Living interface {
	// Alive returns nil while they are, whatever the broker's state; else nothing connects to it any
	// more, and only a new process helps. It may be called from any goroutine, and waits for nothing.
	Alive() error
}
