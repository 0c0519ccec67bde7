package policy

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/stompgw/stompgw/bus"
)

const testLimit = 64 << 10 // of a body, as gateways have by default

// rewriteOf makes the rewrite that a route of these expressions has for a SEND to /app/chat/blue.
func rewriteOf(t testing.TB, body, headers string) *Rewrite {
	t.Helper()
	c := mustNew(t, Rules{
		Prefixes: DefaultPrefixes(),
		Routes:   []Route{{Match: "/app/{kind}/{room}", Allow: "true", Publish: "/topic/{room}", Body: body, Headers: headers}},
	})
	target, r := c.JudgeSend(&Request{Destination: "/app/chat/blue"})
	if r != nil || target.Rewrite == nil || target.Destination != "/topic/blue" {
		t.Fatalf("%+v, %v", target, r)
	}
	return target.Rewrite
}

// sender's headers of the tests.
func sent() []bus.Header {
	return []bus.Header{{Name: "content-type", Value: "application/x-sent"}, {Name: "x-a", Value: "first"}, {Name: "x-b", Value: "b"}, {Name: "x-a", Value: "second"}}
}

func apply(w *Rewrite, body string) (bus.Envelope, *Refusal) {
	e := bus.Envelope{Destination: "/topic/blue", Headers: sent(), Body: []byte(body)}
	r := w.Apply(context.Background(), &e, testLimit)
	return e, r
}

func TestRewriteBody(t *testing.T) {
	const (
		mediaJSON  = "application/json"
		mediaText  = "text/plain;charset=UTF-8"
		mediaBytes = "application/octet-stream"
		mediaSent  = "application/x-sent"
	)
	const chat = `is_json && type(body) == map && has(body.chat) ? dyn({"content": body.chat}) : text`
	for _, test := range []struct {
		name, body, sent, want, media string
	}{
		{"a map", `{"content": body.chat}`, `{"chat": "hi"}`, `{"content":"hi"}`, mediaJSON},
		{"keys are sorted", `{"b": 1, "a": 2, "c": {"z": 0, "y": 0}}`, ``, `{"a":2,"b":1,"c":{"y":0,"z":0}}`, mediaJSON},
		{"a list", `[1, "a", null, true, 1.5, {}]`, ``, `[1,"a",null,true,1.5,{}]`, mediaJSON},
		{"null", `null`, ``, `null`, mediaJSON},
		{"a bool", `body.a == 1`, `{"a":1}`, `true`, mediaJSON},
		{"an int", `body.a + 1`, `{"a":41}`, `42`, mediaJSON},
		{"a double", `body.a / 2.0`, `{"a":1.0}`, `0.5`, mediaJSON},
		{"text", `"<" + body.a + ">"`, `{"a":"x & y"}`, `<x & y>`, mediaText},
		{"empty text", `""`, `x`, ``, mediaText},
		{"bytes", `b"\xff\x00"`, ``, "\xff\x00", mediaBytes},
		{"bytes in a map", `{"a": b"\xff"}`, ``, `{"a":"/w=="}`, mediaJSON},
		{"text as JSON", `[body]`, `"<b>&\u2028\"\\\u0001\n\té안😀"`, "[\"<b>&\u2028\\\"\\\\\\u0001\\n\\té안😀\"]", mediaJSON},

		{"the largest int", `body`, `[9223372036854775807,-9223372036854775808]`, `[9223372036854775807,-9223372036854775808]`, mediaJSON},
		{"larger than any int", `body`, `[9223372036854775808,18446744073709551615]`, `[9223372036854775808,18446744073709551615]`, mediaJSON},
		{"whole doubles", `body`, `[1.0,1e3,-0,12345678901234567890.0]`, `[1,1000,-0,1.2345678901234567e+19]`, mediaJSON},
		{"large and small doubles", `body`, `[1e21,1e-7,1.7976931348623157e308,5e-324]`, `[1e+21,1e-07,1.7976931348623157e+308,5e-324]`, mediaJSON},
		{"an int stays one", `{"n": body.n * 2}`, `{"n": 21}`, `{"n":42}`, mediaJSON},
		{"of repeated keys the last", `body`, `{"a":1,"a":{"b":2}}`, `{"a":{"b":2}}`, mediaJSON},
		{"blanks around JSON", `body`, " \r\n[ 1 ,\t2 ] ", `[1,2]`, mediaJSON},
		{"escaped keys", `body`, `{"\u0061\n":1}`, `{"a\n":1}`, mediaJSON},
		{"deep", `body`, nest(1000), nest(1000), mediaJSON},
		{"text with many commas", `size(body)`, `"\"` + strings.Repeat(",[{", 50_000) + `"`, `150001`, mediaJSON},

		{"variables of the match", `[vars.kind, vars["room"]]`, ``, `["chat","blue"]`, mediaJSON},
		{"destination", `destination`, ``, `/app/chat/blue`, mediaText},
		{"headers, of repeated ones the first", `[headers["x-a"], headers["content-type"]]`, ``, `["first","application/x-sent"]`, mediaJSON},
		{"text of no JSON", `"said: " + text`, `hello`, `said: hello`, mediaText},
		{"text as it came", `text`, `{"a": 1}`, `{"a": 1}`, mediaSent},
		{"body is not looked at", `false ? body : "x"`, "\xff", `x`, mediaText},
		{"a macro", `body.filter(x, x > 1).map(x, {"n": x})`, `[1,2,3]`, `[{"n":2},{"n":3}]`, mediaJSON},
		{"a regular expression", `text.matches("^[a-z]{2,200}$")`, `hello`, `true`, mediaJSON},

		{"chat", chat, `{"chat":"hi"}`, `{"content":"hi"}`, mediaJSON},
		{"chat without the key", chat, `{"from":"bob", "text":"hi"}`, `{"from":"bob", "text":"hi"}`, mediaSent},
		{"chat of a list", chat, `["chat"]`, `["chat"]`, mediaSent},
		{"chat of text", chat, `hello`, `hello`, mediaSent},
		{"chat of nothing", chat, ``, ``, mediaSent},
		{"chat of a huge number", chat, `{"chat":` + strings.Repeat("9", 30) + `}`, `{"chat":` + strings.Repeat("9", 30) + `}`, mediaSent},
	} {
		t.Run(test.name, func(t *testing.T) {
			e, r := apply(rewriteOf(t, test.body, ""), test.sent)
			if r != nil {
				t.Fatalf("refused: %v", r.Reason)
			}
			if string(e.Body) != test.want {
				t.Errorf("got  %s\nwant %s", e.Body, test.want)
			}
			want := append(slices.DeleteFunc(sent(), isContentType), bus.Header{Name: "content-type", Value: test.media})
			if test.media == mediaSent {
				want = sent()
			}
			if !slices.Equal(e.Headers, want) {
				t.Errorf("headers %q, want %q", e.Headers, want)
			}
		})
	}
}

