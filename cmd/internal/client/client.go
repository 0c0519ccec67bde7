// Package client is a STOMP 1.2 client over WebSocket, SockJS and TCP, for the commands that speak to
// a gateway as its clients do.
//
// A Client has a goroutine that reads and one that sends heart-beats; Close waits for both. What a
// server sends is bounded in every way before memory is allocated for it, and none of it appears
// unchanged in an error: a server's text may be made to move a terminal's cursor, or repeat a token.
package client

import (
	"cmp"
	"context"
	"crypto/tls"
	"net"
	"sync"
	"time"

	"github.com/stompgw/stompgw/gateway/stomp"
)

// Header is entries of a frame, in their order, repeated ones too; Entry is one of them. Their values
// are as meant, without escapes.
type (
	Header = stomp.Header
	Entry  = stomp.Entry
)

// Options say whom to connect to, and as whom.
type Options struct {
	URL       string        // see ParseURL
	Token     string        // of the bearer, for CONNECT, SUBSCRIBE and SEND; empty for nobody
	Errors    string        // where refusals come, which Dial subscribes to; empty for nowhere: a refused call is then not answered
	TLS       *tls.Config   // for wss, https and tcps; nil trusts whom the system trusts
	Timeout   time.Duration // of all that Dial does, and of each write; default 10 s
	HeartBeat time.Duration // offered both ways, in whole milliseconds; default 10 s, negative for none
	Body      int           // bytes of a MESSAGE's body at most; default 16 MiB

	dial func(ctx context.Context, network, address string) (net.Conn, error) // of tests; nil for the network
}

func (o Options) withDefaults() Options {
	o.Timeout = cmp.Or(o.Timeout, 10*time.Second)
	o.HeartBeat = max(cmp.Or(o.HeartBeat, 10*time.Second), 0)
	o.Body = cmp.Or(o.Body, 16<<20)
	if o.dial == nil {
		o.dial = new(net.Dialer).DialContext
	}
	return o
}

// limits bound a frame of the server. A MESSAGE has more header entries than the SEND it was.
func (o Options) limits() *stomp.Limits {
	return &stomp.Limits{Headers: 256, Line: 64 << 10, Head: 256 << 10, Body: o.Body}
}

// errorsID is the id of the subscription to Options.Errors; those of Subscribe are numbers.
const errorsID = "errors"

// Client is one STOMP session. Its methods may be called from any goroutine.
type Client struct {
	// Set by Dial, never changed.
	o        Options
	wire     *wire
	carrier  carrier
	incoming chan incoming   // the reader closes it at its end
	leaving  context.Context // ends with Close, or the reader: nobody takes messages any more
	leave    context.CancelFunc
	tasks    sync.WaitGroup

	// Set by CONNECTED.
	agreed stomp.HeartBeat
	token  string // what became of it, "expired" or "refused"; empty for taken, or untold

	dec stomp.Decoder // the reader's

	mu          sync.Mutex
	calls       map[string]func(error) // that wait for an answer, by receipt; nil when there will be none
	last        int                    // number of the last call
	wantsErrors bool                   // the caller has subscribed to Options.Errors
	err         error                  // why the connection ended, or is about to
}

// incoming is what Next returns.
type incoming struct {
	message Message
	refusal *Refusal // of no call; nil for a message
}

// Message is what a subscription has brought. The caller owns it.
type Message struct {
	Destination  string
	Subscription string // the id that the client gave it
	Header       Header // all of it, in the server's order
	Body         []byte
	Received     time.Time
}

// messagesAhead is how many messages are read before Next asks for them. Then the server has to wait.
const messagesAhead = 16

// Dial connects and logs in. Errors are *URLError, *ConnectError if there is no such server, *ServerError
// if it turns the client away, ErrNoAnswer if it says nothing, and those of Next.
func Dial(ctx context.Context, o Options) (*Client, error) {
	o = o.withDefaults()
	u, err := ParseURL(o.URL)
	if err != nil {
		return nil, err
	}
	dialing, cancel := context.WithTimeoutCause(ctx, o.Timeout, ErrNoAnswer)
	defer cancel()
	w, carrier, err := u.connect(dialing, o)
	if err != nil {
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		return nil, &ConnectError{u.String(), err}
	}
	c := &Client{
		o: o, wire: w, carrier: carrier,
		incoming: make(chan incoming, messagesAhead),
		dec:      stomp.NewDecoder(o.limits()),
		calls:    map[string]func(error){},
	}
	c.leaving, c.leave = context.WithCancel(context.Background())
	if err := c.login(dialing, u.target.Hostname()); err != nil {
		c.leave()
		c.wire.Close() // the reader ends with it
		c.tasks.Wait()
		return nil, err
	}
	return c, nil
}

// login returns when refusals would be heard. The server may know several hosts.
func (c *Client) login(ctx context.Context, host string) error {
	offer := stomp.HeartBeat{Send: c.o.HeartBeat, Receive: c.o.HeartBeat}
	header := Header{
		{Name: stomp.HeaderAcceptVersion, Value: []byte(stomp.V12.String())},
		{Name: stomp.HeaderHost, Value: []byte(host)},
		{Name: stomp.HeaderHeartBeat, Value: []byte(offer.String())},
	}
	frame, err := encode(&stomp.Frame{Command: stomp.CommandConnect, Header: c.bearer(header)})
	if err != nil {
		return err
	}
	stop := context.AfterFunc(ctx, func() { c.wire.Close() })
	err = c.greet(ctx, frame)
	if !stop() {
		err = context.Cause(ctx) // which is why it failed, if it did
	}
	if err != nil {
		return err
	}
	c.tasks.Go(c.read)
	if c.agreed.Send > 0 {
		c.tasks.Go(c.beat)
	}
	if c.o.Errors == "" {
		return nil
	}
	return c.subscribe(ctx, errorsID, c.o.Errors)
}

// bearer appends who the client is.
func (c *Client) bearer(h Header) Header {
	if c.o.Token == "" {
		return h
	}
	return append(h, stomp.Entry{Name: "Authorization", Value: []byte("Bearer " + c.o.Token)})
}

// TokenFault says why the client is nobody though it has brought a token: "expired" or "refused". It is empty
// where the gateway has taken the token, has got none, or does not tell.
func (c *Client) TokenFault() string { return c.token }

// Next returns the next message, of whichever subscription. A *Refusal that answers no call, such as
// when the token has expired, comes as an error too; the session goes on. Any other error is the end:
// *ServerError, *ClosedError, or what became of the connection.
func (c *Client) Next(ctx context.Context) (Message, error) {
	select {
	case in, ok := <-c.incoming:
		switch {
		case !ok:
			return Message{}, c.err
		case in.refusal != nil:
			return Message{}, in.refusal
		}
		return in.message, nil
	case <-ctx.Done():
		return Message{}, context.Cause(ctx)
	}
}

// Close ends the session and waits for the server to say so, at most until ctx ends, and for the
// client's goroutines. Messages that Next has not returned are lost. The error says that the server
// did not confirm the end.
func (c *Client) Close(ctx context.Context) error {
	c.leave()
	err := c.ask(ctx, &stomp.Frame{Command: stomp.CommandDisconnect})
	c.carrier.bye()
	c.wire.Close() // nothing is outstanding
	c.tasks.Wait()
	return err
}
