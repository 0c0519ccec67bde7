package sockjs

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"html"
	"io"
	"mime"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/stompgw/stompgw/gateway/internal/ws"
)

const (
	plainText = "text/plain; charset=UTF-8"
	uncached  = "no-store, no-cache, no-transform, must-revalidate, max-age=0"
	year      = 365 * 24 * time.Hour
)

// describe sets what all answers about a session have in common: not to be kept by anybody, open to
// the page that asked, and the cookie that load balancers go by ("JSESSIONID cookie").
func (s *Service) describe(h http.Header, r *http.Request) {
	h.Set("Cache-Control", uncached)
	share(h, r)
	if cookie := s.cookie(r); cookie != "" {
		h.Set("Set-Cookie", cookie)
	}
}

// cookie is the one to set, empty for none: that which the client has, or any.
func (s *Service) cookie(r *http.Request) string {
	if !s.CookieNeeded {
		return ""
	}
	value := "dummy"
	if c, err := r.Cookie("JSESSIONID"); err == nil && c.Value != "" {
		value = c.Value
	}
	return (&http.Cookie{Name: "JSESSIONID", Value: value, Path: "/"}).String()
}

// share lets the page read the answer that the request comes from. Whether it may was judged before.
func share(h http.Header, r *http.Request) {
	h.Set("Vary", "Origin")
	origin := r.Header.Get("Origin")
	if origin == "" {
		h.Set("Access-Control-Allow-Origin", "*")
		return
	}
	h.Set("Access-Control-Allow-Origin", origin)
	h.Set("Access-Control-Allow-Credentials", "true")
}

// keep lets anybody keep an answer for a year.
func keep(h http.Header) {
	h.Set("Cache-Control", "public, max-age="+strconv.Itoa(int(year/time.Second)))
	h.Set("Expires", time.Now().Add(year).UTC().Format(http.TimeFormat))
}

// ServeHTTP answers what needs no socket of its own: pages, posts, preflights, and what the API answers.
func (s *Service) ServeHTTP(w http.ResponseWriter, r *http.Request, at Resource) {
	switch {
	case at.Kind == NotFound, isIframe(at.page) && s.ClientURL == "":
		http.NotFound(w, r)
	case r.Method == http.MethodOptions && strings.Contains(at.methods, http.MethodOptions):
		preflight(w, r, at.methods)
	case !allows(at.methods, r.Method):
		(&ws.Refusal{Status: http.StatusMethodNotAllowed, Allow: at.methods}).Write(w)
	case at.Kind == API:
		share(w.Header(), r)
		s.API.ServeHTTP(w, r)
	case at.Kind == Send:
		s.send(w, r, at)
	case at.page == "info":
		s.info(w, r)
	case isIframe(at.page):
		s.iframe(w, r)
	default:
		greet(w)
	}
}

func allows(methods, method string) bool {
	if method == http.MethodHead {
		method = http.MethodGet
	}
	return slices.Contains(strings.Split(methods, ", "), method)
}

// preflight answers a browser that asks before it lets a page send a request.
func preflight(w http.ResponseWriter, r *http.Request, methods string) {
	h := w.Header()
	share(h, r)
	keep(h)
	h.Set("Access-Control-Allow-Methods", methods)
	h.Set("Access-Control-Max-Age", strconv.Itoa(int(year/time.Second)))
	if asked := r.Header.Get("Access-Control-Request-Headers"); asked != "" {
		h.Set("Access-Control-Allow-Headers", asked)
	}
	w.WriteHeader(http.StatusNoContent)
}

// greet answers at the service's own path ("Greeting url").
func greet(w http.ResponseWriter) {
	w.Header().Set("Content-Type", plainText)
	io.WriteString(w, "Welcome to SockJS!\n")
}

// info tells a client what the server can do ("Info test").
func (s *Service) info(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h.Set("Cache-Control", uncached)
	share(h, r)
	h.Set("Content-Type", "application/json; charset=UTF-8")
	var entropy [4]byte
	rand.Read(entropy[:]) // never fails: crypto/rand ends the process rather than return an error
	fmt.Fprintf(w, `{"websocket":%t,"origins":["*:*"],"cookie_needed":%t,"entropy":%d}`,
		!s.NoWebSocket, s.CookieNeeded, binary.BigEndian.Uint32(entropy[:]))
}

// iframe answers with the page by which clients of another origin get to this one without the help
// of the browser ("IFrame page").
func (s *Service) iframe(w http.ResponseWriter, r *http.Request) {
	page := `<!DOCTYPE html>
<html>
<head>
  <meta http-equiv="X-UA-Compatible" content="IE=edge" />
  <meta http-equiv="Content-Type" content="text/html; charset=UTF-8" />
  <script src="` + html.EscapeString(s.ClientURL) + `"></script>
  <script>
    document.domain = document.domain;
    SockJS.bootstrap_iframe();
  </script>
</head>
<body>
  <h2>Don't panic!</h2>
  <p>This is a SockJS hidden iframe. It's used for cross domain magic.</p>
</body>
</html>`
	sum := sha256.Sum256([]byte(page + s.Ancestors))
	etag := `"` + base64.RawURLEncoding.EncodeToString(sum[:12]) + `"`
	h := w.Header()
	keep(h)
	h.Set("ETag", etag)
	if s.Ancestors != "" {
		h.Set("Content-Security-Policy", "frame-ancestors "+s.Ancestors)
	}
	if strings.Contains(r.Header.Get("If-None-Match"), etag) {
		w.WriteHeader(http.StatusNotModified)
		return
	}
	h.Set("Content-Type", "text/html; charset=UTF-8")
	io.WriteString(w, page)
}

