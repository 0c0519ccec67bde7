package config

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"reflect"
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

// UnmarshalText takes any text.
func (s *Secret) UnmarshalText(text []byte) error {
	s.text = string(text)
	return nil
}

// maxSecret bounds the file of a secret, in bytes: certificates and creds files take a few KiB.
const maxSecret = 64 * KiB

// ReadSecret returns what a file of secrets holds, without the line ends behind it.
func ReadSecret(name string) (Secret, error) {
	text, err := ReadFile(name)
	if err != nil {
		return Secret{}, err
	}
	text = bytes.TrimRight(text, "\r\n")
	if len(text) == 0 {
		return Secret{}, fmt.Errorf("%s is empty: want the secret in it", name)
	}
	return Secret{text: string(text)}, nil
}

// readLine is ReadSecret for what has no line ends inside.
func readLine(name string) (Secret, error) {
	s, err := ReadSecret(name)
	if err == nil && bytes.ContainsAny([]byte(s.text), "\r\n\x00") {
		return Secret{}, fmt.Errorf("%s holds more than one line: want the secret alone in it", name)
	}
	return s, err
}

// ReadFile returns the bytes of a file with a key or certificates; its errors name the file and no content.
func ReadFile(name string) ([]byte, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, unreadable(name, err)
	}
	defer f.Close() // it was only read
	text, err := io.ReadAll(io.LimitReader(f, int64(maxSecret)+1))
	if err != nil {
		return nil, unreadable(name, err)
	}
	if len(text) > int(maxSecret) {
		return nil, fmt.Errorf("%s is larger than %s: is it the right file?", name, maxSecret)
	}
	return text, nil
}

func unreadable(name string, err error) error {
	var cause *fs.PathError
	if errors.As(err, &cause) {
		err = cause.Err
	}
	return fmt.Errorf("%s can't be read: %w", name, err)
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

// load reads the file that the setting path+"_file" names into the secret of the setting path,
// unless that was given in the environment, which wins.
func (c *Config) load(path, file string, into *Secret, read func(string) (Secret, error)) []error {
	if file == "" || into.text != "" || !c.uses(path) {
		return nil
	}
	s, err := read(file)
	if err != nil {
		return []error{c.fault(path+"_file", "%v", err)}
	}
	*into = s
	return nil
}
