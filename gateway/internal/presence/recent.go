package presence

import "time"

const (
	// beatEvery is how often a node tells the numbers of rooms that have changed, and beatsTold how many times of each change.
	beatEvery = 5 * time.Second
	beatsTold = 3

	// settling is how old a change is before its number is told: its own envelope, which another partition may carry, has come by then.
	settling = time.Second
)

// recent is which rooms this node has told a change of, and when. Run's goroutine owns it.
type recent map[string]lately

type lately struct {
	number uint64 // 0: nobody is there
	when   time.Time
}

// note notes a change.
func (r recent) note(c *change, now time.Time) {
	number := c.To
	if c.Count == 0 && c.Anonymous == 0 {
		number = 0
	}
	r[c.Room] = lately{number, now}
}

// hold has all numbers told as often as if the changes were new: while the bus is away they may reach nobody, and so may the changes.
func (r recent) hold(now time.Time) {
	for room, told := range r {
		r[room] = lately{told.number, now}
	}
}

// digests says what others should have by now.
func (r recent) digests(node string, now time.Time) (list []digest) {
	size := digestBytes
	for room, told := range r {
		age := now.Sub(told.when)
		if age < settling {
			continue
		}
		if age >= beatsTold*beatEvery-settling { // it was told so many times
			delete(r, room)
		}
		if size += len(room); len(list) == 0 || size > digestBytes || len(list[len(list)-1].Rooms) == digestRooms {
			list, size = append(list, digest{node, map[string]uint64{}}), len(room)
		}
		list[len(list)-1].Rooms[room] = told.number
	}
	return list
}
