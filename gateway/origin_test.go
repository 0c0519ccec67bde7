package gateway_test

import (
	"cmp"
	"io"
	"log/slog"
	"net/http"
	"strconv"
	"strings"
	"testing"

	"github.com/stompgw/stompgw/bus/bustest"
	"github.com/stompgw/stompgw/bus/membus"
	"github.com/stompgw/stompgw/gateway"
	"github.com/stompgw/stompgw/gateway/registry"
)

// TestOrigin holds that a page may connect whose origin is the same or listed (RFC 6455 section 10.2), and what
// others, and the log, are told. Which those are: origin.TestMatch. An empty host is the node's own.
func TestOrigin(t *testing.T) {
	const app, sub = "https://app.example.com", "https://*.example.com"
	for _, c := range []struct {
		name     string
		patterns string // separated by spaces
		origin   string
		host     string
		want     bool
	}{
		{"no Origin", "", "", "", true},
		{"same", "", "http://example.com:13001", "example.com:13001", true},
		{"another host", "", "https://evil.com", "example.com", false},
		{"null", "", "null", "example.com", false},
		{"listed", app, "https://app.example.com", "", true},
		{"not on the list", app, "https://api.example.com", "", false},
		{"wildcard", sub, "https://a.example.com", "", true},
		{"wildcard, tab", sub, "https://evil.com\t.example.com", "", false},
		{"all", "*", "https://evil.com", "", true},
		{"all, null", "*", "null", "", true},
	} {
		t.Run(c.name, func(t *testing.T) {
			for mode, dial := range upgradeModes() {
				t.Run(mode, func(t *testing.T) {
					var log bustest.Log
					n := originNode(t, c.patterns, &log)
					host := cmp.Or(c.host, n.web)
					status := map[bool]int{true: http.StatusSwitchingProtocols, false: http.StatusForbidden}[c.want]
					ws := dial(t, n)
					request := strings.Replace(upgradeRequest(host), "/stomp", "/stomp?token=seecret", 1)
					if c.origin != "" {
						request = strings.Replace(request, "Upgrade:", "Origin: "+c.origin+"\r\nAuthorization: Bearer seecret\r\nUpgrade:", 1)
					}
					ws.write(request)
					r := ws.response(status)
					if !c.want {
						wantForbidden(t, r, host)
					}
					wantRefusalLog(t, log.String(), !c.want, c.origin)
				})
			}
		})
	}
}

// originNode logs to log.
func originNode(t *testing.T, patterns string, log *bustest.Log) *node {
	return start(t, gateway.WithOrigins(strings.Fields(patterns)), gateway.WithDrain(0),
		gateway.WithLogger(slog.New(slog.NewJSONHandler(log, nil))))
}

// wantRefusalLog holds that a refusal is logged once, with what came and what to change, and no more.
func wantRefusalLog(t *testing.T, log string, refused bool, origin string) {
	t.Helper()
	if got := strings.Count(log, "\n"); got != map[bool]int{true: 1}[refused] {
		t.Errorf("logged %d lines: %s", got, log)
	}
	if strings.Contains(log, "left_out") != refused {
		t.Errorf("the log does not say how many lines were left out: %s", log)
	}
	quoted, _, _ := strings.Cut(strings.ReplaceAll(origin, `\`, `\\`), "\t")
	if refused && !(strings.Contains(log, quoted) && strings.Contains(log, "setting origins")) {
		t.Errorf("the log does not say what came and what to change: %s", log)
	}
	if strings.Contains(log, "seecret") {
		t.Errorf("a token is in the log: %s", log)
	}
}

// wantForbidden holds that the answer says which host it is of, and what lets the page in.
func wantForbidden(t *testing.T, r *http.Response, host string) {
	t.Helper()
	body, err := io.ReadAll(r.Body)
	if err != nil || !strings.Contains(string(body), strconv.Quote(host)) || !strings.Contains(string(body), "setting origins") {
		t.Errorf("got %q, %v; want the host %s and the setting origins in it", body, err, host)
	}
}

// A browser sends one Origin; the first of two must not vouch for the second, whoever may connect.
func TestTwoOrigins(t *testing.T) {
	for _, patterns := range []string{"", "*"} {
		var log bustest.Log
		n := originNode(t, patterns, &log)
		for mode, dial := range upgradeModes() {
			t.Run(patterns+mode, func(t *testing.T) {
				own := "Origin: http://" + n.web + "\r\n"
				ws := dial(t, n)
				ws.write(strings.Replace(upgradeRequest(n.web), "Upgrade:", own+"Origin: https://evil.com\r\nUpgrade:", 1))
				const want = "the request has 2 Origin headers, and a browser sends one: a proxy on the way may add another\n"
				if body, err := io.ReadAll(ws.response(http.StatusForbidden).Body); err != nil || string(body) != want {
					t.Errorf("got %q, %v", body, err)
				}
			})
		}
		if log.String() != "" {
			t.Errorf("logged %s", &log)
		}
	}
}

// Anybody can have pages refused; the log has a line a second, and by the node's end it has told of each.
func TestRefusedPagesLog(t *testing.T) {
	var log bustest.Log
	inBubble(t, false, func(t *testing.T, b *bubble) {
		for range 50 {
			c := b.dialRaw(t, b.web)
			c.write(strings.Replace(upgradeRequest("test"), "Upgrade:", "Origin: https://evil.com\r\nUpgrade:", 1))
			c.response(http.StatusForbidden)
			c.conn.Close()
		}
		b.stop()
		if got := log.String(); strings.Count(got, "refused a page") != 2 || !strings.Contains(got, `"left_out":0}`) || !strings.Contains(got, `"left_out":48}`) {
			t.Errorf("logged %s", got)
		}
	}, gateway.WithLogger(slog.New(slog.NewJSONHandler(&log, nil))))
}

// A pattern that could never match is refused.
func TestWithOrigins(t *testing.T) {
	b := membus.NewCluster().Bus("n")
	defer b.Close(t.Context())
	const want = `gateway: WithOrigins: "https://a.com/" has more than a browser sends: write https://a.com`
	_, err := gateway.New(registry.Node{}, b, registry.NewMemory(), rules(t), gateway.WithOrigins([]string{"*", "https://a.com/"}))
	if err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
}
