package page

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

func get(t *testing.T, method, path, etag string) *http.Response {
	t.Helper()
	r := httptest.NewRequest(method, path, nil)
	r.Header.Set("If-None-Match", etag)
	w := httptest.NewRecorder()
	Handler("/stomp").ServeHTTP(w, r)
	return w.Result()
}

// TestHandler: a form of SockJS has an Origin only if the page may say where it comes from.
func TestHandler(t *testing.T) {
	const page, text = "text/html; charset=utf-8", "text/plain; charset=utf-8"
	types := map[string]string{"": page, ".html": page, ".css": "text/css; charset=utf-8", ".js": "text/javascript; charset=utf-8", ".svg": "image/svg+xml", ".txt": text}
	referrers := map[bool]string{false: "no-referrer", true: "same-origin"}
	for path, f := range Handler("/stomp").(pages) {
		for _, method := range []string{"GET", "HEAD"} {
			resp := get(t, method, path+"?room=tea&transports=xhr-polling", "")
			h := resp.Header
			if resp.StatusCode != http.StatusOK || h.Get("Content-Type") != types[filepath.Ext(path)] || h.Get("X-Content-Type-Options") != "nosniff" ||
				h.Get("Referrer-Policy") != referrers[path == "/reference.html"] || h.Get("Cache-Control") != "no-cache" || len(f.body) == 0 {
				t.Errorf("%s %s: %d %v, %d bytes", method, path, resp.StatusCode, h, len(f.body))
			}
		}
	}
	for _, path := range []string{"/admin", "/chat.js/", "/../page.go"} {
		if resp := get(t, "GET", path, ""); resp.StatusCode != http.StatusNotFound {
			t.Errorf("%s: status %d", path, resp.StatusCode)
		}
	}
	for _, method := range []string{"POST", "DELETE"} {
		if resp := get(t, method, "/", ""); resp.StatusCode != http.StatusMethodNotAllowed || resp.Header.Get("Allow") != "GET, HEAD" {
			t.Errorf("%s: status %d, Allow %q", method, resp.StatusCode, resp.Header.Get("Allow"))
		}
	}
	etag := get(t, "GET", "/chat.js", "").Header.Get("ETag")
	if resp := get(t, "GET", "/chat.js", etag); etag == "" || resp.StatusCode != http.StatusNotModified {
		t.Errorf("status %d for the ETag just given, %q, want 304", resp.StatusCode, etag)
	}
	if resp := get(t, "GET", "/chat.css", etag); resp.StatusCode != http.StatusOK {
		t.Errorf("status %d for another file's ETag, want 200", resp.StatusCode)
	}
}

// TestHandlerPolicyIsSameOrigin: no policy lets a page load, connect or send anywhere else.
func TestHandlerPolicyIsSameOrigin(t *testing.T) {
	allowed := regexp.MustCompile(`^[a-z-]+( 'none'| 'self'| 'sha256-[A-Za-z0-9+/]{43}=')+$`)
	for path := range Handler("/stomp").(pages) {
		got := get(t, "GET", path, "").Header.Get("Content-Security-Policy")
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

// TestPageLoadsNothingFromOutside holds that whatever a page refers to is served here.
func TestPageLoadsNothingFromOutside(t *testing.T) {
	served := Handler("/stomp").(pages)
	for path, want := range map[string][]string{
		"/":               {"icon.svg", "chat.css", "stomp.umd.min.js", "stompgw.js", "chat.js", "rooms.js", "icon.svg", ""},
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
	for _, path := range []string{"/", "/chat.css", "/chat.js", "/rooms.js", "/stompgw.js", "/reference.html"} {
		text := strings.ReplaceAll(string(served[path].body), "http://127.0.0.1:13001", "") // for who opens it from disk
		if found := regexp.MustCompile(`https?://|@import|\burl\(|innerHTML|\beval\(`).FindString(text); found != "" {
			t.Errorf("%s reaches outside, or makes code of text: %s", path, found)
		}
	}
}

// TestResumingIsShort: people read what they take over into pages of theirs.
func TestResumingIsShort(t *testing.T) {
	if n := bytes.Count(Handler("/stomp").(pages)["/stompgw.js"].body, []byte("\n")); n > 60 {
		t.Errorf("stompgw.js has %d lines, want 60 at most", n)
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
