package policy

// about returns the channel that is about a destination, by its name on the bus, whatever its expressions say: nil for none, as of what
// tells who is present. It evaluates none.
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

// HasChannel reports whether a channel covers a destination, by its name on the bus, or everybody may subscribe to it.
func (c *Catalogue) HasChannel(name string) bool {
	return c.about(name) != nil || name == c.errorDest && name != ""
}

// demands reports whether a channel says something of all messages that are sent to it. Where none does, nobody looks for one.
func (ru *rule) demands() bool { return ru.from || ru.quota != nil || ru.contents != nil }

// heed has t do what the channel of its destination, if there is one, says of messages.
func (t *Target) heed(ru *rule) {
	if ru != nil {
		t.From, t.Quota, t.Contents = ru.from, ru.quota, ru.contents
	}
}

// demanding is about, of channels that say something of messages.
func (c *Catalogue) demanding(name string) *rule {
	if !c.demands {
		return nil
	}
	return c.about(name)
}

// ShowsSender reports whether subscribers to a destination, by its name on the bus, see who sent a message. It may be
// called from any goroutine.
func (c *Catalogue) ShowsSender(name string) bool {
	ru := c.demanding(name)
	return ru != nil && ru.from
}

// Contents is what the bodies of messages to a destination, by its name on the bus, must be; nil for anything. It may be
// called from any goroutine.
func (c *Catalogue) Contents(name string) *Contents {
	if ru := c.demanding(name); ru != nil {
		return ru.contents
	}
	return nil
}
