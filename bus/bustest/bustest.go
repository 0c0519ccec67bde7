// Package bustest holds the tests that every bus must pass. They state the promises of the interfaces
// in package bus, one test each, so that whoever writes a bus can see which one is broken.
//
// Nothing in Run sleeps. What should arrive is waited for until the test binary's own deadline; that
// something does not arrive is shown by an envelope sent after it, which has arrived.
package bustest

import (
	"testing"

	"github.com/stompgw/stompgw/bus"
)

// Cluster makes the buses of one test: each call adds a node on a broker, or in a namespace of one,
// that no other test uses. The name has the form "<epoch>/<uuid>". The suite closes the bus.
type Cluster func(t *testing.T, node string) bus.Bus

// Run tests the buses of the clusters that open makes. A bus that is a bus.Narrower or a bus.Recaller is
// also tested as one. For the test of backpressure it should hold few envelopes, and must hold fewer
// than 100,000.
func Run(t *testing.T, open func(t *testing.T) Cluster) {
	for _, test := range []struct {
		name string
		run  func(*testing.T, Cluster)
	}{
		{"Order", testOrder},
		{"NothingMissedAfterReady", testNothingMissedAfterReady},
		{"Individual", testIndividual},
		{"AnyBytes", testAnyBytes},
		{"Member", testMember},
		{"PatternSent", testPatternSent},
		{"DoneOnce", testDoneOnce},
		{"Full", testFull},
		{"BlockedDeliver", testBlockedDeliver},
		{"CloseCutsOff", testCloseCutsOff},
		{"ReceiveEnds", testReceiveEnds},
		{"Healthy", testHealthy},
		{"Narrower/Unwatched", of[bus.Narrower](testUnwatched)},
		{"Narrower/WatchThenPublish", of[bus.Narrower](testWatchThenPublish)},
		{"Narrower/Patterns", of[bus.Narrower](testPatterns)},
		{"Narrower/PatternOrder", of[bus.Narrower](testPatternOrder)},
		{"Narrower/PatternAnyBytes", of[bus.Narrower](testPatternAnyBytes)},
		{"Narrower/PatternAgain", of[bus.Narrower](testPatternAgain)},
		{"Recaller/Positions", of[bus.Recaller](testPositions)},
		{"Recaller/MemberKept", of[bus.Recaller](testMemberKept)},
		{"Recaller/Recall", of[bus.Recaller](testRecall)},
		{"Recaller/Last", of[bus.Recaller](testLast)},
		{"Recaller/Head", of[bus.Recaller](testHead)},
		{"Recaller/UnknownPlace", of[bus.Recaller](testUnknownPlace)},
		{"Recaller/RecallUnderLoad", of[bus.Recaller](testRecallUnderLoad)},
	} {
		t.Run(test.name, func(t *testing.T) { test.run(t, open(t)) })
	}
}

// of returns test for buses that are a B, too.
func of[B any](test func(*testing.T, Cluster)) func(*testing.T, Cluster) {
	return func(t *testing.T, cluster Cluster) {
		if b, ok := newBus(t, cluster, "0/probe").(B); !ok {
			t.Skipf("this bus is no %T", &b)
		}
		test(t, cluster)
	}
}
