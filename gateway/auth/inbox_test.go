package auth

import (
	"strings"
	"testing"
)

// TestInbox holds whose destinations a member has, also after the issuers have changed under its session.
func TestInbox(t *testing.T) {
	other := []byte("another secret, of as many bytes")
	sole := []Issuer{{Name: "a", Keys: []any{secret()}}}
	for _, c := range []struct {
		name string
		is   []Issuer
		want string
	}{
		{"the only issuer", sole, "bob"},
		{"the only one, with a label", []Issuer{{Name: "a", Keys: []any{secret()}, Label: "x"}}, "x:bob"},
		{"with another key", []Issuer{{Name: "a", Keys: []any{other}}}, "bob"},
		{"one of two", []Issuer{{Name: "a", Keys: []any{secret()}}, {Name: "b", Keys: []any{other}, Main: true}}, ""},
		{"the main one of two", []Issuer{{Name: "b", Keys: []any{other}}, {Name: "a", Keys: []any{secret()}, Main: true}}, "bob"},
		{"one of two, with a label", []Issuer{{Name: "b", Keys: []any{other}}, {Name: "a", Keys: []any{secret()}, Label: "x"}}, "x:bob"},
		{"none of two", []Issuer{{Name: "c", Keys: []any{secret()}, Main: true}, {Name: "b", Keys: []any{other}, Label: "a"}}, ""},
		{"not the only one", []Issuer{{Name: "b", Keys: []any{secret()}}}, ""},
		{"nobody's tokens are taken", nil, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			a := mustNew(t, Config{Issuers: sole, Now: noon})
			id, err := a.Verify(t.Context(), hs256(t, bob(noon(), `,"iss":"a"`)))
			if err != nil || id.Inbox() != "bob" {
				t.Fatalf("%v, %v", id, err)
			}
			if _, err := a.SetIssuers(c.is); err != nil {
				t.Fatal(err)
			}
			if got := id.Inbox(); got != c.want {
				t.Errorf("its inbox is %q, want %q", got, c.want)
			}
		})
	}
	if got := new(Identity).Inbox(); got != "" {
		t.Errorf("nobody has the inbox %q", got)
	}
	if got := (&Identity{Member: `"42"`}).Inbox(); got != "%342" {
		t.Errorf(`"42" has the inbox %q`, got)
	}
}

// TestAssumedInbox: a what-if tells the issuer by its claim, as a token does.
func TestAssumedInbox(t *testing.T) {
	several := []Issuer{{Name: "a", Main: true}, {Name: "b", Label: "x"}, {Name: "c"}}
	for _, c := range []struct {
		issuers      []Issuer
		claims, want string
	}{
		{nil, `{"mu": 7}`, "7"},
		{nil, `{}`, ""},
		{several[1:2], `{"mu": 7}`, "x:7"},
		{several, `{"mu": 7}`, ""},
		{several, `{"mu": 7, "iss": "a"}`, "7"},
		{several, `{"mu": "7", "iss": "b"}`, "x:%37"},
		{several, `{"mu": 7, "iss": "c"}`, ""},
		{several, `{"mu": 7, "iss": ["a"]}`, ""},
	} {
		id, err := Config{Issuers: c.issuers}.Assume([]byte(c.claims))
		if err != nil || id.Inbox() != c.want {
			t.Errorf("%s of %d issuers: %q, %v; want %q", c.claims, len(c.issuers), id.Inbox(), err, c.want)
		}
	}
}

func TestLabels(t *testing.T) {
	for _, c := range []struct {
		name string
		list []Issuer
		want string // in the error
	}{
		{"one twice", []Issuer{{Label: "x"}, {Label: "x"}}, `"x" is what another issuer has, too`},
		{"two that are main", []Issuer{{Main: true}, {Main: true}}, "is what another issuer has, too"},
		{"a slash", []Issuer{{Label: "a/b"}}, `"a/b" can't stand in a destination: want 1 to 64 letters`},
		{"a colon", []Issuer{{}, {Label: "a:"}}, "can't stand in a destination"},
		{"too long", []Issuer{{Label: strings.Repeat("a", 65)}}, "can't stand in a destination"},
		{"several without", []Issuer{{}, {}, {Label: "x"}, {Main: true}}, ""},
	} {
		for i := range c.list {
			c.list[i].Name, c.list[i].Keys = string(rune('a'+i)), []any{secret()}
		}
		_, err := New(Config{Issuers: c.list})
		if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", c.name, err, c.want)
		}
	}
}
