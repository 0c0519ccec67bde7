package pageapi

import (
	"net/netip"
	"sync"
	"time"
)

const (
	perSecond    = 5                       // requests of one address, and as many at once
	interval     = time.Second / perSecond // what a request costs
	mayOwe       = time.Second - interval  // what an address may owe and still ask
	maxAddresses = 1 << 16                 // that ask within a second or two; a new one beyond has to wait
	again        = time.Second             // for that long
)

// pace bounds how often each address asks. Its methods may be called from any goroutine.
type pace struct {
	now func() time.Time

	mu           sync.Mutex
	fresh, older map[netip.Addr]time.Time // until when what was asked is not paid off, which takes a second at most
	turned       time.Time                // when fresh became older last
}

func newPace(now func() time.Time) *pace {
	return &pace{now: now, fresh: map[netip.Addr]time.Time{}}
}

// take counts a request of an address, or says how long it has to wait: then it does not count.
func (p *pace) take(of netip.Addr) (wait time.Duration) {
	of = host(of)
	now := p.now()
	p.mu.Lock()
	defer p.mu.Unlock()
	if now.Sub(p.turned) >= time.Second { // what is older owes nothing any more
		p.fresh, p.older, p.turned = map[netip.Addr]time.Time{}, p.fresh, now
	}
	owes := now
	for _, until := range []time.Time{p.fresh[of], p.older[of]} {
		if until.After(owes) {
			owes = until
		}
	}
	if wait := owes.Sub(now) - mayOwe; wait > 0 {
		return wait
	}
	if _, known := p.fresh[of]; !known && len(p.fresh) >= maxAddresses {
		return again
	}
	p.fresh[of] = owes.Add(interval)
	return 0
}

// host is what counts as one address: of IPv6 the network of 64 bits, all of which a single machine may have.
func host(a netip.Addr) netip.Addr {
	if a = a.Unmap().WithZone(""); !a.Is6() {
		return a
	}
	network, err := a.Prefix(64)
	if err != nil { // an address of IPv6 has so many bits
		return a
	}
	return network.Addr()
}
