package form

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/segmentio/kafka-go"

	"github.com/stompgw/stompgw/bus"
	"github.com/stompgw/stompgw/bus/kafkabus/internal/wire"
)

// reference is the record of contract.md 5.
const reference = `{"principalName":null,"destination":"/topic/test-channel","messageJsonString":"{\"content\":\"hello\"}"}`

// TestJSONRecord: contract.md 5, what stompgw writes, byte for byte.
func TestJSONRecord(t *testing.T) {
	begin := func(pairs ...string) []kafka.Header {
		return kafkaHeaders(append([]string{"node", "1700/a-b", "seq", "18446744073709551615"}, pairs...)...)
	}
	const plain = "text/plain;charset=UTF-8"
	for _, test := range []encodedRecord{
		{
			name: "broadcast: principalName is null",
			e:    bus.Envelope{Destination: "/topic/test-channel", Headers: busHeaders("content-type", plain), Body: []byte(`{"content":"hello"}`)},
			key:  "/topic/test-channel", value: reference, headers: begin("stomp.content-type", plain),
		}, {
			name: "individual: principalName is set",
			e: bus.Envelope{Destination: "/queue/a", Principal: "1719999999999/7c0e/5/2025_02_03_T_14_05_06_789_KST",
				Headers: busHeaders("content-type", "a/b"), Body: []byte("x")},
			key:     "1719999999999/7c0e/5/2025_02_03_T_14_05_06_789_KST",
			value:   `{"principalName":"1719999999999/7c0e/5/2025_02_03_T_14_05_06_789_KST","destination":"/queue/a","messageJsonString":"x"}`,
			headers: begin("stomp.content-type", "a/b"),
		}, {
			name: "the destination stays as it is",
			e:    bus.Envelope{Destination: "/session/queue/a", Principal: "p", Headers: busHeaders("content-type", plain)},
			key:  "p", value: `{"principalName":"p","destination":"/session/queue/a","messageJsonString":""}`,
			headers: begin("stomp.content-type", plain),
		}, {
			name: "without a content-type, one is added on arrival",
			e:    bus.Envelope{Destination: "/topic/a", Headers: busHeaders("foo", "bar")},
			key:  "/topic/a", value: `{"principalName":null,"destination":"/topic/a","messageJsonString":""}`,
			headers: begin("stomp.foo", "bar"), arrives: busHeaders("foo", "bar", "content-type", plain),
		}, {
			name: "escapes are those of Jackson",
			e: bus.Envelope{Destination: `/topic/"\/`, Headers: busHeaders("content-type", plain),
				Body: []byte("\x00\x01\b\t\n\v\f\r\x1f \"\\/<>&'\x7f\u00e4\u20ac\u2028\u2029\U0001f600")},
			key:     `/topic/"\/`,
			value:   `{"principalName":null,"destination":"/topic/\"\\/","messageJsonString":"\u0000\u0001\b\t\n\u000B\f\r\u001F \"\\/<>&'` + "\x7f\u00e4\u20ac\u2028\u2029\U0001f600" + `"}`,
			headers: begin("stomp.content-type", plain),
		}, {
			name: "no header of a client is one that Spring acts on",
			e: bus.Envelope{Destination: "/topic/a", Body: []byte("x"),
				Headers: busHeaders("__TypeId__", "java.lang.Runtime", "node", "n", "destination", "/y", "stomp.x", "1", "", "2", "content-type", "", "content-type", "b")},
			key: "/topic/a", value: `{"principalName":null,"destination":"/topic/a","messageJsonString":"x"}`,
			headers: begin("stomp.__TypeId__", "java.lang.Runtime", "stomp.node", "n", "stomp.destination", "/y", "stomp.stomp.x", "1", "stomp.", "2",
				"stomp.content-type", "", "stomp.content-type", "b"),
		}, {
			name: "headers of any bytes",
			e:    bus.Envelope{Destination: "/topic/a", Headers: busHeaders("content-type", plain, "\xff\x00", "\xfe\r\n", "a", "1", "a", "2")},
			key:  "/topic/a", value: `{"principalName":null,"destination":"/topic/a","messageJsonString":""}`,
			headers: begin("stomp.content-type", plain, "stomp.\xff\x00", "\xfe\r\n", "stomp.a", "1", "stomp.a", "2"),
		}, {
			name: "who sent it stands where the replaced system does not look",
			e: bus.Envelope{Destination: "/topic/test-channel", Member: "x:7", Headers: busHeaders("content-type", plain, "stomp-member", "8"),
				Body: []byte(`{"content":"hello"}`)},
			key: "/topic/test-channel", value: reference,
			headers: begin("stomp-member", "x:7", "stomp.content-type", plain, "stomp.stomp-member", "8"),
		},
	} {
		t.Run(test.name, func(t *testing.T) { test.check(t, JSON) })
	}
}

