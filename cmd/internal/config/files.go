package config

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strings"

	"github.com/stompgw/stompgw/bus/settings"
)

// maxSecret bounds the file of a secret or of certificates, in bytes: that with all authorities of a system
// takes some 250 KiB.
const maxSecret = MiB

// ReadSecret returns what a file of secrets holds, without the line ends behind it.
func ReadSecret(name string) (s settings.Secret, err error) {
	text, err := ReadFile(name)
	if err == nil {
		err = parseSecret(name, text, &s)
	}
	return s, err
}

func parseSecret(name string, text []byte, into *settings.Secret) error {
	if err := into.UnmarshalText(text); err != nil {
		return fmt.Errorf("%s %w", name, err)
	}
	return nil
}

// ReadFile returns the bytes of a file with a key or certificates; its errors name the file and no content.
func ReadFile(name string) ([]byte, error) {
	text, err := readFile(name, maxSecret)
	if err == nil && settings.HasByteOrderMark(text) {
		err = settings.ErrByteOrderMark
	}
	if err != nil {
		return nil, fmt.Errorf("%s %w", name, err)
	}
	return text, nil
}

// readFile reads a file that is no larger than that. The error is for behind its name.
func readFile(name string, most Size) ([]byte, error) {
	text, err := ReadFileUpTo(name, int(most))
	switch {
	case errors.Is(err, ErrTooLong):
		return nil, fmt.Errorf("is larger than %s, so it can't be the right file", most)
	case err != nil:
		return nil, errors.New("can't be read: " + reason(err))
	}
	return text, nil
}

// ErrTooLong reports an input with more bytes than were wanted.
var ErrTooLong = errors.New("too long")

// ReadUpTo reads r to its end, which is after so many bytes at most.
func ReadUpTo(r io.Reader, most int) ([]byte, error) {
	text, err := io.ReadAll(io.LimitReader(r, int64(most)+1))
	if err == nil && len(text) > most {
		return nil, ErrTooLong
	}
	return text, err
}

// ReadFileUpTo is ReadUpTo for a file.
func ReadFileUpTo(name string, most int) ([]byte, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close() // it was only read
	return ReadUpTo(f, most)
}

// sums are of what files hold, by their names: enough to tell that they hold something else.
type sums map[string][sha256.Size]byte

// read is ReadFile for a file that a setting names: a reload tells whether it has changed.
func (c *Config) read(name string) ([]byte, error) {
	text, err := ReadFile(name)
	if err == nil {
		c.files[name] = sha256.Sum256(text)
	}
	return text, err
}

// ChangedFiles returns the names of the files that other was loaded from, that of the configuration
// too, and that are not what c was loaded from.
func (c *Config) ChangedFiles(other *Config) (names []string) {
	for _, name := range slices.Sorted(maps.Keys(other.files)) {
		if other.files[name] != c.files[name] {
			names = append(names, name)
		}
	}
	return names
}

// loadSecrets reads the files of secrets that are wanted. One that was given in the environment wins over
// its file.
func (c *Config) loadSecrets() {
	for f, s := range fieldsIn[settings.Secret](c) {
		if !c.inUse(f.path) || s.Reveal() == "" && !c.uses(f.path) {
			s.Spare(true)
			if file, named := keyAt(c.keys(), f.path+"_file"); named && !file.isEmpty() {
				s.SetUnread()
			}
			continue
		}
		if err := c.loadSecret(f, s); err != nil {
			c.errs = append(c.errs, err)
			s.Spare(true)
		}
	}
}

func (c *Config) loadSecret(f key, s *settings.Secret) error {
	path, before := f.path, ""
	if s.Reveal() == "" && s.File() != "" {
		path, before = f.path+"_file", s.File()+" "
		text, err := c.read(s.File())
		if err == nil {
			err = parseSecret(s.File(), text, s)
		}
		if err != nil {
			return c.fault(path, "%v", err)
		}
	}
	if f.tag.Get("lines") == "" && strings.ContainsAny(s.Reveal(), "\r\n\x00") {
		return c.fault(path, "%sholds more than one line: want the secret alone in it", before)
	}
	return nil
}
