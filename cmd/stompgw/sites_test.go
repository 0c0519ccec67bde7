package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/segmentio/kafka-go"

	"github.com/stompgw/stompgw/bus/bustest"
	"github.com/stompgw/stompgw/bus/bustest/servers"
)

const soakPartitions = 6

// kafkaSite is two nodes on one broker.
func kafkaSite(t *testing.T) *site {
	b := servers.Kafka(t)
	b.CreateTopic(t, topic, soakPartitions)
	log := newKafkaLog(t, b.Addr)
	st := &site{nodes: startSoaked(t, 2, servers.Redis(t).Addr, existing(b.Addr)), log: log}
	st.faults = []fault{
		{"a node killed", func(s *soak) { s.kill(rand.IntN(2)) }},
		{"the broker killed", func(*soak) { b.Kill(); b.Start(t) }},
		{"the topic made anew", func(s *soak) {
			log.anew(s, func() {
				b.DeleteTopic(t, topic)
				b.CreateTopic(t, topic, soakPartitions)
			})
		}},
	}
	return st
}

// kafkaClusterSite is three nodes on a controller and two brokers, where any broker may be elected.
func kafkaClusterSite(t *testing.T) *site {
	one := servers.Kafka(t)
	two, three := servers.Kafka(t, servers.Member(one, 2)), servers.Kafka(t, servers.Member(one, 3))
	one.CreateTopicOn(t, topic, soakPartitions, 2, 3)
	log := newKafkaLog(t, one.Addr)
	st := &site{nodes: startSoaked(t, 3, servers.Redis(t).Addr, existing(one.Addr, two.Addr, three.Addr)), log: log, epochs: true}
	st.faults = []fault{
		{"the leader killed", func(*soak) {
			two.Kill()
			two.Start(t)
			log.awaitInSync(2)
		}},
		{"a node killed", func(s *soak) { s.kill(rand.IntN(3)) }},
		{"an unclean election", func(s *soak) {
			three.Kill()
			log.awaitInSync(1)
			s.pause(time.Second) // what is published now the other one will never have
			two.Kill()
			three.Start(t)
			two.Start(t)
			log.awaitInSync(2)
		}},
		{"the topic made anew", func(s *soak) {
			log.anew(s, func() {
				one.DeleteTopic(t, topic)
				one.CreateTopicOn(t, topic, soakPartitions, 2, 3)
			})
		}},
	}
	return st
}

// kafkaLog is a topic of Kafka.
type kafkaLog struct {
	t      *testing.T
	client *kafka.Client
	writer *kafka.Writer

	mu     sync.Mutex
	life   int
	booked [soakPartitions]int64 // the next offset
}

func newKafkaLog(t *testing.T, addr string) *kafkaLog {
	transport := &kafka.Transport{MetadataTTL: 200 * time.Millisecond}
	l := &kafkaLog{t: t, client: &kafka.Client{Addr: kafka.TCP(addr), Transport: transport}}
	l.writer = &kafka.Writer{
		Addr: kafka.TCP(addr), Transport: transport, MaxAttempts: 1, BatchTimeout: 5 * time.Millisecond,
		WriteTimeout: time.Second, ReadTimeout: time.Second, RequiredAcks: kafka.RequireAll,
		Balancer: kafka.BalancerFunc(func(m kafka.Message, partitions ...int) int {
			if m.Key == nil {
				return partitions[rand.IntN(len(partitions))]
			}
			return kafka.Murmur2Balancer{}.Balance(m, partitions...)
		}),
	}
	t.Cleanup(func() { l.writer.Close(); transport.CloseIdleConnections() })
	return l
}