// TestForeignJSONRecord: contract.md 5, what a Spring service produces.
func TestForeignJSONRecord(t *testing.T) {
	const plain = "text/plain;charset=UTF-8"
	broadcast := bus.Envelope{Destination: "/topic/a", Headers: busHeaders("content-type", plain), Body: []byte("x")}
	individual := bus.Envelope{Destination: "/queue/a", Principal: "p", Headers: busHeaders("content-type", plain), Body: []byte("x")}
	withHeaders := func(pairs ...string) bus.Envelope {
		return bus.Envelope{Destination: "/topic/a", Headers: busHeaders(pairs...), Body: []byte("x")}
	}
	const value = `{"principalName":null,"destination":"/topic/a","messageJsonString":"x"}`
	for _, test := range []struct {
		name, value string
		headers     []kafka.Header
		want        bus.Envelope
		from        Origin
	}{
		{"the contract's", reference, nil,
			bus.Envelope{Destination: "/topic/test-channel", Headers: busHeaders("content-type", plain), Body: []byte(`{"content":"hello"}`)}, Origin{}},
		{"individual", `{"principalName":"p","destination":"/queue/a","messageJsonString":"x"}`, nil, individual, Origin{}},
		{"blanks and another order", " {\n\"messageJsonString\" : \"x\",\t\"destination\":\"/queue/a\" ,\r\n\"principalName\":\"p\" } \n", nil, individual, Origin{}},
		{"without principalName", `{"destination":"/topic/a","messageJsonString":"x"}`, nil, broadcast, Origin{}},
		{"empty principalName", `{"principalName":"","destination":"/topic/a","messageJsonString":"x"}`, nil, broadcast, Origin{}},
		{"empty body", `{"destination":"/topic/a","messageJsonString":""}`, nil,
			bus.Envelope{Destination: "/topic/a", Headers: busHeaders("content-type", plain)}, Origin{}},
		{"unknown fields", `{"a":{"destination":"/b"},"n":1e999,"destination":"/topic/a","l":[null,true,"\ud800"],"messageJsonString":"x","z":""}`, nil, broadcast, Origin{}},
		{"names in other letters are unknown", `{"Destination":"/b","PRINCIPALNAME":"q","destination":"/topic/a","messageJsonString":"x","MessageJsonString":"y"}`, nil, broadcast, Origin{}},
		{"the last counts", `{"destination":"/b","messageJsonString":"x","destination":"/topic/a","principalName":"q","principalName":null}`, nil, broadcast, Origin{}},
		{"escapes", `{"destination":"\/topic\u002fa","messageJsonString":"\u0078"}`, nil, broadcast, Origin{}},
		{"surrogates", `{"destination":"/topic/a","messageJsonString":"\ud83d\ude00 \ud83d"}`, nil,
			bus.Envelope{Destination: "/topic/a", Headers: busHeaders("content-type", plain), Body: []byte("\U0001f600 \ufffd")}, Origin{}},
		{"Spring's own headers", value, kafkaHeaders("__TypeId__", "com.example.SendMessage", "spring_json_header_types", "{}", "contentType", `"a/b"`), broadcast, Origin{}},
		{"content-type", value, kafkaHeaders("foo", "1", "content-type", "a/b", "bar", "2"), withHeaders("content-type", "a/b"), Origin{}},
		{"the first content-type", value, kafkaHeaders("content-type", "a/b", "content-type", "c/d"), withHeaders("content-type", "a/b"), Origin{}},
		{"content-type with and without the prefix", value, kafkaHeaders("content-type", "a/b", "stomp.content-type", "c/d"), withHeaders("content-type", "c/d"), Origin{}},
		{"empty content-type", value, kafkaHeaders("content-type", ""), broadcast, Origin{}},
		{"headers with the prefix", value, kafkaHeaders("stomp.b", "1", "a", "2", "stomp.a", "3", "stomp.b", "4", "Stomp.c", "5"),
			withHeaders("b", "1", "a", "3", "b", "4", "content-type", plain), Origin{}},
		{"node and seq", value, kafkaHeaders("node", "n", "seq", "7"), broadcast, Origin{"n", 7}},
		{"node and seq of its own", value, kafkaHeaders("x", "y", "node", "n", "seq", "7"), broadcast, Origin{}},
		{"node and seq that mean something else", value, kafkaHeaders("seq", "x", "node", "n"), broadcast, Origin{}},
	} {
		t.Run(test.name, func(t *testing.T) {
			got, from, err := Decode(&wire.Record{Value: []byte(test.value), Headers: test.headers})
			if err != nil || !sameEnvelope(got, test.want) || from != test.from {
				t.Errorf("got %+v from %v, %v,\nwant %+v from %v", got, from, err, test.want, test.from)
			}
		})
	}
}

