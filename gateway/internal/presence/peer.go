package presence

import (
	"context"
	"time"

	"github.com/stompgw/stompgw/gateway/registry"
)

const (
	askedAtOnce = 8   // nodes
	roomsAtOnce = 500 // in a question

	// askAgain is when a node is asked again that has not answered.
	askAgain = time.Second

	// listEvery is how often it is asked which nodes there are.
	listEvery = time.Second

	// listDoubt is how long after a failure a node that is missing in the list is not taken for gone, and one that tells something not for a stranger: the store
	// of their signs of life may have been emptied, and each gives one every few seconds.
	listDoubt = 10 * time.Second
)

// Peers are the other nodes. Its methods may be called from any goroutine, and wait for Redis.
type Peers interface {
	// Nodes are the names of those with a sign of life that can be asked, this one among them or not.
	Nodes(ctx context.Context) ([]string, error)
	// Present says who is in rooms of one node, in any order; a room that it does not name is empty there.
	Present(ctx context.Context, node string, rooms []string) ([]registry.Present, error)
}

// peers is what is known of the other nodes. Run's goroutine owns it.
type peers struct {
	live    map[string]*peer
	listed  bool // the list is known
	failed  int  // attempts in a row to know it now
	doubt   time.Time
	listing bool      // it is being asked for
	listDue time.Time // when it is the next time
	asked   int       // nodes that are being asked
}

// peer is another node.
type peer struct {
	name  string
	due   []string // rooms that it is to be asked of, each once
	asked bool     // a question is on its way
	again time.Time
}

// listing is a list of nodes, or why there is none.
type listing struct {
	names []string
	err   error
}

// answer is what a node says of rooms.
type answer struct {
	peer    *peer
	rooms   []string
	present []registry.Present
	err     error
}

// list notes a list of nodes, and returns which are new, and which have gone.
func (p *peers) list(l listing, self string, now time.Time) (came, gone []string) {
	p.listing = false
	if l.err != nil {
		p.failed++
		p.doubt = now.Add(listDoubt)
		return nil, nil
	}
	p.listed, p.failed = true, 0
	named := map[string]bool{}
	for _, name := range l.names {
		if name == self || !isNode(name) {
			continue
		}
		named[name] = true
		if p.live[name] == nil {
			p.live[name] = &peer{name: name}
			came = append(came, name)
		}
	}
	if now.Before(p.doubt) {
		return came, nil
	}
	for name := range p.live {
		if !named[name] {
			delete(p.live, name)
			gone = append(gone, name)
		}
	}
	return came, gone
}

// areAway reports whether it can't be known which nodes live. One failure of what has worked is none yet: all viewers would be told
// everything anew for it.
func (p *peers) areAway() bool { return p.failed > 1 || p.failed > 0 && !p.listed }

// next returns the nodes that can be asked now.
func (p *peers) next(now time.Time) (list []*peer) {
	for _, peer := range p.live {
		if p.asked+len(list) == askedAtOnce {
			break
		}
		if !peer.asked && len(peer.due) > 0 && !now.Before(peer.again) {
			list = append(list, peer)
		}
	}
	return list
}

// question takes the rooms of the next question to a node.
func (p *peer) question() []string {
	n := min(len(p.due), roomsAtOnce)
	rooms := p.due[:n:n]
	if p.due = p.due[n:]; len(p.due) == 0 {
		p.due = nil
	}
	return rooms
}
