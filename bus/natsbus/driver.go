package natsbus

import (
	"fmt"
	"slices"
	"strings"

	"github.com/stompgw/stompgw/bus"
	"github.com/stompgw/stompgw/bus/settings"
)

// Driver makes NATS a bus that a configuration can name.
func Driver() bus.Driver {
	return bus.Driver{
		Name: "nats", Title: "NATS", Address: "url", Flag: "`URL` of a NATS server",
		New: func() bus.Settings { return new(Settings) },
	}
}

// Settings are what a configuration says below bus.nats. There is only one way to log in at a time: what
// is in URL, User with Password, Token, NKey or Creds.
type Settings struct {
	URL      settings.URLs         `key:"url" default:"nats://127.0.0.1:4222" is:"NATS servers, separated by commas; 'tls://' turns TLS on, as does any file in 'bus.nats.tls'"`
	Prefix   string                `key:"prefix" default:"stomp" is:"prefix of every subject: '/topic/chat' is 'stomp.d.topic.chat'"`
	User     string                `key:"user" is:"user to log in as, with a password; use this, or one of the token, seed and credentials below"`
	Password settings.Secret       `key:"password" is:"the password"`
	Token    settings.Secret       `key:"token" is:"the token"`
	NKey     settings.Secret       `key:"nkey" from:"file" is:"file that holds a user's seed, 'SU…'"`
	Creds    settings.Secret       `key:"creds" from:"file" lines:"many" is:"file with a user's JWT and seed"`
	TLS      settings.Certificates `key:"tls"`
	History  HistorySettings       `key:"history"`
}

// HistorySettings describe the stream that keeps what is published on channels with history.
type HistorySettings struct {
	Stream   string        `key:"stream" is:"JetStream stream for history; empty means 'STOMPGW', or 'STOMPGW_…' if the prefix is not the default"`
	Create   bool          `key:"create" default:"true" is:"create the stream if it is missing, and add the subjects of channels with history"`
	Replicas int           `key:"replicas" default:"1" is:"replicas of the stream if it is created, 1 to 5"`
	Bytes    settings.Size `key:"bytes" default:"1GiB" is:"disk space of the stream if it is created; the oldest messages are deleted first"`
}

func (s *HistorySettings) check(f *settings.Faults) {
	if strings.ContainsAny(s.Stream, " \t\r\n.*>/\\") || len(s.Stream) > 255 {
		f.Add("history.stream", "%.40q is not the name of a stream: write it like STOMPGW, without blanks or any of . * > / \\", s.Stream)
	}
	if s.Replicas < 1 || s.Replicas > 5 {
		f.Add("history.replicas", "is %d: want 1 to 5", s.Replicas)
	}
	if s.Bytes < 1<<20 {
		f.Add("history.bytes", "is %s: want 1MiB at least", s.Bytes)
	}
}

// Check implements bus.Settings.
func (s *Settings) Check() (f settings.Faults) {
	_, err := parsePool(string(s.URL))
	f.AddErr("url", err)
	f.AddErr("prefix", checkPrefix(s.Prefix))
	s.History.check(&f)
	switch {
	case s.User == "" && s.Password.IsSet():
		f.Add("password", "has no user: set bus.nats.user")
	case s.User != "" && s.Password.IsMissing():
		f.AddLack("user", "password")
	}
	if s.NKey.IsSet() {
		if _, err := nkey(s.seed()); err != nil {
			f.Add("nkey", "%s holds no seed of a user: want one that begins with SU, as `nk -gen user` prints it", s.NKey.File())
		}
	}
	if s.Creds.IsSet() {
		if _, err := creds([]byte(s.Creds.Reveal())); err != nil {
			f.Add("creds", "%s is not a creds file: want one as `nsc generate creds` prints it, with a user's JWT and seed", s.Creds.File())
		}
	}
	if ways := s.ways(); len(ways) > 1 {
		f.AddBeside(ways[1], ways[0], "is a second way to log in, besides %s: keep one")
	}
	return f
}

func (s *Settings) seed() string { return strings.TrimSpace(s.NKey.Reveal()) }

// ways are the keys of the ways to log in that are used.
func (s *Settings) ways() (ways []string) {
	p, err := parsePool(string(s.URL))
	for _, way := range []struct {
		key  string
		used bool
	}{
		{"url", err == nil && p.user}, {"user", s.User != ""}, {"token", s.Token.IsSet()}, {"nkey", s.NKey.IsSet()}, {"creds", s.Creds.IsSet()},
	} {
		if way.used {
			ways = append(ways, way.key)
		}
	}
	return ways
}

func (s *Settings) config() Config {
	return Config{
		URL:      string(s.URL),
		User:     s.User,
		Password: s.Password.Reveal(),
		Token:    s.Token.Reveal(),
		NKey:     s.seed(),
		Creds:    s.Creds.Reveal(),
		TLS:      s.TLS.Loaded,
		Prefix:   s.Prefix,
		History: History{
			Stream: s.History.Stream, Existing: !s.History.Create, Replicas: s.History.Replicas, Bytes: int64(s.History.Bytes),
		},
	}
}

// Open implements bus.Settings.
func (s *Settings) Open(self bus.Self) (bus.Bus, error) {
	cfg := s.config()
	cfg.History.Trial = self.Trial
	b, err := New(cfg, self.Name, self.Log)
	if err != nil {
		return nil, fmt.Errorf("bus.nats: %w", err)
	}
	return b, nil
}

// Renew implements bus.Settings.
func (s *Settings) Renew(b bus.Bus) error {
	if err := b.(*Bus).Renew(s.config()); err != nil {
		return fmt.Errorf("bus.nats: %w", err)
	}
	return nil
}

// Take implements bus.Settings. Other servers, requiring TLS or not, and another way to log in need a new bus.
func (s *Settings) Take(next bus.Settings) bus.Settings {
	taken := *next.(*Settings)
	if s.URL != taken.URL || (s.TLS.Loaded == nil) != (taken.TLS.Loaded == nil) || !slices.Equal(s.ways(), taken.ways()) {
		return s
	}
	taken.Prefix, taken.History = s.Prefix, s.History
	return &taken
}

// Destinations implements bus.Settings.
func (s *Settings) Destinations() []bus.Destination { return nil }

// Servers implements bus.Settings.
func (s *Settings) Servers() (addrs []string) {
	if p, err := parsePool(string(s.URL)); err == nil {
		for _, own := range p.servers[:p.own] {
			addrs = append(addrs, own.dialled())
		}
	}
	return addrs
}

// Tried implements bus.Settings.
func (s *Settings) Tried(err error) (string, error) { return "answers, and a node may subscribe", err }
