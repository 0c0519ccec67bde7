package api_test

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stompgw/stompgw/bus"
	"github.com/stompgw/stompgw/bus/membus"
	"github.com/stompgw/stompgw/gateway"
	"github.com/stompgw/stompgw/gateway/policy"
	"github.com/stompgw/stompgw/gateway/registry"
)

// page is what GET /v1/history answers.
type page struct {
	Messages []gateway.KeptJSON
	Position string
	More     bool
}

// TestHistory: a page says of each message what its sender meant, text as such and other bytes as base64.
func TestHistory(t *testing.T) {
	r := newRigOn(t, unreachable(t))
	r.gateway.page = gateway.HistoryPage{
		Messages: []gateway.Kept{
			{Position: "p1", Headers: []bus.Header{{Name: "x", Value: "1"}, {Name: "content-type", Value: "a/b"}, {Name: "x", Value: "2"}, {Name: "content-type", Value: "c/d"}}, Body: []byte("t\u00e9xt\n")},
			{Body: []byte{}},
			{Position: "p3", Body: []byte{0xff, 0}},
		},
		Position: "p3", More: true,
	}
	var got map[string]any
	wantJSON(t, r.ask(t, historyKey, "GET", "/v1/history?destination=/topic/a&after=p0&limit=3", ""), http.StatusOK, &got)
	want := `map[messages:[` +
		"map[body:t\u00e9xt\n content_type:a/b headers:map[x:1] position:p1] map[body: headers:map[]] map[body_base64:/wA= headers:map[] position:p3]" +
		`] more:true position:p3]`
	if fmt.Sprint(got) != want {
		t.Errorf("got %v, want %s", got, want)
	}
	r.gateway.page = gateway.HistoryPage{}
	wantJSON(t, r.ask(t, historyKey, "GET", "/v1/history?destination=/topic/b", ""), http.StatusOK, &got)
	if want := []string{"/topic/a p0 3", "/topic/b  100"}; !slices.Equal(r.gateway.asked, want) {
		t.Errorf("asked %q, want %q", r.gateway.asked, want)
	}
}

// TestHistoryProblems: why there is no page, and what to do.
func TestHistoryProblems(t *testing.T) {
	r := newRigOn(t, unreachable(t))
	for _, c := range []struct {
		err    error
		status int
		words  string
	}{
		{gateway.ErrNoHistory, http.StatusNotFound, "it is a pattern, or no channel that is about it"},
		{gateway.ErrPosition, http.StatusUnprocessableEntity, "x-position"},
		{fmt.Errorf("%w: the log was made anew", gateway.ErrNotRecovered), http.StatusConflict, "made anew; leave after out"},
		{gateway.ErrNotRunning, http.StatusServiceUnavailable, "does not run"},
		{fmt.Errorf("%w: nothing came", bus.ErrDown), http.StatusServiceUnavailable, "nothing came"},
		{fmt.Errorf("%w: for now", bus.ErrCrowded), http.StatusServiceUnavailable, "for now"},
		{fmt.Errorf("%w: too long", bus.ErrDestination), http.StatusUnprocessableEntity, "too long"},
		{context.DeadlineExceeded, http.StatusServiceUnavailable, "no answer in time"},
	} {
		r.gateway.err = c.err
		wantProblem(t, r.ask(t, historyKey, "GET", "/v1/history?destination=/topic/a&after=p", ""), c.status, c.words)
	}
}

// TestHistoryCrowd: four pages are read at a time.
func TestHistoryCrowd(t *testing.T) {
	r := newRigOn(t, unreachable(t))
	r.gateway.hold = make(chan struct{})
	var wg sync.WaitGroup
	answers := make(chan *http.Response, 5)
	for range 5 {
		wg.Go(func() { answers <- r.ask(t, historyKey, "GET", "/v1/history?destination=/topic/a", "") })
	}
	wantProblem(t, <-answers, http.StatusServiceUnavailable, "too many pages of history")
	close(r.gateway.hold)
	wg.Wait()
	for range 4 {
		if resp := <-answers; resp.StatusCode != http.StatusOK {
			t.Errorf("%d %s", resp.StatusCode, read(t, resp))
		}
	}
}

// TestHistoryOfGateway: a backend goes through what a node keeps, page after page, an inbox too.
func TestHistoryOfGateway(t *testing.T) {
	cluster := membus.NewCluster()
	node := registry.NewNode(time.Now())
	b := cluster.Bus(node.String())
	defer b.Close(context.Background())
	rules, err := policy.New(policy.Rules{
		Prefixes: policy.DefaultPrefixes(), ErrorDestination: "/session/queue/errors",
		Channels: []policy.Channel{{Match: "/member/{member}/queue/{name}", Subscribe: "true", Send: "true", History: policy.History{Size: 10, TTL: time.Hour}}},
	})
	if err != nil {
		t.Fatal(err)
	}
	g, err := gateway.New(node, b, registry.NewMemory(), rules, gateway.WithDrain(0))
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	defer wg.Wait()
	defer stop()
	wg.Go(func() {
		if err := g.Run(ctx); err != nil {
			t.Error(err)
		}
	})
	for g.Ready() != nil {
		time.Sleep(time.Millisecond)
	}
	r := newRigOn(t, unreachable(t))
	r.gateway.of = g
	const inbox = "/member/7/queue/inbox"
	read := func(after string) (p page) {
		path := "/v1/history?limit=2&destination=" + url.QueryEscape(inbox)
		if after != "" {
			path += "&after=" + after
		}
		wantJSON(t, r.ask(t, historyKey, "GET", path, ""), http.StatusOK, &p)
		return p
	}
	position := read("").Position
	const count = 5
	for n := range count {
		published := make(chan error, 1)
		if err := b.Publish(bus.Envelope{Destination: inbox, Body: fmt.Append(nil, n)}, func(err error) { published <- err }); err != nil || <-published != nil {
			t.Fatal("it was not published")
		}
	}
	var got []string
	for len(got) < count { // they come to the node meanwhile
		p := read(position)
		for _, m := range p.Messages {
			got = append(got, *m.Body)
		}
		position = p.Position
	}
	if strings.Join(got, "") != "01234" {
		t.Errorf("got %q", got)
	}
	wantProblem(t, r.ask(t, historyKey, "GET", "/v1/history?destination=/member/x", ""), http.StatusNotFound, "no history")
	wantProblem(t, r.ask(t, historyKey, "GET", "/v1/history?destination=/topic/%FF", ""), http.StatusNotFound, "no history")
}
