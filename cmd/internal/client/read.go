package client

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"
	"time"

	"github.com/gobwas/ws"

	"github.com/stompgw/stompgw/gateway/stomp"
)

// read is the goroutine that reads, to the end of the connection.
func (c *Client) read() {
	c.end(c.receive())
}

// end tells everybody why the connection ended.
func (c *Client) end(err error) {
	c.wire.Close() // what is written from now on would reach nobody
	c.mu.Lock()
	if c.err == nil || errors.As(err, new(*ServerError)) || errors.As(err, new(*ClosedError)) { // the server's own word
		c.err = err
	}
	err = c.err
	calls := c.calls
	c.calls = nil
	c.mu.Unlock()
	for _, done := range calls {
		done(err)
	}
	close(c.incoming)
	c.leave()
}

func (c *Client) receive() error {
	var f stomp.Frame
	for {
		if err := c.next(&f); err != nil {
			return err
		}
		if err := c.dispatch(&f); err != nil {
			return err
		}
	}
}

// next reads a frame, which is good until the next call.
func (c *Client) next(f *stomp.Frame) error {
	for {
		switch err := c.dec.Next(f); {
		case err == nil:
			return nil
		case !errors.Is(err, stomp.ErrIncomplete):
			return fmt.Errorf("the server does not speak STOMP as it should: %w", err)
		}
		b, err := c.carrier.read()
		if err != nil {
			return c.lost(err)
		}
		c.dec.Feed(b)
	}
}

// lost says how the connection ended.
func (c *Client) lost(err error) error {
	if closed, ok := errors.AsType[*ClosedError](err); ok {
		closed.Reason = c.discreet(closed.Reason)
		return closed
	}
	wrong, isWrong := errors.AsType[ws.ProtocolError](err)
	switch {
	case isWrong:
		return fmt.Errorf("the server does not speak WebSocket as it should: %w", wrong)
	case errors.Is(err, io.EOF) && c.dec.Buffered() > 0, errors.Is(err, io.ErrUnexpectedEOF):
		return errors.New("the connection ended within a frame")
	case errors.Is(err, io.EOF):
		return errors.New("the server closed the connection")
	}
	return err
}

// greet sends CONNECT, and reads the answer.
func (c *Client) greet(ctx context.Context, connect []byte) error {
	if err := c.carrier.write(ctx, connect); err != nil {
		return fmt.Errorf("can't write to the server: %w", err)
	}
	var f stomp.Frame
	if err := c.next(&f); err != nil {
		return err
	}
	switch f.Command {
	case stomp.CommandConnected:
		return c.connected(&f)
	case stomp.CommandError:
		return c.serverError(&f)
	}
	return fmt.Errorf("the server answered CONNECT with %s", tame(f.Command))
}

// dispatch takes a frame of the server.
func (c *Client) dispatch(f *stomp.Frame) error {
	switch f.Command {
	case stomp.CommandConnected:
		return errors.New("the server sent CONNECTED twice")
	case stomp.CommandReceipt:
		id, _ := f.Header.Get(stomp.HeaderReceiptID)
		c.answer(string(id), nil) // for one that nobody has asked for, nobody waits
		return nil
	case stomp.CommandMessage:
		c.message(f)
		return nil
	case stomp.CommandError:
		return c.serverError(f)
	}
	return fmt.Errorf("the server sent %s, which no server sends", tame(f.Command))
}

func (c *Client) connected(f *stomp.Frame) error {
	if version, _ := f.Header.Get(stomp.HeaderVersion); string(version) != stomp.V12.String() {
		return fmt.Errorf("the server speaks STOMP %s, not 1.2", tame(string(version)))
	}
	var server stomp.HeartBeat
	if value, ok := f.Header.Get(stomp.HeaderHeartBeat); ok {
		var err error
		if server, err = stomp.ParseHeartBeat(value); err != nil {
			return fmt.Errorf("the server's CONNECTED: %w", err)
		}
	}
	if token, _ := f.Header.Get("token"); string(token) == "expired" || string(token) == "refused" {
		c.token = string(token)
	}
	c.dec.SetVersion(stomp.V12)
	offer := stomp.HeartBeat{Send: c.o.HeartBeat, Receive: c.o.HeartBeat}
	c.agreed = offer.Agree(server)
	c.wire.silence = tolerance * c.agreed.Receive
	return nil
}

// message hands out a MESSAGE, or answers a call with the refusal that it is.
func (c *Client) message(f *stomp.Frame) {
	subscription, _ := f.Header.Get(stomp.HeaderSubscription)
	if string(subscription) == errorsID {
		c.mu.Lock()
		wanted := c.wantsErrors
		c.mu.Unlock()
		refusal := c.refusal(f.Body)
		switch {
		case refusal != nil && refusal.Call != "" && c.answer(refusal.Call, refusal):
			return
		case wanted:
		case refusal != nil:
			c.hand(incoming{refusal: refusal})
			return
		default: // what somebody has published there
			return
		}
	}
	m := f.Clone()
	destination, _ := m.Header.Get(stomp.HeaderDestination)
	c.hand(incoming{message: Message{
		Destination: string(destination), Subscription: string(subscription),
		Header: m.Header, Body: m.Body, Received: time.Now(),
	}})
}

// hand waits for Next, or for the end of the client.
func (c *Client) hand(in incoming) {
	select {
	case c.incoming <- in:
	case <-c.leaving.Done():
	}
}

// refusal reads the body of a refusal, nil if it is none.
func (c *Client) refusal(body []byte) *Refusal {
	var r struct {
		ClientRequestCode *string
		ErrorCode         *int
		ErrorMessage      string
		ReceiptID         string
	}
	if err := json.Unmarshal(body, &r); err != nil || r.ErrorCode == nil {
		return nil
	}
	call := r.ReceiptID
	if r.ClientRequestCode != nil {
		call = *r.ClientRequestCode
	}
	return &Refusal{Code: *r.ErrorCode, Message: c.discreet(r.ErrorMessage), Call: call}
}

func (c *Client) serverError(f *stomp.Frame) error {
	message, _ := f.Header.Get(stomp.HeaderMessage)
	text, _ := f.Header.Get("error-code")
	code, err := strconv.ParseUint(string(text), 10, 31)
	if err != nil {
		code = 0 // for none
	}
	return &ServerError{Code: int(code), Message: c.discreet(string(message))}
}
