package registry

import (
	"cmp"
	"maps"
	"slices"
	"sync"
)

// Memory is a Registry that publishes to nobody: for tests, and for programs that embed the
// gateway and need no other node to see its sessions. Its methods may be called from any goroutine.
type Memory struct {
	mu       sync.Mutex
	sessions map[SessionID]Session
}

// NewMemory returns an empty book.
func NewMemory() *Memory {
	return &Memory{sessions: make(map[SessionID]Session)}
}

// Add implements Registry.
func (m *Memory) Add(s Session) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.sessions[s.ID] = s
}

// Remove implements Registry.
func (m *Memory) Remove(id SessionID) {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.sessions, id)
}

// Sessions returns what the book holds, in the order of the ids.
func (m *Memory) Sessions() []Session {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.SortedFunc(maps.Values(m.sessions), func(a, b Session) int { return cmp.Compare(a.ID, b.ID) })
}
