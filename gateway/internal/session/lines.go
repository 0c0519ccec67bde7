package session

import "github.com/stompgw/stompgw/bus/seldom"

// Lines are what the log says, once a second and node at most, of what clients cause.
type Lines struct {
	slow, hung, unheard, token seldom.Line
}

// Always has each of them written each time.
func (l *Lines) Always() {
	for _, line := range []*seldom.Line{&l.slow, &l.hung, &l.unheard, &l.token} {
		line.Always = true
	}
}
