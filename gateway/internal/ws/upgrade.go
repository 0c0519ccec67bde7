package ws

import (
	"crypto/sha1"
	"encoding/base64"
	"net/http"
	"slices"
	"strings"
)

// subprotocols are what the server can speak, best first. The server's order decides, not the
// client's, so that a client offering all three gets the newest.
func subprotocols() []string { return []string{"v12.stomp", "v11.stomp", "v10.stomp"} }

// Refusal is the HTTP answer to a request that is not as it should be.
type Refusal struct {
	Status int
	Reason string // the body: what is wrong, and what would be right; none if empty
	Allow  string // the methods that would be right
}

// Write answers a request with r.
func (r *Refusal) Write(w http.ResponseWriter) {
	if r.Status == http.StatusUpgradeRequired { // section 4.4, and RFC 9110 section 15.5.22
		w.Header().Set("Upgrade", "websocket")
		w.Header().Set("Sec-WebSocket-Version", "13")
	}
	if r.Allow != "" {
		w.Header().Set("Allow", r.Allow)
	}
	if r.Reason == "" {
		w.WriteHeader(r.Status)
		return
	}
	http.Error(w, r.Reason, r.Status)
}

// Accept returns the answer to an upgrade request, after which the connection speaks WebSocket, or
// says why there is none (section 4.2). Whose page the request comes from is for others to judge.
func Accept(r *http.Request) (answer []byte, refusal *Refusal) {
	if refusal := check(r); refusal != nil {
		return nil, refusal
	}
	b := []byte("HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ")
	b = append(b, acceptKey(r.Header.Get("Sec-WebSocket-Key"))...)
	if p := choose(list(r.Header, "Sec-WebSocket-Protocol")); p != "" {
		b = append(b, "\r\nSec-WebSocket-Protocol: "...)
		b = append(b, p...)
	}
	return append(b, "\r\n\r\n"...), nil
}

// check holds a request against section 4.2.1.
func check(r *http.Request) *Refusal {
	is := func(token string) func(string) bool {
		return func(s string) bool { return strings.EqualFold(s, token) }
	}
	switch {
	case r.Method != http.MethodGet:
		return &Refusal{http.StatusMethodNotAllowed, "this is a WebSocket endpoint: the method must be GET", http.MethodGet}
	case r.ProtoMajor != 1 || r.ProtoMinor == 0:
		return &Refusal{Status: http.StatusUpgradeRequired, Reason: "a WebSocket needs HTTP/1.1, and this request came as " + r.Proto + "; " +
			"a proxy on the way may have to be told (nginx: proxy_http_version 1.1)"}
	case !slices.ContainsFunc(list(r.Header, "Upgrade"), is("websocket")):
		return &Refusal{Status: http.StatusUpgradeRequired, Reason: "this is a WebSocket endpoint for STOMP: the request must have the header Upgrade: websocket; " +
			"a proxy on the way may have to be told to pass it on"}
	case !slices.ContainsFunc(list(r.Header, "Connection"), is("Upgrade")):
		return &Refusal{Status: http.StatusBadRequest, Reason: "the request must have the header Connection: Upgrade; " +
			"a proxy on the way may have to be told to pass it on"}
	case !slices.Equal(r.Header.Values("Sec-WebSocket-Version"), []string{"13"}):
		return &Refusal{Status: http.StatusUpgradeRequired, Reason: "the request must have the header Sec-WebSocket-Version: 13"}
	case !isKey(r.Header.Values("Sec-WebSocket-Key")):
		return &Refusal{Status: http.StatusBadRequest, Reason: "the request must have one header Sec-WebSocket-Key of 16 bytes in base64"}
	case r.Host == "":
		return &Refusal{Status: http.StatusBadRequest, Reason: "the request must have a Host header"}
	case r.ContentLength != 0:
		return &Refusal{Status: http.StatusBadRequest, Reason: "an upgrade request must not have a body"}
	}
	return nil
}

// isKey reports whether values are one nonce.
func isKey(values []string) bool {
	if len(values) != 1 {
		return false
	}
	nonce, err := base64.StdEncoding.DecodeString(values[0])
	return err == nil && len(nonce) == 16
}

// acceptKey proves that the server has understood the request (section 4.2.2, item 5.4).
func acceptKey(key string) string {
	sum := sha1.Sum([]byte(key + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"))
	return base64.StdEncoding.EncodeToString(sum[:])
}

// choose returns the best of the client's subprotocols, "" for none.
func choose(offered []string) string {
	for _, p := range subprotocols() {
		if slices.Contains(offered, p) {
			return p
		}
	}
	return ""
}

// list returns the items of a header that is a comma-separated list, perhaps over several lines.
func list(header http.Header, name string) []string {
	items := strings.Split(strings.Join(header.Values(name), ","), ",")
	for i := range items {
		items[i] = strings.TrimSpace(items[i])
	}
	return items
}
