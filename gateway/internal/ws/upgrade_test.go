package ws

import (
	"net/http/httptest"
	"strings"
	"testing"
)

// TestSubprotocol holds that the server chooses, not the order in which the client offers.
func TestSubprotocol(t *testing.T) {
	for want, offers := range map[string][][]string{
		"":          {nil, {"mqtt"}, {"V12.STOMP"}, {"v12.stomp2"}, {""}},
		"v10.stomp": {{"mqtt, v10.stomp, graphql-ws"}},
		"v11.stomp": {{"v11.stomp"}, {"v10.stomp,v11.stomp"}},
		"v12.stomp": {{"v10.stomp, v11.stomp, v12.stomp"}, {"v12.stomp, v11.stomp, v10.stomp"}, {"v10.stomp", "v12.stomp", "v11.stomp"}},
	} {
		for _, lines := range offers {
			r := httptest.NewRequest("GET", "/stomp", nil)
			for name, value := range map[string]string{"Upgrade": "websocket", "Connection": "Upgrade",
				"Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==", "Sec-WebSocket-Version": "13"} {
				r.Header.Set(name, value)
			}
			r.Header["Sec-Websocket-Protocol"] = lines
			answer, refusal := Accept(r)
			_, got, _ := strings.Cut(string(answer), "\r\nSec-WebSocket-Protocol: ")
			if got = strings.TrimSuffix(got, "\r\n\r\n"); got != want || refusal != nil {
				t.Errorf("of %q: got %q, %v, want %q", lines, got, refusal, want)
			}
		}
	}
}