func isContentType(h bus.Header) bool { return h.Name == "content-type" }

func nest(n int) string { return strings.Repeat("[", n) + strings.Repeat("]", n) }

// TestRewriteRefused: the reason says which expression, what and where, and nothing that was sent.
func TestRewriteRefused(t *testing.T) {
	numbers := "[" + strings.Repeat("1,", 399) + "1]"
	for _, test := range []struct {
		name, body, sent string
		code             Code
		want             string
	}{
		{"not JSON", `body`, `secret`, CodeBody, "the body is not JSON, line 1 column 1"},
		{"no body", `{"a": body}`, ``, CodeBody, "the body is not JSON, line 1 column 7"},
		{"two JSON texts", `body`, `{}{}`, CodeBody, "the body is not JSON, line 1 column 1"},
		{"a bracket too many", `body`, `{}]`, CodeBody, "the body is not JSON, line 1 column 1"},
		{"a byte order mark", `body`, "\ufeff{}", CodeBody, "the body is not JSON, line 1 column 1"},
		{"JSON that is not UTF-8", `body`, "\"secret\xff\"", CodeBody, "the body is not UTF-8 text, line 1 column 1"},
		{"text that is not UTF-8", `text`, "secret\xff", CodeBody, "the body is not UTF-8 text, line 1 column 1"},
		{"deeper than may be", `body`, strings.Replace(nest(1001), "[]", "[1]", 1), CodeBody, "the body's JSON is nested too deeply, line 1 column 1"},
		{"a bomb of brackets", `body`, strings.Repeat("[", 60_000), CodeBody, "the body is not JSON, line 1 column 1"},
		{"a bomb of braces", `body`, strings.Repeat(`{"":`, 15_000), CodeBody, "the body is not JSON, line 1 column 1"},
		{"an integer of 30 digits", `body`, strings.Repeat("9", 30), CodeBody, "the body's JSON has a number that is too large, line 1 column 1"},
		{"a double out of range", `body`, "1e999", CodeBody, "the body's JSON has a number that is too large, line 1 column 1"},

		{"no such key", `{"content": body.chat}`, `{"secret":"secret"}`, CodeBody, "no such key, line 1 column 17"},
		{"a key of the sender's", `body[body.k]`, `{"k":"secret"}`, CodeBody, "no such key, line 1 column 5"},
		{"wrong type", "{\"n\":\n body.n + 1}", `{"n":"secret"}`, CodeBody, "no such overload, line 2 column 9"},
		{"a member of text", `body.a.b`, `{"a":"secret"}`, CodeBody, "no such key, line 1 column 7"},
		{"iteration over text", `body.map(x, x)`, `"secret"`, CodeBody, "expected iterable type"},
		{"a conversion", `int(body)`, `"secret"`, CodeBody, "conversion error, line 1 column 4"},
		{"too large an int", `body + 1`, `9223372036854775807`, CodeBody, "overflow, line 1 column 6"},
		{"division by zero", `1 / body`, `0`, CodeBody, "division by zero, line 1 column 3"},
		{"an index", `body[5]`, `[1]`, CodeBody, "out of bounds, line 1 column 5"},
		{"another overload", `-body`, `"secret"`, CodeBody, "no such overload"},
		{"a time out of range", `string(timestamp(body))`, `9223372036854775807`, CodeBody, "overflow"},
		{"a time that is none", `string(timestamp(body))`, `"secret"`, CodeBody, "it can't be evaluated, line 1 column 17"},
		{"no result for JSON", `{"at": timestamp(0)}`, ``, CodeBody, "the result holds what JSON can't say"},
		{"infinity", `[1.0 / body]`, `0.0`, CodeBody, "the result holds what JSON can't say"},
		{"keys of numbers", `[{1: 2}]`, ``, CodeBody, "the result holds what JSON can't say"},
		{"a type", `[type(body)]`, `1`, CodeBody, "the result holds what JSON can't say"},

		{"a result over the limit", `body + body`, `"` + strings.Repeat("s", 40_000) + `"`, CodeTooLarge, "the result is too large"},
		{"a list over the limit", `[text, text, text]`, strings.Repeat("s", 40_000), CodeTooLarge, "the result is too large"},
		{"a list that grows", `body.map(x, body)`, numbers, CodeTooLarge, "the result is too large"},
		{"a list that grows and grows", `[text]` + strings.Repeat(".map(a, ["+strings.Repeat("a, ", 99)+"a])", 8), `x`, CodeTooLarge, "the result is too large"},
		{"more values than may be", `body`, "[" + strings.Repeat("0,", 100_000) + "0]", CodeBody, "the body's JSON has too many values, line 1 column 1"},
		{"a cost bomb", `body.map(x, body.map(y, body.map(z, x + y + z)))`, numbers, CodeBody, "it costs too much to evaluate"},
		{"a cost bomb of text", `body.map(x, text + text)`, numbers, CodeBody, "it costs too much to evaluate"},
		{"a cost bomb of in", `body.all(x, !(0 in body))`, numbers, CodeBody, "it costs too much to evaluate"},
		{"a cost bomb of body", `body.map(x, body[0] + body[0])`, `["` + strings.Repeat("a", 8000) + `",1,1,1,1,1,1,1,1,1]`, CodeBody, "it costs too much to evaluate"},
		{"a cost bomb without a result", `body.exists(x, body.exists(y, body.exists(z, z == x + y + 5)))`, numbers, CodeBody, "it costs too much to evaluate"},
	} {
		t.Run(test.name, func(t *testing.T) {
			_, r := apply(rewriteOf(t, test.body, ""), test.sent)
			if codeOf(r) != test.code {
				t.Fatalf("code %d (%v), want %d", codeOf(r), r, test.code)
			}
			if got, want := fmt.Sprint(r.Reason), "routes[0].body: "+test.want; got != want {
				t.Errorf("reason %q, want %q", got, want)
			}
			if strings.Contains(fmt.Sprint(r.Reason), "secret") {
				t.Error("the reason tells what was sent")
			}
		})
	}
}

