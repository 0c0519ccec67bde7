package main

import (
	"fmt"
	"net/url"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/nats-io/nats.go"
	"github.com/segmentio/kafka-go"

	"github.com/stompgw/stompgw/bus/bustest/servers"
	"github.com/stompgw/stompgw/cmd/internal/cli/clitest"
)

// memberConfig has rules of before, for everything, beside those for members.
const memberConfig = `
listen: 127.0.0.1:0
redis: { addrs: ["%s"] }
auth:
  jwt: { issuer: main, secret_file: main }
  issuers: [{ issuer: shop, secret_file: shop, name: x }, { issuer: other, secret_file: other }]
channels:
  - { match: "/{a}/{b}/**", subscribe: "true", send: "true", patterns: true }
  - { match: "/member/{member}/queue/{name}", subscribe: string(claims.mu) == vars.member, send: "destination.endsWith('/to')" }
  - { match: "/member/**", subscribe: "true" }
  - { match: "/**", subscribe: "true", send: "true", patterns: true }
routes:
  - { match: "/app/{a}/{b}/{c}/{d}", allow: "true", publish: "/{a}/{b}/{c}/{d}" }
  - { match: "/app/to/{member}", allow: "true", publish: "/member/{member}/queue/x" }
drain: { duration: 1s }
%s
`

// What follows all other messages, to everybody: to so many destinations, over all partitions of a topic and
// all queues of a node, and to some that patterns match which might bring what is a member's.
const (
	fences    = 24
	everybody = "/topic/fence/*"
)

func fenceRecords() (list []record) {
	names := []string{"/topic/7/queue/x", "/topic/x:7/queue/x", "/membex/7/queue/x", "/xember/7/queue/x", "/memberx/7/queue/x"}
	for n := range fences {
		names = append(names, fmt.Sprintf("/topic/fence/%d", n))
	}
	for _, name := range names {
		list = append(list, record{name, "fence"})
	}
	return list
}

// TestMember: of 200 members of two issuers, on three nodes, each session gets just what is its member's,
// and no neighbour sees any of it, whatever it subscribes to.
func TestMember(t *testing.T) {
	t.Run("nats", func(t *testing.T) {
		addr := servers.NATS(t, 0).Addr
		testMember(t, natsAt(addr), func(t *testing.T, list []record) {
			nc, err := nats.Connect("nats://" + addr)
			if err != nil {
				t.Fatal(err)
			}
			defer nc.Close()
			for _, r := range list { // as `nats pub` does
				if err := nc.Publish(subjectOf(r.destination), []byte(r.body)); err != nil {
					t.Errorf("%s: %v", r.destination, err)
				}
			}
			if err := nc.Flush(); err != nil {
				t.Fatal(err)
			}
		})
	})
	t.Run("kafka", func(t *testing.T) {
		addrs := servers.Fake(t, 3).Addrs
		testMember(t, kafkaAt(addrs...), func(t *testing.T, list []record) {
			w := &kafka.Writer{Addr: kafka.TCP(addrs...), Topic: "stompgw", RequiredAcks: kafka.RequireAll, BatchTimeout: time.Millisecond, Balancer: kafka.BalancerFunc(
				func(m kafka.Message, partitions ...int) int {
					if n, ok := strings.CutPrefix(string(m.Key), "/topic/fence/"); ok {
						n, _ := strconv.Atoi(n)
						return partitions[n%len(partitions)]
					}
					return kafka.Murmur2Balancer{}.Balance(m, partitions...)
				})}
			var messages []kafka.Message
			for _, r := range list {
				messages = append(messages, kafka.Message{Key: []byte(r.destination), Value: []byte(r.body),
					Headers: []kafka.Header{{Key: "destination", Value: []byte(r.destination)}}})
			}
			if err := w.WriteMessages(t.Context(), messages...); err != nil {
				t.Fatal(err)
			}
			if err := w.Close(); err != nil {
				t.Fatal(err)
			}
		})
	})
}

// subjectOf is what bus/README.md says of subjects.
func subjectOf(destination string) string {
	var subject strings.Builder
	for token := range strings.SplitSeq(strings.TrimPrefix(destination, "/"), "/") {
		if token == "" {
			token = "="
		}
		subject.WriteString("." + strings.NewReplacer("%", "=25", ":", "=3A", "*", "=2A", " ", "=20").Replace(token))
	}
	return "stomp.d" + subject.String()
}

// record is what a program publishes that knows the broker alone.
type record struct{ destination, body string }

// person is a member of an issuer, and what its sessions shall have received.
type person struct {
	issuer string
	id     any    // as the token has it
	inbox  string // as stompgw writes it
	tabs   []*tab
	want   []string
}

