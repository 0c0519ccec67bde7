package servers

import (
	"sync"
	"testing"
)

// Shared is a broker that the tests of a package share: started by the first one that asks for it,
// ended by Main. A test must not stop or kill it, and uses topics of its own.
type Shared struct {
	mu     sync.Mutex
	broker *Broker
	tests  *testing.M
}

// Kafka returns the broker. It may be called by several tests at once.
func (s *Shared) Kafka(t testing.TB) *Broker {
	t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.broker == nil {
		b := new(Broker)
		defer func() {
			if s.broker == nil {
				b.remove() // setUp has failed or skipped the test
			}
		}()
		b.setUp(t, nil)
		s.broker = b
	}
	return s.broker
}

// Main returns m for TestMain, as in
//
//	func TestMain(m *testing.M) { goleak.VerifyTestMain(shared.Main(m)) }
//
// Its Run ends the broker after the tests.
func (s *Shared) Main(m *testing.M) *Shared {
	s.tests = m
	return s
}

// Run returns the exit code of the tests, and ends what they shared.
func (s *Shared) Run() int {
	code := s.tests.Run()
	if s.broker != nil {
		s.broker.remove()
	}
	return code
}
