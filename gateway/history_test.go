package gateway_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stompgw/stompgw/bus"
	"github.com/stompgw/stompgw/bus/bustest"
	"github.com/stompgw/stompgw/bus/membus"
	"github.com/stompgw/stompgw/gateway"
	"github.com/stompgw/stompgw/gateway/policy"
	"github.com/stompgw/stompgw/gateway/registry"
)

// say publishes bodies, and waits until each has been taken.
func (c *client) say(destination string, bodies ...string) {
	c.t.Helper()
	for _, body := range bodies {
		c.send("SEND\ndestination:" + destination + "\nreceipt:said\n\n" + body + "^@")
		c.expect("RECEIPT", "receipt-id:said")
	}
}

// begin subscribes with some headers, and returns the RECEIPT.
func (c *client) begin(id, destination string, headers ...string) string {
	c.t.Helper()
	c.send("SUBSCRIBE\nid:" + id + "\ndestination:" + destination + "\nreceipt:begun\n" + strings.Join(append(headers, ""), "\n") + "\n^@")
	return c.expect("RECEIPT", "receipt-id:begun")
}

// hear expects messages with these bodies, in order, and returns where the last one has the client stand.
func (c *client) hear(bodies ...string) (position string) {
	c.t.Helper()
	for _, body := range bodies {
		frame := c.expect("MESSAGE")
		if !strings.HasSuffix(frame, "\n\n"+body) {
			c.t.Fatalf("got %q, want %q", frame, body)
		}
		if position = header(c.t, frame, "x-position"); position == "" {
			c.t.Fatalf("%q says no position", frame)
		}
	}
	return position
}

func numbers(from, to int) (list []string) {
	for n := from; n <= to; n++ {
		list = append(list, fmt.Sprint("m", n))
	}
	return list
}

// The rules keep 100 messages of the one, and 1,000 of the other.
const keptRoom, longRoom = "/topic/kept", "/topic/kept/long"

// TestResume: a client says where it was, to any node, and gets what it has missed, then what comes live.
func TestResume(t *testing.T) {
	eachTransport(t, func(t *testing.T, dial func(*node) *client) {
		cluster := membus.NewCluster()
		a, b := startOn(t, cluster), startOn(t, cluster)
		writer, reader := dial(a).connect(), dial(a).connect()
		first := header(t, reader.begin("0", keptRoom), "x-position")
		if first == "" {
			t.Fatal("nobody says where the subscription begins")
		}
		writer.say(keptRoom, numbers(1, 5)...)
		third := reader.hear(numbers(1, 3)...)

		back := dial(b).connect()
		receipt := back.begin("0", keptRoom, "resume:"+third)
		if header(t, receipt, "recovered") != "true" || header(t, receipt, "x-position") == "" {
			t.Errorf("got %q", receipt)
		}
		fifth := back.hear("m4", "m5")
		writer.say(keptRoom, "m6")
		back.hear("m6")

		late := dial(b).connect()
		if receipt := late.begin("0", keptRoom, "resume:"+first); header(t, receipt, "replayed") != "6" {
			t.Errorf("got %q", receipt)
		}
		late.hear(numbers(1, 6)...)
		none := dial(b).connect()
		none.begin("0", keptRoom, "resume:"+fifth)
		if at := none.hear("m6"); at == fifth {
			t.Error("it stands where it was")
		}
	})
}

