package bench

import (
	"fmt"
	"reflect"
	"strings"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"

	"github.com/stompgw/stompgw/cmd/internal/output"
)

// report is what a benchmark has found. The names of its numbers are those of JSON and of --assert; what is not known
// is nil.
type report struct {
	Command     string   `json:"command"`
	URLs        []string `json:"urls"`
	Destination string   `json:"destination"`
	Clients     int      `json:"clients"`
	Rate        float64  `json:"rate,omitempty"` // asked for, a second
	Seconds     float64  `json:"seconds"`

	Connections  int64    `json:"connections"`
	PerSecond    float64  `json:"per_second"` // of connections
	P50          *float64 `json:"p50_ms,omitempty"`
	P90          *float64 `json:"p90_ms,omitempty"`
	P99          *float64 `json:"p99_ms,omitempty"`
	P999         *float64 `json:"p99.9_ms,omitempty"`
	Max          *float64 `json:"max_ms,omitempty"`
	Disconnected int      `json:"disconnected"`
	Error        string   `json:"error,omitempty"` // the first of those

	ServerCPU     *float64 `json:"server_cpu_seconds,omitempty"`
	ServerCPUEach *float64 `json:"server_cpu_us_each,omitempty"` // of a delivery, or of a connection
	PerServerCPU  *float64 `json:"per_server_cpu_second,omitempty"`
	ServerMemory  *int64   `json:"server_memory_bytes,omitempty"`
	OwnCPU        float64  `json:"own_cpu_seconds"`
}

// newHistogram is of microseconds up to an hour, three digits each.
func newHistogram() *hdrhistogram.Histogram { return hdrhistogram.New(1, time.Hour.Microseconds(), 3) }

// millis makes milliseconds of microseconds.
func millis(us int64) *float64 { return new(float64(us) / 1000) }

func (r *report) latencies(h *hdrhistogram.Histogram) {
	r.PerSecond = float64(r.Connections) / max(r.Seconds, 1e-9)
	if h.TotalCount() == 0 {
		return
	}
	at := func(q float64) *float64 { return millis(h.ValueAtQuantile(q)) }
	r.P50, r.P90, r.P99, r.P999, r.Max = at(50), at(90), at(99), at(99.9), millis(h.Max())
}

// numbers are those of the report by their names; nil for one that was not measured.
func (r *report) numbers() map[string]*float64 {
	list := map[string]*float64{}
	for field, value := range reflect.ValueOf(*r).Fields() {
		name, _, _ := strings.Cut(field.Tag.Get("json"), ",")
		switch n := reflect.Indirect(value); {
		case !n.IsValid():
			list[name] = nil
		case n.CanFloat():
			list[name] = new(n.Float())
		case n.CanInt():
			list[name] = new(float64(n.Int()))
		}
	}
	return list
}

// fields are the report for people.
func (r *report) fields() []output.Field {
	list := []output.Field{{"SERVER", strings.Join(r.URLs, ", ")}}
	add := func(name, format string, args ...any) {
		list = append(list, output.Field{name, fmt.Sprintf(format, args...)})
	}
	add("CONNECTIONS", "%s in %.1f s, %s a second, %d at one time", grouped(float64(r.Connections)), r.Seconds, grouped(r.PerSecond), r.Clients)
	if r.P50 != nil {
		add("LATENCY", "p50 %s, p90 %s, p99 %s, p99.9 %s, max %s", inMillis(*r.P50), inMillis(*r.P90), inMillis(*r.P99), inMillis(*r.P999), inMillis(*r.Max))
	}
	if r.Disconnected > 0 {
		add("FAILED", "%d connections: %s", r.Disconnected, r.Error)
	}
	if r.PerServerCPU != nil {
		add("SERVER CPU", "%.2f s, %.2f µs each, %s %s a CPU second", *r.ServerCPU, *r.ServerCPUEach, grouped(*r.PerServerCPU), "connections")
	}
	if r.ServerMemory != nil {
		add("SERVER MEMORY", "%s", output.Bytes(int(*r.ServerMemory)))
	}
	add("OWN CPU", "%.2f s", r.OwnCPU)
	return list
}

func inMillis(ms float64) string {
	digits := 2
	for x := 10.0; ms >= x && digits > 0; x *= 10 {
		digits--
	}
	return fmt.Sprintf("%.*f ms", digits, ms)
}

// grouped writes a number with a comma after each three digits.
func grouped(x float64) string {
	s := fmt.Sprintf("%.0f", x)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}
