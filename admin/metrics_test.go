package admin_test

import (
	"bytes"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil/promlint"

	"github.com/stompgw/stompgw/admin"
	"github.com/stompgw/stompgw/bus"
	"github.com/stompgw/stompgw/gateway"
	"github.com/stompgw/stompgw/gateway/auth"
	"github.com/stompgw/stompgw/gateway/policy"
	"github.com/stompgw/stompgw/gateway/registry/redisregistry"
)

func noFigures() gateway.Figures { return gateway.Figures{} }

// scrape returns the answer to GET /metrics.
func scrape(h http.Handler) *httptest.ResponseRecorder {
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequest("GET", "/metrics", nil))
	return w
}

// ours returns the lines of the gateway's own metrics.
func ours(text string) string {
	var b strings.Builder
	for line := range strings.Lines(text) {
		if strings.Contains(line, "stompgw_") {
			b.WriteString(line)
		}
	}
	return b.String()
}

// distinct are figures of which no two are the same.
func distinct() gateway.Figures {
	f := gateway.Figures{
		Sessions: 1001, Connections: 1002, Frames: 1003, Published: 1004, Delivered: 1005, Unheard: 1006,
		Kicked: 1014, Blocked: 1015, Faults: 1007, SlowCloses: 1008, HungCloses: 1016, Nacks: 1009, Oversized: 1010, LeftOut: 1017, Unpackable: 1011,
		RefusedOther: 1012, Exceeded: map[string]uint64{"channel": 1018, "session": 1019, "node": 1020}, Dropped: 1021, Withheld: 1013, Tokens: auth.Figures{Verified: 5001, Known: 5002, Refused: 5003, Revoked: 5004, ListAway: 5005},
		Refused: map[policy.Code]uint64{}, Resumed: map[string]uint64{"recovered": 9001, "unknown": 9002},
		Replayed: 9003, History: gateway.History{Rings: 9004, Messages: 9005, Bytes: 9006, Evicted: 9007},
		Bus: &bus.Figures{
			Queued: 2001, Reconnects: 2002, Missed: 2003, Gaps: 2004, Repeated: 2005, Skipped: 2006, Past: 2007,
			Partitions: []bus.PartitionFigures{
				{Topic: "orders", Partition: 0, Lag: 3001, Age: 1500 * time.Millisecond},
				{Topic: "stompgw", Partition: 0, Lag: 3002, Age: 0},
				{Topic: "stompgw", Partition: 1, Lag: 3003, Age: time.Hour},
			},
			Sources: []bus.SourceFigures{{Topic: "orders"}, {Topic: "prices", Err: errors.New("away")}},
		},
	}
	for _, e := range policy.Codes() {
		f.Refused[e.Code] = 4000 + uint64(e.Code)
	}
	return f
}

