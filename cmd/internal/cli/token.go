package cli

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/stompgw/stompgw/gateway/auth"
)

// MaxToken bounds what is read of a token, in bytes: a node takes 8 KiB.
const MaxToken = 64 << 10

// ReadToken returns an argument that is a token, or "-" for standard input, without "Bearer".
func ReadToken(stdin io.Reader, arg string) (string, error) {
	if arg == "-" {
		text, err := io.ReadAll(io.LimitReader(stdin, MaxToken+1))
		if err != nil {
			return "", fmt.Errorf("read the token from standard input: %w", err)
		}
		if len(text) > MaxToken {
			return "", errors.New("standard input is too long for a token: want it alone")
		}
		arg = string(text)
	}
	arg = strings.TrimSpace(arg)
	if token, ok := auth.Bearer([]byte(arg)); ok {
		return string(token), nil
	}
	return arg, nil
}

func ReadBounded(name string, most int64) ([]byte, error) {
	file, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer file.Close() // nothing was written
	text, err := io.ReadAll(io.LimitReader(file, most+1))
	if err == nil && int64(len(text)) > most {
		err = fmt.Errorf("it is longer than %d bytes", most)
	}
	return text, err
}
