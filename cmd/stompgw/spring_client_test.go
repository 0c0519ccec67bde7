package main

import (
	"strings"
	"testing"

	"github.com/coder/websocket"
)

// webClient is a client of either kind of node, over a WebSocket.
type webClient struct{ *client }

// connect opens a session on each node, each subscribed to destination.
func (s *sides) connect(t *testing.T, destination string) []*webClient {
	t.Helper()
	clients := make([]*webClient, len(s.web))
	for i, addr := range s.web {
		clients[i] = connectWeb(t, addr, "Authorization", "Bearer aa")
		clients[i].send(t, "SUBSCRIBE", "", "id", "1", "destination", destination, "client-request-code", "SUBSCRIBE")
		clients[i].settle(t)
	}
	return clients
}

// connectWeb opens a session that is subscribed to its errors.
func connectWeb(t *testing.T, addr string, headers ...string) *webClient {
	t.Helper()
	ws, _, err := websocket.Dial(t.Context(), "ws://"+addr+"/stomp/websocket", &websocket.DialOptions{Subprotocols: []string{"v12.stomp"}})
	if err != nil {
		t.Fatal(err)
	}
	conn := websocket.NetConn(t.Context(), ws, websocket.MessageText)
	t.Cleanup(func() { conn.Close() })
	c := &webClient{newClient(conn)}
	c.login(t, headers...)
	parts := strings.Split(c.principal, "/") // <epoch millis>/<uuid>/<session id>/<connect time>
	if len(parts) != 4 {
		t.Fatalf("the principal is %q", c.principal)
	}
	c.session = parts[0] + "/" + parts[1] + "_" + parts[2]
	c.send(t, "SUBSCRIBE", "", "id", "0", "destination", errorsQueue)
	return c
}

// settle returns when the node has seen to all that the client has sent. Spring has no RECEIPT for
// that, but both kinds refuse frames in order.
func (c *webClient) settle(t *testing.T) {
	t.Helper()
	c.send(t, "SUBSCRIBE", "", "id", "refused", "destination", membersRoom, "client-request-code", "settle")
	f := c.expect(t, "MESSAGE")
	const want = `{"clientRequestCode":"settle","errorCode":1,"errorMessage":"Need Login"`
	if f.headers["destination"] != errorsQueue || f.headers["subscription"] != "0" || !strings.HasPrefix(f.body, want) {
		t.Fatalf("got %+v, want a refusal", f)
	}
}

// wantMessage reads the next frame, which has to be a MESSAGE of a server's text.
func (c *webClient) wantMessage(t *testing.T, destination, body string) {
	t.Helper()
	f := c.expect(t, "MESSAGE")
	if f.headers["destination"] != destination || f.headers["subscription"] != "1" || f.headers["content-type"] != "text/plain;charset=UTF-8" || f.body != body {
		t.Errorf("got %+v, want %s to %s", f, body, destination)
	}
}