// TestMetrics holds names, types and help texts, and which figure each metric is. UPDATE_GOLDEN=1
// writes what it compares with.
func TestMetrics(t *testing.T) {
	h := admin.Handler(distinct, slog.New(slog.DiscardHandler),
		admin.Check{Name: "registry", Err: func() error { return errors.New("away") }},
		admin.Check{Name: "gateway", Err: func() error { return nil }},
		admin.RegistryFigures(func() redisregistry.Figures {
			return redisregistry.Figures{Sessions: 6001, Waiting: 6002, Rewritten: 6003, Swept: 6004, Away: true}
		}),
		admin.NewFiguredControl(7001, 7002, 7003),
		admin.NewFiguredLimit(8001, 8002))
	w := scrape(h)
	if got := w.Header().Get("Content-Type"); w.Code != 200 || !strings.HasPrefix(got, "text/plain; version=0.0.4") {
		t.Errorf("%d, %s", w.Code, got)
	}
	text := strings.Replace(ours(w.Body.String()), `version="`+gateway.Version+`"`, `version="VERSION"`, 1)
	path := filepath.Join("testdata", "metrics.golden")
	if os.Getenv("UPDATE_GOLDEN") != "" {
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if text != string(want) {
		t.Errorf("got\n%s\nwant\n%s", text, want)
	}
	problems, err := promlint.New(strings.NewReader(text)).Lint()
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range problems {
		t.Errorf("%s: %s", p.Metric, p.Text)
	}
}

// wantMetrics checks that the answer has the lines.
func wantMetrics(t *testing.T, w *httptest.ResponseRecorder, lines ...string) {
	t.Helper()
	text := w.Body.String()
	if w.Code != http.StatusOK {
		t.Fatalf("GET /metrics is %d %s", w.Code, text)
	}
	for _, line := range lines {
		if !strings.Contains(text, "\n"+line+"\n") {
			t.Errorf("no line %s in\n%s", line, ours(text))
		}
	}
}

// TestMetricsOfLittle: there is nothing to tell of a limit that is none, or of a bus that tells nothing, but that the
// broker is away, and always what the Go runtime and on Linux the process need.
func TestMetricsOfLittle(t *testing.T) {
	var none *admin.MemberLimit
	up := func() redisregistry.Figures { return redisregistry.Figures{} }
	away := func() gateway.Figures { return gateway.Figures{BusError: bus.ErrDown} }
	w := scrape(admin.Handler(away, slog.New(slog.DiscardHandler), admin.RegistryFigures(up), none))
	wantMetrics(t, w, "stompgw_registry_up 1", "stompgw_ready 1", "stompgw_bus_up 0")
	text := w.Body.String()
	if strings.Contains(text, "member_limit") || strings.Contains(text, "stompgw_bus_queued") {
		t.Errorf("there is no limit, or a bus that tells nothing, and it has figures:\n%s", ours(text))
	}
	names := []string{"go_goroutines", "go_memstats_heap_alloc_bytes", "go_gc_duration_seconds_count"}
	if runtime.GOOS == "linux" {
		names = append(names, "process_open_fds", "process_cpu_seconds_total", "process_resident_memory_bytes")
	}
	for _, name := range names {
		if !strings.Contains(text, "\n"+name+" ") {
			t.Errorf("%s is missing", name)
		}
	}
}

// TestMetricsOfCertificates holds how long the certificates of now are good.
func TestMetricsOfCertificates(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		list := []admin.Certificate{{Key: "tls.cert", File: "a.pem", Expires: time.Now().Add(24 * time.Hour)}, {Key: "redis.tls.ca", File: "b.pem", Expires: time.Now().Add(-time.Minute)}}
		h := admin.Handler(noFigures, slog.New(slog.DiscardHandler), admin.Certificates(func() []admin.Certificate { return list }))
		wantMetrics(t, scrape(h), `stompgw_certificate_expiry_seconds{file="a.pem",key="tls.cert"} 86400`, `stompgw_certificate_expiry_seconds{file="b.pem",key="redis.tls.ca"} -60`)
		time.Sleep(time.Hour)
		wantMetrics(t, scrape(h), `stompgw_certificate_expiry_seconds{file="a.pem",key="tls.cert"} 82800`)
	})
}

// TestMetricsThatCanNotBeTold: one bad metric leaves the others, and the log says which.
func TestMetricsThatCanNotBeTold(t *testing.T) {
	for name, topic := range map[string]string{"a name that is no text": "b\xff", "a partition twice": "a"} {
		t.Run(name, func(t *testing.T) {
			f := gateway.Figures{Sessions: 5, Bus: &bus.Figures{Partitions: []bus.PartitionFigures{
				{Topic: "a", Partition: 1, Lag: 4}, {Topic: topic, Partition: 1, Lag: 3}, {Topic: "c", Partition: 1, Lag: 2},
			}}}
			var log bytes.Buffer
			h := admin.Handler(func() gateway.Figures { return f }, slog.New(slog.NewTextHandler(&log, nil)))
			wantMetrics(t, scrape(h), "stompgw_sessions 5",
				`stompgw_bus_partition_lag_messages{partition="1",topic="a"} 4`,
				`stompgw_bus_partition_lag_messages{partition="1",topic="c"} 2`)
			if !strings.Contains(log.String(), "level=WARN") || !strings.Contains(log.String(), "stompgw_bus_partition_lag_messages") {
				t.Errorf("log: %s", log.String())
			}
		})
	}
}

// TestScrapesAreBounded: of scrapes that hang only a few are taken, and they are answered.
func TestScrapesAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hang := make(chan struct{})
		h := admin.Handler(func() gateway.Figures { <-hang; return gateway.Figures{} }, slog.New(slog.DiscardHandler))
		began := time.Now()
		var hung sync.WaitGroup
		for range 4 {
			hung.Go(func() {
				if w := scrape(h); w.Code != 503 || !strings.Contains(w.Body.String(), "timeout") {
					t.Errorf("a scrape that hangs is %d %s", w.Code, w.Body)
				}
			})
		}
		synctest.Wait()
		if w := scrape(h); w.Code != 503 || !strings.Contains(w.Body.String(), "Limit of concurrent requests") {
			t.Errorf("one more scrape is %d %s", w.Code, w.Body)
		}
		if d := time.Since(began); d != 0 {
			t.Errorf("it had to wait for %s", d)
		}
		hung.Wait()
		if d := time.Since(began); d != 5*time.Second {
			t.Errorf("the others took %s", d)
		}
		close(hang)
		synctest.Wait()
		if w := scrape(h); w.Code != 200 {
			t.Errorf("afterwards a scrape is %d %s", w.Code, w.Body)
		}
	})
}
