package api_test

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stompgw/stompgw/admin"
	"github.com/stompgw/stompgw/bus/bustest"
	"github.com/stompgw/stompgw/gateway"
	"github.com/stompgw/stompgw/gateway/registry"
	"github.com/stompgw/stompgw/gateway/registry/redisregistry"
)

// crowd stands for the gateway of a node, and says who is there.
type crowd struct {
	admin.Controlled
	rooms map[string]registry.Present
}

func (c *crowd) Present(_ context.Context, rooms []string, counts bool) (found []registry.Present, err error) {
	for _, name := range rooms {
		if p, ok := c.rooms[name]; ok {
			if counts {
				p.Members, p.Many = nil, true
			}
			found = append(found, p)
		}
	}
	return found, nil
}

func (c *crowd) Destinations(_ context.Context, _, after string, _ int) (page []registry.Destination, next string, err error) {
	for name, p := range c.rooms {
		if name > after {
			page = append(page, registry.Destination{Name: name, Subscribers: 9, Members: &p.Count, Anonymous: &p.Anonymous})
		}
	}
	return append(page, registry.Destination{Name: "/topic/z", Subscribers: 1}), "", nil
}

func (c *crowd) Figures() (f gateway.Figures) { return f }
func (c *crowd) Ready() error                 { return nil }
func (c *crowd) Draining() bool               { return false }

// addCrowd has the node of addNode answer.
func addCrowd(t *testing.T, m redisregistry.Map, rooms ...registry.Present) {
	t.Helper()
	node, err := registry.ParseNode(nodeName)
	if err != nil {
		t.Fatal(err)
	}
	c := &crowd{rooms: map[string]registry.Present{}}
	for _, p := range rooms {
		c.rooms[p.Destination] = p
	}
	control := admin.NewControl(m, node, c, nil, slog.New(slog.DiscardHandler))
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	wg.Go(func() { control.Run(ctx) }) // it returns nil
	t.Cleanup(func() { cancel(); wg.Wait() })
	cluster := admin.NewCluster(m, impatience)
	bustest.Eventually(t, "the node answers", func() bool {
		n, err := cluster.FindNode(t.Context(), nodeName)
		return err == nil && n.Connections != nil
	})
}

// TestPresence: a backend is told who is in a room, or how many are.
func TestPresence(t *testing.T) {
	m := redisMap(t)
	addNode(t, m)
	addCrowd(t, m, registry.Present{Destination: "/topic/a", Number: 4, Count: 2, Anonymous: 3, Members: []registry.Person{
		{Member: json.RawMessage(`"bob"`), Sessions: 2, Since: 1764000000000, Info: json.RawMessage(`{"name":"Bob <b>"}`)},
		{Member: json.RawMessage(`7`), Sessions: 1, Since: 5}}})
	r := newRigWaiting(t, m, limit, time.Minute)
	for path, want := range map[string]string{
		"/v1/presence?destination=/topic/a": `{"destination":"/topic/a","count":2,"anonymous":3,"many":false,"members":[` +
			`{"member":"bob","sessions":2,"since":1764000000000,"info":{"name":"Bob \u003cb\u003e"}},{"member":7,"sessions":1,"since":5}],"silent_nodes":[]}`,
		"/v1/presence?destination=/topic/a&count=true": `{"destination":"/topic/a","count":2,"anonymous":3,"many":true,"members":[],"silent_nodes":[]}`,
		"/v1/presence?destination=/topic/b":            `{"destination":"/topic/b","count":0,"anonymous":0,"many":false,"members":[],"silent_nodes":[]}`,
		"/v1/destinations": `{"destinations":[{"destination":"/topic/a","pattern":false,"subscribers":9,"members":2,"anonymous":3},` +
			`{"destination":"/topic/z","pattern":false,"subscribers":1}],"silent_nodes":[]}`,
	} {
		resp := r.ask(t, readKey, "GET", path, "")
		if got := strings.TrimSpace(read(t, resp)); resp.StatusCode != http.StatusOK || got != want {
			t.Errorf("%s: %d\n got %s\nwant %s", path, resp.StatusCode, got, want)
		}
	}
	for destination, want := range map[string]string{"/topic/*": "no pattern", "": "want one value", strings.Repeat("a", 8<<10+1): "destination"} {
		wantProblem(t, r.ask(t, readKey, "GET", "/v1/presence?destination="+url.QueryEscape(destination), ""), http.StatusUnprocessableEntity, want)
	}
	wantProblem(t, r.ask(t, readKey, "GET", "/v1/presence", ""), http.StatusUnprocessableEntity, "destination")
	wantProblem(t, r.ask(t, readKey, "GET", "/v1/presence?destination=/other/a", ""), http.StatusNotFound, "has no presence in the configuration")
}

// TestPresenceSilent: whose people are missing is told; without Redis nobody is.
func TestPresenceSilent(t *testing.T) {
	m := redisMap(t)
	addNode(t, m)
	var got struct {
		Count  int
		Silent []string `json:"silent_nodes"`
	}
	wantJSON(t, newRigOn(t, m).ask(t, readKey, "GET", "/v1/presence?destination=/topic/a", ""), http.StatusOK, &got)
	if fmt.Sprint(got.Silent) != "["+nodeName+"]" {
		t.Errorf("silent are %q", got.Silent)
	}
	wantProblem(t, newRigOn(t, unreachable(t)).ask(t, readKey, "GET", "/v1/presence?destination=/topic/a", ""), http.StatusServiceUnavailable, "redis")
}
