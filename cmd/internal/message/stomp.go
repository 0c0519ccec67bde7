package message

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/spf13/cobra"

	"github.com/stompgw/stompgw/cmd/internal/cli"
	stompclient "github.com/stompgw/stompgw/cmd/internal/client"
	"github.com/stompgw/stompgw/cmd/internal/config"
	"github.com/stompgw/stompgw/gateway/policy"
)

// overSTOMP sends as a client does, each message with a receipt.
func (p *publication) overSTOMP(cmd *cobra.Command, cfg *config.Config, r *batch) error {
	if err := checkSlash(cfg, p.destination); err != nil {
		return cli.Exit(cli.Usage, err)
	}
	header, err := p.header()
	if err != nil {
		return err
	}
	ctx := cmd.Context()
	c, err := p.gateway.dial(ctx, cfg, cmd)
	if err != nil {
		return err
	}
	defer leave(c)
	t := r.publish(ctx, p.count, func(ctx context.Context, _ int, done func(error)) error {
		return c.Start(ctx, p.destination, header, p.body, func(err error) { done(ofGateway(err)) })
	})
	return r.report(ctx, p.count, p.destination, t, p.gatewayError)
}

// header is that of each SEND, less what the client writes itself.
func (p *publication) header() (header stompclient.Header, err error) {
	if p.destination == "" || !utf8.ValidString(p.destination) {
		return nil, cli.Exit(cli.Usage, fmt.Errorf("DEST %q can't be sent to: want UTF-8 text, such as /app/chat", p.destination))
	}
	entries, err := p.entries()
	if err != nil {
		return nil, err
	}
	for _, e := range entries {
		switch name := strings.ToLower(e.Name); {
		case name == "":
			return nil, cli.Exit(cli.Usage, fmt.Errorf("-H :%s: the header has no name", e.Value))
		case name == "authorization":
			return nil, cli.Exit(cli.Usage, errors.New("-H Authorization: log in with --token-file or --token"))
		case policy.IsReserved(name) || name == "client-request-code":
			return nil, cli.Exit(cli.Usage, fmt.Errorf("-H %s: the client or the gateway writes this header itself", e.Name))
		}
		header = append(header, stompclient.Entry{Name: e.Name, Value: []byte(e.Value)})
	}
	return header, nil
}

// ofGateway tells apart what a gateway may have published all the same: whatever it has not refused.
func ofGateway(err error) error {
	if refusal, ok := errors.AsType[*stompclient.Refusal](err); err == nil || ok && refusal.Code != int(policy.CodeUnknown) {
		return err
	}
	return unsure{err}
}

func (p *publication) gatewayError(err error) error {
	refusal, refused := errors.AsType[*stompclient.Refusal](err)
	switch {
	case refused:
		return refusedError(p.destination, refusal)
	case errors.Is(err, errLate):
		return cli.Exit(cli.TimedOut, fmt.Errorf("the gateway sent no RECEIPT within %s; it may have published the message or not", p.gateway.timeout))
	case errors.Is(err, stompclient.ErrText):
		return cli.Exit(cli.Usage, err)
	}
	return lostError(err)
}
