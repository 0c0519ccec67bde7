package pageapi

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"encoding/base64"
	"net/http"
	"strings"

	"github.com/stompgw/stompgw/gateway/problem"
)

// A list goes on behind the last name that was looked at. Where that is one that who asks may not see, it is told sealed, with a key of this
// node's; another node does not know what to do with it, and the list begins anew.

// seals is how what is sealed begins, as no destination does.
const seals = "sealed:"

// cursors writes behind what a list goes on, and reads it. Any goroutine may.
type cursors struct{ seal cipher.AEAD }

func newCursors() cursors {
	key := make([]byte, 32)
	rand.Read(key) // never fails: crypto/rand ends the process rather than return an error
	block, err := aes.NewCipher(key)
	if err != nil {
		panic("pageapi: a key of 32 bytes: " + err.Error())
	}
	seal, err := cipher.NewGCMWithRandomNonce(block)
	if err != nil {
		panic("pageapi: AES has a GCM: " + err.Error())
	}
	return cursors{seal}
}

// write returns the cursor behind a name, which may be seen or not.
func (c cursors) write(name string, seen bool) string {
	if seen || name == "" {
		return name
	}
	return seals + base64.RawURLEncoding.EncodeToString(c.seal.Seal(nil, nil, []byte(name), nil))
}

// read returns the name behind which a list goes on.
func (c cursors) read(cursor string) (name string, err error) {
	sealed, is := strings.CutPrefix(cursor, seals)
	if !is {
		return cursor, nil
	}
	text, err := base64.RawURLEncoding.DecodeString(sealed)
	if err == nil {
		text, err = c.seal.Open(nil, nil, text, nil)
	}
	if err != nil {
		return "", problem.New(http.StatusConflict, "after: another node has told that, or this one before it began anew: leave after out to begin anew")
	}
	return string(text), nil
}