func TestRewriteHeaders(t *testing.T) {
	const jwt = "eyJhbGciOiJIUzI1NiJ9.eyJtdSI6NDJ9.c2ln"
	for _, test := range []struct {
		name, body, headers, sent string
		want                      string // the entries, with commas between; empty if it is refused
		reason                    string
	}{
		{"added", ``, `{"x-room": vars.room, "w": "v"}`, `x`, "content-type:application/x-sent,x-a:first,x-b:b,x-a:second,w:v,x-room:blue", ""},
		{"in place of the sender's", ``, `{"x-a": headers["x-a"] + "!"}`, `x`, "content-type:application/x-sent,x-b:b,x-a:first!", ""},
		{"none", ``, `{}`, `x`, "content-type:application/x-sent,x-a:first,x-b:b,x-a:second", ""},
		{"content-type alone", ``, `{"content-type": "a/b"}`, `x`, "x-a:first,x-b:b,x-a:second,content-type:a/b", ""},
		{"content-type of a body", `{"a": 1}`, `{"content-type": "a/b"}`, `x`, "x-a:first,x-b:b,x-a:second,content-type:a/b", ""},
		{"content-type of text that passes", `text`, `{"content-type": "a/b"}`, `x`, "x-a:first,x-b:b,x-a:second,content-type:a/b", ""},
		{"of the body that came", `"gone"`, `{"x-b": body.b}`, `{"b":"B"}`, "x-a:first,x-a:second,content-type:text/plain;charset=UTF-8,x-b:B", ""},
		{"dynamic", ``, `body`, `{"x-a":"1","x-c":"2"}`, "content-type:application/x-sent,x-b:b,x-a:1,x-c:2", ""},
		{"of two kinds", ``, `is_json ? {"json": "yes"} : {}`, `x`, "content-type:application/x-sent,x-a:first,x-b:b,x-a:second", ""},
		{"several lines", ``, `{"x-b": "a\nb"}`, `x`, "content-type:application/x-sent,x-a:first,x-a:second,x-b:a\nb", ""},

		{"no map", ``, `body`, `[1]`, "", "the result is not a map of texts"},
		{"a number", ``, `{"a": body}`, `1`, "", "the result is not a map of texts"},
		{"not JSON", ``, `{"a": body}`, `secret`, "", "the body is not JSON, line 1 column 7"},
		{"STOMP's own", ``, `{body: "a"}`, `"receipt"`, "", "the result has a header that no message carries"},
		{"a secret's name", ``, `{body: "a"}`, `"Authorization"`, "", "the result has a header that no message carries"},
		{"a token", ``, `{"a": body}`, `"` + jwt + `"`, "", "the result has a header that no message carries"},
		{"no name", ``, `{body: "a"}`, `""`, "", "the result has a header that no message carries"},
		{"a NUL", ``, `{"a": body}`, `"\u0000"`, "", "the result has a header that no message carries"},
		{"a long line", ``, `{"a": text}`, strings.Repeat("s", 8<<10), "", "the result is too large"},
		{"too many", ``, `body`, entries(65), "", "the result is too large"},
		{"as many as may be", ``, `body`, entries(60), "", ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			e, r := apply(rewriteOf(t, test.body, test.headers), test.sent)
			if test.reason != "" {
				if r == nil || r.Reason.Error() != "routes[0].headers: "+test.reason {
					t.Errorf("got %q, %+v; want to be refused: %s", e.Headers, r, test.reason)
				}
				return
			}
			if r != nil {
				t.Fatalf("refused: %v", r.Reason)
			}
			var got []string
			for _, h := range e.Headers {
				got = append(got, h.Name+":"+h.Value)
			}
			if test.want != "" && strings.Join(got, ",") != test.want {
				t.Errorf("got  %s\nwant %s", strings.Join(got, ","), test.want)
			}
		})
	}
}

