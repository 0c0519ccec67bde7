package gateway_test

import (
	"fmt"
	"regexp"
	"strconv"
	"testing"
	"time"

	"github.com/stompgw/stompgw/gateway/policy"
	"github.com/stompgw/stompgw/gateway/schema"
)

// TestReloadUnderLoad: whichever of two catalogues a SEND meets, both of which let it pass, its RECEIPT comes, and its message, once and in order.
func TestReloadUnderLoad(t *testing.T) {
	numbered, err := schema.Compile(schema.Source{Text: []byte(`{"type": "object", "required": ["n"]}`)})
	if err != nil {
		t.Fatal(err)
	}
	plain := policy.Channel{Match: "/topic/{room}", Subscribe: "true", Send: "true"}
	strict := policy.Channel{Match: "/topic/a", Subscribe: "true", Send: "true", From: true, Schema: numbered,
		Limits: policy.Limits{Rate: policy.Rate{Times: 1_000_000, Per: time.Second}}}
	var rules []*policy.Catalogue
	for _, channel := range []policy.Channel{strict, plain} {
		rules = append(rules, compile(t, policy.Rules{
			Channels: []policy.Channel{channel}, Routes: []policy.Route{{Match: "/app/{room}", Allow: "true", Publish: "/topic/{room}"}},
		}))
	}
	n := start(t)
	n.mustSetRules(t, rules[1])
	const clients, each = 8, 200
	reader := n.dialTCP(t).connect()
	reader.subscribe("1", "/topic/a")
	var senders []*client
	for range clients {
		c := n.dialTCP(t).connect()
		c.subscribe("e", "/session/queue/request-error")
		senders = append(senders, c)
	}
	for i := range each {
		to := []string{"/topic/a", "/app/a"}[i%3%2]
		for k, c := range senders {
			c.send(fmt.Sprintf("SEND\ndestination:%s\nreceipt:%d\n\n{\"client\":%d,\"n\":%d}^@", to, i, k, i))
		}
		n.mustSetRules(t, rules[i%2])
	}
	for _, c := range senders {
		for i := range each {
			c.expect("RECEIPT", fmt.Sprintf("receipt-id:%d\n", i))
		}
	}
	said := regexp.MustCompile(`\{"client":(\d+),"n":(\d+)\}`)
	var next [clients]int
	for range clients * each {
		got := said.FindStringSubmatch(reader.expect("MESSAGE", "subscription:1"))
		if got == nil {
			t.Fatal("a message of nobody")
		}
		k, _ := strconv.Atoi(got[1])
		if i, _ := strconv.Atoi(got[2]); i != next[k] {
			t.Fatalf("client %d: got number %d, want %d", k, i, next[k])
		}
		next[k]++
	}
	for code, n := range n.Figures().Refused {
		if n > 0 {
			t.Errorf("code %d: %d were refused", code, n)
		}
	}
}