// TestNotRecovered: who can't go on is told so, by the RECEIPT or on the error channel, and receives what comes then; whatever the
// text is that he has for a position, it ends nothing.
func TestNotRecovered(t *testing.T) {
	n := startOn(t, membus.NewCluster(), gateway.WithFallback("error"))
	other := startOn(t, membus.NewCluster())
	foreign := header(t, other.dialTCP(t).connect().begin("0", keptRoom), "x-position")
	writer, before := n.dialTCP(t).connect(), n.dialTCP(t).connect()
	before.begin("0", keptRoom)
	writer.say(keptRoom, numbers(1, 3)...)
	before.hear(numbers(1, 3)...) // so that none of them comes to those who begin then
	for name, position := range map[string]string{"another log": foreign, "cut": foreign[:len(foreign)-2], "forged": "AAAA", "long": strings.Repeat("A", 5000)} {
		t.Run(name, func(t *testing.T) {
			c := n.dialTCP(t).connect()
			receipt := c.begin("0", keptRoom, "resume:"+position)
			if header(t, receipt, "recovered") != "false" || header(t, receipt, "replayed") != "0" {
				t.Errorf("got %q", receipt)
			}
			c.begin("1", keptRoom, "resume:"+position, "history:2")
			c.hear("m2", "m3")
			c.send("SUBSCRIBE\nid:2\ndestination:" + keptRoom + "\nresume:" + position + "\n\n^@") // perhaps nobody hears of it, and nothing ends
			c.begin("3", "/session/queue/request-error")
			c.send("SUBSCRIBE\nid:4\ndestination:" + keptRoom + "\nclient-request-code:77\nresume:" + position + "\n\n^@")
			frame := c.expect("MESSAGE", "subscription:3")
			if !strings.Contains(frame, `"77"`) { // it is of the one before
				frame = c.expect("MESSAGE", "subscription:3")
			}
			for _, want := range []string{`"clientRequestCode":"77"`, `"errorCode":19`, `"destination":"/topic/kept"`} {
				if !strings.Contains(frame, want) {
					t.Errorf("%q lacks %s", frame, want)
				}
			}
		})
	}
	t.Run("no history", func(t *testing.T) {
		c := n.dialTCP(t).connect()
		if receipt := c.begin("0", "/topic/plain", "resume:"+foreign, "history:3"); header(t, receipt, "recovered") != "false" || strings.Contains(receipt, "x-position") {
			t.Errorf("got %q", receipt)
		}
		c.send("SEND\ndestination:/topic/plain\n\nx^@")
		if frame := c.expect("MESSAGE", "x"); strings.Contains(frame, "x-position") {
			t.Errorf("got %q", frame)
		}
	})
}

// TestLastMessages: a page gets the last messages and then what is live, with one SUBSCRIBE.
func TestLastMessages(t *testing.T) {
	eachTransport(t, func(t *testing.T, dial func(*node) *client) {
		n := start(t)
		writer, c := dial(n).connect(), dial(n).connect()
		c.begin("first", keptRoom)
		writer.say(keptRoom, numbers(1, 120)...)
		c.hear(numbers(1, 120)...)
		for headers, want := range map[string][]string{
			"history:3":              numbers(118, 120),
			"history:500":            numbers(21, 120),
			"history:0":              nil,
			"history:x":              nil,
			"history:-1":             nil,
			"history:99999999999999": numbers(21, 120),
		} {
			late := dial(n).connect()
			late.begin("0", keptRoom, headers)
			late.hear(want...)
		}
		writer.begin("0", keptRoom, "history:1")
		writer.hear("m120")
		writer.send("SEND\ndestination:" + keptRoom + "\n\nm121^@")
		writer.hear("m121")
	})
}

// TestOwnMessagesAfterSubscribe: what a client sends behind a SUBSCRIBE whose answer it does not wait for comes to it, behind the answer.
func TestOwnMessagesAfterSubscribe(t *testing.T) {
	n := start(t)
	c := n.dialTCP(t).connect()
	c.send("SUBSCRIBE\nid:0\ndestination:" + keptRoom + "\nreceipt:begun\n\n^@SEND\ndestination:" + keptRoom + "\n\nm1^@SEND\ndestination:" + keptRoom + "\n\nm2^@")
	place := header(t, c.expect("RECEIPT"), "x-position")
	c.hear("m1", "m2")
	back := n.dialTCP(t).connect()
	back.begin("0", keptRoom, "resume:"+place)
	back.hear("m1", "m2")
}

