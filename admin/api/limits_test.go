package api_test

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/stompgw/stompgw/admin"
	"github.com/stompgw/stompgw/admin/api"
	"github.com/stompgw/stompgw/bus/bustest"
	"github.com/stompgw/stompgw/gateway"
)

// told is a line of the answer to a batch.
type told struct {
	Line, Status, Envelopes int
	Problem                 *api.Problem
}

// batch publishes lines, and returns what became of each.
func (r *rig) batch(t *testing.T, lines string) (all []told) {
	t.Helper()
	resp := r.ask(t, publishKey, "POST", "/v1/publish/batch", lines)
	if got := resp.Header.Get("Content-Type"); resp.StatusCode != http.StatusOK || got != "application/x-ndjson" {
		t.Fatalf("%d %s: %s", resp.StatusCode, got, read(t, resp))
	}
	dec := json.NewDecoder(resp.Body)
	for {
		var one told
		switch err := dec.Decode(&one); err {
		case nil:
			all = append(all, one)
		case io.EOF:
			return all
		default:
			t.Fatal(err)
		}
	}
}

// TestBatch: ten thousand lines are published in their order, and each is answered.
func TestBatch(t *testing.T) {
	r := newRigOn(t, unreachable(t))
	var lines strings.Builder
	for n := range 10_000 {
		fmt.Fprintf(&lines, `{"destination": "/topic/a", "body": "%d"}`+"\n", n)
	}
	all := r.batch(t, lines.String())
	sent := r.bus.envelopes()
	if len(all) != 10_000 || len(sent) != 10_000 {
		t.Fatalf("%d answers, %d sent", len(all), len(sent))
	}
	for n, one := range all {
		if one.Line != n+1 || one.Status != http.StatusOK || one.Envelopes != 1 || string(sent[n].Body) != fmt.Sprint(n) {
			t.Fatalf("line %d: %+v, sent %s", n+1, one, sent[n].Body)
		}
	}
}

// TestBatchProblems: a line that can't be published is told in its place, and the others are.
func TestBatchProblems(t *testing.T) {
	r := newRigOn(t, unreachable(t))
	all := r.batch(t, strings.Join([]string{
		`{"destination": "/topic/a", "body": "1"}`,
		`{"destinaton": "/topic/a"}`,
		``,
		`{"destination": "/topic/a"} {}`,
		`{"destination": "/app/a"}`,
		`{"destination": "/topic/a", "body": "6"}`,
	}, "\n"))
	var got strings.Builder
	for _, one := range all {
		fmt.Fprintf(&got, "%d %d %d", one.Line, one.Status, one.Envelopes)
		if one.Problem != nil {
			got.WriteString(" " + one.Problem.Detail)
		}
		got.WriteString("\n")
	}
	const want = `1 200 1
2 422 0 destinaton: unexpected property; expected required property destination to be present
3 400 0 unexpected end of JSON input
4 400 0 invalid character '{' after top-level value
5 422 0 destination "/app/a": it is for clients to send to: publish to what subscribers receive
6 200 1
`
	if got.String() != want {
		t.Errorf("got\n%s\nwant\n%s", &got, want)
	}
	if sent := r.bus.envelopes(); len(sent) != 2 || string(sent[1].Body) != "6" {
		t.Errorf("sent %v", sent)
	}
}

// TestCrowd: more requests than are answered at a time are told to come again, and answered when others have been.
func TestCrowd(t *testing.T) {
	r := newRigOn(t, unreachable(t))
	slow, first := r.crowd(t, readKey, "/v1/policy/test", 100, 64)
	if !strings.Contains(first, "too many requests") {
		t.Errorf("one more than 64 gets %q", first)
	}
	if got := r.ask(t, "", "GET", "/v1/openapi.json", "").StatusCode; got != http.StatusOK {
		t.Errorf("the document, which needs no key and takes no place, is %d", got)
	}
	for _, conn := range slow {
		conn.Close()
	}
	bustest.Eventually(t, "there is room again", func() bool {
		return r.ask(t, readKey, "POST", "/v1/policy/test", `{"command": "SEND", "destination": "/a"}`).StatusCode == http.StatusOK
	})
}

