package bench

import (
	"fmt"
	"reflect"
	"strings"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"

	"github.com/stompgw/stompgw/cmd/internal/cli"
	"github.com/stompgw/stompgw/cmd/internal/output"
)

// report is what a benchmark has found. The names of its numbers are those of JSON and of --assert; what is not known
// is nil.
type report struct {
	Command       string   `json:"command"`
	URLs          []string `json:"urls"`
	Destination   string   `json:"destination"`
	Clients       int      `json:"clients"`
	Subscriptions int      `json:"subscriptions,omitempty"` // of a client
	Rooms         int      `json:"rooms,omitempty"`
	Publishers    int      `json:"publishers,omitempty"`
	Size          int      `json:"size,omitempty"`   // bytes of a body
	Window        int      `json:"window,omitempty"` // messages on their way at one time, without a rate
	Rate          float64  `json:"rate,omitempty"`   // asked for, a second
	Seconds       float64  `json:"seconds"`

	Sent         int64    `json:"sent"`
	Delivered    int64    `json:"delivered"`
	Connections  int64    `json:"connections"`
	PerSecond    float64  `json:"per_second"` // of delivered, or of connections
	P50          *float64 `json:"p50_ms,omitempty"`
	P90          *float64 `json:"p90_ms,omitempty"`
	P99          *float64 `json:"p99_ms,omitempty"`
	P999         *float64 `json:"p99.9_ms,omitempty"`
	Max          *float64 `json:"max_ms,omitempty"`
	Lost         int64    `json:"lost"`
	Doubled      int64    `json:"doubled"`
	OutOfOrder   int64    `json:"out_of_order"`
	Strange      int64    `json:"strange"` // messages of somebody else
	Disconnected int      `json:"disconnected"`
	Error        string   `json:"error,omitempty"` // the first of those
	Behind       *float64 `json:"behind_p99_ms,omitempty"`

	ServerCPU       *float64 `json:"server_cpu_seconds,omitempty"`
	ServerCPUEach   *float64 `json:"server_cpu_us_each,omitempty"` // of a delivery, or of a connection
	PerServerCPU    *float64 `json:"per_server_cpu_second,omitempty"`
	ServerMemory    *int64   `json:"server_memory_bytes,omitempty"`
	MemoryPerClient *int64   `json:"server_memory_per_client_bytes,omitempty"`
	OwnCPU          float64  `json:"own_cpu_seconds"`
}

// newHistogram is of microseconds up to an hour, three digits each.
func newHistogram() *hdrhistogram.Histogram { return hdrhistogram.New(1, time.Hour.Microseconds(), 3) }

// millis makes milliseconds of microseconds.
func millis(us int64) *float64 { return new(float64(us) / 1000) }

func (r *report) latencies(h *hdrhistogram.Histogram) {
	r.PerSecond = float64(r.Delivered+r.Connections) / max(r.Seconds, 1e-9)
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
	what := "deliveries"
	list := []output.Field{{"SERVER", strings.Join(r.URLs, ", ")}}
	add := func(name, format string, args ...any) {
		list = append(list, output.Field{name, fmt.Sprintf(format, args...)})
	}
	if r.Publishers > 0 {
		add("LOAD", "%s", r.load())
		add("SENT", "%s in %.1f s, %s a second", grouped(float64(r.Sent)), r.Seconds, grouped(float64(r.Sent)/r.Seconds))
		add("DELIVERED", "%s, %s a second", grouped(float64(r.Delivered)), grouped(r.PerSecond))
		add("FAULTS", "%d lost, %d doubled, %d out of order", r.Lost, r.Doubled, r.OutOfOrder)
		if r.Strange > 0 {
			add("STRANGE", "%d messages that this benchmark did not send", r.Strange)
		}
	} else {
		what = "connections"
		add("CONNECTIONS", "%s in %.1f s, %s a second, %d at one time", grouped(float64(r.Connections)), r.Seconds, grouped(r.PerSecond), r.Clients)
	}
	if r.P50 != nil {
		add("LATENCY", "p50 %s, p90 %s, p99 %s, p99.9 %s, max %s", inMillis(*r.P50), inMillis(*r.P90), inMillis(*r.P99), inMillis(*r.P999), inMillis(*r.Max))
	}
	if r.Disconnected > 0 {
		add("FAILED", "%d connections: %s", r.Disconnected, r.Error)
	}
	if r.PerServerCPU != nil {
		add("SERVER CPU", "%.2f s, %.2f µs each, %s %s a CPU second", *r.ServerCPU, *r.ServerCPUEach, grouped(*r.PerServerCPU), what)
	}
	if r.ServerMemory != nil {
		add("SERVER MEMORY", "%s", output.Bytes(int(*r.ServerMemory)))
	}
	if r.MemoryPerClient != nil {
		add("SERVER MEMORY", "%d bytes for each client, connected and subscribed", *r.MemoryPerClient)
	}
	add("OWN CPU", "%.2f s", r.OwnCPU)
	return list
}

func (r *report) load() string {
	how := fmt.Sprintf("%d in flight at a time", r.Window)
	if r.Rate > 0 {
		how = fmt.Sprintf("%s messages a second", grouped(r.Rate))
	}
	to := cli.Count(r.Clients, "subscriber") + " of " + r.Destination
	if r.Rooms > 1 {
		to = fmt.Sprintf("%s with %s each in %s of %s", cli.Count(r.Clients, "client"), cli.Count(r.Subscriptions, "subscription"), cli.Count(r.Rooms, "room"), r.Destination)
	}
	return fmt.Sprintf("%s, %s, bodies of %d bytes, %s", to, cli.Count(r.Publishers, "publisher"), r.Size, how)
}

// inMillis writes milliseconds with three digits, or as many as they have.
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