// TestReplayIsLong: a replay of more than limits.outbound, read slowly, ends nobody as a slow client, and what comes live
// meanwhile follows it.
func TestReplayIsLong(t *testing.T) {
	eachTransport(t, func(t *testing.T, dial func(*node) *client) {
		limits := gateway.Limits{Message: 64 << 10, Outbound: 128 << 10, Connections: 100, ConnectTimeout: patience}
		n := start(t, gateway.WithLimits(limits))
		writer := n.dialTCP(t).connect()
		writer.say(keptRoom, large(1, 50, 30<<10)...)
		c := dial(n).connect()
		c.begin("0", keptRoom, "history:100")
		c.hear(large(1, 10, 30<<10)...)
		writer.say(keptRoom, large(51, 60, 30<<10)...)
		c.hear(large(11, 60, 30<<10)...)
		if slow := n.Figures().SlowCloses; slow != 0 {
			t.Errorf("%d were closed as slow", slow)
		}
	})
}

// large are bodies of so many bytes, a few more.
func large(from, to, size int) (list []string) {
	for _, name := range numbers(from, to) {
		list = append(list, name+strings.Repeat("x", size))
	}
	return list
}

// TestManyReplays: however many subscriptions begin at once, their client is sent what it takes, and is not too slow.
func TestManyReplays(t *testing.T) {
	const subscriptions, kept = 50, 100
	n := start(t)
	n.dialTCP(t).connect().say(keptRoom, large(1, kept, 10<<10)...)
	c := n.dialTCP(t).connect()
	for i := range subscriptions {
		c.send(fmt.Sprintf("SUBSCRIBE\nid:%d\ndestination:%s\nhistory:%d\n\n^@", i, keptRoom, kept))
	}
	for range subscriptions * kept {
		c.expect("MESSAGE")
	}
}

// TestReplayInSmallOutbound: a replay fits a limits.outbound that is no more than limits.message, on each transport.
func TestReplayInSmallOutbound(t *testing.T) {
	eachTransport(t, func(t *testing.T, dial func(*node) *client) {
		n := start(t, gateway.WithLimits(gateway.Limits{Message: 64 << 10, Outbound: 64 << 10, Connections: 100, ConnectTimeout: patience}))
		bodies := large(1, 20, 63<<10)
		n.dialTCP(t).connect().say(keptRoom, bodies...)
		c := dial(n).connect()
		c.begin("0", keptRoom, "history:100")
		c.hear(bodies...)
	})
}

// TestReplayIsAcknowledged: one who acknowledges each message while more are on their way is sent no more than he takes; what is
// behind a full window comes with the ACKs.
func TestReplayIsAcknowledged(t *testing.T) {
	n := start(t)
	bodies := large(1, 1000, 2<<10)
	n.dialTCP(t).connect().say(longRoom, bodies...)
	c := n.dialTCP(t).connect()
	c.begin("0", longRoom, "history:1000", "ack:client-individual")
	n.dialTCP(t).connect().say(longRoom, "live") // which the window holds back
	var acks []string
	for i := range 1001 {
		if i == 1000 {
			for _, ack := range acks {
				c.send("ACK\nid:" + ack + "\n\n^@")
			}
		}
		acks = append(acks, header(t, c.expect("MESSAGE"), "ack"))
	}
}

// TestUnsubscribedAtOnce: what a SUBSCRIBE has asked for does not come behind its UNSUBSCRIBE, nor twice to the next one of that id.
func TestUnsubscribedAtOnce(t *testing.T) {
	n := start(t)
	c := n.dialTCP(t).connect()
	c.say(keptRoom, numbers(1, 3)...)
	subscribe := "SUBSCRIBE\nid:0\ndestination:" + keptRoom + "\nhistory:3\n\n^@"
	c.send(subscribe + "UNSUBSCRIBE\nid:0\n\n^@" + subscribe)
	c.hear(numbers(1, 3)...)
	c.wantAlive()
}

