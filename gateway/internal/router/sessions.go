package router

// Each calls fn for every session of the loop. fn may end sessions, not begin any.
func (l *Local) Each(fn func(Recipient)) {
	for _, r := range l.people {
		fn(r)
	}
}
