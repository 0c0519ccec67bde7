package gateway_test

import (
	"strings"
	"testing"
	"time"

	"github.com/stompgw/stompgw/gateway"
)

// "Connecting", "CONNECT or STOMP Frame", "CONNECTED Frame", "Protocol Negotiation"
func TestConnecting(t *testing.T) {
	t.Parallel()
	eachTransport(t, func(t *testing.T, dial func(*node) *client) {
		n := start(t)
		for _, test := range []struct {
			name, frame, version string
		}{
			{"1.0", "CONNECT\naccept-version:1.0\nhost:h\n\n^@", "1.0"},
			{"1.1", "CONNECT\naccept-version:1.1\nhost:h\n\n^@", "1.1"},
			{"1.2", "CONNECT\naccept-version:1.2\nhost:h\n\n^@", "1.2"},
			{"the highest of both", "CONNECT\naccept-version:1.0,1.1,2.0\nhost:h\n\n^@", "1.1"},
			{"in any order", "CONNECT\naccept-version:1.2,1.0,1.1\nhost:h\n\n^@", "1.2"},
			{"spaces", "CONNECT\naccept-version:1.1, 1.2\nhost:h\n\n^@", "1.2"},
			{"no accept-version", "CONNECT\nlogin: me\npasscode:secret\n\n^@", "1.0"},
			{"STOMP", "STOMP\naccept-version:1.2\nhost:h\n\n^@", "1.2"},
			{"STOMP 1.0", "STOMP\n\n^@", "1.0"},
			{"no host", "CONNECT\naccept-version:1.2\n\n^@", "1.2"},
			{"CRLF", "CONNECT\r\naccept-version:1.2\r\nhost:h\r\n\r\n^@\r\n", "1.2"},
			{"first of repeated", "CONNECT\naccept-version:1.1\naccept-version:1.2\nhost:h\n\n^@", "1.1"},
			{"heart-beats before", "\n\r\n\nCONNECT\naccept-version:1.2\n\n^@", "1.2"},
			{"headers without escapes", "CONNECT\naccept-version:1.2\nhost:a\\tb:c\\\n\n^@", "1.2"},
			{"receipt", "CONNECT\naccept-version:1.2\nreceipt:r\n\n^@", "1.2"},
			{"body in 1.0", "CONNECT\n\nignored^@", "1.0"},
			{"content-length 0", "CONNECT\naccept-version:1.2\ncontent-length:0\n\n^@", "1.2"},
			{"content-length of another frame", "CONNECT\naccept-version:1.2\ncontent-length:1000\n\n^@", "1.2"},
			{"content-length of another frame, in 1.0", "CONNECT\ncontent-length:99999999999\n\n^@", "1.0"},
			{"heart-beat of 1.0 that is none", "CONNECT\nheart-beat:no,such header\n\n^@", "1.0"},
			{"heart-beat of the greatest numbers", "CONNECT\naccept-version:1.2\nheart-beat:2147483647,99999999999999999999999\n\n^@", "1.2"},
		} {
			t.Run(test.name, func(t *testing.T) {
				c := dial(n)
				c.send(test.frame)
				frame := c.expect("CONNECTED", "version:"+test.version, "heart-beat:10000,10000", "server:stompgw/"+gateway.Version)
				if user, key := header(t, frame, "user-name"), header(t, frame, "session"); !isPrincipal(user, key) {
					t.Errorf("user-name %q, session %q", user, key)
				}
				c.wantAlive()
			})
		}
	})
}

// isPrincipal reports whether user has the form <epoch>/<uuid>/<session>/<time>, and key that of
// <epoch>/<uuid>_<session>.
func isPrincipal(user, key string) bool {
	parts := strings.Split(user, "/")
	if len(parts) != 4 || parts[0]+"/"+parts[1]+"_"+parts[2] != key {
		return false
	}
	const layout = "2006_01_02_T_15_04_05"
	_, err := time.Parse(layout, parts[3][:min(len(parts[3]), len(layout))]) // milliseconds and zone follow
	return err == nil
}

// noBody is what a frame is told that has a content-length, and octets where its NUL should be.
const noBody = "only SEND, MESSAGE and ERROR frames may have a body; in others, whatever content-length says, a NUL must follow the empty line"

func TestConnectFaults(t *testing.T) {
	t.Parallel()
	eachTransport(t, func(t *testing.T, dial func(*node) *client) {
		n := start(t)
		for _, test := range []struct{ name, frame, message string }{
			{"no common version", "CONNECT\naccept-version:2.0,3.0\nhost:h\n\n^@", "no common protocol version"},
			{"empty accept-version", "CONNECT\naccept-version:\n\n^@", "no common protocol version"},
			{"another frame first", "SEND\ndestination:/topic/a\n\nx^@", "the first frame must be CONNECT or STOMP"},
			{"DISCONNECT first", "DISCONNECT\nreceipt:r\n\n^@", "the first frame must be CONNECT or STOMP"},
			{"a server's frame first", "CONNECTED\nversion:1.2\n\n^@", "the first frame must be CONNECT or STOMP"},
			{"lower case", "connect\naccept-version:1.2\n\n^@", "the first frame must be CONNECT or STOMP"},
			{"body", "CONNECT\naccept-version:1.2\n\nbody^@", "CONNECT must not have a body"},
			{"body of STOMP", "STOMP\naccept-version:1.1\n\nx^@", "STOMP must not have a body"},
			{"a length, and a body", "CONNECT\ncontent-length:1\n\nx^@", noBody},
			{"a length, and another frame instead of the NUL", "CONNECT\naccept-version:1.2\ncontent-length:1000\n\nSEND\n", noBody},
			{"heart-beat is no pair", "CONNECT\naccept-version:1.2\nheart-beat:10\n\n^@", `heart-beat must be two whole numbers of milliseconds, such as "10000,10000"`},
			{"heart-beat is negative", "CONNECT\naccept-version:1.2\nheart-beat:-1,0\n\n^@", `heart-beat must be two whole numbers of milliseconds, such as "10000,10000"`},
			{"header without a colon", "CONNECT\naccept-version\n\n^@", "a header line has no colon; it must read name:value"},
		} {
			t.Run(test.name, func(t *testing.T) {
				c := dial(n)
				c.send(test.frame)
				c.wantFault(test.message)
				if len(n.sessions.Sessions()) != 0 {
					t.Error("the registry has a session that never was")
				}
			})
		}
		t.Run("versions", func(t *testing.T) {
			c := dial(n)
			c.send("CONNECT\naccept-version:2.1\n\n^@")
			frame := c.wantFault("no common protocol version", "version:1.0,1.1,1.2", "content-type:text/plain")
			if !strings.HasSuffix(frame, "\n\nSupported protocol versions are 1.0 1.1 1.2") {
				t.Errorf("got %q", frame)
			}
		})
	})
}

func TestConnectTimeout(t *testing.T) {
	t.Parallel()
	eachTransport(t, func(t *testing.T, dial func(*node) *client) {
		n := start(t, connectWithin(200*time.Millisecond))
		c := dial(n)
		c.send("\n\nCONNECT\naccept-ver")
		c.wantFault("no CONNECT came within 200ms")
		if s, ok := c.conn.(*sock); ok && s.end != `c[1008,"no CONNECT"]` {
			t.Errorf("closed with %s", s.end)
		}
	})
}
