package gateway_test

import (
	"net/http"
	"strings"
	"testing"
)

// "WebSocket protocols": requests that are none.
func TestSockJSWebSocketHTTPErrors(t *testing.T) {
	eachWay(t, func(t *testing.T, open func(testing.TB) *browser) {
		const path = "/echo/0/0/websocket"
		t.Run("method", func(t *testing.T) { open(t).get(path).wantStatus(400) })
		t.Run("Connection header", func(t *testing.T) {
			open(t).get(path, "Upgrade: WebSocket", "Connection: close").wantStatus(400)
		})
		t.Run("invalid method", func(t *testing.T) {
			for _, header := range [][]string{{"Upgrade: WebSocket", "Connection: Upgrade"}, nil} {
				a := open(t).post(path, "", header...)
				a.wantStatus(http.StatusMethodNotAllowed).wantHeader("Content-Type", "")
				if a.Header.Get("Allow") == "" {
					t.Error("no Allow")
				}
				a.want(http.StatusMethodNotAllowed, "")
			}
		})
		t.Run("disabled", func(t *testing.T) {
			for _, path := range []string{"/000/a/websocket", "/websocket"} {
				c := open(t).upgradeAt("/disabled_websocket_echo" + path)
				c.response(404)
			}
		})
		t.Run("invalid path", func(t *testing.T) {
			for _, path := range []string{"/a./a/websocket", "/a/a%2e/websocket", "//a/websocket", "/a/" + strings.Repeat("x", 129) + "/websocket"} {
				open(t).upgradeAt("/echo" + path).response(404)
			}
		})
	})
}

// upgradeAt asks for a WebSocket.
func (b *browser) upgradeAt(path string) *raw {
	b.t.Helper()
	c, err := b.connection()
	if err != nil {
		b.t.Fatal(err)
	}
	c.write(strings.Replace(upgradeRequest("test"), "/stomp", path, 1))
	return c
}

// openAt reads the answer to upgradeAt.
func (b *browser) openAt(path string) *raw {
	b.t.Helper()
	c := b.upgradeAt(path)
	c.response(http.StatusSwitchingProtocols)
	return c
}

func (c *raw) wantText(want string) {
	c.t.Helper()
	if got := c.want(text, ""); got != want {
		c.t.Fatalf("got %.300q, want %.300q", got, want)
	}
}

// "WebSocket protocols"
func TestSockJSWebSocket(t *testing.T) {
	t.Parallel()
	eachWay(t, func(t *testing.T, open func(testing.TB) *browser) {
		t.Run("transport", func(t *testing.T) {
			c := open(t).upgradeAt(newPath("/echo") + "/websocket")
			wantUpgradeHeader(t, c.response(http.StatusSwitchingProtocols))
			c.wantText("o")
			c.write(frame(text, "") + frame(text, "[]") + frame(text, `["a"]`))
			c.wantText(`a["a"]`)
			c.write(frame(text, `["b","c"]`) + frame(text, `["d"]`))
			got := ""
			for strings.Count(got, `"`) < 6 {
				got += c.want(text, "a[")
			}
			if got = strings.ReplaceAll(got, "]a[", ","); got != `a["b","c","d"]` {
				t.Errorf("got %s", got)
			}
			c.write(closeFrame(1000, ""))
			c.wantClose(1000)
		})
		t.Run("close", func(t *testing.T) {
			c := open(t).openAt(newPath("/close") + "/websocket")
			c.wantText("o")
			c.wantText(`c[3000,"Go away!"]`)
			c.want(closing, "")
			c.write(closeFrame(1000, ""))
			c.wantEOF()
		})
		t.Run("the id of a polling session", func(t *testing.T) {
			b := open(t)
			s := b.session(xhrPolling(), "/echo")
			c := b.openAt(s.path + "/websocket")
			c.wantText("o")
			s.say(`["a"]`)
			s.want(`a["a"]`)
			c.write(frame(text, `["b"]`))
			c.wantText(`a["b"]`)
		})
		t.Run("broken JSON", func(t *testing.T) {
			c := open(t).openAt(newPath("/echo") + "/websocket")
			c.wantText("o")
			c.write(frame(text, `["a"`) + frame(text, `["late"]`))
			c.wantBroken()
		})
		t.Run("in fragments", func(t *testing.T) {
			c := open(t).openAt(newPath("/echo") + "/websocket")
			c.wantText("o")
			c.write(frame(textStart, `["é`) + frame(ping, "x") + frame(goesOn, `€`) + frame(ends, `"]`))
			c.want(pong, "x")
			c.wantText(`a["é€"]`)
		})
	})
}

