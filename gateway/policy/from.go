package policy

// ShowsSender reports whether those who receive what is sent to a destination, by its name on the bus, see who sent it: the channel says
// so that is about it. It may be called from any goroutine.
func (c *Catalogue) ShowsSender(name string) bool {
	if !c.from {
		return false
	}
	ru := c.about(name)
	return ru != nil && ru.from
}

// about returns the channel that is about a destination, by its name on the bus: nil for none, as of what tells who is present.
func (c *Catalogue) about(name string) (ru *rule) {
	switch {
	case c.IsPresence(name):
	case c.IsMember(name):
		if of, err := c.Inbox(name); err == nil {
			ru, _ = c.memberRule(name, of)
		}
	default:
		ru, _ = c.channelOf(name)
	}
	return ru
}
