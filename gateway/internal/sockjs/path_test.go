package sockjs

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
)

func TestFind(t *testing.T) {
	s := New(Options{Path: "/a/stomp"})
	for _, c := range []struct {
		path    string
		kind    Kind
		session string
	}{
		{"", Page, ""},
		{"/", Page, ""},
		{"/info", Page, ""},
		{"/iframe.html", Page, ""},
		{"/iframe-0.1.2abc-dirty.2144.html", Page, ""},
		{"/iframe-a.html?t=1", Page, ""},
		{"/websocket", RawWebSocket, ""},
		{"/0/s/websocket", WebSocket, "s"},
		{"/0/s/xhr", Receive, "s"},
		{"/0/s/xhr_streaming", Receive, "s"},
		{"/0/s/eventsource", Receive, "s"},
		{"/0/s/htmlfile?c=x", Receive, "s"},
		{"/0/s/jsonp?c=x", Receive, "s"},
		{"/0/s/xhr_send", Send, "s"},
		{"/0/s/jsonp_send", Send, "s"},
		{"/_%20/a%20%2F%C3%BC/xhr", Receive, "a /ü"},
		{"/0/" + strings.Repeat("s", 128) + "/xhr", Receive, strings.Repeat("s", 128)},
		{"/0/" + strings.Repeat("s", 129) + "/xhr", NotFound, ""},
		{"/" + strings.Repeat("0", 129) + "/s/xhr", NotFound, ""},
		{"/0/~!$&'()*+,;=:@/xhr", Receive, "~!$&'()*+,;=:@"},
		{"/0/%ff/xhr", Receive, "\xff"},
		{"/0/%00/xhr", Receive, "\x00"},
		{"/0/%25/xhr", Receive, "%"},
		{"/info/", NotFound, ""},
		{"/a", NotFound, ""},
		{"/a/", NotFound, ""},
		{"/a/a/", NotFound, ""},
		{"/xhr", NotFound, ""},
		{"/iframe", NotFound, ""},
		{"/IFRAME.HTML", NotFound, ""},
		{"/iframe.xml", NotFound, ""},
		{"///", NotFound, ""},
		{"/../a/xhr", NotFound, ""},
		{"/0/../xhr", NotFound, ""},
		{"/0%2E/s/xhr", NotFound, ""},
		{"/0/s./websocket", NotFound, ""},
		{"/0/" + strings.Repeat("%41", 129) + "/xhr", NotFound, ""},
		{"/iframe.htm", NotFound, ""},
		{"/iframe-/.html", NotFound, ""},
		{"/iframe-A.html", NotFound, ""},
		{"//", NotFound, ""},
		{"//s/xhr", NotFound, ""},
		{"/0//xhr", NotFound, ""},
		{"/0./s/xhr", NotFound, ""},
		{"/0/s./xhr", NotFound, ""},
		{"/0/s%2e/xhr", NotFound, ""},
		{"/0/s/xhr/", NotFound, ""},
		{"/0/s/XHR", NotFound, ""},
		{"/0/s", NotFound, ""},
		{"/0/s/t/xhr", NotFound, ""},
	} {
		u, err := url.ParseRequestURI("/a/stomp" + c.path)
		if err != nil {
			t.Fatal(err)
		}
		at, below := s.Find(u)
		if !below || at.Kind != c.kind || c.session != "" && at.session != c.session {
			t.Errorf("%s: %+v, below: %v; want kind %d, session %q", c.path, at, below, c.kind, c.session)
		}
	}
	for _, path := range []string{"/", "/a", "/a/stompx", "/a/stompx/info", "/b/stomp/info", "/stomp/info"} {
		if at, below := s.Find(&url.URL{Path: path}); below {
			t.Errorf("%s is said to be below: %+v", path, at)
		}
	}
}

// TestFindAPI: there is an API where a service has one, and sessions beside it.
func TestFindAPI(t *testing.T) {
	for path, want := range map[string]Kind{"/api/x": API, "/api/": API, "/%61pi/x": API, "/api": NotFound, "/api/x/y": NotFound, "/api/x/xhr": Receive, "/API/x": NotFound} {
		u, err := url.ParseRequestURI("/stomp" + path)
		if err != nil {
			t.Fatal(err)
		}
		if at, below := New(Options{Path: "/stomp", API: http.NotFoundHandler()}).Find(u); !below || at.Kind != want {
			t.Errorf("%s: kind %d, below: %v; want kind %d", path, at.Kind, below, want)
		}
		if at, _ := New(Options{Path: "/stomp"}).Find(u); at.Kind == API {
			t.Errorf("%s is there without an API", path)
		}
	}
}

// FuzzFind holds that whatever a path names is below the service, and that ids are what they have to be.
func FuzzFind(f *testing.F) {
	f.Add("/stomp/0/s%20/xhr")
	f.Add("/stomp/iframe-1.html")
	f.Add("/%73tomp")
	s := New(Options{Path: "/stomp"})
	f.Fuzz(func(t *testing.T, path string) {
		u, err := url.ParseRequestURI(path)
		if err != nil {
			return
		}
		at, below := s.Find(u)
		if below && u.Path != "/stomp" && !strings.HasPrefix(u.Path, "/stomp/") || !below && at != (Resource{}) {
			t.Errorf("%q is below: %v, and names %+v", path, below, at)
		}
		if at.Kind >= WebSocket && !isID(at.session) {
			t.Errorf("%q names the session %q", path, at.session)
		}
	})
}
