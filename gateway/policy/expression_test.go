package policy

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"sync"
	"testing"

	"github.com/rogpeppe/go-internal/txtar"
)

// TestMistakes holds what whoever writes a configuration reads: testdata/mistakes.txtar has expressions, each for a
// field of a rule, and behind each what is wrong, and where. UPDATE_GOLDEN=1 writes what is said.
func TestMistakes(t *testing.T) {
	const path = "testdata/mistakes.txtar"
	archive, err := txtar.ParseFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(archive.Files); i += 2 {
		file, want := archive.Files[i], &archive.Files[i+1]
		t.Run(file.Name, func(t *testing.T) {
			field, _, _ := strings.Cut(file.Name, ":")
			source := map[string]string{field: string(file.Data)}
			_, err := New(Rules{
				Prefixes: DefaultPrefixes(),
				Channels: []Channel{{Match: "/topic/{room}/*", Subscribe: source["subscribe"]}},
				Routes:   []Route{{Match: "/app/{room}", Allow: "true", Publish: "/topic/{room}", Body: source["body"], Headers: source["headers"]}},
			})
			got := said(t, err)
			if os.Getenv("UPDATE_GOLDEN") != "" {
				want.Data = []byte(got)
			}
			if got != string(want.Data) {
				t.Errorf("got\n%s\nwant\n%s", got, want.Data)
			}
		})
	}
	if os.Getenv("UPDATE_GOLDEN") != "" {
		if err := os.WriteFile(path, txtar.Format(archive), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// said is what New says, with the place of each mistake below it.
func said(t *testing.T, err error) string {
	t.Helper()
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		var all strings.Builder
		for _, err := range joined.Unwrap() {
			all.WriteString(said(t, err))
		}
		return all.String()
	}
	fault, ok := errors.AsType[*RuleError](err)
	switch {
	case !ok:
		t.Fatalf("got %v", err)
	case fault.Line > 0:
		return fmt.Sprintf("%v\n%s\n%s\n", fault, fault.Source, fault.Caret())
	}
	return fault.Error() + "\n"
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
