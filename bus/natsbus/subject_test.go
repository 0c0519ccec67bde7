package natsbus

import (
	"strings"
	"testing"

	"github.com/stompgw/stompgw/bus"
	"github.com/stompgw/stompgw/bus/bustest"
)

func TestSubject(t *testing.T) {
	for _, test := range []struct{ destination, subject string }{
		{"/topic/chat", "stomp.d.topic.chat"},
		{"/topic/a.b/c", "stomp.d.topic.a=2Eb.c"},
		{"/topic/ä b*>/$x", "stomp.d.topic.=C3=A4=20b=2A=3E.=24x"},
		{"/x//y/", "stomp.d.x.=.y.="},
		{"a/", "stomp.r.a.="},
		{"a=2Eb", "stomp.r.a=3D2Eb"},
		{"A-Z_a-z/09", "stomp.r.A-Z_a-z.09"},
		{"/", "stomp.d.="},
		{"//", "stomp.d.=.="},
		{"", "stomp.r.="},
	} {
		if got := string(appendSubject(nil, "stomp", test.destination)); got != test.subject {
			t.Errorf("%q becomes %q, want %q", test.destination, got, test.subject)
		}
		if got, ok := decodeSubject("stomp", test.subject); !ok || got != test.destination {
			t.Errorf("%q is read as %q, %t; want %q", test.subject, got, ok, test.destination)
		}
	}
}

func TestWatchSubject(t *testing.T) {
	for _, test := range []struct{ watch, subject string }{
		{"/topic/chat", "stomp.d.topic.chat"},
		{"/topic/*", "stomp.d.topic.*"},
		{"/*/a.b/*", "stomp.d.*.a=2Eb.*"},
		{"/topic/**", "stomp.d.topic.>"},
		{"/*/x/**", "stomp.d.*.x.>"},
		{"/**", "stomp.d.>"},
		{"**", "stomp.r.>"},
		{"*/", "stomp.r.*.="},
		{"/topic/a*", "stomp.d.topic.a=2A"},
		{"/topic/**/x", "stomp.d.topic.=2A=2A.x"},
		{"/*/**/x/**", "stomp.d.*.=2A=2A.x.>"},
		{"/topic/=2A", "stomp.d.topic.=3D2A"},
		{"/topic/>/***", "stomp.d.topic.=3E.=2A=2A=2A"},
	} {
		if got := watchSubject("stomp", test.watch); got != test.subject {
			t.Errorf("%q becomes %q, want %q", test.watch, got, test.subject)
		}
	}
}

// FuzzWatchSubject holds that a server brings for a watch what the watch means, and nothing else.
func FuzzWatchSubject(f *testing.F) {
	for _, s := range [][2]string{
		{"/topic/*", "/topic/a"}, {"/topic/**", "/topic"}, {"/**", "//"}, {"**", "/a"}, {"*/a", "b/a"}, {"/topic/**/x", "/topic/**/x"},
	} {
		f.Add(s[0], s[1])
	}
	f.Fuzz(func(t *testing.T, watch, destination string) {
		subject := watchSubject("*.=2A", watch)
		rest, ok := strings.CutPrefix(subject, "*.=2A.")
		if !ok {
			t.Fatalf("%q becomes %q: the prefix is another", watch, subject)
		}
		sent := string(appendSubject(nil, "p", destination))
		got := tokensMatch(strings.Split("p."+rest, "."), strings.Split(sent, "."))
		if want := bustest.Matches(watch, destination); got != want {
			t.Errorf("%q, as %q, brings %q: %t, want %t", watch, subject, destination, got, want)
		}
		if !bus.Wide(watch) && "p."+rest != string(appendSubject(nil, "p", watch)) {
			t.Errorf("%q is no pattern and becomes %q", watch, subject)
		}
	})
}

// tokensMatch is what a server does with a subscription's subject.
func tokensMatch(sub, literal []string) bool {
	for i, token := range sub {
		if token == ">" && i == len(sub)-1 {
			return len(literal) > i
		}
		if i >= len(literal) || token != "*" && token != literal[i] {
			return false
		}
	}
	return len(sub) == len(literal)
}

// FuzzSubject holds that each destination has one subject that a server takes, and each such
// subject one destination.
func FuzzSubject(f *testing.F) {
	for _, s := range []string{
		"/topic/chat", "/x//y/", "a/", "", "/ä b*>", "d.topic.a=2Eb",
		"d", "d.", "d.a.", "d..a", "x.a", "n.1=2Fa", "d.a b", "d.*", "d.>", "d.a=2e", "d.a=2", "d.a=", "d.=41", "d.=2F", "d.==", "r.=.x", // of nobody
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		subject := string(appendSubject(nil, "p", s))
		if got, ok := decodeSubject("p", subject); !ok || got != s {
			t.Errorf("%q becomes %q, which is read as %q, %t", s, subject, got, ok)
		}
		if strings.ContainsAny(subject, " \t\r\n*>\x00") || strings.Contains(subject, "..") || strings.HasSuffix(subject, ".") {
			t.Errorf("%q becomes %q, which is no literal subject", s, subject)
		}
		if destination, ok := decodeSubject("p", "p."+s); ok {
			if again := string(appendSubject(nil, "p", destination)); again != "p."+s {
				t.Errorf("%q is read as %q, which becomes %q", "p."+s, destination, again)
			}
		}
	})
}
