package cli

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
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
			return "", errors.New("standard input is too long for a token: want only the token")
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
	text, err := config.ReadFileUpTo(name, most)
	if errors.Is(err, config.ErrTooLong) {
		err = fmt.Errorf("it is longer than %d bytes", most)
	}
	return text, err
}

// Bearer returns the token of a client that flags name, or the environment: empty for none. It stands in no error.
func Bearer(flag, file string, stdin io.Reader) (string, error) {
	text, from := flag, "--token"
	switch variable, set := os.LookupEnv(config.TokenVariable); {
	case file != "":
		from = "--token-file " + file
		b, err := ReadBounded(file, MaxToken)
		if err != nil {
			return "", Exit(Usage, fmt.Errorf("%s can't be read: %w", from, Cause(err)))
		}
		text, stdin = "-", bytes.NewReader(b)
	case text == "" && !set:
		return "", nil
	case text == "":
		from = config.TokenVariable
		text, stdin = "-", strings.NewReader(variable)
	}
	token, err := ReadToken(stdin, text)
	switch {
	case err != nil:
		return "", Exit(Usage, fmt.Errorf("%s: %w", from, err))
	case token == "":
		return "", Exit(Usage, fmt.Errorf("%s: there is no token in it", from))
	case strings.ContainsFunc(token, func(r rune) bool { return r <= ' ' || r > '~' }):
		return "", Exit(Usage, fmt.Errorf("%s: this is not a token: want it alone, on one line", from))
	}
	return token, nil
}

// maxCA bounds what is read of certificates, in bytes.
const maxCA = 4 << 20

// Trust returns whom a client trusts that was given --ca; nil for whom the system does.
func Trust(file string) (*tls.Config, error) {
	if file == "" {
		return nil, nil
	}
	text, err := ReadBounded(file, maxCA)
	if err != nil {
		return nil, Exit(Usage, fmt.Errorf("--ca: %s can't be read: %w", file, Cause(err)))
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(text) {
		return nil, Exit(Usage, fmt.Errorf("--ca: %s holds no certificate in PEM", file))
	}
	return &tls.Config{RootCAs: pool}, nil
}