// TestSlowBody: a body that does not come to its end in time is given up.
func TestSlowBody(t *testing.T) {
	t.Parallel() // it waits for that time
	r := newRigOn(t, unreachable(t))
	conn := r.half(t, readKey, "/v1/policy/test", 100)
	defer conn.Close()
	resp, err := http.ReadResponse(bufio.NewReader(conn), nil) // when the body's time is over
	if err != nil {
		t.Fatal(err)
	}
	wantProblem(t, resp, http.StatusRequestTimeout, "timeout")
}

// half begins a request whose body of so many bytes does not come.
func (r *rig) half(t *testing.T, key, path string, size int) net.Conn {
	t.Helper()
	conn, err := net.Dial("tcp", r.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	fmt.Fprintf(conn, "POST %s HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer %s\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n{", path, key, size)
	return conn
}

// crowd begins one request more than fit of this size, and returns the connections and what the first answer says, which is a
// 503: the others wait for their bodies.
func (r *rig) crowd(t *testing.T, key, path string, size, fit int) (slow []net.Conn, first string) {
	t.Helper()
	answers := make(chan *http.Response, fit+1)
	for range fit + 1 {
		conn := r.half(t, key, path, size)
		slow = append(slow, conn)
		go func() {
			resp, _ := http.ReadResponse(bufio.NewReader(conn), nil)
			answers <- resp
		}()
	}
	resp := <-answers
	if resp == nil || resp.StatusCode != http.StatusServiceUnavailable {
		t.Fatalf("%s: one more than %d gets %v", path, fit, resp)
	}
	text, _ := io.ReadAll(resp.Body)
	return slow, string(text)
}

// TestCrowdedBodies: few batches, and few bytes of bodies, are in memory at a time. Who comes when there are as many is told so
// before the body is read.
func TestCrowdedBodies(t *testing.T) {
	r := newRigOf(t, unreachable(t), 10<<20) // so that a request may have 60 MiB
	for _, c := range []struct {
		path      string
		size, fit int // so many of this size
		words     string
	}{
		{"/v1/publish/batch", 1 << 20, 4, "too many batches"},
		{"/v1/publish", 20 << 20, 3, "too many bytes"},
	} {
		slow, first := r.crowd(t, publishKey, c.path, c.size, c.fit)
		if !strings.Contains(first, c.words) {
			t.Errorf("%s: one more than %d gets %q", c.path, c.fit, first)
		}
		for _, conn := range slow {
			conn.Close()
		}
		bustest.Eventually(t, "there is room again", func() bool {
			return r.ask(t, publishKey, "POST", c.path, `{"destination": "/topic/a"}`).StatusCode == http.StatusOK
		})
	}
}

// TestLongestBody: a body of the length that it may have is taken, however JSON writes it.
func TestLongestBody(t *testing.T) {
	const large = 100_000
	r := newRigOf(t, unreachable(t), large)
	body := strings.Repeat(`\u0001`, large)
	var told struct{ Envelopes int }
	wantJSON(t, r.ask(t, publishKey, "POST", "/v1/publish", `{"destination": "/topic/a", "body": "`+body+`"}`), http.StatusOK, &told)
	if sent := r.bus.envelopes(); len(sent) != 1 || len(sent[0].Body) != large {
		t.Errorf("%d sent", len(sent))
	}
}

// TestStop: who serves the API waits for its requests, since the bus is closed next.
func TestStop(t *testing.T) {
	r := newRigOn(t, unreachable(t))
	r.bus.hang = true
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error)
	go func() { ended <- admin.Serve(ctx, ln, r.api, slog.New(slog.DiscardHandler)) }()
	conn, err := net.Dial("tcp", ln.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	const line = `{"destination": "/topic/a"}`
	fmt.Fprintf(conn, "POST /v1/publish/batch HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer %s\r\nContent-Length: %d\r\n\r\n%s", publishKey, len(line), line)
	bustest.Eventually(t, "the batch is on its way", func() bool { return len(r.bus.envelopes()) > 0 })
	stop()
	if err := <-ended; err != nil {
		t.Error(err)
	}
	if want := `stompgw_api_request_seconds_count{route="POST /v1/publish/batch",status="200"} 1`; !strings.Contains(metrics(t, r.api), want) {
		t.Error("the batch goes on")
	}
}

// TestMetrics: requests are counted by the route and the status, whatever paths strangers ask for.
func TestMetrics(t *testing.T) {
	r := newRigOn(t, unreachable(t))
	r.ask(t, publishKey, "POST", "/v1/publish", `{"destination": "/topic/a"}`)
	r.ask(t, publishKey, "GET", "/v1/sessions/7", "")
	r.ask(t, publishKey, "GET", "/v1/nothing", "")
	r.ask(t, "", "GET", "/v1/nothing", "")
	text := metrics(t, r.api)
	for _, want := range []string{
		`stompgw_api_requests_total{route="POST /v1/publish",status="200"} 1`,
		`stompgw_api_requests_total{route="GET /v1/sessions/{id}",status="403"} 1`,
		`stompgw_api_requests_total{route="none",status="404"} 1`,
		`stompgw_api_requests_total{route="none",status="401"} 1`,
		`stompgw_api_request_seconds_count{route="POST /v1/publish",status="200"} 1`,
	} {
		if !strings.Contains(text, want+"\n") {
			t.Errorf("no %s in\n%s", want, text)
		}
	}
}

// metrics is what /metrics tells.
func metrics(t *testing.T, a *api.API) string {
	t.Helper()
	h := admin.Handler(func() gateway.Figures { return gateway.Figures{} }, slog.New(slog.DiscardHandler), a.Metrics())
	rec := httptest.NewRecorder()
	h.ServeHTTP(rec, httptest.NewRequest(http.MethodGet, "/metrics", nil))
	return rec.Body.String()
}

// TestEmptyBody: a message without a body has one way to be written as another.
func TestEmptyBody(t *testing.T) {
	r := newRigOn(t, unreachable(t))
	for _, body := range []string{``, `, "body": ""`, `, "body_base64": ""`} {
		if resp := r.ask(t, publishKey, "POST", "/v1/publish", `{"destination": "/topic/a"`+body+`}`); resp.StatusCode != http.StatusOK {
			t.Errorf("%s: %d %s", body, resp.StatusCode, read(t, resp))
		}
	}
	if sent := r.bus.envelopes(); len(sent) != 3 {
		t.Errorf("%d are published, want 3", len(sent))
	}
}

// TestHalfBodies: who is refused hears it before his body has come, and one that ends too early is the sender's fault.
func TestHalfBodies(t *testing.T) {
	r := newRigOn(t, unreachable(t))
	for key, want := range map[string]int{"": http.StatusUnauthorized, readKey: http.StatusForbidden, publishKey: http.StatusBadRequest} {
		conn, err := net.Dial("tcp", r.Listener.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		fmt.Fprintf(conn, "POST /v1/publish HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer %s\r\nContent-Type: application/json\r\nContent-Length: 500\r\n\r\n{", key)
		if want == http.StatusBadRequest {
			conn.(*net.TCPConn).CloseWrite()
		}
		resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
		if err != nil {
			t.Fatal(err)
		}
		if text := read(t, resp); resp.StatusCode != want || want != http.StatusBadRequest && !resp.Close {
			t.Errorf("with the key %q: %d, closes: %v: %s", key, resp.StatusCode, resp.Close, text)
		}
	}
}
