package natsbus

import (
	"cmp"
	"errors"
	"math/rand/v2"
	"net"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

// pool is the servers to connect to, in turn.
type pool struct {
	servers []address // what the configuration names, in an order of chance, then what the latest server told of
	own     int       // how many are of the configuration
	user    bool      // which says as whom to log in at one of them
	hosts   string    // what to call those
	turn    int
}

// address is where one of them is.
type address struct {
	url  *url.URL
	name string // to look for in its certificate, where url has an address alone; empty: what url has
}

// parsePool returns the servers of urls. Its error does not quote them: they may hold a password.
func parsePool(urls string) (*pool, error) {
	p := &pool{}
	var hosts []string
	for text := range strings.SplitSeq(urls, ",") {
		text = strings.TrimSpace(text)
		if !strings.Contains(text, "://") {
			text = "nats://" + text
		}
		u, err := url.Parse(text)
		if err != nil || u.Hostname() == "" || !isPort(u.Port()) || u.Scheme != "nats" && u.Scheme != "tls" {
			return nil, errors.New("is not the URL of a NATS server: write nats://host:4222, or several separated by commas")
		}
		p.servers = append(p.servers, address{url: u})
		p.user = p.user || u.User != nil
		hosts = append(hosts, u.Host)
	}
	p.own, p.hosts = len(p.servers), strings.Join(hosts, ",")
	rand.Shuffle(p.own, func(i, j int) { p.servers[i], p.servers[j] = p.servers[j], p.servers[i] })
	return p, nil
}

// isPort takes no port, which is the usual one, and 0, where an embedded server takes a free one.
func isPort(text string) bool {
	_, err := strconv.ParseUint(cmp.Or(text, "0"), 10, 16)
	return err == nil
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
		return own.url.Host == host || own.dialled() == host
	})
}

// dialled is the host and port.
func (a address) dialled() string {
	return net.JoinHostPort(a.url.Hostname(), cmp.Or(a.url.Port(), "4222"))
}
