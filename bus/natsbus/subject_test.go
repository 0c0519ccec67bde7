package natsbus

import (
	"errors"
	"strings"
	"testing"

	"github.com/stompgw/stompgw/bus"
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

func TestSubjectOfNobody(t *testing.T) {
	for _, subject := range []string{
		"", "stomp", "stomp.", "stomp.d", "stomp.d.", "stomp.d.a.", "stomp.d..a", "stomp.x.a", "other.d.a",
		"stomp.n.1=2Fa", "stomp.d.a b", "stomp.d.*", "stomp.d.>", "stomp.d.a=2e", "stomp.d.a=2", "stomp.d.a=",
		"stomp.d.=41", "stomp.d.=2F", "stomp.d.==", "stomp.r.=.x",
	} {
		if destination, ok := decodeSubject("stomp", subject); ok {
			t.Errorf("%q is read as %q", subject, destination)
		}
	}
}

// FuzzSubject holds that each destination has one subject that a server takes, and each such
// subject one destination.
func FuzzSubject(f *testing.F) {
	for _, s := range []string{"/topic/chat", "/x//y/", "a/", "", "/ä b*>", "d.topic.a=2Eb", "r.=.x", "d.=41"} {
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

func TestLongDestination(t *testing.T) {
	b := newBus(t, Config{URL: startServer(t, 0).ClientURL()}, "1/a", nil)
	prefix := len("stomp.d.")
	for _, test := range []struct {
		destination string
		want        error
	}{
		{"/" + strings.Repeat("a", maxSubject-prefix), nil},
		{"/" + strings.Repeat("a", maxSubject-prefix+1), ErrDestination},
		{"/" + strings.Repeat("*", (maxSubject-prefix)/3), nil},
		{"/" + strings.Repeat("*", (maxSubject-prefix)/3+1), ErrDestination},
	} {
		answer := make(chan error, 1)
		err := b.Publish(bus.Envelope{Destination: test.destination}, func(err error) { answer <- err })
		if err == nil {
			err = <-answer
		}
		if !errors.Is(err, test.want) {
			t.Errorf("%d bytes: Publish says %v, want %v", len(test.destination), err, test.want)
		}
		b.Watch(test.destination, func(err error) { answer <- err })
		if err := <-answer; !errors.Is(err, test.want) {
			t.Errorf("%d bytes: Watch says %v, want %v", len(test.destination), err, test.want)
		}
		b.Unwatch(test.destination)
	}
}

func BenchmarkSubject(b *testing.B) {
	b.ReportAllocs()
	var memory []byte
	for b.Loop() {
		memory = appendSubject(memory[:0], "stomp", "/topic/room.1/members")
	}
}
