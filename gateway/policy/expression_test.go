package policy

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
)

// TestExpressionErrors holds what whoever writes a configuration reads: what is wrong, and where.
func TestExpressionErrors(t *testing.T) {
	for _, test := range []struct{ name, body, headers, want string }{
		{"unknown variable", `{"content": chat}`, ``, `
routes[0].body: undeclared reference to 'chat' (line 1, column 13)
{"content": chat}
            ^`},
		{"several", `{"a": b, "c": d, "e": f, "g": h}`, ``, `
routes[0].body: undeclared reference to 'b' (line 1, column 7)
{"a": b, "c": d, "e": f, "g": h}
      ^
routes[0].body: undeclared reference to 'd' (line 1, column 15)
{"a": b, "c": d, "e": f, "g": h}
              ^
routes[0].body: undeclared reference to 'f' (line 1, column 23)
{"a": b, "c": d, "e": f, "g": h}
                      ^`},
		{"several lines", "{\n\t\"content\": chat\n}", ``, `
routes[0].body: undeclared reference to 'chat' (line 2, column 13)
	"content": chat
	           ^`},
		{"the end is missing", `{"content": body.chat`, ``, `
routes[0].body: the expression ends too early (line 1, column 22)
{"content": body.chat
                     ^`},
		{"the end is missing above blanks", "body.a +\n\t\n", ``, `
routes[0].body: the expression ends too early (line 1, column 9)
body.a +
        ^`},
		{"nothing but blanks", "  ", ``, `
routes[0].body: is blank: leave it out, or write an expression`},
		{"a stray character", `body.chat # a comment`, ``, `
routes[0].body: syntax error: token recognition error at: '#' (line 1, column 11)
body.chat # a comment
          ^
routes[0].body: syntax error: mismatched input 'a' expecting the end (line 1, column 13)
body.chat # a comment
            ^`},
		{"other letters", `"안녕" + chat`, ``, `
routes[0].body: undeclared reference to 'chat' (line 1, column 8)
"안녕" + chat
       ^`},
		{"types of a condition", `is_json ? {"a": body.a} : text`, ``, `
routes[0].body: found no matching overload for '_?_:_' applied to '(bool, map(string, dyn), string)'; where the two results are of different types, write dyn(...) around one (line 1, column 9)
is_json ? {"a": body.a} : text
        ^`},
		{"types of an operator", `text + 1`, ``, `
routes[0].body: found no matching overload for '_+_' applied to '(string, int)' (line 1, column 6)
text + 1
     ^`},
		{"unknown function", `body.chat.trim()`, ``, `
routes[0].body: undeclared reference to 'trim' (line 1, column 15)
body.chat.trim()
              ^`},
		{"unknown member of the session", `session.name`, ``, `
routes[0].body: undeclared reference to 'session'; session has key, principal, node, member, transport, version and remote (line 1, column 1)
session.name
^`},
		{"unknown variable of the match", `{"a": vars.rom, "b": vars["romm"]}`, ``, `
routes[0].body: match has no variable {rom} (line 1, column 11)
{"a": vars.rom, "b": vars["romm"]}
          ^
routes[0].body: match has no variable {romm} (line 1, column 26)
{"a": vars.rom, "b": vars["romm"]}
                         ^`},
		{"a time", `timestamp(text)`, ``, `
routes[0].body: is a time: want a map with keys of text, a list, text, bytes, a number, true or false, or null (line 1, column 1)
timestamp(text)
^`},
		{"a type", "\n  type(body)", ``, `
routes[0].body: is a type(dyn): want a map with keys of text, a list, text, bytes, a number, true or false, or null (line 2, column 3)
  type(body)
  ^`},
		{"a map with numbers for keys", `{1: 2}`, ``, `
routes[0].body: is a map(int, int): want a map with keys of text, a list, text, bytes, a number, true or false, or null (line 1, column 1)
{1: 2}
^`},
		{"a regular expression", `text.matches("a(b")`, ``, "\nroutes[0].body: error parsing regexp: missing closing ): `a(b` (line 1, column 14)\n" + `text.matches("a(b")
             ^`},
		{"a large regular expression", `text.matches("(a{100}){10}")`, ``, `
routes[0].body: the pattern takes 1022 steps for each character: it may take 500 (line 1, column 14)
text.matches("(a{100}){10}")
             ^`},
		{"the sender's regular expression", `matches(text, body.pattern)`, ``, `
routes[0].body: the pattern of matches has to be a literal: one that a message brings could take any time (line 1, column 19)
matches(text, body.pattern)
                  ^`},
		{"too long", `"` + strings.Repeat("안", 4095) + `"`, ``, `
routes[0].body: is 4097 characters long: an expression may have 4096`},
		{"too deep", strings.Repeat("(", 300), ``, `
routes[0].body: expression recursion limit exceeded: 250`},
		{"too many loops", "body" + strings.Repeat(".map(x, x)", 9), ``, `
routes[0].body: more than 8 of map, filter, all and exists in or behind one another (line 1, column 9)
body.map(x, x).map(x, x).map(x, x).map(x, x).map(x, x).map(x, x).map(x, x).map(x, x).map(x, x)
        ^`},

		{"headers that are text", ``, `"a: b"`, `
routes[0].headers: is a text: want a map of texts, such as {"x-room": vars.room} (line 1, column 1)
"a: b"
^`},
		{"headers of numbers", ``, `{"a": 1}`, `
routes[0].headers: is a map(string, int): want a map of texts, such as {"x-room": vars.room} (line 1, column 1)
{"a": 1}
^`},
		{"headers of STOMP's own", ``, `{"x-a": "b", "destination": text}`, `
routes[0].headers: no message carries a header "destination": it is STOMP's own, proves who sends, or can't be written (line 1, column 14)
{"x-a": "b", "destination": text}
             ^`},
		{"secrets among headers", ``, `is_json ? {} : text == "" ? {"Authorization": text} : {"": text}`, `
routes[0].headers: no message carries a header "Authorization": it is STOMP's own, proves who sends, or can't be written (line 1, column 30)
is_json ? {} : text == "" ? {"Authorization": text} : {"": text}
                             ^
routes[0].headers: no message carries a header "": it is STOMP's own, proves who sends, or can't be written (line 1, column 56)
is_json ? {} : text == "" ? {"Authorization": text} : {"": text}
                                                       ^`},
	} {
		t.Run(test.name, func(t *testing.T) {
			r := Rules{Prefixes: DefaultPrefixes()}
			r.Routes = []Route{{Match: "/app/{room}", Allow: "true", Publish: "/topic/{room}", Body: test.body, Headers: test.headers}}
			_, err := New(r)
			var got strings.Builder
			for _, fault := range ruleErrors(t, err) {
				fmt.Fprintf(&got, "\n%v", fault)
				if fault.Line > 0 {
					fmt.Fprintf(&got, "\n%s\n%s", fault.Source, fault.Caret())
				}
			}
			if got.String() != test.want {
				t.Errorf("got %s\nwant %s", got.String(), test.want)
			}
		})
	}
}