// entries is a JSON object of n texts.
func entries(n int) string {
	var list []string
	for i := range n {
		list = append(list, fmt.Sprintf(`"h%d":"v"`, i))
	}
	return "{" + strings.Join(list, ",") + "}"
}

// TestRewriteTellsWhoSent: a route can add what the gateway knows of the sender. The session is
// asked when it sends; by the time that the message is rewritten, it may have gone on.
func TestRewriteTellsWhoSent(t *testing.T) {
	for _, test := range []struct {
		body, headers string
		asked         int
		want          string
	}{
		{`{"from": claims.mu, "room": vars.room, "to": destination}`, ``, 0, `{"from":42,"room":"blue","to":"/app/chat/blue"}`},
		{`{"from": session.member, "key": session.key}`, ``, 1, `{"from":42,"key":"n_1"}`},
		{``, `{"x-a": session.transport, "x-member": string(claims.mu)}`, 1, `x-member:42 x-a:websocket`},
		{`text`, ``, 0, `hi`},
	} {
		c := mustNew(t, Rules{Prefixes: DefaultPrefixes(), Routes: []Route{
			{Match: "/app/{kind}/{room}", Allow: `has(claims.mu)`, Publish: "/topic/{room}", Body: test.body, Headers: test.headers},
		}})
		from := newAsker()
		target, r := c.JudgeSend(&Request{Destination: "/app/chat/blue", Member: "42", Claims: map[string]any{"mu": int64(42)}, From: from})
		if r != nil || target.Rule != "routes[0]" || from.asked != test.asked {
			t.Fatalf("%s%s: %+v, %+v, asked %d times", test.body, test.headers, target, r, from.asked)
		}
		if target.Rewrite.frame.request.From != nil {
			t.Error("the rewrite holds on to the session")
		}
		from.session = Session{Key: "other", Transport: "other"}
		for range 2 { // it may be applied again
			e, r := apply(target.Rewrite, "hi")
			if r != nil {
				t.Fatal(r.Reason)
			}
			got := string(e.Body)
			if test.headers != "" {
				got = fmt.Sprintf("x-member:%s x-a:%s", valueOf(e.Headers, "x-member"), valueOf(e.Headers, "x-a"))
			}
			if got != test.want || from.asked != test.asked {
				t.Errorf("%s%s: got %s, asked %d times; want %s", test.body, test.headers, got, from.asked, test.want)
			}
		}
	}
}

