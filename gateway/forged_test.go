package gateway_test

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/segmentio/kafka-go"

	"github.com/stompgw/stompgw/bus"
	"github.com/stompgw/stompgw/bus/bustest/servers"
	"github.com/stompgw/stompgw/bus/kafkabus"
	"github.com/stompgw/stompgw/bus/natsbus"
	"github.com/stompgw/stompgw/gateway"
	"github.com/stompgw/stompgw/gateway/policy"
	"github.com/stompgw/stompgw/gateway/registry"
)

// realBroker is one that runs, and what programs do there that are no nodes.
type realBroker struct {
	bus     bus.Bus
	to      policy.To
	publish func(destination, principal string, headers []bus.Header) // principal is empty for all subscribers
	read    func() []bus.Header                                       // what the backend at to gets next, as it stands in the broker
}

// forgedOnKafka has records as any program may write them.
func forgedOnKafka(t *testing.T, name registry.Node) realBroker {
	broker := servers.Kafka(t)
	broker.CreateTopic(t, "stompgw", 1)
	broker.CreateTopic(t, "orders", 1)
	b, err := kafkabus.New(kafkabus.Config{Brokers: []string{broker.Addr}}, name.String(), slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	transport := &kafka.Transport{}
	client := &kafka.Client{Addr: kafka.TCP(broker.Addr), Transport: transport}
	r := kafka.NewReader(kafka.ReaderConfig{Brokers: []string{broker.Addr}, Topic: "orders", MaxWait: 100 * time.Millisecond})
	t.Cleanup(func() { r.Close(); transport.CloseIdleConnections() })
	return realBroker{
		bus: b, to: policy.To{Topic: "orders", Key: "member"},
		publish: func(destination, principal string, headers []bus.Header) {
			t.Helper()
			headers = append([]bus.Header{{Name: "destination", Value: destination}}, headers...)
			if principal != "" {
				headers = append(headers, bus.Header{Name: "principal", Value: principal})
			}
			record := kafka.Record{Value: kafka.NewBytes(nil)}
			for _, h := range headers {
				record.Headers = append(record.Headers, kafka.Header{Key: h.Name, Value: []byte(h.Value)})
			}
			answer, err := client.Produce(t.Context(), &kafka.ProduceRequest{Topic: "stompgw", RequiredAcks: kafka.RequireAll, Records: kafka.NewRecordReader(record)})
			if err != nil || answer.Error != nil {
				t.Fatal(err, answer)
			}
		},
		read: func() (headers []bus.Header) {
			m, err := r.ReadMessage(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			for _, h := range m.Headers {
				headers = append(headers, bus.Header{Name: h.Key, Value: string(h.Value)})
			}
			return headers
		},
	}
}

// forgedOnNATS has messages with headers as they are, and as nodes write those that NATS can't carry. Stomp-Member as it is is not among them: by
// that nodes tell each other, and whoever may publish below the prefix is believed as they are.
func forgedOnNATS(t *testing.T, name registry.Node) realBroker {
	url := "nats://" + servers.NATS(t, 0, "-js", "-sd", t.TempDir()).Addr
	b, err := natsbus.New(natsbus.Config{URL: url}, name.String(), slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	nc, err := nats.Connect(url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(nc.Close)
	orders, err := nc.SubscribeSync("orders")
	if err != nil {
		t.Fatal(err)
	}
	if err := nc.Flush(); err != nil {
		t.Fatal(err)
	}
	return realBroker{
		bus: b, to: policy.To{Subject: "orders"},
		publish: func(destination, principal string, headers []bus.Header) {
			m := &nats.Msg{Subject: "stomp.d" + strings.ReplaceAll(destination, "/", "."), Header: nats.Header{}}
			if principal != "" {
				m.Subject = "stomp.n." + strings.ReplaceAll(name.String(), "/", "=2F")
				m.Header["Stomp-Principal"], m.Header["Stomp-Destination"] = []string{principal}, []string{destination}
			}
			for _, h := range headers {
				if h.Name != "Stomp-Member" && !strings.ContainsAny(h.Name, " ſ") {
					m.Header[h.Name] = append(m.Header[h.Name], h.Value)
				}
				if h.Name != "x-kept" && h.Name != "correlation-id" {
					m.Header["Stomp-Escaped"] = append(m.Header["Stomp-Escaped"], strings.ReplaceAll(h.Name, " ", "%20")+":"+h.Value)
				}
			}
			if err := nc.PublishMsg(m); err != nil {
				t.Fatal(err)
			}
		},
		read: func() (headers []bus.Header) {
			m, err := orders.NextMsgWithContext(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			for name, values := range m.Header {
				for _, value := range values {
					headers = append(headers, bus.Header{Name: name, Value: value})
				}
			}
			return headers
		},
	}
}

// TestForged: over real brokers nobody says in the gateway's stead who sent a message, or where it stands: not to subscribers, nor to a backend. What a
// backend answers reaches the session that has asked, as often as it is said, and what is for nobody reaches nobody.
func TestForged(t *testing.T) {
	t.Parallel()
	for kind, open := range map[string]func(*testing.T, registry.Node) realBroker{"kafka": forgedOnKafka, "nats": forgedOnNATS} {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			name := registry.NewNode(time.Now())
			broker := open(t, name)
			n := startNode(t, name, broker.bus, nil, withAuth(t),
				gateway.WithInterceptor(func(_ context.Context, f *gateway.Frame) error {
					if f.Command == "SEND" {
						f.Header = append(f.Header, forgedSender()...)
					}
					return nil
				}),
				gateway.HandleFunc("/app/rpc/{name}", func(_ context.Context, r *gateway.Request) error {
					r.Publish("/topic/"+r.Vars["name"], nil, forgedSender()...)
					return nil
				}))
			n.mustSetRules(t, fromRules(t, policy.Route{Match: "/app/orders", Allow: "true", To: broker.to}))
			c := n.member(t, 42)
			testForged(t, n, c, broker)
			testForgedAnswers(t, n, c, broker)
		})
	}
}

// clientForges are headers of a frame that say who sends.
const clientForges = "\nstomp-member:1\nSTOMP-Member:2\nstomp-destination:3\nX-Position:4\nx-kept:1\n\n^@"

func testForged(t *testing.T, n *node, c *client, broker realBroker) {
	for _, to := range []struct{ name, from string }{{"from", "42"}, {"kept", "42"}, {"plain", ""}} {
		c.subscribe(to.name, "/topic/"+to.name)
		for _, destination := range []string{"/topic/", "/app/topic/", "/app/rpc/"} { // itself, by a route, by a function of the embedder
			c.send("SEND\ndestination:" + destination + to.name + clientForges)
			c.wantFrom(destination+to.name, to.from)
		}
		broker.publish("/topic/"+to.name, "", forgedSender())
		c.wantFrom("a foreign one to "+to.name, "")
	}
	page, err := n.History(t.Context(), "/topic/kept", "", 1000)
	if err != nil || len(page.Messages) != 4 {
		t.Fatalf("%d messages are kept, %v", len(page.Messages), err)
	}
	for i, m := range page.Messages {
		for _, h := range m.Headers {
			if policy.IsOurs(h.Name) && (h != bus.Header{Name: "stomp-member", Value: "42"} || i == 3) {
				t.Errorf("message %d is kept with %v", i, h)
			}
		}
	}
}

func testForgedAnswers(t *testing.T, n *node, c *client, broker realBroker) {
	c.subscribe("answers", "/session/queue/answers")
	c.send("SEND\ndestination:/app/orders\nclient-request-code:mine\ncorrelation-id:c" + clientForges)
	got := map[string][]string{}
	for _, h := range broker.read() {
		name := strings.ToLower(strings.TrimSpace(h.Name))
		got[name] = append(got[name], h.Value)
	}
	s := n.sessions.Sessions()[0]
	want := map[string][]string{
		"stomp-member": {"42"}, "stomp-destination": {"/app/orders"}, "stomp-session": {n.name.Key(s.ID)}, "stomp-principal": {n.name.Principal(s.ID, s.ConnectedAt)},
		"correlation-id": {"c"}, "x-kept": {"1", "1"},
	}
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("a backend gets %v,\nwant %v", got, want)
	}
	principal := n.name.Principal(s.ID, s.ConnectedAt)
	forged := append(forgedSender(), bus.Header{Name: "client-request-code", Value: "forged"})
	answer := append(forged, bus.Header{Name: "correlation-id", Value: "c"})
	broker.publish("/queue/answers", strings.Replace(principal, "/"+s.ID.String()+"/", "/999/", 1), answer) // for nobody
	for range 2 {
		broker.publish("/queue/answers", principal, answer)
		c.wantFrom("an answer", "")
	}
	broker.publish("/queue/answers", principal, forged)
	c.wantFrom("an answer to nothing", "")
	broker.publish("/queue/answers", principal, answer)
	_, code, _ := strings.Cut(c.expect("MESSAGE", "correlation-id:c"), "\nclient-request-code:")
	if code, _, _ = strings.Cut(code, "\n"); code != "mine" { // of repeated ones the first counts
		t.Errorf("an answer has the code %s", code)
	}
}
