package session

import "github.com/stompgw/stompgw/bus/seldom"

// Lines are what the log says, once a second and node at most, of what clients cause.
type Lines struct {
	slow, hung, unheard, token seldom.Line
}

// All is each of them.
func (l *Lines) All() []*seldom.Line {
	return []*seldom.Line{&l.slow, &l.hung, &l.unheard, &l.token}
}
