package bustest

import (
	"testing"

	"github.com/stompgw/stompgw/bus"
)

// members are envelopes with who sent them, or without though it looks like it.
func members(destination string) []bus.Envelope {
	forged := []bus.Header{{Name: "stomp-member", Value: "8"}, {Name: "Stomp-Member", Value: "9"}, {Name: "principal", Value: "p"}}
	return []bus.Envelope{
		{Destination: destination, Body: []byte("a"), Member: "7"},
		{Destination: destination, Body: []byte("b"), Member: "x:a%2Fb", Headers: []bus.Header{{Name: "content-type", Value: "text/plain"}}},
		{Destination: destination, Body: []byte("c"), Member: "%342", Headers: forged},
		{Destination: destination, Body: []byte("d"), Headers: forged},
		{Destination: destination, Body: []byte("e")},
	}
}

// checkMembers holds that got are members, as far as who sent them goes.
func checkMembers(t *testing.T, name string, got []bus.Envelope) {
	t.Helper()
	for i, want := range members("") {
		if got[i].Member != want.Member || string(got[i].Body) != string(want.Body) {
			t.Errorf("%s: got %s of %q, want %s of %q", name, got[i].Body, got[i].Member, want.Body, want.Member)
		}
	}
}

// testMember: who sent an envelope arrives with it, and no header of the sender's can say that.
func testMember(t *testing.T, cluster Cluster) {
	const destination, principal = "/topic/from", "1700/b-b/session:1/2026-01-02T03:04:05.6Z"
	a := start(t, cluster, "1700/a-a", nil)
	b := start(t, cluster, "1700/b-b", nil, destination)
	for _, e := range members(destination) {
		a.send(e)
	}
	checkMembers(t, "broadcast", b.await(destination, len(members(""))))
	individual := members("/queue/from")
	for _, e := range individual {
		e.Principal = principal
		a.send(e)
	}
	checkMembers(t, "individual", b.await("/queue/from", len(individual)))
}

// testMemberKept: who sent an envelope is known of what is read back, too.
func testMemberKept(t *testing.T, cluster Cluster) {
	a := startRemembering(t, cluster, "1/a", remembered)
	for _, e := range members(remembered) {
		a.send(e)
	}
	first := a.arrived(remembered, "a")
	if first.Member != "7" {
		t.Errorf("live it is of %q", first.Member)
	}
	b := startRemembering(t, cluster, "1/b", remembered)
	b.recall(remembered, bus.Wish{Last: len(members(""))})
	checkMembers(t, "read back", b.await(remembered, len(members(""))))
}
