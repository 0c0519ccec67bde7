package redisregistry

import (
	"errors"
	"path"
	"strings"
	"testing"
)

// FuzzCursor holds that a cursor that is taken is the same when it is written and read again, as is the one behind
// another session of the walk, and that any other is told by ErrCursor.
func FuzzCursor(f *testing.F) {
	const key = nodeName + "_00000041"
	for _, text := range []string{"", key, key[:20], "0||" + key, "18446744073709551615|127.0.0.1:1|" + key, "7||a_b|c", "1|2", "x||y"} {
		f.Add(text, key)
	}
	f.Fuzz(func(t *testing.T, text, key string) {
		for _, layout := range []Layout{Hashes, Keys} {
			c, err := parseCursor(text, layout)
			if err != nil {
				if !errors.Is(err, ErrCursor) {
					t.Errorf("%q: %v, want ErrCursor", text, err)
				}
				continue
			}
			if text != "" {
				wantCursor(t, c, layout)
			}
			if _, _, err := parseKey(key); err == nil && layout == Keys {
				wantCursor(t, c.behind(key), layout)
			}
		}
	})
}

func wantCursor(t *testing.T, c cursor, layout Layout) {
	t.Helper()
	if again, err := parseCursor(c.String(), layout); err != nil || again != c {
		t.Errorf("%+v is %q, and that %+v, %v", c, c, again, err)
	}
}

// FuzzKey holds that a key that is taken apart is the same when it is put together, and that a pattern made of it means it
// alone.
func FuzzKey(f *testing.F) {
	for _, text := range []string{nodeName + "_00000041", otherNode + "_a_b", "1/_", "1/a[b]*?\\_x", "_", "1_2"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		node, id, err := parseKey(text)
		if err != nil {
			return
		}
		if key := (Session{Node: node, ID: id}).Key(); key != text || strings.Contains(node.String(), "_") || id == "" {
			t.Errorf("%q is session %q of node %q, whose key is %q", text, id, node, key)
		}
		// Redis' patterns are those of path.Match here, but for what "*" and "?" match.
		if ok, err := path.Match(escape(text), text); !ok || err != nil {
			t.Errorf("the pattern %q does not mean %q: %v", escape(text), text, err)
		}
		if ok, _ := path.Match(escape(text), text+"x"); ok {
			t.Errorf("the pattern %q means more than %q", escape(text), text)
		}
	})
}
