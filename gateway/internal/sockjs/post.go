package sockjs

// turnBytes is how much of a post a session is fed before the loop turns to others.
const turnBytes = 64 << 10

// post is what one request of a client sends.
type post struct {
	payload []byte // what has not been fed, checked
	in      inflow
	begun   bool
	end     func(error) // answers it, called once, on the loop: nil when the session has it all
}

// accept takes a post for the session.
func (c *Conn) accept(p *post) {
	switch {
	case c.peer == nil:
		p.end(errGone)
		return
	case len(c.posts) >= maxPosts:
		p.end(errBusy)
		return
	}
	c.sock.Hear()
	c.posts = append(c.posts, p)
	c.feed()
}

// feed hands the session what was posted, as far as it is not paused. A post that pauses it is done
// when the session goes on, which makes the client wait before it sends more.
func (c *Conn) feed() {
	for fed := 0; len(c.posts) > 0 && c.peer != nil && !c.peer.Paused(); {
		p := c.posts[0]
		if len(p.payload) == 0 {
			c.endPost(nil)
			continue
		}
		if fed >= turnBytes {
			c.loop.Post(c.feed)
			return
		}
		piece := p.payload[:min(len(p.payload), turnBytes)]
		fed += len(piece)
		p.payload, p.begun = p.payload[len(piece):], true
		err := p.in.take(piece, c.feedPeer)
		if err != nil && len(c.posts) > 0 { // a message that is too long to be handed on by itself
			c.endPost(err)
		}
	}
	if c.peer == nil {
		c.refusePosts()
	}
}

// endPost answers the oldest post, and gives up all that it held.
func (c *Conn) endPost(err error) {
	p := c.posts[0]
	c.posts[0] = nil
	if c.posts = c.posts[1:]; len(c.posts) == 0 {
		c.posts = nil
	}
	p.end(err)
}

func (c *Conn) feedPeer(b []byte) {
	if c.peer != nil {
		c.peer.Feed(b)
	}
}

// refusePosts answers what came after the end of the session, and what it had begun with: the end is in it,
// unless the node has ended it.
func (c *Conn) refusePosts() {
	posts := c.posts
	c.posts = nil
	for _, p := range posts {
		if p.begun && !c.draining {
			p.end(nil)
		} else {
			p.end(errGone)
		}
	}
}
