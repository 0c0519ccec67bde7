package config

import (
	"errors"
	"fmt"
	"math"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/xdg-go/stringprep"
)

// Kafka says where the brokers are, and how envelopes become records.
type Kafka struct {
	Brokers     []string
	Topic       string
	Envelope    string // headers or json
	Create      bool   // a topic that is missing, with the two below
	Partitions  int
	Replication int
	Sources     []KafkaSource
	TLS         ClientTLS
	SASL        SASL
}

// KafkaSource is a topic of the user's own that becomes destinations.
type KafkaSource struct {
	Topic       string
	Destination string // a template: {key}, {topic}, {partition}, {header.NAME}
	Headers     string // what the names of record headers get before them
}

// SASL says as whom to log in; no mechanism is nobody.
type SASL struct {
	Mechanism    string // plain, scram-sha-256 or scram-sha-512
	User         string
	Password     Secret // from the environment, or from the file
	PasswordFile string
}

// checkKafka checks bus.kafka and loads what its files hold, if it is in use.
func (c *Config) checkKafka() (errs []error) {
	if c.Bus.Driver != "kafka" {
		return nil
	}
	k := &c.Bus.Kafka
	errs = c.checkAddrs("bus.kafka.brokers", k.Brokers, "127.0.0.1:9092")
	if err := checkTopic(k.Topic); err != nil {
		errs = append(errs, c.fault("bus.kafka.topic", "%v", err))
	}
	if k.Partitions < 1 || k.Partitions > 10000 {
		errs = append(errs, c.fault("bus.kafka.partitions", "%d is not possible: want 1 to 10000", k.Partitions))
	}
	if k.Replication < 1 || k.Replication > math.MaxInt16 {
		errs = append(errs, c.fault("bus.kafka.replication", "%d is not possible: want 1, or up to as many as there are brokers", k.Replication))
	}
	errs = append(errs, c.checkSources()...)
	errs = append(errs, c.checkSASL()...)
	return append(errs, c.loadTLS("bus.kafka.tls", &k.TLS)...)
}

// checkTopic holds a name to Kafka's rules.
func checkTopic(name string) error {
	strange := strings.ContainsFunc(name, func(r rune) bool {
		return !('a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' || '0' <= r && r <= '9' || strings.ContainsRune("._-", r))
	})
	switch {
	case strange, name == "", name == ".", name == "..":
		return fmt.Errorf("%q is no name of a Kafka topic: want letters, digits and . _ - alone", name)
	case len(name) > 249:
		return fmt.Errorf("has %d characters, but the name of a Kafka topic has 249 at most", len(name))
	}
	return nil
}

func (c *Config) checkSources() (errs []error) {
	taken := map[string]string{c.Bus.Kafka.Topic: "bus.kafka.topic"} // topic to key
	for i, s := range c.Bus.Kafka.Sources {
		path := fmt.Sprintf("bus.kafka.sources[%d]", i)
		if err := checkTopic(s.Topic); err != nil {
			errs = append(errs, c.fault(path+".topic", "%v", err))
		} else if other, twice := taken[s.Topic]; twice {
			errs = append(errs, c.fault(path+".topic", "%s is read already (%s): want each topic once", s.Topic, other))
		}
		taken[s.Topic] = path + ".topic"
		if err := c.checkTemplate(s.Destination); err != nil {
			errs = append(errs, c.fault(path+".destination", "%v", err))
		}
		if !utf8.ValidString(s.Headers) || strings.ContainsFunc(s.Headers, unicode.IsControl) {
			errs = append(errs, c.fault(path+".headers", "%q is not text without control characters: write it like kafka-", s.Headers))
		}
	}
	return errs
}

// maxTemplate bounds what the destinations of a source are made of, in bytes.
const maxTemplate = 1024

// checkTemplate checks what the destinations of a source are made of. kafkabus, which fills it in,
// takes what passes here.
func (c *Config) checkTemplate(template string) error {
	example := c.Prefixes.Broker[0] + "/orders/{key}"
	if !utf8.ValidString(template) || strings.ContainsFunc(template, unicode.IsControl) {
		return fmt.Errorf("%q is not text without control characters: write it like %s", template, example)
	}
	if len(template) > maxTemplate {
		return fmt.Errorf("has %d bytes, but a destination has %d at most", len(template), maxTemplate)
	}
	literal, err := literals(template, "x")
	switch {
	case err != nil:
		return fmt.Errorf("%q %w", template, err)
	case !strings.HasPrefix(literal, "/"):
		return fmt.Errorf("%q does not begin with a slash: write it like %s", template, example)
	case strings.HasSuffix(literal, "/"), strings.Contains(literal, "//"):
		return fmt.Errorf("%q has an empty segment: write the slashes singly and none at the end", template)
	case strings.ContainsAny(literal, "*?"):
		return fmt.Errorf("%q holds * or ?: a message has one destination, no pattern", template)
	}
	for _, prefix := range []string{c.Prefixes.App, c.Prefixes.User} {
		if within(template, prefix) {
			return fmt.Errorf("%q is below %s, where no subscriber receives it: write it like %s", template, prefix, example)
		}
	}
	return nil
}

// literals returns template with something else for each of its placeholders.
func literals(template, placeholder string) (string, error) {
	var literal strings.Builder
	for rest := template; ; {
		text, after, opened := strings.Cut(rest, "{")
		if strings.Contains(text, "}") {
			return "", errors.New("has a } without a {")
		}
		literal.WriteString(text)
		if !opened {
			return literal.String(), nil
		}
		name, behind, closed := strings.Cut(after, "}")
		if !closed || strings.Contains(name, "{") {
			return "", errors.New("has a { without a }")
		}
		if header, ok := strings.CutPrefix(name, "header."); name != "key" && name != "topic" && name != "partition" && (!ok || header == "") {
			return "", fmt.Errorf("has the unknown {%s}: want {key}, {topic}, {partition} or {header.NAME}", name)
		}
		literal.WriteString(placeholder)
		rest = behind
	}
}

func (c *Config) checkSASL() (errs []error) {
	s := &c.Bus.Kafka.SASL
	const path = "bus.kafka.sasl"
	if errs = c.load(path+".password", s.PasswordFile, &s.Password, parseLine); len(errs) > 0 {
		return errs
	}
	const where = "name a file that holds it with " + path + ".password_file, or set "
	switch {
	case s.Mechanism == "" && s.User == "" && s.Password.text == "":
		return nil
	case s.Mechanism == "" && s.User != "":
		return []error{c.fault(path+".user", "has no mechanism: set %s.mechanism to plain, scram-sha-256 or scram-sha-512", path)}
	case s.User == "" && s.Password.text != "":
		return []error{c.fault(c.Named(path+".password"), "has no user: set %s.user and %s.mechanism", path, path)}
	case s.User == "":
		return []error{c.fault(path+".mechanism", "has no user: set %s.user", path)}
	case s.Password.text == "" && c.uses(path):
		return []error{c.fault(path+".user", "has no password: %s%s", where, variable(path+".password"))}
	}
	if strings.HasPrefix(s.Mechanism, "scram-") {
		for at, text := range map[string]string{path + ".user": s.User, c.Named(path + ".password"): s.Password.text} {
			if _, err := stringprep.SASLprep.Prepare(text); err != nil { // RFC 5802 section 2.2; it quotes the text
				errs = append(errs, c.fault(at, "has a character that SCRAM can't carry, such as a control character"))
			}
		}
	}
	return errs
}
