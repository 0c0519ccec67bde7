package loop

import "context"

// Gather asks every loop, by its number and on it, and returns what they tell, until ctx ends. A loop
// that has ended has nothing to tell.
func Gather[T any](ctx context.Context, loops []*Loop, ask func(i int, tell func([]T))) (all []T, err error) {
	told := make(chan []T, len(loops)) // none of them waits
	asked := 0
	for i, l := range loops {
		if l.Post(func() { ask(i, func(some []T) { told <- some }) }) {
			asked++
		}
	}
	for range asked {
		select {
		case some := <-told:
			all = append(all, some...)
		case <-ctx.Done():
			return all, ctx.Err()
		}
	}
	return all, ctx.Err() // after which loops tell early
}