// tab is one session, with what has come to it.
type tab struct {
	*client
	patterns []string       // ids of subscriptions that a fence has to come to, too
	got      []string       // bodies, but for fences
	odd      []frame        // that make no sense
	passed   map[string]int // fences, by subscription
	answered chan struct{}  // has one for a RECEIPT; closed when nobody listens any more
}

func openTab(t *testing.T, n *node, headers ...string) *tab {
	t.Helper()
	return &tab{client: connect(t, n.Addr, headers...), passed: map[string]int{}, answered: make(chan struct{}, 1)}
}

// listen reads until all fences have come, or nothing comes any more.
func (s *tab) listen() {
	defer close(s.answered)
	s.conn.SetReadDeadline(time.Now().Add(patience)) // an error shows in the next read
	for !s.isDone() {
		f, err := s.read()
		switch id := f.headers["subscription"]; {
		case err != nil:
			s.odd = append(s.odd, frame{command: err.Error()})
			return
		case f.command == "RECEIPT":
			s.answered <- struct{}{}
		case f.body == "fence":
			s.passed[id]++
		case f.command != "MESSAGE" || id != "/member/queue/x" || f.headers["destination"] != id:
			s.odd = append(s.odd, f)
		default:
			s.got = append(s.got, f.body)
		}
	}
}

func (s *tab) isDone() bool {
	return s.passed[everybody] == fences && !slices.ContainsFunc(s.patterns, func(id string) bool { return s.passed[id] == 0 })
}

// wantGot checks what has come, in whatever order.
func (s *tab) wantGot(t *testing.T, whose string, want []string) {
	t.Helper()
	slices.Sort(s.got)
	if want = slices.Sorted(slices.Values(want)); !slices.Equal(s.got, want) || s.odd != nil {
		t.Errorf("a session of %s got %q, and %+v; want %q", whose, s.got, s.odd, want)
	}
}

func testMember(t *testing.T, bus string, publish func(*testing.T, []record)) {
	dir := t.TempDir()
	for _, issuer := range []string{"main", "shop", "other"} {
		clitest.WriteFile(t, filepath.Join(dir, issuer), issuerSecret(issuer)+"\n")
	}
	file := clitest.WriteFile(t, filepath.Join(dir, "stompgw.yaml"), fmt.Sprintf(memberConfig, servers.Redis(t).Addr, bus))
	nodes := []*node{serve(t, file), serve(t, file), serve(t, file)}

	people := members()
	if len(people) != 200 {
		t.Fatalf("there are %d members", len(people))
	}
	var all []*tab
	for i, p := range people {
		for k := range 1 + i%5 {
			s := openTab(t, nodes[(i+k)%len(nodes)], "Authorization", "Bearer "+tokenOf(t, p.issuer, p.id))
			s.subscribe(t, "/member/queue/x")
			p.tabs = append(p.tabs, s)
		}
		all = append(all, p.tabs...)
	}
	spies := hostile(t, nodes)
	all = append(all, spies...)
	for _, s := range all {
		s.subscribe(t, everybody)
	}
	var readers sync.WaitGroup
	for _, s := range all {
		readers.Go(s.listen)
	}

	var list []record
	for i, p := range people {
		body, next := fmt.Sprintf("to %s", p.inbox), people[(i+1)%len(people)]
		list = append(list, record{"/member/" + p.inbox + "/queue/x", body})
		p.want = append(p.want, body)
		p.tabs[0].send(t, "SEND", "by "+p.inbox, "destination", "/app/to/"+next.inbox, "receipt", "sent")
		next.want = append(next.want, "by "+p.inbox)
	}
	for _, odd := range []string{"/member", "/member/", "/member//queue/x", "/member/queue/x/", "/member/%2f/queue/x", "/member/%34%32/queue/x", "/member/*/queue/x", "/member/**", "/member/ /queue/x", "/member/7/queue/y"} {
		list = append(list, record{odd, "to " + odd})
	}
	publish(t, list)
	last := people[len(people)-1]
	nodes[0].cli(t, "publish", "/member/"+last.inbox+"/queue/x", "by hand")
	last.want = append(last.want, "by hand")
	if got := nodes[1].cli(t, "sessions", "list", "--destination", "/member/"+last.inbox+"/queue/x", "-o", "name"); strings.Count(got, "\n") != len(last.tabs) {
		t.Errorf("to what is %s's are subscribed\n%swant %d sessions", last.inbox, got, len(last.tabs))
	}
	for _, p := range people {
		<-p.tabs[0].answered
	}
	publish(t, fenceRecords())

	readers.Wait()
	for _, p := range people {
		for _, s := range p.tabs {
			s.wantGot(t, fmt.Sprintf("%v of %s", p.id, p.issuer), p.want)
		}
	}
	for i, s := range spies {
		s.wantGot(t, fmt.Sprintf("spy %d", i), nil)
	}
}

