package page

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"net/http"
	"net/http/httptest"
	"os"
	"regexp"
	"slices"
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
		{"the page of the replaced system", "GET", "/reference.html", 200, "text/html; charset=utf-8"},
		{"the same with options", "GET", "/reference.html?transports=xhr-polling", 200, "text/html; charset=utf-8"},
		{"sockjs-client", "GET", "/sockjs.min.js", 200, "text/javascript; charset=utf-8"},
		{"its licences", "GET", "/sockjs-LICENSE.txt", 200, "text/plain; charset=utf-8"},
		{"stomp.js", "GET", "/stomp.min.js", 200, "text/javascript; charset=utf-8"},
		{"the licence of stomp.js", "GET", "/stomp-LICENSE.txt", 200, "text/plain; charset=utf-8"},
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

// TestHandlerPolicyIsSameOrigin: no policy lets a page load, connect or send anywhere else.
func TestHandlerPolicyIsSameOrigin(t *testing.T) {
	allowed := regexp.MustCompile(`^[a-z-]+( 'none'| 'self'| 'sha256-[A-Za-z0-9+/]{43}=')+$`)
	for path, f := range Handler("/stomp").(pages) {
		got := get(t, "GET", path).Header.Get("Content-Security-Policy")
		for directive := range strings.SplitSeq(got, "; ") {
			if !allowed.MatchString(directive) {
				t.Errorf("%s: Content-Security-Policy %q", path, directive)
			}
		}
		for _, needed := range []string{"default-src", "base-uri 'none'", "form-action 'self'", "frame-ancestors 'none'"} {
			if !strings.Contains(got, needed) {
				t.Errorf("%s: Content-Security-Policy %q has no %s", path, got, needed)
			}
		}
		if strings.Contains(got, "sha256") != (path == "/reference.html") {
			t.Errorf("%s: Content-Security-Policy %q", path, got)
		}
		if len(f.body) == 0 {
			t.Errorf("%s is empty", path)
		}
	}
}

// TestReferencePolicyKnowsItsScript: the hashes are those of the page as it is sent, which has one
// script and one style, and nothing else that its policy would stop.
func TestReferencePolicyKnowsItsScript(t *testing.T) {
	f := Handler(`/a"b<c>&d`).(pages)["/reference.html"]
	for _, element := range []string{"script", "style"} {
		_, rest, ok := bytes.Cut(f.body, []byte("<"+element+">"))
		text, rest, closed := bytes.Cut(rest, []byte("</"+element+">"))
		if !ok || !closed || bytes.Contains(rest, []byte("<"+element)) {
			t.Fatalf("the page has no <%s>, or two", element)
		}
		sum := sha256.Sum256(text)
		if want := element + "-src 'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'"; !strings.Contains(strings.ReplaceAll(f.policy, "'self' ", ""), want) {
			t.Errorf("policy %q, want %s", f.policy, want)
		}
	}
	if m := regexp.MustCompile(`(?i)\s(on[a-z]+|style)=`).Find(f.body); m != nil {
		t.Errorf("the page has an attribute%s", m)
	}
}

// TestReferrer: a form of SockJS has an Origin only if the page may say where it comes from.
func TestReferrer(t *testing.T) {
	for path, want := range map[string]string{"/": "no-referrer", "/reference.html": "same-origin"} {
		if got := get(t, "GET", path).Header.Get("Referrer-Policy"); got != want {
			t.Errorf("%s: Referrer-Policy %q, want %q", path, got, want)
		}
	}
}

// TestReferenceFromDisk: the file to open from disk is the page that is served.
func TestReferenceFromDisk(t *testing.T) {
	disk, err := os.ReadFile("../../../testdata/reference.html")
	if err != nil {
		t.Fatal(err)
	}
	if served := Handler("/stomp").(pages)["/reference.html"].body; !bytes.Equal(disk, served) {
		t.Error("testdata/reference.html is not the page at /reference.html")
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

// TestPageLoadsNothingFromOutside holds that whatever a page refers to is served here.
func TestPageLoadsNothingFromOutside(t *testing.T) {
	served := Handler("/stomp").(pages)
	for path, want := range map[string][]string{
		"/":               {"icon.svg", "chat.css", "stomp.umd.min.js", "chat.js", "icon.svg", ""},
		"/reference.html": {"icon.svg", "sockjs.min.js", "stomp.min.js"},
	} {
		var got []string
		for _, ref := range regexp.MustCompile(`(?:src|href)(?:="|: ')([^"']*)|library\('\w+', '([^']*)'\)`).FindAllStringSubmatch(string(served[path].body), -1) {
			got = append(got, ref[1]+ref[2])
		}
		if !slices.Equal(got, want) {
			t.Errorf("%s refers to %q, want %q", path, got, want)
		}
		for _, ref := range want {
			if _, ok := served["/"+ref]; !ok {
				t.Errorf("%s refers to %q, which is not served", path, ref)
			}
		}
	}
	for _, path := range []string{"/", "/chat.css", "/chat.js", "/reference.html"} {
		text := strings.ReplaceAll(string(served[path].body), "http://127.0.0.1:13001", "") // for who opens it from disk
		if found := regexp.MustCompile(`https?://|@import|\burl\(|innerHTML|\beval\(`).FindString(text); found != "" {
			t.Errorf("%s reaches outside, or makes code of text: %s", path, found)
		}
	}
}

func TestThePagesKnowTheEndpoint(t *testing.T) {
	for endpoint, want := range map[string]string{
		"/stomp":    `data-endpoint="stomp"`,
		"/ws/chat":  `data-endpoint="ws/chat"`,
		`/a"b<c>&d`: `data-endpoint="a&#34;b&lt;c&gt;&amp;d"`,
	} {
		for _, path := range []string{"/", "/reference.html"} {
			w := httptest.NewRecorder()
			Handler(endpoint).ServeHTTP(w, httptest.NewRequest("GET", path, nil))
			if !strings.Contains(w.Body.String(), want) {
				t.Errorf("endpoint %s: %s has no %s", endpoint, path, want)
			}
		}
	}
}
