package policy

import (
	"fmt"
	"slices"
	"strings"
	"testing"
)

func mustCatalogue(t testing.TB, r Rules) *Catalogue {
	t.Helper()
	r.Prefixes, r.ErrorDestination = DefaultPrefixes(), "/session/queue/errors"
	c, err := New(r)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// outlined are rules of all kinds.
func outlined(t testing.TB) *Catalogue {
	return mustCatalogue(t, Rules{
		Channels: []Channel{
			{Match: "/topic/room-*", Subscribe: "true", Presence: PresenceMembers},
			{Match: "/topic/{a}", Subscribe: `"mu" in claims`, Send: "false", Patterns: true},
			{Match: "/presence/topic/room-1", Subscribe: "session.member == 1"},
			{Match: "/member/{m}/queue/{n}", Subscribe: "true", Send: "true"},
		},
		Routes: []Route{{Match: "/app/{a}", Allow: `"mu" in claims`, Publish: "/topic/{a}"}},
		Where:  func(rule string) string { return "x.yaml, " + rule },
	})
}

// TestOutlines: each rule, where it stands, and whom it lets do what.
func TestOutlines(t *testing.T) {
	var got []string
	for _, o := range outlined(t).Outlines() {
		kind := "channel"
		if o.Channel == nil && o.Route != nil {
			kind = "route"
		}
		got = append(got, fmt.Sprintf("%s at %s: %s %s: %s (%t), %s (%t)", o.Path, o.Where, kind, o.Match, o.Subscribe, o.Subscribe.Login, o.Send, o.Send.Login))
	}
	want := []string{
		`channels[0] at x.yaml, channels[0]: channel /topic/room-*: everybody (false), nobody (false)`,
		`channels[1] at x.yaml, channels[1]: channel /topic/{a}: "mu" in claims (true), nobody (false)`,
		`channels[2] at x.yaml, channels[2]: channel /presence/topic/room-1: session.member == 1 (true), nobody (false)`,
		`channels[3] at x.yaml, channels[3]: channel /member/{m}/queue/{n}: whoever is logged in (true), everybody (false)`,
		`routes[0] at x.yaml, routes[0]: route /app/{a}: nobody (false), "mu" in claims (true)`,
	}
	if !slices.Equal(got, want) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

// TestDeciders holds against the verdicts on frames that the rules named are those that decide.
func TestDeciders(t *testing.T) {
	c := outlined(t)
	for name, want := range map[string]string{
		"/topic/room-1":          "channels[0]",
		"/topic/x":               "channels[1]",
		"/topic/*":               "channels[1]",
		"/topic/room-*":          "channels[0]",
		"/topic/**":              "",
		"/topic/x/y":             "",
		"/app/x":                 "routes[0]",
		"/app/x/y":               "",
		"/member/7/queue/x":      "channels[3]",
		"/member/queue/x":        "",
		"/member/a b/queue/x":    "",
		"/presence/topic/room-2": "channels[0]",
		"/presence/topic/room-1": "channels[0] channels[2]",
		"/presence/topic/x":      "",
		"/presence/topic/*":      "",
		"/presence":              "",
		"":                       "",
	} {
		var got []string
		for _, o := range c.Deciders(name) {
			got = append(got, o.Path)
		}
		if strings.Join(got, " ") != want {
			t.Errorf("%s: %q, want %s", name, got, want)
		}
		if c.IsPresence(name) || c.IsMember(name) {
			continue // clients name them otherwise, or another rule says more
		}
		r := NewTrial(nil)
		r.Destination = name
		if v := c.TestSubscribe(r); v.Rule != want && !c.IsApp(name) {
			t.Errorf("a SUBSCRIBE to %s is decided by %q, want %q", name, v.Rule, want)
		}
		if v := c.TestSend(r); v.Rule != want && !strings.Contains(name, "*") {
			t.Errorf("a SEND to %s is decided by %q, want %q", name, v.Rule, want)
		}
	}
}
