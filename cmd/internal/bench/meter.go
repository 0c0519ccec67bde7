package bench

import (
	"fmt"
	"io"
	"runtime"
	"time"
)

// usage is what processes have used so far.
type usage struct {
	cpu    time.Duration
	memory int64 // bytes, their proportional set size
}

// meter measures what a benchmark costs the server, if its processes are known, and the generator.
type meter struct {
	pids                    []int
	idle, full, first, last usage
	own                     time.Duration // of the generator, in what is measured
	begun                   time.Time
	took                    time.Duration
	err                     error
}

func (m *meter) read() (u usage) {
	if len(m.pids) > 0 && m.err == nil {
		u, m.err = usageOf(m.pids)
	}
	return u
}

// start is called before the first connection. Its error is that the processes can't be measured.
func (m *meter) start() error {
	m.idle = m.read()
	return m.err
}

// connected is called when all clients are there, if they stay.
func (m *meter) connected() { m.full = m.read() }

// begin and end stand around what is measured.
func (m *meter) begin() {
	m.first, m.own, m.begun = m.read(), -ownCPU(), time.Now()
}

func (m *meter) end() {
	m.last, m.took = m.read(), time.Since(m.begun)
	m.own += ownCPU()
}

// fill writes down what was used for n deliveries or connections.
func (m *meter) fill(r *report, n int64) {
	r.OwnCPU = m.own.Seconds()
	if len(m.pids) == 0 || m.err != nil {
		return
	}
	cpu := m.last.cpu - m.first.cpu
	r.ServerCPU = new(cpu.Seconds())
	r.ServerMemory = new(m.last.memory)
	if n > 0 && cpu > 0 {
		r.ServerCPUEach = new(cpu.Seconds() * 1e6 / float64(n))
		r.PerServerCPU = new(float64(n) / cpu.Seconds())
	}
	if more := m.full.memory - m.idle.memory; more > 0 { // of few clients it is lost in what comes and goes by itself
		r.MemoryPerClient = new(more / int64(r.Clients))
	}
}

// warn says when the generator may have been what limits the figures.
func (m *meter) warn(w io.Writer, r *report) {
	if m.err != nil {
		fmt.Fprintf(w, "warning: --pid: %v\n", m.err)
	}
	share := m.own.Seconds() / (m.took.Seconds() * float64(runtime.NumCPU()))
	if share > 0.8 {
		fmt.Fprintf(w, "warning: the generator itself took %.0f %% of this machine's processors: it may be what limits these figures\n", share*100)
	} else if r.Behind != nil && *r.Behind > 20 {
		fmt.Fprintf(w, "warning: of the SENDs one in a hundred was over %.0f ms late: the rate was not kept, by the generator or by a server that takes no more\n", *r.Behind)
	}
	if r.Rate > 0 && r.Sent > 0 && float64(r.Sent) < 0.98*r.Rate*r.Seconds {
		fmt.Fprintf(w, "warning: %.0f messages a second were sent, not %.0f\n", float64(r.Sent)/r.Seconds, r.Rate)
	}
}
