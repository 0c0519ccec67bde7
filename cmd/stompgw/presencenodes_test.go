package main

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stompgw/stompgw/bus/bustest"
	"github.com/stompgw/stompgw/bus/bustest/servers"
	"github.com/stompgw/stompgw/cmd/internal/cli/clitest"
)

// roomsConfig is the configuration of nodes with rooms whose messages are kept; %s are the address of Redis, the grace, and the bus.
const roomsConfig = `
listen: 127.0.0.1:0
redis: { addrs: ["%s"] }
registry: { heartbeat: 500ms, expiry: 2s }
presence: { grace: %s }
page_api: { enabled: true }
channels:
  - { match: "/topic/room/{n}", subscribe: "true", send: "true", presence: true, presence_info: '{"name": claims.name}', history: { size: 100, ttl: 10m } }
  - { match: "/topic/staff/{n}", subscribe: "claims.mu == 8", presence: count }
drain: { duration: 1s }
%s
`

// visitor is a session in a room, of nobody without a token.
func visitor(t *testing.T, n *node, token, room string) *client {
	t.Helper()
	var login []string
	if token != "" {
		login = []string{"Authorization", "Bearer " + token}
	}
	c := connect(t, n.Addr, login...)
	c.subscribe(t, room)
	return c
}

// leave returns when the session has ended.
func (c *client) leave(t *testing.T) {
	t.Helper()
	c.send(t, "DISCONNECT", "", "receipt", "bye")
	c.expect(t, "RECEIPT")
	if _, err := c.read(); err != io.EOF {
		t.Fatalf("after DISCONNECT: %v", err)
	}
}

// TestGraceOverNodes: to who looks at a room a member has not left that reloads the page, is back on another node, or comes back
// after his node was killed: as often as he likes, while the grace lasts.
func TestGraceOverNodes(t *testing.T) {
	t.Parallel()
	for name, bus := range map[string]func(t *testing.T) string{
		"nats": func(t *testing.T) string { return natsAt(servers.NATS(t, 0, "-js", "-sd", t.TempDir()).Addr) },
		"kafka": func(t *testing.T) string {
			return fmt.Sprintf(`bus: { driver: kafka, kafka: { brokers: ["%s"], topic: grace, create: true } }`, shared.Kafka(t).Addr)
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			const room = "/topic/room/1"
			file := clitest.WriteFile(t, filepath.Join(t.TempDir(), "stompgw.yaml"), fmt.Sprintf(roomsConfig, servers.Redis(t).Addr, "10m", bus(t)))
			one, two := serve(t, file, secretEnv), serve(t, file, secretEnv)
			tokens := memberTokens(t, 3)
			v := connect(t, two.Addr)
			v.send(t, "SUBSCRIBE", "", "id", "0", "destination", "/presence"+room)
			told := func(want string) {
				t.Helper()
				if f := v.expect(t, "MESSAGE"); !strings.HasPrefix(f.body, want) {
					t.Fatalf("told %s, want %s", f.body, want)
				}
			}
			told(`{"type":"here","members":[],"count":0,"anonymous":0}`)
			c := visitor(t, one, tokens[1], room)
			told(`{"type":"joined","members":[{"member":1,`)
			// Nobody has no grace: so who looks knows by the number what his node has told before, too.
			marks := 0
			mark := func(on *node) {
				t.Helper()
				marks++
				visitor(t, on, "", room)
				told(fmt.Sprintf(`{"type":"count","count":1,"anonymous":%d}`, marks))
			}
			at := one
			for _, next := range []*node{one, two, one} { // a reload, and two changes of nodes
				c.leave(t)
				mark(at)
				at = next
				c = visitor(t, at, tokens[1], room)
				mark(at)
			}
			one.Kill()
			told(`{"type":"count","count":1,"anonymous":2}`) // those on the other node
			visitor(t, two, tokens[1], room)
			visitor(t, two, tokens[2], room)
			told(`{"type":"joined","members":[{"member":2,`)
		})
	}
}

