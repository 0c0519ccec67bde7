package cli

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/stompgw/stompgw/cmd/internal/config"
	"github.com/stompgw/stompgw/gateway/auth"
)

// MaxToken bounds what is read of a token, in bytes: a node takes 8 KiB.
const MaxToken = 64 << 10

// ReadToken returns an argument that is a token, or "-" for standard input, without "Bearer".
func ReadToken(stdin io.Reader, arg string) (string, error) {
	if arg == "-" {
		text, err := config.ReadUpTo(stdin, MaxToken)
		switch {
		case errors.Is(err, config.ErrTooLong):
			return "", errors.New("standard input is too long for a token: want it alone")
		case err != nil:
			return "", fmt.Errorf("read the token from standard input: %w", err)
		}
		arg = string(text)
	}
	arg = strings.TrimSpace(arg)
	if token, ok := auth.Bearer([]byte(arg)); ok {
		return string(token), nil
	}
	return arg, nil
}

// ReadBounded reads a file that has so many bytes at most.
func ReadBounded(name string, most int) ([]byte, error) {
	file, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer file.Close() // nothing was written
	text, err := config.ReadUpTo(file, most)
	if errors.Is(err, config.ErrTooLong) {
		err = fmt.Errorf("it is longer than %d bytes", most)
	}
	return text, err
}
