package kafkabus

import (
	"fmt"
	"math"
	"regexp"
	"slices"
	"strings"

	"github.com/xdg-go/stringprep"

	"github.com/stompgw/stompgw/bus"
	"github.com/stompgw/stompgw/bus/settings"
)

// Driver makes Kafka a bus that a configuration can name.
func Driver() bus.Driver {
	return bus.Driver{
		Name: "kafka", Title: "Kafka", Address: "brokers", Flag: "`ADDRESS` of a Kafka broker",
		New: func() bus.Settings { return new(Settings) },
	}
}

// Settings are what a configuration says below bus.kafka: the fields of Config with a key, TLS and the login.
type Settings struct {
	Config
	TLS  settings.TLS `key:"tls"`
	SASL Login        `key:"sasl"`
}

// Login says as whom to log in; without a mechanism there is no login.
type Login struct {
	Mechanism string          `key:"mechanism" words:"plain,scram-sha-256,scram-sha-512," is:"'plain', 'scram-sha-256' or 'scram-sha-512'; empty means no login"`
	User      string          `key:"user" is:"user to log in as"`
	Password  settings.Secret `key:"password" is:"the password"`
}

// Check implements bus.Settings.
func (s *Settings) Check() (f settings.Faults) {
	f.CheckServers("brokers", s.Brokers, "127.0.0.1:9092")
	f.AddErr("topic", checkTopic(s.Topic))
	if s.Partitions < 1 || s.Partitions > 10000 {
		f.Add("partitions", "%d is not possible: want 1 to 10000", s.Partitions)
	}
	if s.Replication < 1 || s.Replication > math.MaxInt16 {
		f.Add("replication", "%d is not possible: want 1, or up to as many as there are brokers", s.Replication)
	}
	taken := map[string]string{s.Topic: "topic"} // topic to key
	for i, source := range s.Sources {
		at := fmt.Sprintf("sources[%d]", i)
		if err := checkTopic(source.Topic); err != nil {
			f.AddErr(at+".topic", err)
		} else if other, twice := taken[source.Topic]; twice {
			f.Add(at+".topic", "%s is read already (bus.kafka.%s): want each topic once", source.Topic, other)
		}
		taken[source.Topic] = at + ".topic"
		f.AddErr(at+".destination", source.CheckDestination())
		f.AddErr(at+".headers", source.CheckHeaders())
	}
	s.SASL.check(&f)
	return f
}

var topicName = regexp.MustCompile(`^[a-zA-Z0-9._-]+$`)

// checkTopic holds a name to Kafka's rules.
func checkTopic(name string) error {
	switch {
	case name == ".", name == "..", !topicName.MatchString(name):
		return fmt.Errorf("%q is not the name of a Kafka topic: want only letters, digits and . _ -", name)
	case len(name) > 249:
		return fmt.Errorf("has %d characters, but the name of a Kafka topic has 249 at most", len(name))
	}
	return nil
}

// check refuses half a way to log in, and what SCRAM can't carry.
func (l *Login) check(f *settings.Faults) {
	const path = "bus.kafka.sasl"
	switch {
	case l.Mechanism == "" && l.User == "" && !l.Password.IsSet():
	case l.Mechanism == "" && l.User != "":
		f.Add("sasl.user", "has no mechanism: set %s.mechanism to plain, scram-sha-256 or scram-sha-512", path)
	case l.User == "" && l.Password.IsSet():
		f.Add("sasl.password", "has no user: set %s.user and %[1]s.mechanism", path)
	case l.User == "":
		f.Add("sasl.mechanism", "has no user: set %s.user", path)
	case l.Password.IsMissing():
		f.AddLack("sasl.user", "sasl.password")
	case strings.HasPrefix(l.Mechanism, "scram-"):
		for key, text := range map[string]string{"sasl.user": l.User, "sasl.password": l.Password.Reveal()} {
			if _, err := stringprep.SASLprep.Prepare(text); err != nil { // RFC 5802 section 2.2; it quotes the text
				f.Add(key, "has a character that SCRAM can't carry, such as a control character")
			}
		}
	}
}

func (l *Login) sasl() SASL {
	return SASL{Mechanism: l.Mechanism, User: l.User, Password: l.Password.Reveal()}
}

// Open implements bus.Settings.
func (s *Settings) Open(self bus.Self) (bus.Bus, error) {
	if s.SASL.Mechanism == "plain" && s.TLS.Loaded == nil {
		self.Log.Warn("the password for Kafka crosses the network unencrypted: set bus.kafka.tls.enabled, or bus.kafka.sasl.mechanism to scram-sha-512")
	}
	cfg := s.Config
	cfg.Create = s.Create && !self.Trial
	cfg.TLS, cfg.SASL, cfg.Message = s.TLS.Loaded, s.SASL.sasl(), self.Message
	b, err := New(cfg, self.Name, self.Log)
	if err != nil {
		return nil, fmt.Errorf("bus.kafka: %w", err)
	}
	return b, nil
}

// Renew implements bus.Settings.
func (s *Settings) Renew(b bus.Bus) error {
	if err := b.(*Bus).Renew(s.TLS.Loaded, s.SASL.sasl()); err != nil {
		return fmt.Errorf("bus.kafka: %w", err)
	}
	return nil
}

// Take implements bus.Settings. Other brokers, turning TLS on or off, and another mechanism need a new bus.
func (s *Settings) Take(next bus.Settings) bus.Settings {
	n, taken := next.(*Settings), *s
	if slices.Equal(s.Brokers, n.Brokers) && (s.TLS.Loaded == nil) == (n.TLS.Loaded == nil) && s.SASL.Mechanism == n.SASL.Mechanism {
		taken.TLS, taken.SASL = n.TLS, n.SASL
	}
	return &taken
}

// Destinations implements bus.Settings.
func (s *Settings) Destinations() (list []bus.Destination) {
	for i, source := range s.Sources {
		if m, err := source.Mapping(); err == nil { // else Check tells
			list = append(list, bus.Destination{Key: fmt.Sprintf("sources[%d].destination", i), Pattern: m.Pattern()})
		}
	}
	return list
}

// Servers implements bus.Settings.
func (s *Settings) Servers() []string { return s.Brokers }

// Tried implements bus.Settings.
func (s *Settings) Tried(err error) (string, error) {
	if s.Create && err != nil && strings.Contains(err.Error(), "topic "+s.Topic+" does not exist") {
		return fmt.Sprintf("answers; topic %s is missing, and a node creates it (bus.kafka.create)", s.Topic), nil
	}
	return fmt.Sprintf("answers, and topic %s can be read", s.Topic), err
}
