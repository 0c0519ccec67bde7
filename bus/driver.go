package bus

import (
	"log/slog"

	"github.com/stompgw/stompgw/bus/settings"
)

// Driver is a kind of bus that a configuration can name.
type Driver struct {
	Name    string          // what bus.driver says; its settings stand below bus.<name>
	Title   string          // what people call the broker, such as "Kafka"
	Address string          // the key of the setting that says where the broker is, such as "brokers"
	Flag    string          // what the flag --<name> of publish takes, which sets that: "`ADDRESS` of a Kafka broker"
	New     func() Settings // zero; the configuration sets the defaults
}

// Settings are what a configuration says of a bus: a pointer to a struct with the tags of package
// settings. Check has found no fault in them when the other methods are called.
type Settings interface {
	// Check returns what can't be right, without asking a broker. Of a section that is not in use the
	// secrets are spared.
	Check() settings.Faults
	// Destinations are what messages of topics of the user's own are sent to, in order. What Check refuses
	// is none.
	Destinations() []Destination
	// Open returns the bus. The error names the section.
	Open(Self) (Bus, error)
	// Renew makes new connections of a bus, which Take says can have that, use the certificates and the
	// login of these settings. After an error nothing has changed.
	Renew(Bus) error
	// Take returns these settings with the certificates and the login of next, which are of the same
	// kind, where a bus can have those without being opened anew; else these alone.
	Take(next Settings) Settings
	// Servers are addresses to dial, to see whether anybody is there.
	Servers() []string
	// Tried says what it means for an operator that a bus of these settings, opened for a trial, could
	// receive, or with err could not; the error, if it still is one.
	Tried(err error) (string, error)
}

// Destination is where messages of a topic of the user's own are sent.
type Destination struct {
	Key     string // of the setting that says so, within the section
	Pattern string // with * for what differs from message to message
}

// Self is what a bus is told of the node that opens it.
type Self struct {
	Name    string
	Message int  // bytes of the largest body that clients may send; 0 is unknown
	Trial   bool // it will publish nothing, and shall make nothing at the broker, such as a topic
	Log     *slog.Logger
}
