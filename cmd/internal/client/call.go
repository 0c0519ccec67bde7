package client

import (
	"context"
	"fmt"
	"strconv"
	"unicode/utf8"

	"github.com/stompgw/stompgw/gateway/stomp"
)

// requestCode is the header by which a refusal finds the frame that it is about.
const requestCode = "client-request-code"

// Subscribe returns when all that is published from then on will come to Next. Errors are *Refusal, that of ctx, and those of Next. While many messages
// come, somebody has to take them: a Next that nobody calls holds up the answer.
func (c *Client) Subscribe(ctx context.Context, destination string) error {
	if destination == c.o.Errors { // the server tells a refusal to one subscription alone, and that one is there
		c.mu.Lock()
		defer c.mu.Unlock()
		c.wantsErrors = true
		return c.err
	}
	return c.subscribe(ctx, c.number(), destination)
}

func (c *Client) subscribe(ctx context.Context, id, destination string) error {
	f := &stomp.Frame{Command: stomp.CommandSubscribe, Header: Header{
		{Name: stomp.HeaderID, Value: []byte(id)},
		{Name: stomp.HeaderDestination, Value: []byte(destination)},
		{Name: stomp.HeaderAck, Value: []byte("auto")},
	}}
	f.Header = c.bearer(f.Header)
	return c.ask(ctx, f)
}

// Start sends a message, and has done called once: with nil when the server has published it, which is what its
// RECEIPT says, or with an error. With one other than *Refusal nobody knows whether it has. done runs on
// the client's reading goroutine and must not block. Start does not wait for earlier answers: the caller bounds
// how many are outstanding. With an error the message has not left, and done never runs.
func (c *Client) Start(ctx context.Context, destination string, header Header, body []byte, done func(error)) error {
	f := &stomp.Frame{Command: stomp.CommandSend, Body: body, Header: Header{
		{Name: stomp.HeaderDestination, Value: []byte(destination)},
	}}
	f.Header = append(c.bearer(f.Header), header...)
	return c.call(ctx, f, done)
}

// number is a new one, for a subscription or a receipt.
func (c *Client) number() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.last++
	return strconv.Itoa(c.last)
}

// call sends f, to which it adds what an answer is found by, and has done called with the answer, or
// with why there will be none. With an error f has not left, and done never runs.
func (c *Client) call(ctx context.Context, f *stomp.Frame, done func(error)) error {
	id := c.number()
	// In front, where they win over entries of those names that a caller has.
	f.Header = append(Header{
		{Name: stomp.HeaderReceipt, Value: []byte(id)},
		{Name: requestCode, Value: []byte(id)},
	}, f.Header...)
	frame, err := encode(f)
	if err != nil {
		return err
	}
	if _, sockjs := c.carrier.(*sock); sockjs && !utf8.Valid(frame) {
		return ErrText
	}
	c.mu.Lock()
	if c.calls == nil {
		c.mu.Unlock()
		return c.err
	}
	c.calls[id] = done
	c.mu.Unlock()
	c.write(ctx, frame)
	return nil
}

// answer ends the call of a receipt, and reports whether there is such a call.
func (c *Client) answer(id string, err error) bool {
	c.mu.Lock()
	done := c.calls[id]
	delete(c.calls, id)
	c.mu.Unlock()
	if done == nil {
		return false
	}
	done(err)
	return true
}

// ask is call, and waits for the answer.
func (c *Client) ask(ctx context.Context, f *stomp.Frame) error {
	answer := make(chan error, 1)
	if err := c.call(ctx, f, func(err error) { answer <- err }); err != nil {
		return err
	}
	select {
	case err := <-answer:
		return err
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// encode writes a frame. What STOMP can't express is an error, not left out.
func encode(f *stomp.Frame) ([]byte, error) {
	version := stomp.V12
	if f.Command == stomp.CommandConnect {
		version = 0 // never escaped
	}
	for _, e := range f.Header {
		if len(stomp.AppendEntry(nil, version, e.Name, e.Value)) == 0 {
			return nil, fmt.Errorf("the header %s of %s can't be written: want UTF-8 text without NUL", tame(strconv.Quote(e.Name)), f.Command)
		}
	}
	return stomp.AppendFrame(nil, stomp.V12, f), nil
}

// write sends bytes. If they can't be sent, all calls hear of it: the server may have a part of them.
func (c *Client) write(ctx context.Context, b []byte) {
	if err := c.carrier.write(ctx, b); err != nil {
		c.fail(fmt.Errorf("can't write to the server: %w", err))
	}
}

// fail makes the reader end. What it still reads may say more than err does.
func (c *Client) fail(err error) {
	c.mu.Lock()
	if c.err == nil {
		c.err = err
	}
	c.mu.Unlock()
	c.wire.expire()
}
