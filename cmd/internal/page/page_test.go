package page

import (
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"
)

func get(t *testing.T, method, path string, header ...string) *http.Response {
	t.Helper()
	r := httptest.NewRequest(method, path, nil)
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	Handler("/stomp").ServeHTTP(w, r)
	return w.Result()
}

func TestHandler(t *testing.T) {
	for _, tt := range []struct {
		name, method, path string
		status             int
		contentType        string
	}{
		{"the page", "GET", "/", 200, "text/html; charset=utf-8"},
		{"its head alone", "HEAD", "/", 200, "text/html; charset=utf-8"},
		{"with a room", "GET", "/?room=tea", 200, "text/html; charset=utf-8"},
		{"its style", "GET", "/chat.css", 200, "text/css; charset=utf-8"},
		{"its script", "GET", "/chat.js", 200, "text/javascript; charset=utf-8"},
		{"its icon", "GET", "/icon.svg", 200, "image/svg+xml"},
		{"stompjs", "GET", "/stomp.umd.min.js", 200, "text/javascript; charset=utf-8"},
		{"the licence of stompjs", "GET", "/stompjs-LICENSE.txt", 200, "text/plain; charset=utf-8"},
		{"an unknown path", "GET", "/admin", 404, "text/plain; charset=utf-8"},
		{"a path below a file", "GET", "/chat.js/", 404, "text/plain; charset=utf-8"},
		{"no way out of the folder", "GET", "/../page.go", 404, "text/plain; charset=utf-8"},
		{"no way to write", "POST", "/", 405, "text/plain; charset=utf-8"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			resp := get(t, tt.method, tt.path)
			if resp.StatusCode != tt.status {
				t.Errorf("status %d, want %d", resp.StatusCode, tt.status)
			}
			if got := resp.Header.Get("Content-Type"); got != tt.contentType {
				t.Errorf("Content-Type %q, want %q", got, tt.contentType)
			}
			if got := resp.Header.Get("X-Content-Type-Options"); got != "nosniff" {
				t.Errorf("X-Content-Type-Options %q", got)
			}
		})
	}
}

func TestHandlerNamesTheMethodsItServes(t *testing.T) {
	if got := get(t, "DELETE", "/").Header.Get("Allow"); got != "GET, HEAD" {
		t.Errorf("Allow %q", got)
	}
}

func TestHandlerPolicyIsSameOrigin(t *testing.T) {
	got := get(t, "GET", "/").Header.Get("Content-Security-Policy")
	if !strings.HasPrefix(got, "default-src 'self';") || strings.Contains(got, "unsafe") {
		t.Errorf("Content-Security-Policy %q", got)
	}
}

func TestHandlerAnswersNotModified(t *testing.T) {
	first := get(t, "GET", "/chat.js")
	etag := first.Header.Get("ETag")
	if etag == "" || first.Header.Get("Cache-Control") != "no-cache" {
		t.Fatalf("ETag %q, Cache-Control %q", etag, first.Header.Get("Cache-Control"))
	}
	if resp := get(t, "GET", "/chat.js", "If-None-Match", etag); resp.StatusCode != http.StatusNotModified {
		t.Errorf("status %d for the ETag just given, want 304", resp.StatusCode)
	}
	if resp := get(t, "GET", "/chat.css", "If-None-Match", etag); resp.StatusCode != http.StatusOK {
		t.Errorf("status %d for another file's ETag, want 200", resp.StatusCode)
	}
}

// TestPageLoadsNothingFromOutside holds that whatever the page refers to is served here.
func TestPageLoadsNothingFromOutside(t *testing.T) {
	served := Handler("/stomp").(pages)
	refs := regexp.MustCompile(`(?:src|href)="([^"]*)"`).FindAllStringSubmatch(string(served["/"].body), -1)
	if len(refs) < 4 {
		t.Fatalf("found only %d references in the page", len(refs))
	}
	for _, ref := range refs {
		if _, ok := served["/"+ref[1]]; !ok {
			t.Errorf("the page refers to %q, which is not served", ref[1])
		}
	}
	for path, f := range served {
		if strings.HasPrefix(path, "/chat.") && regexp.MustCompile(`https?://|@import|\burl\(|innerHTML|\beval\(`).Match(f.body) {
			t.Errorf("%s reaches outside, or makes code of text", path)
		}
	}
}

func TestThePageKnowsTheEndpoint(t *testing.T) {
	for endpoint, want := range map[string]string{
		"/stomp":    `data-endpoint="stomp"`,
		"/ws/chat":  `data-endpoint="ws/chat"`,
		`/a"b<c>&d`: `data-endpoint="a&#34;b&lt;c&gt;&amp;d"`,
	} {
		w := httptest.NewRecorder()
		Handler(endpoint).ServeHTTP(w, httptest.NewRequest("GET", "/", nil))
		if !strings.Contains(w.Body.String(), want) {
			t.Errorf("endpoint %s: the page has no %s", endpoint, want)
		}
	}
}