// TestReloadWhileSuspended: a subscription whose login has lapsed, and which new rules allow without one, goes on where it was; and one
// whose destination has no history any more by then ends with what it has begun.
func TestReloadWhileSuspended(t *testing.T) {
	inBubble(t, false, func(t *testing.T, n *bubble) {
		set := func(subscribe string, kept policy.History) {
			n.mustSetRules(t, compile(t, policy.Rules{
				Channels: []policy.Channel{{Match: keptRoom, Subscribe: subscribe, Send: "true", History: kept}},
			}))
			synctest.Wait()
		}
		kept := policy.History{Size: 100, TTL: time.Hour}
		set("has(claims.mu)", kept)
		c, writer := n.dialTCP(t), n.dialTCP(t).connect()
		c.send("CONNECT\naccept-version:1.2\nAuthorization:Bearer " + tokenOf(t, 7, time.Minute) + "\n\n^@")
		c.expect("CONNECTED")
		place := header(t, c.begin("0", keptRoom), "x-position")
		writer.say(keptRoom, "m1")
		c.hear("m1")
		time.Sleep(2 * time.Minute)
		writer.say(keptRoom, "m2")
		set("true", policy.History{})
		writer.say(keptRoom, "m3")
		c.hear("m2", "m3")
		set("true", kept)
		if receipt := writer.begin("0", keptRoom, "resume:"+place); header(t, receipt, "recovered") != "false" {
			t.Errorf("nobody knows what came while there was no history: %q", receipt)
		}
	}, withAuth(t), gateway.WithGrace(0))
}

// pierced is a bus that tells of holes when a test says so.
type pierced struct {
	*membus.Bus
	deliver chan func(bus.Envelope) // of capacity 1: what it receives with
}

func (b *pierced) Receive(ctx context.Context, ready func(), deliver func(bus.Envelope)) error {
	b.deliver <- deliver
	return b.Bus.Receive(ctx, ready, deliver)
}

// TestHoleIsToldOnce: of one event a subscriber hears once, however many holes it makes, and of the next event again. It goes on, also where
// nobody hears of it and others would be told by an ERROR.
func TestHoleIsToldOnce(t *testing.T) {
	name := registry.NewNode(time.Now())
	b := &pierced{membus.NewCluster().Bus(name.String()), make(chan func(bus.Envelope), 1)}
	n := startNode(t, name, b, nil, gateway.WithFallback("error"))
	deliver := <-b.deliver
	writer, c, deaf := n.dialTCP(t).connect(), n.dialTCP(t).connect(), n.dialTCP(t).connect()
	deaf.begin("0", keptRoom)
	c.begin("errors", "/session/queue/request-error")
	c.begin("0", keptRoom)
	for round, event := range []uint32{7, 8, 7} {
		for log := range uint64(12) {
			deliver(bus.Envelope{Mark: &bus.Mark{At: bus.Position{Log: log + 1, Offset: bus.Ended}, Hole: true, Event: event}})
		}
		for range round { // of no event
			deliver(bus.Envelope{Destination: keptRoom, Mark: &bus.Mark{At: bus.Position{Log: 99, Offset: 1}, Hole: true}})
		}
		for range 1 + round {
			if frame := c.expect("MESSAGE", "subscription:errors"); !strings.Contains(frame, `"errorCode":20`) {
				t.Fatalf("got %q", frame)
			}
		}
		writer.say(keptRoom, "m")
		c.hear("m")
		deaf.hear("m")
	}
}

