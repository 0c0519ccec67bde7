package sockjs

// post is what one request of a client sends.
type post struct {
	messages []string    // those that have not been fed
	begun    bool        // some have
	done     func(error) // called once, on the loop: nil when the session has them all
}

// accept takes a post for the session.
func (c *Conn) accept(p *post) {
	switch {
	case c.peer == nil:
		p.done(errGone)
		return
	case len(c.posts) >= maxPosts:
		p.done(errBusy)
		return
	}
	c.sock.Hear()
	c.posts = append(c.posts, p)
	c.feed()
}

// feed hands the session what was posted, as far as it is not paused. A post that pauses it is done
// when the session goes on, which makes the client wait before it sends more.
func (c *Conn) feed() {
	for len(c.posts) > 0 && c.peer != nil && !c.peer.Paused() {
		p := c.posts[0]
		if len(p.messages) == 0 {
			c.posts = c.posts[1:]
			p.done(nil)
			continue
		}
		message := p.messages[0]
		p.messages, p.begun = p.messages[1:], true
		c.peer.Feed([]byte(message))
	}
	if c.peer == nil {
		c.refusePosts()
	}
}

// refusePosts answers what came after the end of the session.
func (c *Conn) refusePosts() {
	posts := c.posts
	c.posts = nil
	for _, p := range posts {
		if p.begun {
			p.done(nil) // the end is in it
		} else {
			p.done(errGone)
		}
	}
}
