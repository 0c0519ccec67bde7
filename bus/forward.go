package bus

// Target is something of the broker's own, which a backend reads: not a destination, and nothing that Receive brings.
type Target struct {
	Topic   string // of Kafka
	Key     string // of Kafka: what the partition follows from, so that those with the same stay in order
	Subject string // of NATS
}

// Forwarder is a bus that can bring what a client sends to a backend which reads the broker itself.
type Forwarder interface {
	// Aim says which targets there are from now on, without their keys; in a subject, a part "*" stands for any one part. An error wraps
	// ErrTarget, says why one of them can't be one, and changes nothing. A target that the broker does not have, or does not
	// let this node use, is no such error: Forward refuses it, the log and Figures tell, and Healthy says nothing of it. It may
	// be called again at any time; what was taken for targets that are none any more is brought there all the same.
	Aim(targets []Target) error
	// Forward brings the headers and the body of e to a target, and nothing else of it. It promises what Publish does, of the order too: among what
	// has one key, or one subject. Names that begin with "stomp-" are the gateway's own, and arrive as they are. To a target
	// that can't be used it says ErrDown, and to what Aim has not named ErrTarget.
	Forward(to Target, e Envelope, done func(error)) error
}

// Aimer are the Settings of a driver whose bus is a Forwarder.
type Aimer interface {
	// CheckTarget returns why a target can't be one, without asking the broker: see Forwarder.Aim. field is its key in a file, "topic" or "subject".
	CheckTarget(Target) (field string, err error)
}
