package config

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"reflect"
	"strings"
)

// Secret is a text that nothing prints: not fmt, not a log, not an error.
type Secret struct {
	text   string
	unread bool // there is a file with it, which Source.Uses leaves out
}

// Reveal returns the text, for whoever has to send it.
func (s Secret) Reveal() string { return s.text }

// String tells only whether there is one.
func (s Secret) String() string {
	if s.text == "" && !s.unread {
		return ""
	}
	return "REDACTED"
}

// GoString is String for %#v.
func (s Secret) GoString() string { return s.String() }

// MarshalText is String for encoders.
func (s Secret) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// UnmarshalText takes what a file or a variable holds, without the line ends behind it.
func (s *Secret) UnmarshalText(text []byte) error {
	text = bytes.TrimRight(text, "\r\n")
	switch {
	case len(text) == 0:
		return errors.New("is empty: want the secret in it")
	case hasByteOrderMark(text):
		return errByteOrderMark
	}
	s.text = string(text)
	return nil
}

// errByteOrderMark is of what some editors put before a text. Nobody sees it: it would be part of a secret,
// and hides the first block of PEM.
var errByteOrderMark = errors.New("begins with a byte order mark, which is no part of it: save it as UTF-8 without one")

// hasByteOrderMark reports whether a text begins with what says how it is encoded. The two bytes of UTF-16
// may also begin a secret that is no text: as text it has zero bytes.
func hasByteOrderMark(text []byte) bool {
	return bytes.HasPrefix(text, []byte("\xef\xbb\xbf")) ||
		(bytes.HasPrefix(text, []byte("\xff\xfe")) || bytes.HasPrefix(text, []byte("\xfe\xff"))) && bytes.IndexByte(text, 0) >= 0
}

// maxSecret bounds the file of a secret or of certificates, in bytes: that with all authorities of a system
// takes some 250 KiB.
const maxSecret = MiB

// ReadSecret returns what a file of secrets holds, without the line ends behind it.
func ReadSecret(name string) (Secret, error) {
	text, err := ReadFile(name)
	if err != nil {
		return Secret{}, err
	}
	return parseSecret(name, text)
}

func parseSecret(name string, text []byte) (s Secret, err error) {
	if err = s.UnmarshalText(text); err != nil {
		return Secret{}, fmt.Errorf("%s %w", name, err)
	}
	return s, nil
}

// parseLine is parseSecret for what has no line ends inside.
func parseLine(name string, text []byte) (Secret, error) {
	s, err := parseSecret(name, text)
	if err != nil {
		return s, err
	}
	if err = s.checkLine(); err != nil {
		return Secret{}, fmt.Errorf("%s %w", name, err)
	}
	return s, nil
}

func (s Secret) checkLine() error {
	if strings.ContainsAny(s.text, "\r\n\x00") {
		return errors.New("holds more than one line: want the secret alone in it")
	}
	return nil
}

// ReadFile returns the bytes of a file with a key or certificates; its errors name the file and no content.
func ReadFile(name string) ([]byte, error) {
	text, err := readUpTo(name, maxSecret)
	if err != nil {
		return nil, fmt.Errorf("%s %w", name, err)
	}
	if hasByteOrderMark(text) {
		return nil, fmt.Errorf("%s %w", name, errByteOrderMark)
	}
	return text, nil
}

// readUpTo reads a file that is no larger than that. The error is for behind its name.
func readUpTo(name string, most Size) ([]byte, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, errors.New("can't be read: " + reason(err))
	}
	defer f.Close() // it was only read
	text, err := io.ReadAll(io.LimitReader(f, int64(most)+1))
	switch {
	case err != nil:
		return nil, errors.New("can't be read: " + reason(err))
	case len(text) > int(most):
		return nil, fmt.Errorf("is larger than %s, so it can't be the right file", most)
	}
	return text, nil
}

// noteUnread marks the secrets whose files are named and not read.
func (c *Config) noteUnread() {
	named := map[string]bool{}
	for _, k := range c.keys() {
		if k.namesFiles() && !reflect.ValueOf(k.target).Elem().IsZero() {
			named[k.path] = true
		}
	}
	for _, k := range c.keys() {
		if s, ok := k.target.(*Secret); ok && !c.uses(k.path) {
			s.unread = named[k.path+"_file"]
		}
	}
}

// load reads the file that the setting path+"_file" names into the secret of the setting path, which is
// one line, unless that was given in the environment, which wins.
func (c *Config) load(path, file string, into *Secret, parse func(name string, text []byte) (Secret, error)) []error {
	if into.text != "" {
		if err := into.checkLine(); err != nil {
			return []error{c.fault(path, "%v", err)}
		}
		return nil
	}
	if file == "" || !c.uses(path) {
		return nil
	}
	text, err := c.read(file)
	if err == nil {
		*into, err = parse(file, text)
	}
	if err != nil {
		return []error{c.fault(path+"_file", "%v", err)}
	}
	return nil
}
