package policy

import (
	"fmt"
	"slices"
	"testing"
)

// TestShadows: of several rules that match all that one does, the first is named.
func TestShadows(t *testing.T) {
	var r Rules
	for _, match := range []string{"/topic/a/b", "/topic/{x}/b", "/topic/a/{y}", "/topic/a/b", "/topic/c/b", "/topic/**", "/topic/c", "/queue/a", "/**", "/queue/{x}", "/member/{x}/**", "/member/7/{y}"} {
		r.Channels = append(r.Channels, Channel{Match: match})
	}
	for _, match := range []string{"/app/{x}", "/app/a"} {
		r.Routes = append(r.Routes, Route{Match: match, Allow: "true", Publish: "/topic/a"})
	}
	r.Prefixes = DefaultPrefixes()
	c, err := New(r)
	if err != nil {
		t.Fatal(err)
	}
	want := []Shadow{{"channels[3]", "channels[0]"}, {"channels[4]", "channels[1]"}, {"channels[6]", "channels[5]"}, {"channels[9]", "channels[8]"}, {"channels[11]", "channels[10]"}, {"routes[1]", "routes[0]"}}
	if got := c.Shadows(); !slices.Equal(got, want) {
		t.Errorf("\n got %v\nwant %v", got, want)
	}
}

// BenchmarkShadows: a node asks once, at its start, and must not feel the number of its rules.
func BenchmarkShadows(b *testing.B) {
	for _, n := range []int{100, 10_000} {
		r := Rules{Prefixes: DefaultPrefixes()}
		for i := range n {
			r.Channels = append(r.Channels, Channel{Match: fmt.Sprintf("/topic/r%d/{x}", i)})
		}
		c, err := New(r)
		if err != nil {
			b.Fatal(err)
		}
		b.Run(fmt.Sprintf("rules=%d", n), func(b *testing.B) {
			for b.Loop() {
				c.Shadows()
			}
		})
	}
}

// TestDeadEnds: a route leads nowhere if the rules that come to its messages let nobody subscribe.
func TestDeadEnds(t *testing.T) {
	channels := []Channel{
		{Match: "/topic/open/{x}", Subscribe: `"mu" in claims`},
		{Match: "/topic/shut/**", Subscribe: "false", Send: "true"},
		{Match: "/topic/shut/{x}", Subscribe: "true"},
		{Match: "/topic/half/a", Send: "true"},
		{Match: "/topic/half/{x}", Subscribe: "true"},
		{Match: "/queue/**", Subscribe: "true"},
		{Match: "/member/{m}/queue/x", Subscribe: "true"},
		{Match: "/presence/topic/**", Subscribe: "true"},
	}
	for publish, dead := range map[string]bool{
		"/topic/open/{a}":       false,
		"/topic/open/b":         false,
		"/topic/opn/{a}":        true,
		"/topic/open":           true,
		"/topic/open/{a}/{b}":   true,
		"/topic/shut/{a}":       true,
		"/topic/half/{a}":       false,
		"/topic/half/a":         true,
		"/{a}/{b}":              false, // perhaps /queue
		"/queue/{a}":            false,
		"/member/{a}/queue/x":   false,
		"/member/{a}/queue/y":   true,
		"/member/7/queue/x":     false,
		"/session/queue/errors": false,
		"/session/queue/other":  true,
	} {
		c := mustCatalogue(t, Rules{Channels: channels, Routes: []Route{{Match: "/app/{a}/{b}", Allow: "true", Publish: publish}}})
		if got := c.DeadEnds(); (len(got) == 1 && got[0] == "routes[0]") != dead || len(got) > 1 {
			t.Errorf("%s: %q, want %t", publish, got, dead)
		}
	}
}

// TestInto: which channel is about what a route publishes, where that is one whatever the variables are.
func TestInto(t *testing.T) {
	channels := []Channel{
		{Match: "/topic/open/{x}"}, {Match: "/topic/half/a"}, {Match: "/topic/half/{x}"}, {Match: "/presence/topic/**"},
		{Match: "/member/{m}/queue/x"}, {Match: "/session/queue/{x}"}, {Match: "/topic/**"},
	}
	c := mustCatalogue(t, Rules{Channels: channels})
	for publish, want := range map[string]string{
		"/topic/open/{a}": "/topic/open/{x}", "/topic/open/b": "/topic/open/{x}", "/topic/half/a": "/topic/half/a", "/topic/half/b": "/topic/half/{x}",
		"/topic/half/{a}": "", "/topic/{a}/b": "", "/topic/else/{a}": "/topic/**", "/queue/{a}": "", "/member/{a}/queue/x": "/member/{m}/queue/x",
		"/member/{a}/queue/y": "", "": "", "/session/queue/{a}": "/session/queue/{x}",
	} {
		got := ""
		if channel := c.Into(publish); channel != nil {
			got = channel.Match
		}
		if got != want {
			t.Errorf("%s: %q, want %q", publish, got, want)
		}
	}
}

// BenchmarkDeadEnds: as Shadows.
func BenchmarkDeadEnds(b *testing.B) {
	for _, n := range []int{100, 1000, 10_000} {
		var r Rules
		for i := range n {
			r.Channels = append(r.Channels, Channel{Match: fmt.Sprintf("/topic/r%d/{x}", i), Subscribe: "true"})
			r.Routes = append(r.Routes, Route{Match: fmt.Sprintf("/app/r%d/{x}", i), Allow: "true", Publish: fmt.Sprintf("/topic/r%d/{x}", i)})
		}
		c := mustCatalogue(b, r)
		b.Run(fmt.Sprintf("rules=%d", n), func(b *testing.B) {
			for b.Loop() {
				c.DeadEnds()
			}
		})
	}
}