// TestResumeIsJudged: where one was says nothing of whether he may read there now.
func TestResumeIsJudged(t *testing.T) {
	n := start(t)
	c := n.dialTCP(t).connect()
	place := header(t, c.begin("0", keptRoom), "x-position")
	c.begin("errors", "/session/queue/request-error")
	n.mustSetRules(t, compile(t, policy.Rules{
		Channels: []policy.Channel{
			{Match: keptRoom, Subscribe: "has(claims.mu)", Send: "true", History: policy.History{Size: 100, TTL: time.Hour}},
			{Match: "/session/queue/{name}", Subscribe: "true"},
		},
	}))
	c.expect("MESSAGE", "subscription:errors") // its own ends
	n.dialTCP(t).connect().say(keptRoom, "m1")
	for _, headers := range []string{"resume:" + place, "history:10"} {
		c.send("SUBSCRIBE\nid:1\ndestination:" + keptRoom + "\nreceipt:r\n" + headers + "\n\n^@")
		if frame := c.expect("MESSAGE", "subscription:errors"); strings.Contains(frame, "m1") || strings.Contains(frame, `"errorCode":19`) {
			t.Errorf("with %s it got %q", headers, frame)
		}
	}
	c.wantAlive()
}

// TestPatternsHaveNoHistory: who subscribes by a pattern gets what comes live, and no position, beside one who subscribes by the name.
func TestPatternsHaveNoHistory(t *testing.T) {
	n := start(t)
	n.mustSetRules(t, compile(t, policy.Rules{
		Channels: []policy.Channel{{Match: "/topic/**", Subscribe: "true", Send: "true", Patterns: true, History: policy.History{Size: 100, TTL: time.Hour}}},
	}))
	c, d, writer := n.dialTCP(t).connect(), n.dialTCP(t).connect(), n.dialTCP(t).connect()
	c.say(keptRoom, "m1")
	bustest.Eventually(t, "it is kept", func() bool { return n.Figures().History.Messages == 1 }) // it came before the subscription
	if receipt := c.begin("0", "/topic/*", "history:5", "resume:x"); regexp.MustCompile("x-position|true").MatchString(receipt) {
		t.Errorf("got %q", receipt)
	}
	d.begin("0", keptRoom)
	writer.say(keptRoom, "m2")
	if frame := c.expect("MESSAGE", "m2"); strings.Contains(frame, "x-position") {
		t.Errorf("got %q", frame)
	}
	d.hear("m2")
}

// TestLapsedGoesOnWhereItWas: what comes while a login has lapsed comes when it is renewed, without a word of the client's; what has gone by then
// is told as a hole. Meanwhile nothing comes.
func TestLapsedGoesOnWhereItWas(t *testing.T) {
	inBubble(t, false, func(t *testing.T, n *bubble) {
		n.mustSetRules(t, compile(t, policy.Rules{
			Channels: []policy.Channel{
				{Match: keptRoom, Subscribe: "has(claims.mu)", Send: "true", History: policy.History{Size: 5, TTL: time.Hour}},
				{Match: "/topic/elsewhere", Send: "true"},
				{Match: "/session/queue/{name}", Subscribe: "true"},
			},
		}))
		c, writer := n.dialTCP(t), n.dialTCP(t).connect()
		renew := func(command string) {
			c.send(command + "\naccept-version:1.2\ndestination:/topic/elsewhere\nAuthorization:Bearer " + tokenOf(t, 7, time.Minute) + "\n\n^@")
		}
		renew("CONNECT")
		c.expect("CONNECTED")
		c.begin("error", "/session/queue/request-error")
		c.begin("0", keptRoom)
		for round, test := range []struct{ missed, replayed, holes int }{{3, 3, 0}, {0, 0, 0}, {5, 5, 0}, {7, 0, 1}} {
			say := func(from, to int) []string {
				list := numbers(100*round+from, 100*round+to)
				writer.say(keptRoom, list...)
				return list
			}
			c.hear(say(1, 2)...)
			time.Sleep(2 * time.Minute)
			c.expect("MESSAGE", "subscription:error")
			missed := say(3, 2+test.missed)
			synctest.Wait() // until the node keeps them, or one that is due to go is still there
			renew("SEND")
			for range test.holes {
				if frame := c.expect("MESSAGE", "subscription:error"); !strings.Contains(frame, `"errorCode":20`) {
					t.Errorf("got %q", frame)
				}
			}
			c.hear(missed[:test.replayed]...)
		}
	}, withAuth(t), gateway.WithGrace(0))
}