// ruleErrors takes apart what New says.
func ruleErrors(t *testing.T, err error) (list []*RuleError) {
	t.Helper()
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		for _, err := range joined.Unwrap() {
			list = append(list, ruleErrors(t, err)...)
		}
		return list
	}
	var fault *RuleError
	if !errors.As(err, &fault) {
		t.Fatalf("got %v", err)
	}
	return []*RuleError{fault}
}

// TestExpressionsOfEveryRoute: each has variables of its own.
func TestExpressionsOfEveryRoute(t *testing.T) {
	c := mustNew(t, Rules{Prefixes: DefaultPrefixes(), Routes: []Route{
		{Match: "/app/a/{one}", Allow: "true", Publish: "/topic/a", Body: `vars.one`},
		{Match: "/app/b/{two-2}/{three}", Allow: "true", Publish: "/topic/b", Body: `vars["two-2"] + vars.three`},
		{Match: "/app/c", Allow: "true", Publish: "/topic/c", Headers: `{"x-n": string(size(vars))}`},
		{Match: "/app/d", Allow: "true", Publish: "/topic/d"},
	}})
	for destination, want := range map[string]string{"/app/a/1": "1", "/app/b/2/3": "23", "/app/c": "sent"} {
		target, r := c.JudgeSend(&Request{Destination: destination})
		if r != nil || target.Rewrite == nil {
			t.Fatalf("%s: %+v, %v", destination, target, r)
		}
		if e, r := apply(target.Rewrite, "sent"); r != nil || string(e.Body) != want {
			t.Errorf("%s: %q, %v; want %q", destination, e.Body, r, want)
		}
	}
	if target, _ := c.JudgeSend(&Request{Destination: "/app/d"}); target.Rewrite != nil {
		t.Error("a route without expressions rewrites")
	}
}

// Catalogues can be made at the same time, as tests and nodes that share a process do.
func TestNewConcurrently(t *testing.T) {
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			r := base()
			r.Routes = []Route{{Match: "/app/x", Allow: "true", Publish: "/topic/x", Body: `body.chat + 1`}}
			if _, err := New(r); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
}