// TestJSONRecordRefused: contract.md 5, a record that can't be understood. What is said of it holds
// nothing of its content.
func TestJSONRecordRefused(t *testing.T) {
	for _, test := range []struct{ name, value, says string }{
		{"empty", "", "is empty"},
		{"not UTF-8", "{\"destination\":\"/topic/a\",\"messageJsonString\":\"\xff\"}", "is not UTF-8"},
		{"not UTF-8 in an unknown field", "{\"destination\":\"/topic/a\",\"messageJsonString\":\"\",\"\xff\":0}", "is not UTF-8"},
		{"text", "SECRET", "is not JSON from byte 1 of 6 on"},
		{"cut off", reference[:60], "is not JSON from byte 60 of 60 on"},
		{"more behind it", reference + "S", "is not JSON from byte 105 of 105 on"},
		{"two objects", reference + reference, "is not JSON from byte 105 of 208 on"},
		{"deep", strings.Repeat("[", 100_000), "is not JSON from byte 10001 of 100000 on"},
		{"array", `["SECRET"]`, "is JSON, but not an object"},
		{"string", `"SECRET"`, "is JSON, but not an object"},
		{"number", "12345", "is JSON, but not an object"},
		{"the JSON null", "null", "is JSON, but not an object"},
		{"no fields", "{}", "has no destination"},
		{"no destination", `{"principalName":null,"messageJsonString":"SECRET"}`, "has no destination"},
		{"destination null", `{"destination":null,"messageJsonString":"SECRET"}`, "has no destination"},
		{"destination empty", `{"destination":"","messageJsonString":"SECRET"}`, "has an empty destination"},
		{"destination a number", `{"destination":12345,"messageJsonString":"SECRET"}`, "has a destination that is not a string"},
		{"destination in other letters", `{"Destination":"SECRET","messageJsonString":"SECRET"}`, "has no destination"},
		{"no body", `{"destination":"SECRET"}`, "has no messageJsonString"},
		{"body null", `{"destination":"SECRET","messageJsonString":null}`, "has no messageJsonString"},
		{"body an object", `{"destination":"SECRET","messageJsonString":{"a":"SECRET"}}`, "has a messageJsonString that is not a string"},
		{"principal a number", `{"principalName":12345,"destination":"SECRET","messageJsonString":""}`, "has a principalName that is not a string"},
		{"principal a list", `{"principalName":["SECRET"],"destination":"SECRET","messageJsonString":""}`, "has a principalName that is not a string"},
	} {
		t.Run(test.name, func(t *testing.T) {
			e, from, err := Decode(&wire.Record{Value: []byte(test.value), Headers: kafkaHeaders("node", "SECRET", "seq", "1")})
			if err == nil || err.Error() != "no destination header, and the value "+test.says {
				t.Errorf("got %+v from %v, %v,\nwant %+v", e, from, err, test.says)
			}
		})
	}
	if _, _, err := Decode(&wire.Record{}); err == nil || err.Error() != "no destination header, and the value is null" {
		t.Errorf("a tombstone: %v", err)
	}
}

