package history

// Cursor reads what is kept of a destination, from some message on. Until it has come to the end, or is closed, what it has yet to
// read goes only when memory is short.
type Cursor[M Message] struct {
	store *Store[M]

	// Guarded by the store's mu.
	ring  *ring[M] // nil: there is nothing to read, or not any more
	next  int64    // index
	lost  bool     // something had to go that it should have read
	fresh bool     // what is Past is not for it

	head   Place  // of one who begins now, when it was opened
	place  Place  // of one who has read what it has
	last   uint64 // the log of the last message
	prior  Place  // of one who has not read it; of that log alone, nothing if he stood nowhere in it
	latest uint64 // once it has come to the end, the number of the last message before that
}
