package policy

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// withHistory are rules of which some keep something.
func withHistory() Rules {
	r := base()
	r.Channels = []Channel{
		{Match: "/topic/none/**"},
		{Match: "/topic/{room}", Subscribe: "true", History: History{100, 10 * time.Minute}},
		{Match: "/topic/*/room-?*/**", Subscribe: "true", History: History{20, time.Hour}},
		{Match: "/topic/{other}", Subscribe: "true", History: History{7, time.Minute}}, // never decides
		{Match: "/session/queue/{name}", Subscribe: "true"},
		{Match: "/member/{member}/queue/inbox", Subscribe: "true", History: History{3, time.Minute}},
		{Match: "/{a}/{b}/**"},
	}
	return r
}

// TestHistory: the rule that decides about a SUBSCRIBE says what is kept, each time it is asked.
func TestHistory(t *testing.T) {
	c := mustNew(t, withHistory())
	long := "/topic/" + strings.Repeat("x", longName)
	for range 2 {
		for name, want := range map[string]History{
			"/topic/a":                     {100, 10 * time.Minute},
			long:                           {100, 10 * time.Minute},
			"/topic/none":                  {},
			"/topic/none/room-1":           {},
			"/topic/a/room-1":              {20, time.Hour},
			"/topic/a/room-1/b/c":          {20, time.Hour},
			"/topic/a/room-":               {},
			"/topic/*":                     {}, // a pattern has none
			"/topic/**":                    {},
			"/queue/a":                     {},
			"/session/queue/a":             {},
			"/session/queue/request-error": {},
			"/member/7/queue/inbox":        {3, time.Minute},
			"/member/x:b%20b/queue/inbox":  {3, time.Minute},
			"/member/7/queue/other":        {},
			"/member/queue/inbox":          {}, // as clients call it
			"/member/b b/queue/inbox":      {},
			"/member":                      {},
			"":                             {},
		} {
			size, ttl, ok := c.History(name)
			if got := (History{size, ttl}); got != want || ok != (want != History{}) {
				t.Errorf("%.40s: %+v, %v, want %+v", name, got, ok, want)
			}
		}
	}
}

// TestHistoryIsThatOfTheGrant: for whatever may be subscribed to, the rule that granted it says what is kept.
func TestHistoryIsThatOfTheGrant(t *testing.T) {
	r := withHistory()
	c := mustNew(t, r)
	for _, name := range []string{"/topic/a", "/topic/b", "/topic/a/room-x", "/topic/a/room-x/y", "/session/queue/a", "/member/queue/inbox"} {
		granted, refusal := c.JudgeSubscribe(&Request{Destination: name, Member: "7", Inbox: "7", From: madeUp{}})
		if refusal != nil {
			t.Fatalf("%s: %v", name, refusal)
		}
		size, ttl, _ := c.History(granted.Destination)
		i := slices.IndexFunc(c.channels, func(ru rule) bool { return ru.path == granted.Rule })
		if want := r.Channels[i].History; want != (History{size, ttl}) {
			t.Errorf("%s: %d and %s, the rule that granted it says %+v", name, size, ttl, want)
		}
	}
}

func TestKeep(t *testing.T) {
	k := mustNew(t, withHistory()).Keep(7)
	want := []string{"/topic/*", "/topic/*/room-?*/**", "/member/*/queue/inbox"}
	if !slices.Equal(k.Patterns, want) || k.Size != 100 || k.Age != time.Hour || k.Bytes != 7 || !k.Has("/topic/a") || k.Has("/elsewhere") {
		t.Errorf("got %+v", k)
	}
	if want := []string{"/topic/none/**"}; !slices.Equal(k.Without, want) { // what comes behind all with a history takes nothing from them
		t.Errorf("without a history are %q, want %q", k.Without, want)
	}
	if k := mustNew(t, base()).Keep(7); k.Patterns != nil || k.Without != nil || k.Size != 0 || k.Age != 0 || k.Has("/topic/a") {
		t.Errorf("rules without a history keep %+v", k)
	}
	if size, ttl, ok := mustNew(t, base()).History("/topic/a"); size != 0 || ttl != 0 || ok {
		t.Errorf("and of a destination %d, %s, %v", size, ttl, ok)
	}
}

// TestHistoryOfMany: more destinations than are remembered, by several goroutines, with names in memory that is used again.
func TestHistoryOfMany(t *testing.T) {
	c := mustNew(t, withHistory())
	var wg sync.WaitGroup
	for g := range 4 {
		wg.Go(func() {
			for i := range 3 * memorySize {
				name := fmt.Sprintf("/topic/%d", i+g)
				want := 100
				if i%3 == 0 {
					name, want = name+"/room-1", 20
				}
				if size, _, ok := c.History(name); size != want || !ok {
					t.Errorf("%s: %d, want %d", name, size, want)
					return
				}
			}
		})
	}
	wg.Wait()
}

// TestHistoryAllocs: a destination that was asked for before costs no memory, and nor do rules without a history.
func TestHistoryAllocs(t *testing.T) {
	for _, c := range []*Catalogue{mustNew(t, withHistory()), mustNew(t, base())} {
		c.History("/topic/a")
		if n := testing.AllocsPerRun(100, func() { c.History("/topic/a") }); n != 0 {
			t.Errorf("%v allocations", n)
		}
	}
}

func BenchmarkHistory(b *testing.B) {
	for _, rules := range []int{3, 100} {
		r := base()
		for i := range rules - 1 {
			r.Channels = append([]Channel{{Match: fmt.Sprintf("/topic/{a}/%d/**", i)}}, r.Channels...)
		}
		r.Channels[rules-1].History = History{100, time.Minute}
		c := mustNew(b, r)
		const name = "/topic/chat"
		for _, way := range []struct {
			name string
			ask  func()
		}{
			{"remembered", func() { c.History(name) }},
			{"asked", func() { c.history(name) }},
		} {
			b.Run(fmt.Sprintf("rules=%d/%s", rules, way.name), func(b *testing.B) {
				b.ReportAllocs()
				for b.Loop() {
					way.ask()
				}
			})
		}
	}
}
