package bus_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/stompgw/stompgw/bus"
)

func TestNode(t *testing.T) {
	for _, test := range []struct {
		principal, node string
		ok              bool
	}{
		{"1700000000/0f9a/s1/2026-11-22T10:00:00Z", "1700000000/0f9a", true},
		{"a/b/c/d", "a/b", true},
		{"/a/b/c", "", false},
		{"a/b/c/", "", false},
		{"a//c/d", "", false},
		{"a/b//d", "", false},
		{"a/b/c", "", false},
		{"a/b/c/d/e", "", false},
		{"alice", "", false},
		{"", "", false},
	} {
		if node, ok := bus.Node(test.principal); node != test.node || ok != test.ok {
			t.Errorf("%q: got %q, %t; want %q, %t", test.principal, node, ok, test.node, test.ok)
		}
	}
}

// FuzzNode holds that a node's name is the principal without its last two parts, or nothing.
func FuzzNode(f *testing.F) {
	f.Add("1/a/s/t")
	f.Add("//s/t")
	f.Fuzz(func(t *testing.T, principal string) {
		node, ok := bus.Node(principal)
		if !ok {
			if node != "" {
				t.Errorf("%q: got %q without ok", principal, node)
			}
			return
		}
		rest, found := strings.CutPrefix(principal, node+"/")
		if !found || strings.Count(node, "/") != 1 || strings.Count(rest, "/") != 1 {
			t.Errorf("%q: got %q", principal, node)
		}
	})
}

// A caller tells the errors apart, wrapped or not.
func TestErrorsDiffer(t *testing.T) {
	all := []error{bus.ErrFull, bus.ErrDown, bus.ErrClosed, bus.ErrUnknown}
	for i, a := range all {
		for j, b := range all {
			if errors.Is(a, b) != (i == j) {
				t.Errorf("%v is %v", a, b)
			}
		}
	}
}

func TestWide(t *testing.T) {
	for _, test := range []struct {
		watch string
		wide  bool
	}{
		{"/topic/*", true},
		{"/*/x", true},
		{"*", true},
		{"*/x", true},
		{"/topic/**", true},
		{"/**", true},
		{"**", true},
		{"/topic/**/*", true},
		{"/topic/a", false},
		{"/topic/a*", false},
		{"/topic/*a/x", false},
		{"/topic/**/x", false},
		{"/topic/***", false},
		{"/topic/?/{x}", false},
		{"/topic/**/", false},
		{"/", false},
		{"", false},
	} {
		if got := bus.Wide(test.watch); got != test.wide {
			t.Errorf("%q is wide: %t, want %t", test.watch, got, test.wide)
		}
	}
}
