// Package bustest is what every bus has to pass. Its tests state the promises of the interfaces in
// package bus, a test for each, so that whoever writes a bus can see which one is broken.
//
// Nothing in Run sleeps. That something arrives is waited for until the test binary's own deadline;
// that something does not arrive is shown by an envelope sent after it, which has arrived.
package bustest

import (
	"testing"

	"github.com/stompgw/stompgw/bus"
)

// Cluster makes the buses of one test: each call is one more node on a broker, or in a namespace of
// one, that no other test uses. The name has the form "<epoch>/<uuid>". The suite closes the bus.
type Cluster func(t *testing.T, node string) bus.Bus

// Run tests the bus that open's clusters make. A bus that is a bus.Narrower, or a bus.Recaller, is
// tested as one. For
// the test of backpressure it should hold few envelopes, and must hold less than 100,000.
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
		{"CloseWaits", testCloseWaits},
		{"CloseCutsOff", testCloseCutsOff},
		{"ReceiveEnds", testReceiveEnds},
		{"Healthy", testHealthy},
	} {
		t.Run(test.name, func(t *testing.T) { test.run(t, open(t)) })
	}
	for _, test := range []struct {
		name string
		run  func(*testing.T, Cluster)
	}{
		{"Unwatched", testUnwatched},
		{"WatchThenPublish", testWatchThenPublish},
		{"Patterns", testPatterns},
		{"PatternOrder", testPatternOrder},
		{"PatternAnyBytes", testPatternAnyBytes},
		{"PatternAgain", testPatternAgain},
	} {
		t.Run("Narrower/"+test.name, func(t *testing.T) {
			cluster := open(t)
			if _, ok := newBus(t, cluster, "0/probe").(bus.Narrower); !ok {
				t.Skip("this bus brings everything")
			}
			test.run(t, cluster)
		})
	}
	for _, test := range []struct {
		name string
		run  func(*testing.T, Cluster)
	}{
		{"Positions", testPositions},
		{"MemberKept", testMemberKept},
		{"Recall", testRecall},
		{"Last", testLast},
		{"Head", testHead},
		{"UnknownPlace", testUnknownPlace},
		{"RecallUnderLoad", testRecallUnderLoad},
	} {
		t.Run("Recaller/"+test.name, func(t *testing.T) {
			cluster := open(t)
			if _, ok := newBus(t, cluster, "0/probe").(bus.Recaller); !ok {
				t.Skip("this bus knows no past")
			}
			test.run(t, cluster)
		})
	}
}