// wantBroken holds that the connection is closed, without an echo of what came later.
func (c *raw) wantBroken() {
	c.t.Helper()
	for {
		switch kind, payload, err := c.read(); {
		case isClosed(err):
			return
		case err != nil:
			c.t.Fatal(err)
		case strings.Contains(payload, "late"):
			c.t.Fatalf("got %q", payload)
		case kind == closing:
			c.write(closeFrame(1000, ""))
		}
	}
}

// rawEcho opens a WebSocket without SockJS's framing.
func (n *node) rawEcho(t testing.TB, path string) *raw {
	t.Helper()
	return n.browser(t, first).openAt(path)
}

// wantEcho reads a message, in fragments or not.
func (c *raw) wantEcho(kind byte, want string) {
	c.t.Helper()
	got := ""
	for begins := kind &^ ends; ; begins = goesOn {
		first, payload, _, err := c.frame()
		if err != nil || first&^ends != begins {
			c.t.Fatalf("after %d bytes: a frame %#x, %v", len(got), first, err)
		}
		if got += payload; first&ends != 0 {
			break
		}
	}
	if got != want {
		c.t.Fatalf("got %.300q, want %.300q", got, want)
	}
}

// "Raw WebSocket url"
func TestSockJSRawWebSocket(t *testing.T) {
	eachWay(t, func(t *testing.T, open func(testing.TB) *browser) {
		t.Run("transport", func(t *testing.T) {
			c := open(t).openAt("/echo/websocket")
			for _, m := range []string{"Hello world!\uffff", `["a"]`, "", strings.Repeat("é", 30_000)} {
				c.write(frame(text, m))
				c.wantEcho(text, m)
			}
			for _, m := range []string{"\xff\x00\xfe", "text", "", strings.Repeat("\xff", 70_000)} {
				c.write(frame(binaryMsg, m))
				c.wantEcho(binaryMsg, m)
			}
			c.write(frame(textStart, "in ") + frame(goesOn, "three €"[:8]) + frame(ends, "three €"[8:]+" parts"))
			c.wantEcho(text, "in three € parts")
			c.write(frame(text, "1") + frame(binaryMsg, "2") + frame(ping, "3") + frame(text, "4"))
			c.wantEcho(text, "1")
			c.wantEcho(binaryMsg, "2")
			c.wantEcho(pong, "3")
			c.wantEcho(text, "4")
			c.write(closeFrame(1000, ""))
			c.wantClose(1000)
		})
		t.Run("no text", func(t *testing.T) {
			c := open(t).openAt("/echo/websocket")
			c.write(frame(text, "\xff"))
			c.wantClose(1007)
		})
		t.Run("close", func(t *testing.T) {
			c := open(t).openAt("/close/websocket")
			if got := c.want(closing, ""); got != "\x0b\xb8Go away!" {
				t.Errorf("closed with %q", got)
			}
			c.write(closeFrame(3000, ""))
			c.wantEOF()
		})
		t.Run("STOMP", func(t *testing.T) {
			c := open(t).openAt("/stomp/websocket")
			c.write(frame(text, connectFrame))
			c.wantMessage("CONNECTED\n")
			c.wantAlive()
		})
	})
}