// publish has no key for two of the rooms, as the services of the replaced system have none.
func (l *kafkaLog) publish(room, body string) {
	m := kafka.Message{Topic: topic, Key: []byte(room), Value: []byte(body), Headers: []kafka.Header{{Key: "destination", Value: []byte(room)}}}
	if strings.HasSuffix(room, "/1") {
		m.Key = nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	_ = l.writer.WriteMessages(ctx, m) // the log is what counts
}

// anew has the topic made anew, when all is booked but what comes in the last moment.
func (l *kafkaLog) anew(s *soak, make func()) {
	l.book(s.t, s.books, s.parse)
	l.mu.Lock()
	defer l.mu.Unlock()
	make()
	l.life++
	l.booked = [soakPartitions]int64{}
}

// book may be called when no broker is away.
func (l *kafkaLog) book(t *testing.T, b *books, parse func(string) said) {
	t.Helper()
	l.mu.Lock()
	defer l.mu.Unlock()
	for partition := range l.booked {
		for end := l.end(partition); l.booked[partition] < end; {
			l.fetch(b, parse, partition)
		}
	}
}

func (l *kafkaLog) end(partition int) (end int64) {
	bustest.Eventually(l.t, "the broker tells the end of its log", func() bool {
		r, err := l.client.ListOffsets(l.t.Context(), &kafka.ListOffsetsRequest{Topics: map[string][]kafka.OffsetRequest{topic: {kafka.LastOffsetOf(partition)}}})
		if err != nil || len(r.Topics[topic]) == 0 || r.Topics[topic][0].Error != nil {
			return false
		}
		end = r.Topics[topic][0].LastOffset
		return true
	})
	return end
}

func (l *kafkaLog) fetch(b *books, parse func(string) said, partition int) {
	ctx, cancel := context.WithTimeout(l.t.Context(), 10*time.Second)
	defer cancel()
	r, err := l.client.Fetch(ctx, &kafka.FetchRequest{
		Topic: topic, Partition: partition, Offset: l.booked[partition], MinBytes: 1, MaxBytes: 1 << 20, MaxWait: 100 * time.Millisecond,
	})
	if err != nil || r.Error != nil {
		return
	}
	for {
		rec, err := r.Records.ReadRecord()
		if err != nil {
			return // the end of what was fetched
		}
		if rec.Offset < l.booked[partition] {
			continue
		}
		l.booked[partition] = rec.Offset + 1
		body, err := kafka.ReadAll(rec.Value)
		if err != nil {
			l.t.Error(err)
		}
		for _, h := range rec.Headers {
			if m := parse(string(body)); h.Key == "destination" && m.by >= 0 {
				b.add(string(h.Value), m, partition, l.life, uint64(rec.Offset)+1) // positions count from 1
			}
		}
	}
}

// awaitInSync returns when each partition has so many replicas that lack nothing.
func (l *kafkaLog) awaitInSync(count int) {
	l.t.Helper()
	bustest.Eventually(l.t, fmt.Sprint(count, " replicas are in sync"), func() bool {
		r, err := l.client.Metadata(l.t.Context(), &kafka.MetadataRequest{Topics: []string{topic}})
		if err != nil || len(r.Topics) == 0 || len(r.Topics[0].Partitions) != soakPartitions {
			return false
		}
		for _, p := range r.Topics[0].Partitions {
			if len(p.Isr) != count {
				return false
			}
		}
		return true
	})
}

// natsSite is two nodes on one server.
func natsSite(t *testing.T) *site {
	server := servers.NATS(t, 0, "-js", "-sd", t.TempDir())
	st := &site{nodes: startSoaked(t, 2, servers.Redis(t).Addr, natsAt(server.Addr)), log: newNATSLog(t, server.Addr), revived: []*servers.Process{server}, ages: true}
	st.faults = append([]fault{
		{"a node killed", func(s *soak) { s.kill(rand.IntN(2)) }},
		{"the server killed", func(*soak) { server.Kill(); server.Start(t) }},
	}, streamFaults(st.log.(*natsLog))...)
	return st
}

// natsClusterSite is three nodes on three servers, each of which has the stream.
func natsClusterSite(t *testing.T) *site {
	members := servers.NATSCluster(t, 3)
	var urls []string
	for _, m := range members {
		urls = append(urls, "nats://"+m.Addr)
	}
	bus := fmt.Sprintf(`bus: { driver: nats, nats: { url: "%s", history: { replicas: 3 } } }`, strings.Join(urls, ","))
	log := newNATSLog(t, members[0].Addr, members[1].Addr, members[2].Addr)
	st := &site{nodes: startSoaked(t, 3, servers.Redis(t).Addr, bus), log: log, revived: members, ages: true}
	st.faults = append([]fault{
		{"a leader that steps down", func(*soak) { log.stepDown() }},
		{"a server killed", func(*soak) {
			m := members[rand.IntN(3)]
			m.Kill()
			m.Start(t)
		}},
		{"a node killed", func(s *soak) { s.kill(rand.IntN(3)) }},
	}, streamFaults(log)...)
	return st
}

// embeddedSite is two nodes on the server that is embedded in one of them.
func embeddedSite(t *testing.T) *site {
	redis, nats := servers.Redis(t).Addr, freeAddr(t)
	host := run(t, "", []string{"serve", "--standalone", "--config", soakFile(t, "")},
		"STOMPGW_EMBEDDED_REDIS=127.0.0.1:0", "STOMPGW_EMBEDDED_NATS="+nats)
	st := &site{nodes: append(startSoaked(t, 1, redis, natsAt(nats)), host), log: newNATSLog(t, nats), ages: true}
	st.faults = append([]fault{
		{"a node killed", func(s *soak) { s.kill(0) }},
		{"the node with the server killed", func(s *soak) { s.kill(1) }},
	}, streamFaults(st.log.(*natsLog))...)
	return st
}

func streamFaults(l *natsLog) []fault {
	return []fault{
		{"the stream purged", func(s *soak) {
			l.bookNow(s)
			s.eventually("the stream is purged", func() bool { return l.stream.PurgeStream(soakStream) == nil })
		}},
		{"the stream made anew", func(s *soak) {
			l.bookNow(s)
			s.eventually("the stream is deleted", func() bool { return l.stream.DeleteStream(soakStream) == nil })
			s.eventually("the nodes have made it anew", func() bool { _, err := l.stream.StreamInfo(soakStream); return err == nil })
		}},
	}
}

const (
	soakStream = "STOMPGW"
	answerTime = 30 * time.Second // that a server may take to answer: each step takes one seconds that runs in a node, beside all other tests
	fetchTime  = 5 * time.Second  // until messages are asked for again, as a server that is killed forgets who has
)

// natsLog is the stream of the nodes.
type natsLog struct {
	t      *testing.T
	conn   *nats.Conn
	stream nats.JetStreamContext

	mu     sync.Mutex
	made   time.Time
	life   int
	booked uint64 // the last sequence
}

func newNATSLog(t *testing.T, addrs ...string) *natsLog {
	conn, err := nats.Connect("nats://"+strings.Join(addrs, ",nats://"), nats.MaxReconnects(-1), nats.ReconnectWait(50*time.Millisecond))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(conn.Close)
	stream, err := conn.JetStream(nats.MaxWait(answerTime))
	if err != nil {
		t.Fatal(err)
	}
	return &natsLog{t: t, conn: conn, stream: stream}
}

func (l *natsLog) publish(room, body string) {
	_ = l.conn.Publish("stomp.d"+strings.ReplaceAll(room, "/", "."), []byte(body)) // the stream is what counts
}

// book books as much as the server brings. While one is away that may be nothing.
func (l *natsLog) book(_ *testing.T, b *books, parse func(string) said) {
	_ = l.bookAll(b, parse)
}

// bookNow books all that there is.
func (l *natsLog) bookNow(s *soak) {
	err := error(nil)
	defer func() {
		if err != nil {
			l.t.Log(err)
		}
	}()
	s.eventually("all is booked", func() bool { err = l.bookAll(s.books, s.parse); return err == nil })
}

// bookAll fails while a server is away.
func (l *natsLog) bookAll(b *books, parse func(string) said) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	info, err := l.stream.StreamInfo(soakStream)
	if err != nil {
		return err
	}
	if !info.Created.Equal(l.made) {
		if !l.made.IsZero() {
			l.life++
		}
		l.made, l.booked = info.Created, 0
	}
	if l.booked >= info.State.LastSeq {
		return nil
	}
	sub, err := l.stream.PullSubscribe("", "", nats.BindStream(soakStream), nats.StartSequence(l.booked+1), nats.AckNone(),
		nats.InactiveThreshold(10*answerTime))
	if err != nil {
		return err
	}
	defer sub.Unsubscribe()
	for l.booked < info.State.LastSeq {
		messages, err := sub.Fetch(1000, nats.MaxWait(fetchTime))
		if err != nil {
			return fmt.Errorf("%d of %d messages are booked: %w", l.booked, info.State.LastSeq, err)
		}
		for _, m := range messages {
			meta, err := m.Metadata()
			if err != nil {
				return err
			}
			if said := parse(string(m.Data)); said.by >= 0 {
				b.add(roomOf(m.Subject), said, 0, l.life, meta.Sequence.Stream)
			}
			l.booked = meta.Sequence.Stream
		}
	}
	return nil
}

// roomOf is the destination of a subject.
func roomOf(subject string) string {
	return strings.ReplaceAll(strings.TrimPrefix(subject, "stomp.d"), ".", "/")
}

func (l *natsLog) stepDown() {
	if _, err := l.conn.Request("$JS.API.STREAM.LEADER.STEPDOWN."+soakStream, nil, 2*time.Second); err != nil {
		l.t.Log("step down: ", err)
	}
}
