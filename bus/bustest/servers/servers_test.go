package servers

import (
	"path/filepath"
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// TestJars fetches the jars if they are not there, and prepares what each broker begins with; `make install` runs it
// for that.
func TestJars(t *testing.T) {
	if dir := prepared(t, filepath.Join(Jars(t), "*")); dir == "" {
		t.Error("no folder")
	}
}

func TestNATS(t *testing.T)  { killAndStart(t, NATS(t, 0)) }
func TestRedis(t *testing.T) { killAndStart(t, Redis(t)) }

func killAndStart(t *testing.T, p *Process) {
	for _, end := range []func(){p.Kill, func() { p.Stop(t) }} {
		end()
		if err := p.Answers(t.Context()); err == nil {
			t.Error("it answers after its end")
		}
		p.Start(t)
	}
}

// TestFreePort: no port comes twice while its test runs, bound or not.
func TestFreePort(t *testing.T) {
	seen := map[int]bool{}
	for range 300 { // of 12,000: by chance alone one would come twice
		port := FreePort(t)
		if seen[port] {
			t.Fatalf("port %d is given twice", port)
		}
		seen[port] = true
	}
}
