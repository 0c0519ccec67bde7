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

// pool is the servers to connect to, in turn.
type pool struct {
	servers []address // what the configuration names, in an order of chance, then what the latest server told of
	own     int       // how many are of the configuration
	hosts   string    // what to call those
	turn    int
}

// address is where one of them is.
type address struct {
	url  *url.URL
	name string // to look for in its certificate, where url has an address alone; empty: what url has
}

// parsePool returns the servers of urls. Its error shows no password.
func parsePool(urls string) (*pool, error) {
	p := &pool{}
	var hosts []string
	for text := range strings.SplitSeq(urls, ",") {
		text = strings.TrimSpace(text)
		if !strings.Contains(text, "://") {
			text = "nats://" + text
		}
		u, err := url.Parse(text)
		if err != nil || u.Hostname() == "" || u.Scheme != "nats" && u.Scheme != "tls" {
			return nil, errors.New("natsbus: url: want nats://[user:password@]host:port or tls://..., several separated by commas (not shown, as it may hold a password)")
		}
		p.servers = append(p.servers, address{url: u})
		hosts = append(hosts, u.Host)
	}
	p.own, p.hosts = len(p.servers), strings.Join(hosts, ",")
	rand.Shuffle(p.own, func(i, j int) { p.servers[i], p.servers[j] = p.servers[j], p.servers[i] })
	return p, nil
}

// hasUser reports whether the configuration says as whom to log in at one of its servers.
func (p *pool) hasUser() bool {
	return slices.ContainsFunc(p.servers[:p.own], func(own address) bool { return own.url.User != nil })
}

// next returns the server whose turn it is.
func (p *pool) next() address {
	i := p.turn % len(p.servers)
	p.turn = i + 1
	return p.servers[i]
}

// learn takes over what the server at the other end of c told of its cluster. They take the same login,
// and where that one had TLS they have to have it too; those with an address alone, with certificates
// for its name.
func (p *pool) learn(c *conn) {
	p.servers = p.servers[:p.own]
	for _, text := range c.nc.DiscoveredServers() {
		u, err := url.Parse(text)
		if err != nil || p.has(u.Host) {
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
		p.servers = append(p.servers, told)
	}
}

func isIP(host string) bool { return net.ParseIP(host) != nil }

// has reports whether host is of the configuration.
func (p *pool) has(host string) bool {
	return slices.ContainsFunc(p.servers[:p.own], func(own address) bool {
		return own.url.Host == host || own.url.Port() == "" && net.JoinHostPort(own.url.Hostname(), "4222") == host
	})
}
