package redisregistry

import (
	"net/netip"
	"time"
	"unique"

	"github.com/stompgw/stompgw/gateway/registry"
)

// entry is a session as the book keeps it. All that follows from the node's name and the session's
// id is left out, since a gateway may hold a million of them: an entry takes 56 bytes, with its id 64
// in the map, and with the map's free slots about 90 (TestBytesPerSession). The text of a member is
// the login's own and not counted.
type entry struct {
	connected int64 // Unix time in nanoseconds
	common    unique.Handle[common]
	member    string
	addr      [16]byte // of the other end; see hasAddr and isV4
	port      uint16
	state     state

	// When the token expires, in Unix seconds: 40 bits reach beyond the year 9999, the last that
	// RFC 3339 can write. 0 is never.
	expiresHigh uint8
	expiresLow  uint32
}

// state says what Redis may know of an entry, and how to read its address.
type state uint8

const (
	sent    state = 1 << iota // has left for Redis, which may have it or not
	gone                      // the session has ended, and Redis has to forget it
	told                      // Config.Stored has heard of the session with this member
	hasAddr                   // addr and port are set
	isV4                      // addr is an IPv4 address in IPv6 form
)

// common is what many sessions share. There are as many as transports times versions, since all times of a node
// are in one zone.
type common struct {
	transport, version string
	zone               *time.Location
	scope              string // of an IPv6 address, such as "eth0"
}

// lastExpiry is a time that is in the year 9999 in every zone.
var lastExpiry = time.Date(9999, 12, 30, 0, 0, 0, 0, time.UTC)

func newEntry(s registry.Session) entry {
	shared := common{s.Transport, s.Version, s.ConnectedAt.Location(), s.Remote.Addr().Zone()}
	e := entry{connected: s.ConnectedAt.UnixNano(), common: unique.Make(shared), member: s.Member}
	if s.Remote.IsValid() {
		e.addr, e.port, e.state = s.Remote.Addr().As16(), s.Remote.Port(), hasAddr
		if s.Remote.Addr().Is4() {
			e.state |= isV4
		}
	}
	if !s.Expires.IsZero() {
		seconds := max(1, min(s.Expires.Unix(), lastExpiry.Unix()))
		e.expiresHigh, e.expiresLow = uint8(seconds>>32), uint32(seconds)
	}
	return e
}

// session is what the entry was made from, with the expiry in whole seconds.
func (e entry) session(id registry.SessionID) registry.Session {
	shared := e.common.Value()
	s := registry.Session{
		ID:          id,
		ConnectedAt: time.Unix(0, e.connected).In(shared.zone),
		Member:      e.member,
		Transport:   shared.transport,
		Version:     shared.version,
	}
	if e.state&hasAddr != 0 {
		s.Remote = netip.AddrPortFrom(e.address(), e.port)
	}
	if seconds := int64(e.expiresHigh)<<32 | int64(e.expiresLow); seconds != 0 {
		s.Expires = time.Unix(seconds, 0).In(shared.zone)
	}
	return s
}

func (e entry) address() netip.Addr {
	addr := netip.AddrFrom16(e.addr)
	if e.state&isV4 != 0 {
		return addr.Unmap()
	}
	return addr.WithZone(e.common.Value().scope)
}
