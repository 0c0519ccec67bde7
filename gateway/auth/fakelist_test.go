package auth

import (
	"context"
	"errors"
	"slices"
	"sync"
)

// fakeList is a list of revoked tokens.
type fakeList struct {
	mu      sync.Mutex
	revoked []string
	away    bool // it answers with an error
	hangs   bool // it answers when ctx ends
	asked   []string
}

func (l *fakeList) Revoked(ctx context.Context, token string) (bool, error) {
	l.mu.Lock()
	l.asked = append(l.asked, token)
	away, hangs, revoked := l.away, l.hangs, slices.Contains(l.revoked, token)
	l.mu.Unlock()
	if hangs {
		<-ctx.Done()
		return false, ctx.Err()
	}
	if away {
		return false, errors.New("away")
	}
	return revoked, nil
}

// set changes the list.
func (l *fakeList) set(change func(l *fakeList)) {
	l.mu.Lock()
	defer l.mu.Unlock()
	change(l)
}

// questions returns how often the list was asked.
func (l *fakeList) questions() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.asked)
}