// FuzzParseJSON holds that a value is read as encoding/json would read it, if that told letters apart.
func FuzzParseJSON(f *testing.F) {
	f.Add([]byte(reference))
	f.Add([]byte(" {\t\"a\\\"}\" : [{\"b,\":[]},\"]\"] , \"destinatio\\u006E\":\r\n\"\\/a\\ud83d\\ude00\\ud83d\\u0041\",\"messageJsonString\":\"\\b\\f\\\\u0\"}"))
	f.Add([]byte(`{"Destination":"/a","destination":"/b","messageJsonString":null,"messageJsonString":"","principalName":"\ude00\ud83d\ude00"}`))
	f.Add([]byte(`{"destination":"/b","messageJsonString":"","principalName":-1.5e9}`))
	f.Fuzz(func(t *testing.T, value []byte) {
		if !utf8.Valid(value) {
			value = bytes.ToValidUTF8(value, []byte("?"))
		}
		want, wanted := plainParse(value)
		got, err := parseJSON(value)
		if (err == nil) != wanted || wanted && !sameEnvelope(got, want) {
			t.Errorf("%q: got %+v, %v, want %+v, %t", value, got, err, want, wanted)
		}
	})
}

// plainParse is parseJSON as it would be without a thought of its speed.
func plainParse(value []byte) (e bus.Envelope, ok bool) {
	var fields map[string]json.RawMessage
	if json.Unmarshal(value, &fields) != nil {
		return e, false
	}
	var principal, destination, body *string
	for name, to := range map[string]**string{"principalName": &principal, "destination": &destination, "messageJsonString": &body} {
		if raw, ok := fields[name]; ok && json.Unmarshal(raw, to) != nil {
			return e, false
		}
	}
	if destination == nil || *destination == "" || body == nil {
		return e, false
	}
	if principal != nil {
		e.Principal = *principal
	}
	e.Destination, e.Body = *destination, []byte(*body)
	return e, true
}

// FuzzQuote holds that appendQuoted writes JSON, as long as quotedSize says, and escapes no more
// than it has to.
func FuzzQuote(f *testing.F) {
	f.Add("plain")
	f.Add("\"\\/\b\f\n\r\t\x00\x1f\x7f\u2028\U0001f600<>&")
	f.Fuzz(func(t *testing.T, s string) {
		s = strings.ToValidUTF8(s, "")
		quoted := appendQuoted([]byte("before"), s)[len("before"):]
		if len(quoted) != quotedSize(s) || len(quoted) != quotedSize([]byte(s)) {
			t.Errorf("%q takes %d bytes, quotedSize says %d", s, len(quoted), quotedSize(s))
		}
		if got := string(unquote(quoted)); got != s {
			t.Errorf("%q comes back as %q", s, got)
		}
		var back string
		if err := json.Unmarshal(quoted, &back); err != nil || back != s {
			t.Errorf("%q is quoted as %s, which is %q, %v", s, quoted, back, err)
		}
		if std, err := json.Marshal(s); err != nil || len(quoted) > len(std) {
			t.Errorf("%s is longer than encoding/json's %s, %v", quoted, std, err)
		}
	})
}
