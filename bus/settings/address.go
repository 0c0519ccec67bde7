package settings

import (
	"fmt"
	"net"
	"net/url"
	"strconv"
	"strings"
)

// ParseAddr reads an address to listen on. Without a host it means every address of the machine.
func ParseAddr(addr, example string) (host string, port int, err error) {
	host, text, err := net.SplitHostPort(addr)
	if err != nil || strings.ContainsFunc(host, func(r rune) bool { return r <= ' ' || r > '~' }) {
		return "", 0, fmt.Errorf("%q is not an address: write host:port, such as %s", addr, example)
	}
	n, err := strconv.ParseUint(text, 10, 16)
	if err != nil {
		return "", 0, fmt.Errorf("%q has no port from 0 to 65535, such as %s", addr, example)
	}
	return host, int(n), nil
}

// CheckServers adds to f what is wrong with addrs, the addresses of servers to dial in the list named key.
func (f *Faults) CheckServers(key string, addrs []string, example string) {
	if len(addrs) == 0 {
		f.Add(key, "is empty: want at least one address, such as [%s]", example)
	}
	for i, addr := range addrs {
		at := fmt.Sprintf("%s[%d]", key, i)
		if strings.ContainsAny(addr, "/@") { // it may hold a password
			f.Add(at, "is more than an address: write host:port alone; user, password and TLS have keys of their own")
		} else if host, port, err := ParseAddr(addr, example); err != nil {
			f.AddErr(at, err)
		} else if host == "" || port == 0 {
			f.Add(at, "%q names no server: write host:port, such as %s", addr, example)
		}
	}
}

// URLs are addresses of servers, separated by commas, which may hold passwords: nothing prints those.
type URLs string

// String returns them without passwords and tokens.
func (u URLs) String() string {
	parts := strings.Split(string(u), ",")
	for i, part := range parts {
		u, err := url.Parse(strings.TrimSpace(part))
		switch {
		case err != nil:
			parts[i] = "(not a URL)"
		case u.User != nil:
			u.User = url.User("REDACTED")
			parts[i] = u.String()
		}
	}
	return strings.Join(parts, ",")
}

// GoString is String for %#v.
func (u URLs) GoString() string { return u.String() }

// MarshalText is String for encoders.
func (u URLs) MarshalText() ([]byte, error) { return []byte(u.String()), nil }
