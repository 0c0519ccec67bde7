package natsbus

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/stompgw/stompgw/bus"
	"github.com/stompgw/stompgw/bus/bustest"
)

// TestAdviseCaptured: whatever is captured that no rule with history asks for is named, with the rule that is to blame.
func TestAdviseCaptured(t *testing.T) {
	for _, tt := range []struct {
		name                    string
		patterns, without, held string // with blanks between
		want                    []string
	}{
		{"close", "/topic/** /queue/{n} /a/*/b", "/elsewhere/**", "", nil},
		{"what is asked for by another rule, too", "/topic/room.* /topic/*", "", "", nil},
		{"part of a segment", "/topic/room.*", "", "", []string{"captures p.d.topic.* for /topic/room.*, as NATS has no closer subject: what else is published there is stored for nothing"}},
		{"any number in the middle", "/topic/**/x", "", "", []string{"captures p.d.topic.> for /topic/**/x, as NATS"}},
		{"overlap", "/*/b /a/*", "", "", []string{"captures p.d.*.* for /*/b /a/*, as NATS"}},
		{"left from other rules", "/topic/*", "", "p.d.queue.>", []string{"captures p.d.queue.>, which no rule with history asks for: what is published there is stored for nothing, and takes space from what has history: set its subjects to p.d.topic.*"}},
		{"wider, from other rules", "/topic/a", "", "p.d.topic.>", []string{"captures p.d.topic.>, of which rules with history ask only for /topic/a"}},
		{"an earlier rule", "/topic/**", "/topic/private/** /topic/public/*", "", []string{
			"captures p.d.topic.> for /topic/**, and with it what the rule of /topic/private/** has without history: that is stored for nothing",
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			h := newHistory(Config{Prefix: "p"}.withDefaults())
			got := h.adviseCaptured(strings.Fields(tt.held), bus.Keep{
				Patterns: strings.Fields(tt.patterns), Without: strings.Fields(tt.without),
				Has: func(d string) bool { return !strings.HasPrefix(d, "/topic/private/") },
			})
			if !slices.EqualFunc(got, tt.want, strings.HasPrefix) {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}

// TestAdviseLimits: what a stream loses before nodes would.
func TestAdviseLimits(t *testing.T) {
	for _, tt := range []struct {
		config string
		create bool
		want   []string
	}{
		{`{"storage": "file", "max_age": 0, "max_msgs_per_subject": 100}`, false, nil},
		{`{"storage": "file", "max_age": 60000000000, "max_msgs_per_subject": -1}`, false, nil},
		{`{"storage": "file", "max_age": 59000000000}`, true, []string{"removes after 59s what history should keep for 1m0s: set its max_age to 0"}},
		{`{"storage": "memory"}`, false, []string{"is kept in memory: "}},
		{`{"max_msgs_per_subject": 99}`, false, []string{"keeps 99 messages of a destination, and rules ask for 100: raise its max_msgs_per_subject"}},
		{`{"max_msgs_per_subject": 99}`, true, nil}, // nodes raise it
		{`{"num_replicas": 3}`, false, []string{"has replicas on servers of version 2.9.10, which can differ"}},
		{`{"num_replicas": 1}`, false, nil},
	} {
		h, info := newHistory(Config{History: History{Existing: !tt.create}}.withDefaults()), new(streamInfo)
		checkErr(t, json.Unmarshal([]byte(tt.config), &info.Config), nil)
		if got := h.adviseLimits(info, bus.Keep{Size: 100, Age: time.Minute}, "2.9.10"); !slices.EqualFunc(got, tt.want, strings.HasPrefix) {
			t.Errorf("%s: got %q, want %q", tt.config, got, tt.want)
		}
	}
}

func TestLosesReplicas(t *testing.T) {
	for version, want := range map[string]bool{"2.9.25": true, "2.2.0-beta": true, "2.10.0": false, "2.15.2": false, "3.1.0": false, "": false, "dev": false} {
		if losesReplicas(version) != want {
			t.Errorf("%s: want %v", version, want)
		}
	}
}

// TestAdviseReal: a trial asks the server, where there is a stream and where there is none yet, and changes nothing.
func TestAdviseReal(t *testing.T) {
	eachStore(t, func(t *testing.T, url string) {
		keep := keeping(10)
		keep.Patterns, keep.Age = append(keep.Patterns, "/queue/room.*"), time.Minute
		advise := func(existing bool) []string {
			t.Helper()
			b := newBus(t, Config{URL: url, History: History{Existing: existing, Trial: true}}, "1/trial", nil)
			bustest.Eventually(t, "it is connected", func() bool { return b.Healthy() == nil })
			got, err := b.Advise(t.Context(), keep)
			checkErr(t, err, nil)
			return got
		}
		if got := advise(false); len(got) != 1 || !strings.HasPrefix(got[0], "stream STOMPGW captures stomp.d.queue.* for /queue/room.*, ") {
			t.Errorf("before there is a stream: %q", got)
		}
		js := overhear(t, url)
		_, err := js.AddStream(&nats.StreamConfig{Name: "STOMPGW", Subjects: []string{"stomp.d.>"}, Storage: nats.MemoryStorage, MaxAge: time.Second})
		checkErr(t, err, nil)
		if got := advise(true); len(got) != 2 || !strings.Contains(got[0], "max_age") || !strings.Contains(got[1], "is kept in memory") {
			t.Errorf("of somebody's stream: %q", got)
		}
		if got := advise(false); len(got) != 3 || !strings.Contains(got[2], "captures stomp.d.>, of which rules with history ask only for /topic/** /queue/room.*") {
			t.Errorf("of a stream that is the nodes': %q", got)
		}
	})
}

// TestAdviseNobody: without a connection it says why.
func TestAdviseNobody(t *testing.T) {
	b := newBus(t, Config{URL: "nats://127.0.0.1:1"}, "1/a", nil)
	if _, err := b.Advise(t.Context(), keeping(10)); err == nil {
		t.Error("it knows nothing, and does not say so")
	}
}
