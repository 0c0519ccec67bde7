package loop

import (
	"bytes"
	"math/rand/v2"
	"testing"
)

// chain returns the run of the given frames.
func chain(root *run, frames ...[]byte) *run {
	r := root
	for _, frame := range frames {
		r = r.extend(frame)
	}
	return r
}

func TestRunsAreShared(t *testing.T) {
	root := &run{}
	a, b := []byte("a"), []byte("b")
	if first, second := chain(root, a, b), chain(root, a, b); first != second {
		t.Error("the same frames make two runs")
	}
	if chain(root, a, b) == chain(root, a, []byte("b")) {
		t.Error("equal frames that are not the same make one run") // comparing bytes would cost more than it saves
	}
	both := []byte("ab")
	if chain(root, both[:1]) == chain(root, both) {
		t.Error("a frame and its beginning make one run")
	}
	// A branch takes the trunk's place, and the trunk is still whole.
	trunk := chain(root, a, a)
	chain(root, a, b)
	var f flat
	if got := f.bytes(trunk); string(got) != "aa" {
		t.Errorf("laid out: %q, want aa", got)
	}
}

func TestFlatLaysOutOnce(t *testing.T) {
	root := &run{}
	r := chain(root, []byte("one "), []byte("two"))
	var f flat
	first := f.bytes(r)
	if again := f.bytes(r); &first[0] != &again[0] || string(again) != "one two" {
		t.Errorf("laid out again: %q", again)
	}
	if n := testing.AllocsPerRun(100, func() { f.forget(); f.bytes(r) }); n != 0 {
		t.Errorf("laying out allocates %v times, want 0", n)
	}
}

func TestBacklogFirst(t *testing.T) {
	for _, test := range []struct {
		name   string
		frames []string
		gone   int
		want   string
	}{
		{"one frame", []string{"abc"}, 0, "abc"},
		{"one long frame", []string{"abcdefghijkl"}, 0, "abcdefghijkl"},
		{"begun", []string{"abc"}, 2, "c"},
		{"several", []string{"abc", "def"}, 1, "bcdef"},
		{"as many as fit", []string{"abc", "def", "ghi"}, 0, "abcdef"},
		{"just fit", []string{"abcd", "efgh", "i"}, 0, "abcdefgh"},
		{"long one first", []string{"abcdefghijkl", "m"}, 0, "abcdefghijkl"},
		{"end of a long one first", []string{"abcdefghijkl", "m"}, 10, "klm"},
		{"long one second", []string{"a", "bcdefghijkl"}, 0, "a"},
	} {
		t.Run(test.name, func(t *testing.T) {
			var frames [][]byte
			for _, frame := range test.frames {
				frames = append(frames, []byte(frame))
			}
			var b backlog
			b.add(chain(&run{}, frames...), test.gone)
			if got := b.first(make([]byte, 8)); string(got) != test.want {
				t.Errorf("got %q, want %q", got, test.want)
			}
		})
	}
}

// TestBacklogAgainstModel adds, sends and cuts by chance, and compares with plain bytes.
func TestBacklogAgainstModel(t *testing.T) {
	for seed := range uint64(200) {
		backlogAgainstModel(t, dice(seed))
	}
}

func backlogAgainstModel(t *testing.T, d *rand.Rand) {
	var b backlog
	var want []byte
	var ends []int // of the frames in want
	buf := make([]byte, 100)
	consume := func(n int) {
		want = want[n:]
		for i := range ends {
			ends[i] -= n
		}
		for len(ends) > 0 && ends[0] <= 0 {
			ends = ends[1:]
		}
	}
	for range 200 {
		switch d.IntN(8) {
		default:
			r, size := &run{}, 0
			for range 1 + d.IntN(5) {
				frame := noise(1 + d.IntN(150))
				r, size = r.extend(frame), size+len(frame)
				want = append(want, frame...)
				ends = append(ends, len(want))
			}
			n := 0
			if b.size == 0 {
				n = d.IntN(size) // the rest of an attempt to write
			}
			b.add(r, n)
			consume(n)
		case 0, 1, 2, 3:
			if b.size == 0 {
				continue
			}
			piece := b.first(buf)
			if len(piece) == 0 || !bytes.HasPrefix(want, piece) {
				t.Fatalf("the first piece is no beginning of what is to be sent")
			}
			n, before := d.IntN(len(piece)+1), b.frames
			b.advance(n)
			consume(n)
			for _, frame := range before[:len(before)-len(b.frames)] {
				if frame != nil {
					t.Fatal("a frame that has left is remembered")
				}
			}
		case 4:
			begun := b.off > 0
			b.cut()
			if !begun {
				want, ends = nil, nil
			} else {
				want, ends = want[:ends[0]], ends[:1]
			}
		}
		if b.size != len(want) || len(b.frames) != len(ends) {
			t.Fatalf("%d bytes in %d frames, want %d in %d", b.size, len(b.frames), len(want), len(ends))
		}
	}
	for b.size > 0 {
		piece := b.first(buf)
		if !bytes.HasPrefix(want, piece) {
			t.Fatal("the first piece is no beginning of what is to be sent")
		}
		b.advance(len(piece))
		consume(len(piece))
	}
}

// A client that is always behind, and always reads, makes its backlog no larger than what waits.
func TestLongBacklogStaysSmall(t *testing.T) {
	var b backlog
	frame := []byte("0123456789")
	largest := 0
	for range 100_000 {
		b.add(chain(&run{}, frame, frame), 0)
		for len(b.frames) > 10 {
			b.advance(len(frame))
		}
		largest = max(largest, cap(b.frames))
	}
	if largest > 100 {
		t.Errorf("room for %d frames, with 12 at most waiting", largest)
	}
}
