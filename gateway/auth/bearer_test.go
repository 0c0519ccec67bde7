package auth

import (
	"bytes"
	"testing"
)

func TestBearer(t *testing.T) {
	for _, c := range []struct{ name, value, want string }{
		{"token", "Bearer a.b.c", "a.b.c"},
		{"scheme in any case", "bEARER a.b.c", "a.b.c"},
		{"more spaces", "Bearer   a.b.c", "a.b.c"},
		{"what follows is left as it is", "Bearer a b\n", "a b\n"},
		{"no token", "Bearer", ""},
		{"only spaces", "Bearer   ", ""},
		{"empty", "", ""},
		{"space before", " Bearer a", ""},
		{"no space", "Bearera.b.c", ""},
		{"tab", "Bearer\ta", ""},
		{"colon", "Bearer: a", ""},
		{"the token alone", "a.b.c", ""},
		{"another scheme", "Basic dXNlcjpwYXNz", ""},
		{"a longer scheme", "Bearers a", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			token, ok := Bearer([]byte(c.value))
			if string(token) != c.want || ok != (c.want != "") {
				t.Errorf("Bearer(%q) = %q, %v; want %q", c.value, token, ok, c.want)
			}
		})
	}
}

// FuzzBearer holds that a token is the end of its header, begins with no space, and that the header
// made of it anew says the same.
func FuzzBearer(f *testing.F) {
	for _, seed := range []string{"Bearer a.b.c", "bearer  x", "Bearer ", "Basic x", ""} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, value []byte) {
		token, ok := Bearer(value)
		if !ok {
			if token != nil {
				t.Errorf("token %q, but it is none", token)
			}
			return
		}
		if !bytes.HasSuffix(value, token) || token[0] == ' ' {
			t.Errorf("Bearer(%q) = %q", value, token)
		}
		if again, ok := Bearer(append([]byte("Bearer "), token...)); !ok || !bytes.Equal(again, token) {
			t.Errorf("again, Bearer(%q) = %q, %v", value, again, ok)
		}
	})
}
