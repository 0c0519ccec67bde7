package front

import (
	"bufio"
	"bytes"
	"net/http"
	"testing"
)

// FuzzHeadSize holds that a head ends with the first blank line, however the network cuts what follows, and
// that net/http, which may have to go on behind it, finds its end there too.
func FuzzHeadSize(f *testing.F) {
	for _, seed := range []string{
		"GET / HTTP/1.1\r\nHost: t\r\n\r\nrest", "GET / HTTP/1.1\nHost: t\n\nrest", "GET / HTTP/1.1\r\nHost: t\n\r\n\n",
		"\n\n", "\n\r\n", "\r\n\r", "\n\r\r\n\n", "GET /\r\n", "POST / HTTP/1.1\r\nHost: t\r\nContent-Length: 4\r\n\r\nbody",
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		want := 0
		for n := range len(b) + 1 {
			if bytes.HasSuffix(b[:n], []byte("\n\n")) || bytes.HasSuffix(b[:n], []byte("\n\r\n")) {
				want = n
				break
			}
		}
		for n := range len(b) + 1 {
			if got := headSize(b[:n]); got != want && n >= want || got != 0 && n < want {
				t.Fatalf("of %q: %d, want %d", b[:n], got, want)
			}
		}
		rest := bufio.NewReaderSize(bytes.NewReader(b), max(len(b), 16))
		if _, err := http.ReadRequest(rest); err == nil && len(b)-rest.Buffered() != want {
			t.Errorf("net/http ends the head of %q at %d, and not at %d", b, len(b)-rest.Buffered(), want)
		}
	})
}
