package settings

import (
	"bytes"
	"errors"
)

// Secret is a text that nothing prints: not fmt, not a log, not an error. It has two keys: its own for
// the environment, and one with _file appended for the name of a file; the tag from:"env" or from:"file"
// leaves it only one.
type Secret struct {
	text   string
	file   string
	spared bool
	unread bool // there is one in a file
}

// Reveal returns the text, for whoever must send it.
func (s Secret) Reveal() string { return s.text }

// IsSet reports whether there is a text, and it is wanted.
func (s Secret) IsSet() bool { return s.text != "" && !s.spared }

// IsMissing reports whether there is no text, though it is wanted.
func (s Secret) IsMissing() bool { return s.text == "" && !s.spared }

// File returns the name of the file that may hold the text.
func (s Secret) File() string { return s.file }

// Named returns a pointer to the name of that file, for whoever reads settings.
func (s *Secret) Named() *string { return &s.file }

// Spare says whether s is not wanted, and so neither missed nor counted.
func (s *Secret) Spare(yes bool) { s.spared = yes }

// SetUnread says that there is a secret, in a file that was not read.
func (s *Secret) SetUnread() { s.unread = true }

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

// UnmarshalText takes what a file or a variable holds, without trailing line ends.
func (s *Secret) UnmarshalText(text []byte) error {
	text = bytes.TrimRight(text, "\r\n")
	switch {
	case len(text) == 0:
		return errors.New("is empty: want the secret in it")
	case HasByteOrderMark(text):
		return ErrByteOrderMark
	}
	s.text = string(text)
	return nil
}

// ErrByteOrderMark reports what some editors put before a text. Nobody sees it, but it would be part of a
// secret, and hides the first block of PEM.
var ErrByteOrderMark = errors.New("begins with a byte order mark, which is no part of it: save it as UTF-8 without one")

// HasByteOrderMark reports whether a text begins with a byte order mark. The two bytes of a UTF-16 mark may
// also begin a secret that is not text: they only count if there are zero bytes, as text in UTF-16 has.
func HasByteOrderMark(text []byte) bool {
	return bytes.HasPrefix(text, []byte("\xef\xbb\xbf")) ||
		(bytes.HasPrefix(text, []byte("\xff\xfe")) || bytes.HasPrefix(text, []byte("\xfe\xff"))) && bytes.IndexByte(text, 0) >= 0
}