// members are of two issuers, by the same ids.
func members() (list []*person) {
	texts := []string{"*", "**", "{a}", "{member}", "a/b", "..", ".", "%", "%37", "%2A", "x:7", "x", "member", "queue", "ü", "안녕", " ", "a b", "A", "a", "007", "-0", "+7", "1e3", "?", "#", "a:b", "null", "true", "9223372036854775808"}
	for n := range 35 {
		texts = append(texts, strconv.Itoa(n))
	}
	for _, issuer := range []string{"main", "shop"} {
		add := func(id any, inbox string) {
			if issuer == "shop" {
				inbox = "x:" + inbox
			}
			list = append(list, &person{issuer: issuer, id: id, inbox: inbox})
		}
		for n := range 35 {
			add(n-5, strconv.Itoa(n-5))
		}
		for _, text := range texts {
			escaped := strings.NewReplacer("+", "%20", ".", "%2E", "~", "%7E").Replace(url.QueryEscape(text))
			if n, err := strconv.Atoi(text); err == nil && strconv.Itoa(n) == text {
				escaped = fmt.Sprintf("%%%02X%s", text[0], text[1:])
			}
			add(text, escaped)
		}
	}
	return list
}

func issuerSecret(issuer string) string {
	return "the secret of the issuer " + issuer + ", thirty-two bytes"
}

func tokenOf(t *testing.T, issuer string, member any) string {
	t.Helper()
	token, err := jwt.NewWithClaims(jwt.SigningMethodHS256, jwt.MapClaims{"iss": issuer, "mu": member, "exp": time.Now().Add(time.Hour).Unix()}).
		SignedString([]byte(issuerSecret(issuer)))
	if err != nil {
		t.Fatal(err)
	}
	return token
}

// hostile are sessions that subscribe to whatever might bring what is somebody else's: of nobody, of members of an issuer
// without a name, and of members of each other one. What they may not is refused.
func hostile(t *testing.T, nodes []*node) (spies []*tab) {
	t.Helper()
	names := []string{
		"/**", "/*/**", "/**/x", "/*/*/queue/x", "/*/7/queue/x", "/*/x:7/**", "/membe?/7/queue/x", "/m*/*/queue/*", "/member*/**", "/?ember/**", "/*ember/7/queue/x",
		"/member/**", "/member/*/queue/x", "/member/7/queue/?", "/member/{a}/queue/x", "/member/7*/queue/x", "//member/7/queue/x",
		"/member", "/member/", "/member/7", "/member/7/queue/x", "/member/x:7/queue/x", "/member//7/queue/x", "/member/../7/queue/x", "/member/%37/queue/x", "/member/queue/x/",
		"/member/queue/y", "/Member/7/queue/x", "/memberx/7/queue/x", "member/7/queue/x", "/session/member/7/queue/x", "/session/../member/7/queue/x",
	}
	for i, who := range []struct {
		issuer string
		id     any
	}{{}, {"main", "mallory"}, {"shop", "mallory"}, {"other", 7}, {"other", "a/b"}, {"main", 900}} {
		for _, n := range nodes {
			var login []string
			if who.issuer != "" {
				login = []string{"Authorization", "Bearer " + tokenOf(t, who.issuer, who.id)}
			}
			s := openTab(t, n, login...)
			s.subscribe(t, errorChannel)
			for _, name := range names {
				s.send(t, "SUBSCRIBE", "", "id", name, "destination", name, "receipt", name)
				f, err := s.read()
				if err != nil || f.command != "RECEIPT" && f.headers["destination"] != errorChannel {
					t.Fatalf("spy %d: %s is answered with %+v, %v", i, name, f, err)
				}
				if f.command == "RECEIPT" && strings.ContainsAny(name, "*?") {
					s.patterns = append(s.patterns, name)
				}
			}
			for _, to := range []string{"/member/7/queue/x", "/app/member/7/queue/x", "/member/%37/queue/x"} {
				s.send(t, "SEND", "by a spy", "destination", to)
				if f, err := s.read(); err != nil || f.headers["destination"] != errorChannel {
					t.Fatalf("spy %d: a SEND to %s is answered with %+v, %v", i, to, f, err)
				}
			}
			if len(s.patterns) != 11 {
				t.Errorf("spy %d may subscribe by %q", i, s.patterns)
			}
			spies = append(spies, s)
		}
	}
	return spies
}
