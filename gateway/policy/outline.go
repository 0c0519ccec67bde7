package policy

import (
	"github.com/stompgw/stompgw/gateway/destination"
)

// Outline is a rule for people, and for documents about it. What it points to must not be changed.
type Outline struct {
	Path, Where string   // such as "channels[2]" and "prod.yaml:14", as in Verdict
	Match       string   // as written
	Channel     *Channel // as written; nil for a route
	Route       *Route   // as written; nil for a channel

	Subscribe Who // only for a channel
	Send      Who // for a route, what its allow says
}

// Who says whom a rule lets do something.
type Who struct {
	Condition string // as written; empty for nobody
	Login     bool   // clients that are logged in may do more than others
}

// IsNobody reports whether no frame may pass, whoever sends it.
func (w Who) IsNobody() bool { return w.Condition == "" || w.Condition == "false" }

// IsEverybody reports whether every frame may pass.
func (w Who) IsEverybody() bool { return w.Condition == "true" && !w.Login }

// String describes the condition in words if it can, and otherwise is the condition.
func (w Who) String() string {
	switch {
	case w.IsNobody():
		return "nobody"
	case w.IsEverybody():
		return "everybody"
	case w.Condition == "true":
		return "whoever is logged in"
	}
	return w.Condition
}

// Outlines returns the channels and then the routes, each in the order in which they are tried.
func (c *Catalogue) Outlines() (list []Outline) {
	for _, ru := range c.rules() {
		list = append(list, ru.outlined())
	}
	return list
}

func (ru *rule) outlined() Outline {
	o := ru.outline
	if o.Route != nil {
		o.Send = Who{o.Route.Allow, ru.send.login()}
		return o
	}
	o.Send = Who{o.Channel.Send, ru.send.login()}
	o.Subscribe = Who{o.Channel.Subscribe, ru.subscribe.login() || ru.members}
	return o
}

// Deciders returns the rules that decide about a destination, by its name on the bus, or about a subscription by pattern,
// whatever their expressions say. For a destination that reports presence they are the room's channel and perhaps one
// that narrows it; otherwise there is one, or none.
func (c *Catalogue) Deciders(name string) (list []Outline) {
	for _, ru := range c.deciders(name) {
		if ru != nil {
			list = append(list, ru.outlined())
		}
	}
	return list
}

func (c *Catalogue) deciders(name string) []*rule {
	switch {
	case c.IsApp(name):
		ru, _ := first(c.routes, name)
		return []*rule{ru}
	case c.IsMember(name):
		of, err := c.Inbox(name)
		if err != nil {
			return nil
		}
		ru, _ := c.memberRule(name, of)
		return []*rule{ru}
	case c.IsPresence(name):
		return c.presenceDeciders(name)
	case destination.IsPattern(name):
		ru, _, _ := c.patternRule(name) // none decides about what is no pattern
		return []*rule{ru}
	}
	ru, _ := c.channelOf(name)
	return []*rule{ru}
}

// presenceDeciders are the channel of the room that a destination tells of, if that has presence, and one that takes from it.
func (c *Catalogue) presenceDeciders(name string) []*rule {
	if room := c.Room(name); room == "" || !c.HasPresence(room) || destination.IsPattern(name) {
		return nil
	}
	ru, _ := c.channelOf(c.Room(name))
	if narrower, _ := c.channelOf(name); narrower != nil && narrower.views {
		return []*rule{ru, narrower}
	}
	return []*rule{ru}
}
