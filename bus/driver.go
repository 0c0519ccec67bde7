package bus

import (
	"log/slog"

	"github.com/stompgw/stompgw/bus/settings"
)

// Driver is a kind of bus that a configuration can name.
type Driver struct {
	Name    string          // what bus.driver says; its settings are below bus.<name>
	Title   string          // what people call the broker, such as "Kafka"
	Address string          // the key of the setting that says where the broker is, such as "brokers"
	Flag    string          // begins the usage of publish's flag --<name>, which sets that: "`ADDRESS` of a Kafka broker"
	New     func() Settings // returns zero ones; the configuration sets the defaults
}

// Settings are what a configuration says about a bus: a pointer to a struct with the tags of package
// settings. Check has found no fault in them when the other methods are called.
type Settings interface {
	// Check returns what can't be right, without asking a broker. It spares the secrets of a section
	// that is not in use.
	Check() settings.Faults
	// Destinations returns what messages of the user's own topics are sent to, in order, without what
	// Check refuses.
	Destinations() []Destination
	// Open returns the bus. The error names the section.
	Open(Self) (Bus, error)
	// Renew makes new connections of a bus use the certificates and the login of these settings; Take
	// says whether it can. After an error nothing has changed.
	Renew(Bus) error
	// Take returns these settings with the certificates and the login of next, which are of the same
	// kind, if a bus can take those without being opened anew; else these alone.
	Take(next Settings) Settings
	// Servers are addresses to dial, to see whether anybody is there.
	Servers() []string
	// Tried says what it means to an operator that a bus with these settings, opened for a trial, could
	// receive, or with err could not; it returns an error if that still is one.
	Tried(err error) (string, error)
}

// Destination is where messages of one of the user's own topics are sent.
type Destination struct {
	Key     string // of the setting that names it, within the section
	Pattern string // with * for what differs from message to message
}

// Self is what a bus is told about the node that opens it.
type Self struct {
	Name    string
	Message int  // bytes of the largest body that clients may send; 0 is unknown
	Trial   bool // it will publish nothing, and must create nothing at the broker, such as a topic
	Log     *slog.Logger
}