// valueOf returns the values of a header with | between.
func valueOf(headers []bus.Header, name string) string {
	var values []string
	for _, h := range headers {
		if h.Name == name {
			values = append(values, h.Value)
		}
	}
	return strings.Join(values, "|")
}

// TestHeaderInjection: the text that a STOMP escape stands for is part of one value, wherever a rule
// puts it, and what a rule adds replaces what a sender wrote there.
func TestHeaderInjection(t *testing.T) {
	c := mustNew(t, Rules{Prefixes: DefaultPrefixes(), Routes: []Route{{
		Match: "/app/{room}", Allow: `!("x-role" in headers) || headers["x-role"] != "admin"`, Publish: "/topic/{room}",
		Headers: `{"x-member": string(claims.mu), "x-copy": headers["x-a"], "x-room": vars.room}`,
	}}})
	const evil = "a\nx-member:1\nx-role:admin\r\n\n"
	headers := []bus.Header{{Name: "x-a", Value: evil}, {Name: "x-member", Value: "1"}, {Name: "x-member", Value: "2"}, {Name: "x:role\nx-role", Value: "admin"}}
	target, r := c.JudgeSend(&Request{Destination: "/app/" + evil, Headers: headers, Claims: map[string]any{"mu": int64(42)}})
	if r != nil || target.Destination != "/topic/"+evil {
		t.Fatalf("%+v, %+v", target, r)
	}
	e := bus.Envelope{Headers: headers}
	if r := target.Rewrite.Apply(context.Background(), &e, testLimit); r != nil {
		t.Fatal(r.Reason)
	}
	for name, want := range map[string]string{"x-member": "42", "x-copy": evil, "x-room": evil, "x-a": evil, "x-role": "", "x:role\nx-role": "admin"} {
		if got := valueOf(e.Headers, name); got != want {
			t.Errorf("%q is %q, want %q", name, got, want)
		}
	}
	if len(e.Headers) != 5 {
		t.Errorf("%q", e.Headers)
	}
}

