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
