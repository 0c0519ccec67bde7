package stomp

// Frame is one STOMP frame, its header entries without escapes.
type Frame struct {
	Command string
	Header  Header
	Body    []byte
}

// Entry is one line of a header. Name and Value are what their sender meant, without escapes, and
// may hold any octet that the version can express.
type Entry struct {
	Name  string
	Value []byte
}

// Header is the entries of a frame in the order of the wire, including repeated ones.
type Header []Entry

// Get returns the value of the first entry of that name, which is the one that counts ("Repeated
// Header Entries"). Names are case sensitive ("STOMP Frames").
func (h Header) Get(name string) (value []byte, ok bool) {
	for i := range h {
		if h[i].Name == name {
			return h[i].Value, true
		}
	}
	return nil, false
}

// Clone returns a copy of f that shares no memory with it, to keep a frame beyond the Decoder's
// next call.
func (f *Frame) Clone() Frame {
	size := len(f.Body)
	for _, e := range f.Header {
		size += len(e.Value)
	}
	all := make([]byte, 0, size)
	keep := func(b []byte) []byte {
		at := len(all)
		all = append(all, b...)
		return all[at:len(all):len(all)]
	}
	c := Frame{Command: f.Command, Header: make(Header, len(f.Header))}
	for i, e := range f.Header {
		c.Header[i] = Entry{Name: e.Name, Value: keep(e.Value)}
	}
	c.Body = keep(f.Body)
	return c
}
