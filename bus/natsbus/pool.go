package natsbus

import (
	"cmp"
	"errors"
	"math/rand/v2"
	"net"
	"net/url"
	"slices"
	"strings"
)

// pool is the servers to connect to, in turn: what the configuration names, in an order of chance, and
// then those that the server of the latest connection told of.
type pool struct {
	own, told []address
	turn      int
}

// address is where one of them is.
type address struct {
	url  *url.URL
	name string // to look for in its certificate, where url has an address alone; empty: what url has
}

// parsePool returns the servers of urls. Its error shows no password.
func parsePool(urls string) (*pool, error) {
	s := &pool{}
	for text := range strings.SplitSeq(urls, ",") {
		text = strings.TrimSpace(text)
		if !strings.Contains(text, "://") {
			text = "nats://" + text
		}
		u, err := url.Parse(text)
		if err != nil || u.Hostname() == "" || u.Scheme != "nats" && u.Scheme != "tls" {
			return nil, errors.New("natsbus: url: want nats://[user:password@]host:port or tls://..., several with commas between (not shown, as it may hold a password)")
		}
		s.own = append(s.own, address{url: u})
	}
	return s, nil
}

// hosts returns what to call the configured servers.
func (s *pool) hosts() string {
	var hosts []string
	for _, own := range s.own {
		hosts = append(hosts, own.url.Host)
	}
	return strings.Join(hosts, ",")
}

func (s *pool) shuffle() {
	rand.Shuffle(len(s.own), func(i, j int) { s.own[i], s.own[j] = s.own[j], s.own[i] })
}

func (s *pool) len() int { return len(s.own) + len(s.told) }

// next returns the server whose turn it is.
func (s *pool) next() address {
	i := s.turn % s.len()
	s.turn = i + 1
	if i < len(s.own) {
		return s.own[i]
	}
	return s.told[i-len(s.own)]
}

// learn takes over what the server at the other end of c told of its cluster. They take the same login,
// and where that one had TLS they have to have it too; those with an address alone, with certificates
// for its name.
func (s *pool) learn(c *conn) {
	s.told = nil
	for _, text := range c.nc.DiscoveredServers() {
		u, err := url.Parse(text)
		if err != nil || s.has(u.Host) {
			continue
		}
		u.User = c.server.url.User
		told := address{url: u}
		if c.secure {
			u.Scheme = "tls"
			if name := cmp.Or(c.server.name, c.server.url.Hostname()); isIP(u.Hostname()) && !isIP(name) {
				told.name = name
			}
		}
		s.told = append(s.told, told)
	}
}

func isIP(host string) bool { return net.ParseIP(host) != nil }

func (s *pool) has(host string) bool {
	return slices.ContainsFunc(s.own, func(own address) bool {
		return own.url.Host == host || own.url.Port() == "" && net.JoinHostPort(own.url.Hostname(), "4222") == host
	})
}
