package natsbus

// A server refuses a stream all that it is to capture if another stream has a bit of that, and a node's user may not be
// allowed to change the stream. So a pattern that can't be captured would take history from all others, when rules
// are reloaded. It is left out instead: the log says so, and what it alone matches is as without a stream. Publish
// says ErrDown, as nobody would store it, and a watch brings what others publish, without marks.
//
// By the rules of its start, Healthy says so too: a rollout stops at its first node then. By those of a reload it does not: all nodes have them at
// about the same time, and nobody would be left for what works.

// leftOut is what a stream does not do that rules ask for.
type leftOut struct {
	captured []string // the stream's subjects
	why      error
}
