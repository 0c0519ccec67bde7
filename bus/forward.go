package bus

// Target is something at the broker that a backend reads: not a destination, and nothing that Receive delivers.
type Target struct {
	Topic   string // of Kafka
	Key     string // of Kafka: the partition follows from it, so that those with the same key stay in order
	Subject string // of NATS
}

// Forwarder is a bus that can bring what a client sends to a backend that reads the broker itself.
type Forwarder interface {
	// Aim says which targets there are from now on, without their keys; in a subject, a part "*" stands for any one part. An
	// error wraps ErrTarget, says why one of them can't be one, and changes nothing. A target that the broker does not have,
	// or does not let this node use, is not such an error: Forward refuses it, and the log and Figures report it, but Healthy
	// does not. Aim may be called again at any time; what was taken for former targets is still brought there.
	Aim(targets []Target) error
	// Forward brings the headers and the body of e to a target, and nothing else of it. It promises what Publish does, and
	// keeps the order of what has the same key or subject. Names that begin with "stomp-" are the gateway's own, and arrive
	// unchanged. A target that can't be used is refused with ErrDown, one that Aim has not named with ErrTarget.
	Forward(to Target, e Envelope, done func(error)) error
}

// Aimer is what the Settings of a driver implement if its bus is a Forwarder.
type Aimer interface {
	// CheckTarget returns why a target can't be one, without asking the broker: see Forwarder.Aim. field is its key in a
	// file, "topic" or "subject".
	CheckTarget(Target) (field string, err error)
}