// TestRewriteKeepsItsInput: others may hold the memory of the envelope, such as the pieces of a transaction.
func TestRewriteKeepsItsInput(t *testing.T) {
	headers, body := sent(), []byte(`{"a":[3,1,2]}`)
	e := bus.Envelope{Headers: headers, Body: body}
	if r := rewriteOf(t, `{"b": body.a}`, `{"x-a": "new"}`).Apply(context.Background(), &e, testLimit); r != nil {
		t.Fatal(r.Reason)
	}
	if !slices.Equal(headers, sent()) || string(body) != `{"a":[3,1,2]}` {
		t.Errorf("changed to %q, %s", headers, body)
	}
}

// TestRewriteManyHeaders: what a client may send is not too much because a body gets a content-type.
func TestRewriteManyHeaders(t *testing.T) {
	var headers []bus.Header
	for i := range 63 {
		headers = append(headers, bus.Header{Name: fmt.Sprint(i), Value: strings.Repeat("x", 517)})
	}
	for _, test := range []struct {
		headers string
		code    Code
	}{{``, 0}, {`{"x-more": "` + strings.Repeat("x", 500) + `"}`, CodeTooLarge}} {
		e := bus.Envelope{Headers: headers, Body: []byte(`{}`)}
		if r := rewriteOf(t, `body`, test.headers).Apply(context.Background(), &e, testLimit); codeOf(r) != test.code {
			t.Errorf("with %.20s: %+v, want code %d", test.headers, r, test.code)
		}
	}
}

// TestRewriteInterrupted: what takes long ends with its context.
func TestRewriteInterrupted(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	w := rewriteOf(t, `body.map(x, x)`, "")
	e := bus.Envelope{Body: []byte("[" + strings.Repeat("1,", 500) + "1]")}
	if r := w.Apply(ctx, &e, testLimit); r == nil || r.Reason.Error() != "routes[0].body: it was interrupted" {
		t.Errorf("got %+v", r)
	}
	if r := w.Apply(context.Background(), &e, testLimit); r != nil {
		t.Errorf("without the end of a context: %v", r.Reason)
	}
}

func BenchmarkRewrite(b *testing.B) {
	for _, expression := range []string{`{"content": body.chat}`,
		`is_json && type(body) == map && has(body.chat) ? dyn({"content": body.chat}) : text`, `body`} {
		for _, size := range []int{200, 8 << 10, 32 << 10} {
			for shape, body := range map[string]string{
				"chat":    `{"chat":"` + strings.Repeat("s", size-11) + `"}`,
				"numbers": `{"chat":[` + strings.Repeat("1,", size/2-6) + `1]}`,
				"objects": `{"chat":[` + strings.Repeat(`{"a":1},`, size/8-2) + `1]}`,
			} {
				b.Run(fmt.Sprintf("%.12s/%s/bytes=%d", expression, shape, size), func(b *testing.B) {
					w := rewriteOf(b, expression, "")
					b.ReportAllocs()
					for b.Loop() {
						if _, r := apply(w, body); r != nil {
							b.Fatal(r.Reason)
						}
					}
				})
			}
		}
	}
}

// What an expression names at each step of a loop is made once.
func TestRewriteMakesVariablesOnce(t *testing.T) {
	w := rewriteOf(t, `{"a": [1,2,3,4,5,6,7,8].map(i, [text, headers, vars])}`, "")
	e := bus.Envelope{Headers: sent(), Body: []byte("x")}
	m := &message{frame: w.frame, envelope: &e}
	m.request.Headers = e.Headers
	names := []string{varText, varHeaders, varVars}
	for _, name := range names {
		m.ResolveName(name)
	}
	if n := testing.AllocsPerRun(100, func() {
		for _, name := range names {
			m.ResolveName(name)
		}
	}); n > 0 {
		t.Errorf("a second mention allocates %v times", n)
	}
}
