package admin

import (
	"crypto/rand"
	"encoding/hex"

	"github.com/stompgw/stompgw/gateway/registry/redisregistry"
)

// channels makes the names of Redis' pub/sub channels, behind the prefix of what is stompgw's own.
type channels struct {
	own string
}

func channelsOf(m redisregistry.Map) channels { return channels{m.Own()} }

// node is where one node is asked.
func (c channels) node(name string) string { return c.own + "node:" + name }

// reply is where somebody waits for answers. A request names the token alone, so that it can't have a
// node publish elsewhere.
func (c channels) reply(token string) string { return c.own + "reply:" + token }

const tokenBytes = 16

func newToken() string {
	b := make([]byte, tokenBytes)
	rand.Read(b) // never fails: crypto/rand ends the process rather than return an error
	return hex.EncodeToString(b)
}

func isToken(s string) bool {
	b, err := hex.DecodeString(s)
	return err == nil && len(b) == tokenBytes
}