// TestPagesOverNodes: pages are told of all nodes, whichever they ask: which rooms there are and how many are there, who is in one, and what was said in it.
func TestPagesOverNodes(t *testing.T) {
	t.Parallel()
	bus := natsAt(servers.NATS(t, 0, "-js", "-sd", t.TempDir()).Addr)
	file := clitest.WriteFile(t, filepath.Join(t.TempDir(), "stompgw.yaml"), fmt.Sprintf(roomsConfig, servers.Redis(t).Addr, "0s", bus))
	var nodes []*node
	var sites []string
	for range 3 {
		sites = append(sites, freeAddr(t))
		nodes = append(nodes, serve(t, file, secretEnv, "STOMPGW_LISTEN="+sites[len(sites)-1]))
	}
	tokens := memberTokens(t, 9)
	const one, two, staff = "/topic/room/1", "/topic/room/2", "/topic/staff/1"
	for _, come := range []struct {
		node, member int
		room         string
	}{{0, 7, one}, {1, 7, one}, {1, 8, one}, {2, 0, one}, {2, 8, two}, {0, 8, staff}, {2, 8, staff}} {
		visitor(t, nodes[come.node], map[bool]string{true: tokens[come.member]}[come.member > 0], come.room)
	}
	said := connect(t, nodes[0].Addr)
	say := func(body string) {
		t.Helper()
		said.send(t, "SEND", body, "destination", one, "receipt", "said")
		said.expect(t, "RECEIPT")
	}
	say("first")
	say("second")
	// wantOf has each of some nodes answer so, soon: answers are a second old at most, and 429 comes where that is asked for too often.
	wantOf := func(sites []string, path, token, want string) {
		t.Helper()
		for _, site := range sites {
			var got string
			defer func() {
				if got != want {
					t.Logf("%s answers %s", site, got)
				}
			}()
			bustest.Eventually(t, fmt.Sprintf("%s of %s is %s", path, site, want), func() bool {
				got = ask(t, "http://"+site+"/stomp/api/"+path, token)
				return got == want
			})
		}
	}
	rooms := `{"destination":"/topic/room/1","members":3,"anonymous":1},{"destination":"/topic/room/2","members":1,"anonymous":0}`
	wantOf(sites, "destinations?match=/topic/**", tokens[7], `{"destinations":[`+rooms+`]}`)
	wantOf(sites, "destinations?match=/topic/**", tokens[8], `{"destinations":[`+rooms+`,{"destination":"/topic/staff/1","members":2,"anonymous":0}]}`)
	person := func(member int) string {
		return fmt.Sprintf(`{"member":%d,"info":{"name":"somebody of the name %[1]d"}}`, member)
	}
	present := "presence?destination=" + one
	wantOf(sites, present, "", `{"destination":"/topic/room/1","count":2,"anonymous":1,"many":false,"members":[`+person(7)+`,`+person(8)+`]}`)
	wantOf(sites, "presence?destination="+staff, tokens[8], `{"destination":"/topic/staff/1","count":2,"anonymous":0,"many":true,"members":[]}`)

	var after string
	for _, site := range sites {
		var p struct {
			Messages []struct{ Body string }
			Position string
		}
		bustest.Eventually(t, "both messages of "+site, func() bool {
			p.Messages = nil
			return json.Unmarshal([]byte(ask(t, "http://"+site+"/stomp/api/history?destination="+one, "")), &p) == nil && fmt.Sprint(p.Messages) == "[{first} {second}]"
		})
		if after = p.Position; after == "" {
			t.Fatalf("%s does not say where that ends", site)
		}
	}
	say("third")
	for _, site := range sites { // what one node has told another one goes on from
		bustest.Eventually(t, "the third of "+site, func() bool {
			got := ask(t, "http://"+site+"/stomp/api/history?destination="+one+"&after="+url.QueryEscape(after), "")
			return strings.Contains(got, `"body":"third"`) && !strings.Contains(got, `"body":"second"`)
		})
	}

	nodes[1].Kill()
	wantOf([]string{sites[0], sites[2]}, present, "", `{"destination":"/topic/room/1","count":1,"anonymous":1,"many":false,"members":[`+person(7)+`]}`)
}

// ask returns what a page is answered.
func ask(t *testing.T, url, token string) string {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	req.Close = true
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(body)
}
