package form

import (
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/segmentio/kafka-go"

	"github.com/stompgw/stompgw/bus"
	"github.com/stompgw/stompgw/bus/kafkabus/internal/wire"
)

func mustSource(t testing.TB, destination, prefix string) *Mapping {
	t.Helper()
	s, err := Source{Topic: "orders", Destination: destination, Headers: prefix}.Mapping()
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestSource(t *testing.T) {
	order := wire.Record{
		Topic: "orders", Partition: 12, Key: []byte("42"), Value: []byte("{}"),
		Headers: kafkaHeaders("region", "eu", "region", "us", "content-type", "application/json", "", "no name", "a/b", "slash"),
	}
	all := busHeaders("kafka-region", "eu", "kafka-region", "us", "content-type", "application/json", "kafka-", "no name", "kafka-a/b", "slash")
	for _, test := range []struct {
		name, template, prefix, destination string
		headers                             []bus.Header
	}{
		{"key", "/topic/orders/{key}", "kafka-", "/topic/orders/42", all},
		{"no place", "/topic/orders", "kafka-", "/topic/orders", all},
		{"place and literal in one segment", "/topic/order-{key}.{partition}/x", "kafka-", "/topic/order-42.12/x", all},
		{"all of them", "/{topic}/{partition}/{key}/{header.region}{header.a/b}", "kafka-", "/orders/12/42/euslash", all},
		{"no prefix", "/topic/{key}", "", "/topic/42",
			busHeaders("region", "eu", "region", "us", "content-type", "application/json", "", "no name", "a/b", "slash")},
		{"another prefix", "/topic/{key}", "x.", "/topic/42",
			busHeaders("x.region", "eu", "x.region", "us", "content-type", "application/json", "x.", "no name", "x.a/b", "slash")},
	} {
		t.Run(test.name, func(t *testing.T) {
			want := bus.Envelope{Destination: test.destination, Headers: test.headers, Body: []byte("{}")}
			got, err := mustSource(t, test.template, test.prefix).Envelope(&order)
			if err != nil || !sameEnvelope(got, want) {
				t.Errorf("got %+v, %v,\nwant %+v", got, err, want)
			}
		})
	}
}

// TestSourceBare: a record may have nothing at all, if the template needs nothing. One without a value
// is told from one whose value is empty.
func TestSourceBare(t *testing.T) {
	for _, test := range []struct {
		name string
		rec  wire.Record
		want []bus.Header
	}{
		{"empty", wire.Record{Value: []byte{}}, nil},
		{"a header without a value", wire.Record{Value: []byte{}, Headers: []kafka.Header{{Key: "null"}}}, busHeaders("null", "")},
		{"tombstone", wire.Record{}, busHeaders("tombstone", "true")},
		{"tombstone with headers", wire.Record{Headers: kafkaHeaders("a", "b", "tombstone", "no")}, busHeaders("tombstone", "true", "a", "b", "tombstone", "no")},
	} {
		got, err := mustSource(t, "/topic/a", "").Envelope(&test.rec)
		if want := (bus.Envelope{Destination: "/topic/a", Headers: test.want}); err != nil || !sameEnvelope(got, want) {
			t.Errorf("%s: got %+v, %v, want %+v", test.name, got, err, want)
		}
	}
}

func TestSourceRecordRefused(t *testing.T) {
	const missing, noText, noSegment = " is missing or empty", " is not UTF-8 without control characters", " holds one of / * ? { }, which can't stand in a segment"
	long := strings.Repeat("a", maxDestination-len("/topic/"))
	for _, test := range []struct {
		name, template string
		rec            wire.Record
		says           string // nothing if the record is taken
	}{
		{"no key", "/topic/{key}", wire.Record{}, "{key}" + missing},
		{"empty key", "/topic/{key}", wire.Record{Key: []byte{}}, "{key}" + missing},
		{"no header", "/topic/{header.x}", wire.Record{Headers: kafkaHeaders("X", "SECRET", "x.y", "SECRET")}, "{header.x}" + missing},
		{"empty header", "/topic/{header.x}", wire.Record{Headers: kafkaHeaders("x", "", "x", "SECRET")}, "{header.x}" + missing},
		{"header null", "/topic/a{header.x}", wire.Record{Headers: []kafka.Header{{Key: "x"}}}, "{header.x}" + missing},
		{"not UTF-8", "/topic/{key}", wire.Record{Key: []byte("SECRET\xff")}, "{key}" + noText},
		{"line break", "/topic/{key}", wire.Record{Key: []byte("SECRET\n")}, "{key}" + noText},
		{"NUL", "/topic/{key}", wire.Record{Key: []byte("\x00SECRET")}, "{key}" + noText},
		{"control character of Unicode", "/topic/{key}", wire.Record{Key: []byte("SECRET\u0085")}, "{key}" + noText},
		{"slash", "/topic/{key}", wire.Record{Key: []byte("SECRET/SECRET")}, "{key}" + noSegment},
		{"wildcard", "/topic/{key}", wire.Record{Key: []byte("*")}, "{key}" + noSegment},
		{"brace", "/topic/{header.x}", wire.Record{Headers: kafkaHeaders("x", "{key}")}, "{header.x}" + noSegment},
		{"half a character in each", "/topic/{key}{header.x}", wire.Record{Key: []byte("\xc3"), Headers: kafkaHeaders("x", "\xa4")}, "{key}" + noText},
		{"blanks and other scripts", "/topic/{key}", wire.Record{Key: []byte(" \u00e4 \u20ac:\\\U0001f600.. ")}, ""},
		{"longest", "/topic/{key}", wire.Record{Key: []byte(long)}, ""},
		{"too long", "/topic/{key}", wire.Record{Key: []byte(long + "a")}, "{key} makes the destination longer than 1024 bytes"},
		{"too long with the rest", "/topic/{key}/a", wire.Record{Key: []byte(long)}, "/a makes the destination longer than 1024 bytes"},
		{"far too long", "/topic/{key}", wire.Record{Key: make([]byte, 1<<20)}, "{key} makes the destination longer than 1024 bytes"},
	} {
		t.Run(test.name, func(t *testing.T) {
			got, err := mustSource(t, test.template, "").Envelope(&test.rec)
			if says := errorText(err); says != test.says || err != nil && !sameEnvelope(got, bus.Envelope{}) {
				t.Errorf("got %+v, %q, want %+v", got, says, test.says)
			}
		})
	}
}

func errorText(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

func TestSourceRefused(t *testing.T) {
	const unknown = `: want {key}, {topic}, {partition} or {header.NAME}`
	const example = ": write it like /topic/orders/{key}"
	for _, test := range []struct {
		s    Source
		says string
	}{
		{Source{Destination: "/topic/a"}, "no topic is named"},
		{Source{Topic: "t"}, `destination "" does not begin with a slash` + example},
		{Source{Topic: "t", Destination: "topic"}, `destination "topic" does not begin with a slash` + example},
		{Source{Topic: "t", Destination: "{key}"}, `destination "{key}" does not begin with a slash` + example},
		{Source{Topic: "t", Destination: "/topic/{kye}"}, `destination "/topic/{kye}" has the unknown {kye}` + unknown},
		{Source{Topic: "t", Destination: "/topic/{}"}, `destination "/topic/{}" has the unknown {}` + unknown},
		{Source{Topic: "t", Destination: "/topic/{Key}"}, `destination "/topic/{Key}" has the unknown {Key}` + unknown},
		{Source{Topic: "t", Destination: "/topic/{header}"}, `destination "/topic/{header}" has the unknown {header}` + unknown},
		{Source{Topic: "t", Destination: "/topic/{header.}"}, `destination "/topic/{header.}" has the unknown {header.}` + unknown},
		{Source{Topic: "t", Destination: "/topic/{key"}, `destination "/topic/{key" has a { without a }`},
		{Source{Topic: "t", Destination: "/topic/{a{key}}"}, `destination "/topic/{a{key}}" has a { without a }`},
		{Source{Topic: "t", Destination: "/topic/key}"}, `destination "/topic/key}" has a } without a {`},
		{Source{Topic: "t", Destination: "/topic/{key}}"}, `destination "/topic/{key}}" has a } without a {`},
		{Source{Topic: "t", Destination: "/topic//{key}"}, `destination "/topic//{key}" has an empty segment: write the slashes singly and none at the end`},
		{Source{Topic: "t", Destination: "/topic/{key}/"}, `destination "/topic/{key}/" has an empty segment: write the slashes singly and none at the end`},
		{Source{Topic: "t", Destination: "/"}, `destination "/" has an empty segment: write the slashes singly and none at the end`},
		{Source{Topic: "t", Destination: "/topic/*"}, `destination "/topic/*" holds * or ?: a message has one destination, no pattern`},
		{Source{Topic: "t", Destination: "/topic/\n"}, `destination "/topic/\n" is not text without control characters` + example},
		{Source{Topic: "t", Destination: "/topic/\xff"}, `destination "/topic/\xff" is not text without control characters` + example},
		{Source{Topic: "t", Destination: "/topic/a", Headers: "\r"}, `headers "\r" is not text without control characters: write it like kafka-`},
		{Source{Topic: "t", Destination: "/" + strings.Repeat("a", maxDestination)},
			"destination has 1025 bytes, but a destination has 1024 at most"},
	} {
		if _, err := test.s.Mapping(); err == nil || err.Error() != test.says {
			t.Errorf("%.60q: got %v,\nwant %s", test.s, err, test.says)
		}
	}
}

// FuzzSource holds that a template either is refused, or makes destinations that a rule of the
// catalogue can match, or none.
func FuzzSource(f *testing.F) {
	f.Add("/topic/{key}/{header.x}-{topic}.{partition}", []byte("k"), []byte("v"))
	f.Add("/{key}{key}", []byte("\xc3"), []byte("\xa4"))
	f.Add("{/}", []byte("/"), []byte{})
	f.Fuzz(func(t *testing.T, template string, key, value []byte) {
		s, err := Source{Topic: "t", Destination: template}.Mapping()
		if err != nil {
			return
		}
		written := ""
		for _, p := range s.destination {
			written += p.text
		}
		if written != template {
			t.Errorf("%q is read as %q", template, written)
		}
		rec := wire.Record{Topic: "t", Partition: 3, Key: key, Headers: []kafka.Header{{Key: "x", Value: value}}}
		e, err := s.Envelope(&rec)
		if err != nil {
			return
		}
		d := e.Destination
		if !strings.HasPrefix(d, "/") || strings.Contains(d+"/", "//") || len(d) > maxDestination ||
			!utf8.ValidString(d) || strings.ContainsAny(d, "*?{}\x00\r\n\x7f") {
			t.Errorf("%q with key %q makes %q", template, key, d)
		}
		if literal := s.destination[0].text; !strings.HasPrefix(d, literal) || strings.Count(d, "/") > strings.Count(template, "/") {
			t.Errorf("%q with key %q leaves the template: %q", template, key, d)
		}
	})
}

func BenchmarkSource(b *testing.B) {
	s := mustSource(b, "/topic/orders/{key}", "")
	rec := wire.Record{Key: []byte("1234567"), Value: make([]byte, 200), Headers: kafkaHeaders("content-type", "a/b", "region", "eu")}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := s.Envelope(&rec); err != nil {
			b.Fatal(err)
		}
	}
}

// TestSourceMatches: a source's records become destinations of one form alone.
func TestSourceMatches(t *testing.T) {
	m, err := Source{Topic: "orders", Destination: "/topic/a.b/{key}-{partition}/x"}.Mapping()
	if err != nil {
		t.Fatal(err)
	}
	for destination, want := range map[string]bool{
		"/topic/a.b/7-1/x":      true,
		"/topic/a.b/7-8-1/x":    true,
		"/topic/a.b/ä-1/x":      true,
		"/topic/a.b/-1/x":       false,
		"/topic/aXb/7-1/x":      false,
		"/topic/a.b/7/1-1/x":    false,
		"/topic/a.b/7-1/x/more": false,
		"/more/topic/a.b/7-1/x": false,
		"":                      false,
	} {
		if got := m.Matches(destination); got != want {
			t.Errorf("%s: %t", destination, got)
		}
	}
}
