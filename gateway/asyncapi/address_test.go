package asyncapi

import (
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stompgw/stompgw/gateway/destination"
)

func TestAddressed(t *testing.T) {
	for match, want := range map[string]string{
		"/topic/a":                    "/topic/a",
		"/topic/{room}":               "/topic/{room}",
		"/topic/{a-B_9}/{room}":       "/topic/{a-B_9}/{room}",
		"/topic/*":                    "/topic/{segment}",
		"/topic/*/*":                  "/topic/{segment}/{segment_2}",
		"/topic/*/{segment}":          "/topic/{segment_2}/{segment}",
		"/**":                         "/{path}",
		"/topic/**/a/**":              "/topic/{path}/a/{path_2}",
		"/topic/room-*":               "/topic/room-{text}",
		"/topic/a**b/***":             "/topic/a{text}b/{text_2}",
		"/topic/r??m-*":               "/topic/r{character}{character_2}m-{text}",
		"/topic/{a.b}":                "/topic/{a_b}",
		"/topic/{a.b}/{a_b}":          "/topic/{a_b_2}/{a_b}",
		"/topic/{방}":                  "/topic/{segment}",
		"/topic/a#b":                  "/topic/a{hash}b",
		"/topic/é and more/{x}":       "/topic/é and more/{x}",
		"/topic/{path}/**/{path_2}/*": "/topic/{path}/{path_3}/{path_2}/{segment}",
	} {
		if got, _ := addressed(match); got != want {
			t.Errorf("%s is %s, want %s", match, got, want)
		}
	}
	for subject, want := range map[string]string{
		"orders.in":                  "orders.in",
		"orders.{shop}.in-{n}":       "orders.{shop}.in-{n}",
		"orders.{a.b}.{a_b}.{a.b}.x": "orders.{a_b}.{a_b_2}.{a_b}.x",
		"orders.{방}":                 "orders.{segment}",
	} {
		if got, parameters := addressedSubject(subject); got != want || len(parameters) != strings.Count(want, "{")-strings.Count(want, "{a_b}.x") {
			t.Errorf("%s is %s with %v, want %s", subject, got, parameters, want)
		}
	}
}

// FuzzAddress holds that what stands in braces are the parameters, in their order and each under one name that AsyncAPI takes,
// and that an address keeps all that is fixed in a match.
func FuzzAddress(f *testing.F) {
	for _, match := range []string{"/topic/{a}", "/**", "/a*/{text}/?", "/{방}/{_}/{a.b}/{a_b}", "/a#b/#", "/\xff"} {
		f.Add(match)
	}
	names := regexp.MustCompile(`\{([^{}]*)\}`)
	valid := regexp.MustCompile(`^[A-Za-z0-9_-]+$`)
	f.Fuzz(func(t *testing.T, match string) {
		if _, err := destination.NewMatcher(match); err != nil {
			return
		}
		address, parameters := addressed(match)
		var in, listed []string
		for _, m := range names.FindAllStringSubmatch(address, -1) {
			in = append(in, m[1])
		}
		for _, p := range parameters {
			listed = append(listed, p.name)
			if !valid.MatchString(p.name) || p.description == "" {
				t.Errorf("%q is %q with a parameter %q, %q", match, address, p.name, p.description)
			}
		}
		if !slices.Equal(in, listed) {
			t.Errorf("%q is %q, whose parameters are %q", match, address, listed)
		}
		if slices.Sort(listed); len(slices.Compact(listed)) != len(in) {
			t.Errorf("%q is %q, which has a name twice", match, address)
		}
		if rest := names.ReplaceAllString(address, ""); strings.ContainsAny(rest, "{}*?#") {
			t.Errorf("%q is %q", match, address)
		}
		if !strings.ContainsAny(match, "*?#{") && address != match {
			t.Errorf("%q is %q", match, address)
		}
	})
}