// TestLapsedWhileItReads: a subscription whose login ends while it reads what was kept goes on from there.
func TestLapsedWhileItReads(t *testing.T) {
	inBubble(t, false, func(t *testing.T, n *bubble) {
		n.mustSetRules(t, compile(t, policy.Rules{
			Channels: []policy.Channel{{Match: keptRoom, Subscribe: "has(claims.mu)", Send: "true", History: policy.History{Size: 100, TTL: time.Hour}}},
		}))
		c, writer := n.dialTCP(t), n.dialTCP(t).connect()
		writer.say(keptRoom, large(1, 20, 50<<10)...)
		login := "\naccept-version:1.2\nAuthorization:Bearer " + tokenOf(t, 7, time.Minute) + "\n"
		c.send("CONNECT" + login + "\n^@")
		c.expect("CONNECTED")
		c.begin("0", keptRoom, "history:100")
		time.Sleep(2 * time.Minute) // with some of it on its way
		writer.say(keptRoom, large(21, 22, 50<<10)...)
		c.hear(large(1, 2, 50<<10)...)
		c.send("SEND\ndestination:" + keptRoom + "\nAuthorization:Bearer " + tokenOf(t, 7, time.Hour) + "\n\nlast^@")
		c.hear(append(large(3, 22, 50<<10), "last")...)
	}, withAuth(t), gateway.WithGrace(0))
}

// TestHoppers: clients that come and go between nodes all the time, while others publish, have each message once and in one order.
func TestHoppers(t *testing.T) {
	const publishers, each, hoppers = 4, 100, 20
	cluster := membus.NewCluster()
	nodes := []*node{startOn(t, cluster), startOn(t, cluster)}
	stays := nodes[0].dialTCP(t).connect()
	stays.begin("0", longRoom)
	var wg sync.WaitGroup
	ended := make(chan struct{})
	heard := make([][]string, hoppers)
	for h := range hoppers {
		first := nodes[h%2].dialTCP(t).connect()
		place := header(t, first.begin("0", longRoom), "x-position")
		wg.Go(func() { heard[h] = hop(t, nodes, first, place, rand.New(rand.NewPCG(1, uint64(h))), ended) })
	}
	for p := range publishers {
		c := nodes[p%2].dialTCP(t).connect()
		wg.Go(func() {
			for n := range each {
				c.say(longRoom, fmt.Sprint(p, "-", n))
			}
		})
	}
	var all []string
	for range publishers * each {
		frame := stays.expect("MESSAGE")
		all = append(all, frame[strings.LastIndex(frame, "\n")+1:])
	}
	stays.say(longRoom, "end")
	close(ended)
	wg.Wait()
	for h, list := range heard {
		if !slices.Equal(list, append(slices.Clone(all), "end")) {
			t.Errorf("client %d has %d messages of %d, or in another order", h, len(list), len(all)+1)
		}
	}
}

// hop goes from node to node until it has heard the end, and returns all that it has heard.
func hop(t *testing.T, nodes []*node, c *client, place string, random *rand.Rand, ended <-chan struct{}) (heard []string) {
	for {
		for range random.IntN(20) {
			frame := c.expect("MESSAGE")
			body := frame[strings.LastIndex(frame, "\n")+1:]
			place, heard = header(t, frame, "x-position"), append(heard, body)
			if body == "end" {
				return heard
			}
		}
		c.conn.Close()
		select {
		case <-ended:
		case <-time.After(time.Duration(random.IntN(5)) * time.Millisecond):
		}
		c = nodes[random.IntN(len(nodes))].dialTCP(t).connect()
		if receipt := c.begin("0", longRoom, "resume:"+place); header(t, receipt, "recovered") != "true" {
			t.Errorf("from %s on: %q", place, receipt)
			return heard
		}
	}
}