// send takes what a client sends by a request of its own.
func (s *Service) send(w http.ResponseWriter, r *http.Request, at Resource) {
	s.describe(w.Header(), r) // for refusals too, or the page's script could not tell them from a dead network
	c := s.conn(at.session)
	if c == nil {
		http.Error(w, errGone.Error(), http.StatusNotFound)
		return
	}
	body := &metered{from: http.MaxBytesReader(w, r.Body, int64(s.MaxPost)), held: &s.held, limit: int64(maxPostsHeld * s.MaxPost)}
	payload, refusal := s.readPost(w, r, body, at.page == "jsonp_send")
	if refusal != nil {
		body.giveBack()
		refusal.Write(w)
		return
	}
	done := make(chan error, 1)
	p := &post{payload: payload, in: inflow{apart: s.Apart}, end: func(err error) { body.giveBack(); done <- err }}
	if !c.loop.Post(func() { c.accept(p) }) {
		body.giveBack()
		http.Error(w, "this node is stopping", http.StatusServiceUnavailable)
		return
	}
	select {
	case err := <-done:
		answerPost(w, at, err)
	case <-r.Context().Done(): // the client has gone; what it sent is the session's all the same
	}
}

// answerPost tells whether the session has what was sent.
func answerPost(w http.ResponseWriter, at Resource, err error) {
	switch {
	case errors.Is(err, errGone):
		http.Error(w, err.Error(), http.StatusNotFound)
	case errors.Is(err, ws.ErrTooBig):
		http.Error(w, err.Error(), http.StatusRequestEntityTooLarge)
	case err != nil:
		http.Error(w, err.Error(), http.StatusServiceUnavailable)
	case at.page == "jsonp_send":
		w.Header().Set("Content-Type", plainText)
		io.WriteString(w, "ok")
	default:
		w.Header().Set("Content-Type", plainText)
		w.WriteHeader(http.StatusNoContent)
	}
}

// readPost reads and checks the payload of a post. A form has it in its field d.
func (s *Service) readPost(w http.ResponseWriter, r *http.Request, from io.Reader, mayBeForm bool) ([]byte, *ws.Refusal) {
	tooBig := &ws.Refusal{Status: http.StatusRequestEntityTooLarge, Reason: fmt.Sprintf("the body is over %d bytes", s.MaxPost)}
	if r.ContentLength > int64(s.MaxPost) {
		w.Header().Set("Connection", "close") // rather than read what it has announced
		return nil, tooBig
	}
	body, err := io.ReadAll(from)
	var over *http.MaxBytesError
	switch {
	case errors.As(err, &over):
		return nil, tooBig
	case errors.Is(err, errPostsHeld):
		w.Header().Set("Connection", "close")
		return nil, &ws.Refusal{Status: http.StatusServiceUnavailable, Reason: err.Error()}
	case err != nil:
		return nil, &ws.Refusal{Status: http.StatusBadRequest, Reason: "the body ends before it should"}
	}
	if mayBeForm && isForm(r) {
		fields, err := url.ParseQuery(string(body))
		if err != nil {
			return nil, &ws.Refusal{Status: http.StatusInternalServerError, Reason: errBrokenJSON.Error()}
		}
		body = []byte(fields.Get("d"))
	}
	if err := checkPayload(body); err != nil {
		return nil, &ws.Refusal{Status: http.StatusInternalServerError, Reason: err.Error()}
	}
	return body, nil
}

func isForm(r *http.Request) bool {
	kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	return err == nil && kind == "application/x-www-form-urlencoded"
}

// maxPostsHeld is how many posts of the greatest length a service holds at a time, in all their bytes.
const maxPostsHeld = 16

var errPostsHeld = errors.New("this node has too much to read now, try again")

// freeBytes of each post are not counted, so that a few long ones can't keep the short ones out.
const freeBytes = 64 << 10

// metered counts what of a post is held, and ends it when all posts together are too much.
type metered struct {
	from  io.Reader
	held  *atomic.Int64 // by all posts of the service
	limit int64
	read  int64
	own   int64 // what of held is this post's
}

func (m *metered) Read(b []byte) (int, error) {
	n, err := m.from.Read(b)
	m.read += int64(n)
	more := max(m.read-freeBytes, 0) - m.own
	m.own += more
	if m.held.Add(more) > m.limit && more > 0 {
		return n, errPostsHeld
	}
	return n, err
}

// giveBack ends the count, when nothing of the post is held any more.
func (m *metered) giveBack() {
	m.held.Add(-m.own)
	m.own = 0
}
