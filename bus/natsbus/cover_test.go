package natsbus

import (
	"slices"
	"strings"
	"testing"
)

func TestCapture(t *testing.T) {
	for _, tt := range []struct {
		name     string
		patterns string // with blanks between
		held     string
		want     string
	}{
		{"literal", "/topic/chat", "", "p.d.topic.chat"},
		{"bytes of no token", "/topic/a.b", "", "p.d.topic.a=2Eb"},
		{"empty part", "/topic//x", "", "p.d.topic.=.x"},
		{"variable", "/topic/room.{n}", "", "p.d.topic.*"},
		{"expression with a slash", "/topic/{n:[^/]+}/x", "", "p.d.topic.*.x"},
		{"Ant", "/a?c/b*", "", "p.d.*.*"},
		{"any number", "/topic/**", "", "p.d.topic p.d.topic.>"},
		{"any number in the middle", "/topic/**/x", "", "p.d.topic.>"},
		{"any number twice", "/topic/**/**", "", "p.d.topic p.d.topic.>"},
		{"everything", "/**", "", "p.d.>"},
		{"no slash", "topic", "", ""},
		{"one in the other", "/a/b /a/*", "", "p.d.a.*"},
		{"partial overlap", "/*/b /a/*", "", "p.d.*.*"},
		{"wider overlaps a third", "/*/b/x /a/*/x /c/d/x", "", "p.d.*.*.x"},
		{"rest and one", "/a/** /a/b/c", "", "p.d.a p.d.a.>"},
		{"what the stream has stays", "/a", "p.d.b q", "p.d.a p.d.b q"},
		{"what it has is wide enough", "/a/b", "p.d.>", "p.d.>"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got := capture("p", strings.Fields(tt.patterns), strings.Fields(tt.held))
			if !slices.Equal(got, strings.Fields(tt.want)) {
				t.Errorf("got %q, want %s", got, tt.want)
			}
		})
	}
}

// TestCaptureMany: thousands of rules become one subject, since a server compares each with each.
func TestCaptureMany(t *testing.T) {
	var patterns []string
	for i := range mostCaptured + 1 {
		patterns = append(patterns, "/topic/"+strings.Repeat("x", i+1))
	}
	if got := capture("p", patterns, nil); !slices.Equal(got, []string{"p.d.>"}) {
		t.Errorf("got %d subjects", len(got))
	}
}
