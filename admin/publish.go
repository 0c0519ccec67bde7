package admin

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/stompgw/stompgw/bus"
	"github.com/stompgw/stompgw/gateway/policy"
)

// Publish hands e to the bus and returns nil once the broker says that it has it. When ctx ends first the
// outcome is bus.ErrUnknown.
func Publish(ctx context.Context, b bus.Bus, e bus.Envelope) error {
	if err := checkHeaders(e.Headers); err != nil {
		return err
	}
	answer := make(chan error, 1)
	if err := b.Publish(e, func(err error) { answer <- err }); err != nil {
		return err
	}
	select {
	case err := <-answer:
		return err
	case <-ctx.Done():
		return fmt.Errorf("%w: %w", bus.ErrUnknown, context.Cause(ctx))
	}
}

// ErrHeader reports a header that a message from an operator can't have.
var ErrHeader = errors.New("header not allowed")

// checkHeaders refuses what a MESSAGE says itself, and what proves a sender: that must not reach
// subscribers, and a message from an operator has no use for it.
func checkHeaders(headers []bus.Header) error {
	for _, h := range headers {
		switch {
		case h.Name == "":
			return fmt.Errorf("%w: it has no name", ErrHeader)
		case policy.IsReserved(strings.ToLower(h.Name)):
			return fmt.Errorf("%w: %s, which the gateway writes itself", ErrHeader, h.Name)
		case !policy.Travels(h.Name, []byte(h.Value)):
			return fmt.Errorf("%w: %s, which would show a secret to all subscribers", ErrHeader, h.Name)
		}
	}
	return nil
}
