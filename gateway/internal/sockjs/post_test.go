package sockjs

import (
	"errors"
	"io"
	"strings"
	"sync/atomic"
	"testing"
)

// All posts together hold what they may, and give it back; short ones always pass.
func TestMetered(t *testing.T) {
	var held atomic.Int64
	post := func(bytes int) (*metered, error) {
		m := &metered{from: strings.NewReader(strings.Repeat("x", bytes)), held: &held, limit: 1 << 20}
		_, err := io.ReadAll(m)
		return m, err
	}
	long, err := post(freeBytes + 1<<20)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := post(freeBytes); err != nil {
		t.Errorf("a short post: %v", err)
	}
	over, err := post(freeBytes + 1)
	if !errors.Is(err, errPostsHeld) {
		t.Errorf("one byte over all that may be held: %v", err)
	}
	over.giveBack()
	long.giveBack()
	long.giveBack()
	if held.Load() != 0 {
		t.Errorf("%d bytes are still counted", held.Load())
	}
	if again, err := post(freeBytes + 1<<20); err != nil {
		t.Errorf("afterwards: %v", err)
	} else {
		again.giveBack()
	}
}
