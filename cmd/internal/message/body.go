package message

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"

	"github.com/stompgw/stompgw/cmd/internal/cli"
	"github.com/stompgw/stompgw/cmd/internal/config"
)

// readBody returns the message's body: BODY, what --file names, or standard input. It is bounded as
// those of clients are.
func (p *publication) readBody(cmd *cobra.Command, cfg *config.Config, args []string) (body []byte, err error) {
	limit, key := cfg.Limits.Message, "limits.message"
	if p.force {
		limit, key = cfg.Limits.Outbound, "limits.outbound"
	}
	most := int(limit) + 2 // the end of a line may go
	stdin := cmd.InOrStdin()
	switch {
	case len(args) > 0:
		body = []byte(args[0])
	case p.file == "-":
		body, err = readMost(cmd.Context(), stdin, most)
	case p.file != "":
		body, err = p.readFile(cmd.Context(), most)
	case isPiped(stdin):
		body, err = readMost(cmd.Context(), stdin, most)
		if err == nil && len(body) == 0 {
			return nil, cli.Misuse(cmd, errors.New("BODY is missing, and standard input is empty: '' as BODY is an empty body"))
		}
	default:
		return nil, cli.Misuse(cmd, errors.New("BODY is missing"))
	}
	if p.chomp {
		body = bytes.TrimSuffix(bytes.TrimSuffix(body, []byte("\n")), []byte("\r"))
	}
	if err == nil && len(body) > int(limit) {
		err = cli.Exit(cli.Usage, fmt.Errorf("the body is longer than %s, %s (%s): %s", key, limit, cfg.Origin(key), p.tooLong(cfg)))
	}
	return body, err
}

// tooLong says what becomes of a body over the limit.
func (p *publication) tooLong(cfg *config.Config) string {
	switch {
	case p.force:
		return "nodes leave such out, since it would end every client that it is for as a slow one"
	case p.via == viaSTOMP:
		return "a gateway of this configuration takes no such from clients; --force sends it all the same"
	}
	return fmt.Sprintf("clients may not send such; --force publishes it, and nodes deliver up to limits.outbound, %s", cfg.Limits.Outbound)
}

func (p *publication) readFile(ctx context.Context, most int) ([]byte, error) {
	file, err := os.Open(p.file)
	if err != nil {
		return nil, cli.Exit(cli.Usage, fmt.Errorf("--file: %s can't be read: %w", p.file, cli.Cause(err)))
	}
	defer file.Close() // nothing was written
	body, err := readMost(ctx, file, most)
	if err != nil && ctx.Err() == nil {
		return nil, cli.Exit(cli.Usage, fmt.Errorf("--file: %s can't be read: %w", p.file, cli.Cause(err)))
	}
	return body, err
}

// isPiped reports whether standard input is meant to be read, though nothing says so: a terminal, and
// the nothing that daemons and tests have, is not.
func isPiped(stdin io.Reader) bool {
	file, ok := stdin.(*os.File)
	if !ok {
		return stdin != nil
	}
	info, err := file.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice == 0
}

// readMost reads to the end, and one byte more than most at most, until ctx ends. A read that waits
// for a person or a pipe can't be cut off then: it is left alone, since the process ends.
func readMost(ctx context.Context, r io.Reader, most int) ([]byte, error) {
	type result struct {
		body []byte
		err  error
	}
	read := make(chan result, 1)
	go func() {
		body, err := io.ReadAll(io.LimitReader(r, int64(most)+1))
		read <- result{body, err}
	}()
	select {
	case r := <-read:
		return r.body, r.err
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
}
